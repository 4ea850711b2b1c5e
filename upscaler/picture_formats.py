"""The picture formats that the desk knows, once for all: what it reads, what it writes results as, and their names."""

from __future__ import annotations

from typing import NamedTuple


class PictureFormat(NamedTuple):
    """One format of picture files."""

    name: str
    """Pillow's name of it, as rows and the API have it."""
    title: str
    """The name that people know."""
    endings: tuple[str, ...]
    """How its files' names may end, the usual way first, each with its dot."""
    media_type: str
    is_for_results: bool = False
    """Whether a result may be asked for in it."""
    too_large: str = ""
    """What is said where a result is more than the format can hold, and became a PNG; empty for one that holds all."""

    @property
    def extension(self) -> str:
        """The usual ending, with its dot."""
        return self.endings[0]


JPEG = PictureFormat(
    "JPEG",
    "JPEG",
    (".jpg", ".jpeg"),
    "image/jpeg",
    is_for_results=True,
    too_large="The result is too long for a JPEG, so it is a PNG.",
)
PNG = PictureFormat("PNG", "PNG", (".png",), "image/png", is_for_results=True)
WEBP = PictureFormat(
    "WEBP",
    "WebP",
    (".webp",),
    "image/webp",
    is_for_results=True,
    too_large="The result is too large for a WebP, so it is a PNG.",
)

FORMATS = {
    known.name: known
    for known in (
        JPEG,
        PNG,
        WEBP,
        PictureFormat("TIFF", "TIFF", (".tif", ".tiff"), "image/tiff"),
        PictureFormat("BMP", "BMP", (".bmp",), "image/bmp"),
        PictureFormat("GIF", "GIF", (".gif",), "image/gif"),
        PictureFormat("AVIF", "AVIF", (".avif",), "image/avif"),
    )
}
"""The formats that are read, by Pillow's name."""
RESULT_FORMATS = {known.name: known.title for known in FORMATS.values() if known.is_for_results}
"""The formats that a result may be asked for in, by Pillow's name, each with the name that people know."""

_titles = [known.title for known in FORMATS.values()]
FORMATS_IN_WORDS = f"{', '.join(_titles[:-1])} or {_titles[-1]}"
ACCEPT = ",".join(known.media_type for known in FORMATS.values())
"""For a form's field of files."""
