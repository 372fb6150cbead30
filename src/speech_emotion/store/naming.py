"""Names of files that are made of what users call their speakers."""

import hashlib
import re

PLAIN = re.compile(r"[\w+-][\w+.-]*")
MOST_BYTES = 120  # a file's name holds 255 at most, and others add to it
KEPT = 60  # characters of a name that is no file's


def file_name(name: str) -> str:
    """`name` itself where a file can bear it; else what is left of it, and a hash that tells it from others."""
    if PLAIN.fullmatch(name) and len(name.encode()) <= MOST_BYTES:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{re.sub(r'[^A-Za-z0-9_+-]+', '_', name)[:KEPT]}-{digest}"
