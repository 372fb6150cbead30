"""What all components have in common: the image that they run in, which holds the package and kfp."""

import functools

from kfp import dsl

IMAGE = "speech-emotion/steps"  # as make images names it; for a cluster pipelines put registry and digest in its place

step_component = functools.partial(dsl.component, base_image=IMAGE, install_kfp_package=False)
