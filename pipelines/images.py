"""The images that tasks run in: the local build on this machine, the pushed image by digest on a cluster."""

from components.images.names import local_image, read_digests


def image(cuda: bool = False, local: bool = False) -> str:
    """The address of an image.

    Args:
        cuda: the CUDA image in place of the CPU image.
        local: the local name, even if the image was pushed.

    Returns:
        the address with digest; the local name if the image was never pushed, which `submit` and `schedule` refuse.

    Raises:
        UserError: the file of digests is damaged.
    """
    variant = "cuda" if cuda else "cpu"
    published = None if local else getattr(read_digests(), variant)
    return published.image if published else local_image(variant)
