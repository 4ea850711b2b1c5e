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
        PictureFormat("HEIF", "HEIC", (".heic", ".heif", ".hif"), "image/heic"),
        PictureFormat("AVIF", "AVIF", (".avif",), "image/avif"),
        PictureFormat("JXL", "JPEG XL", (".jxl",), "image/jxl"),
    )
}
"""The formats that are read, by Pillow's name."""
RESULT_FORMATS = {known.name: known.title for known in FORMATS.values() if known.is_for_results}
"""The formats that a result may be asked for in, by Pillow's name, each with the name that people know."""

_titles = [known.title for known in FORMATS.values()]
FORMATS_IN_WORDS = f"{', '.join(_titles[:-1])} or {_titles[-1]}"
ACCEPT = ",".join(
    [known.media_type for known in FORMATS.values()]
    # Many systems know no media type for these.
    + [ending for name in ("HEIF", "JXL") for ending in FORMATS[name].endings]
)
"""For a form's field of files."""


class _Known(NamedTuple):
    """A kind of file that people take for a picture, and that is not read."""

    kind: str
    """With its article."""
    way_out: str


_RAW = _Known("a camera's raw file", "Develop it, export the picture as TIFF, PNG or JPEG, and upload that.")
_VIDEO = _Known("a video", "Save the moment that you want as a picture, and upload that.")
_DRAWING = "a drawing made of lines, not a picture made of pixels"
_EXPORT = "Export it as a PNG in the size that you need, and upload that."
_BY_MARK: tuple[tuple[int, bytes, _Known], ...] = (
    (0, b"8BPS", _Known("a Photoshop document", "Save it as TIFF or PNG, and upload that.")),
    (0, b"%PDF", _Known("a PDF, not a picture", "Export the picture as PNG or JPEG, and upload that.")),
    (0, b"%!PS", _Known(f"an EPS or PostScript file, {_DRAWING}", _EXPORT)),
    (0, b"\xc5\xd0\xd3\xc6", _Known(f"an EPS file, {_DRAWING}", _EXPORT)),
    (0, b"\0\0\1\0", _Known("an icon (ICO) of several sizes", "Save the largest as PNG, and upload that.")),
    (0, b"gimp xcf", _Known("a GIMP document (XCF)", "Export it as TIFF or PNG, and upload that.")),
    (0, b"FUJIFILMCCD-RAW", _RAW),
    (0, b"IIRO", _RAW),
    (0, b"IIRS", _RAW),
    (0, b"MMOR", _RAW),
    (0, b"IIU\0", _RAW),
    (8, b"CR\2", _RAW),
    (4, b"ftypcrx ", _RAW),
    (0, b"\x1aE\xdf\xa3", _VIDEO),
    (4, b"moov", _VIDEO),
    (0, b"PK\3\4", _Known("a ZIP archive, not a picture", "Unpack it, and upload the pictures.")),
    (0, b"\0\0\0\x0cjP  ", _Known("a JPEG 2000", "Save it as TIFF or PNG, and upload that.")),
    (0, b"\x76\x2f\x31\x01", _Known("an OpenEXR picture", "Save it as TIFF with 16 bits a channel, and upload that.")),
)
"""Where in a file which bytes say what it is."""
_VIDEO_BRANDS = (
    b"qt  ",
    b"isom",
    b"iso2",
    b"iso4",
    b"iso5",
    b"iso6",
    b"mp41",
    b"mp42",
    b"avc1",
    b"M4V ",
    b"3gp4",
    b"3gp5",
)
MARKS_LENGTH = 4096
"""How many of a file's first bytes `known_refusal` looks at."""


def known_refusal(head: bytes) -> str:
    """What a file is that can't be read, and what to do instead, as “a PDF. Export ...”; empty for an unknown one.

    ``head``: the first `MARKS_LENGTH` bytes.
    """
    for place, mark, known in _BY_MARK:
        if head[place : place + len(mark)] == mark:
            return f"{known.kind}. {known.way_out}"
    if head[4:8] == b"ftyp" and head[8:12] in _VIDEO_BRANDS:
        return f"{_VIDEO.kind}. {_VIDEO.way_out}"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<svg", b"<?xml")) and b"<svg" in start:
        return f"an SVG, {_DRAWING}. {_EXPORT}"
    return ""
