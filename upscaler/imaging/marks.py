"""What a file says of how it was made: IPTC's mark of AI in its XMP, and whether it holds Content Credentials.

Read in the process that reads strangers' pictures (`in_child`), without decoding a pixel; Django-free.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

from upscaler.imaging import structure
from upscaler.imaging.codec import metadata
from upscaler.imaging.measuring import SOURCE_TYPE

CREDENTIALS = b"jumdc2pa"
"""How the box begins that holds Content Credentials, in every format (C2PA 2.1, "Embedding manifests")."""


def in_child(source: Path, target: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Read ``source``; nothing is written to ``target``.

    Its JSON answer: ``source_type`` (the last part of IPTC's DigitalSourceType, empty for none) and ``credentials``
    (whether there are any; not whether they are good). Raises whatever the decoders raise.
    """
    with structure.opened(source) as image:
        # Upright or not, the packet is the same.
        packet = metadata.read(image, orientation=1).xmp or b""
    found = SOURCE_TYPE.search(packet.replace(b"\0", b""))
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        credentials = content.find(CREDENTIALS) >= 0
    return {"source_type": found.group(1).decode() if found else "", "credentials": credentials}
