"""What all components have in common: the image that they run in, which holds the package and kfp."""

import functools

from kfp import dsl

# As make images names them; pipelines put address and digest in their place where they have been pushed.
CPU, CUDA = "speech-emotion-cpu", "speech-emotion-cuda"

step_component = functools.partial(dsl.component, base_image=CPU, install_kfp_package=False)
