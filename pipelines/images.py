"""The images that tasks run in: on this machine as they were built, on a cluster by digest where they were pushed."""

from components.images.names import local_image, read_digests


def image(cuda: bool = False, local: bool = False) -> str:
    """The address of the CPU or the CUDA image; without a digest it has its local name, which no cluster is sent.

    Raises:
        UserError: the file of digests is damaged.
    """
    variant = "cuda" if cuda else "cpu"
    published = None if local else getattr(read_digests(), variant)
    return published.image if published else local_image(variant)
