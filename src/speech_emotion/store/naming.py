"""File names made from names that users gave, such as those of speakers."""

import hashlib
import re

PLAIN = re.compile(r"[\w+-][\w+.-]*")
MOST_BYTES = 120  # a file's name may have 255, and callers append to it
KEPT = 60  # characters of a name that is not a valid file name


def file_name(name: str) -> str:
    """`name` itself if it is a safe file name; else its safe characters with a hash that makes it unique."""
    if PLAIN.fullmatch(name) and len(name.encode()) <= MOST_BYTES:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{re.sub(r'[^A-Za-z0-9_+-]+', '_', name)[:KEPT]}-{digest}"
