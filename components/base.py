"""The decorator of all components: it sets the image that they run in, which contains the package and kfp."""

import functools

from kfp import dsl

# The names that make images gives; pipelines replace them by address and digest once the images are pushed.
CPU, CUDA = "speech-emotion-cpu", "speech-emotion-cuda"

step_component = functools.partial(dsl.component, base_image=CPU, install_kfp_package=False)
