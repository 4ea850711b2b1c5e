"""Picture files for the local engine's tests, and their way through `load` and `save` without the networks."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
import tifffile
from defusedxml import ElementTree
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.support import pictures
from upscaler.imaging import codec
from upscaler.imaging.codec import Picture

SIZE = (60, 40)
XMP_SOURCE_TYPE = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
TERMS = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def photograph(mode: str = "RGB") -> Image.Image:
    """A photograph; where the mode has transparency, it fades to the right."""
    image = pictures.photograph("coffee", SIZE)
    if mode in ("LA", "RGBA"):
        image.putalpha(Image.linear_gradient("L").rotate(90).resize(SIZE).point(lambda value: max(1, value)))
    return image.convert(mode)


def deep_tiff(values: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    channels = values.shape[2]
    options.setdefault("photometric", "rgb" if channels > 2 else "minisblack")
    extra = ["unassalpha"] if channels in (2, 4) else None
    tifffile.imwrite(buffer, values if channels > 1 else values[..., 0], extrasamples=extra, **options)
    return buffer.getvalue()


def load(tmp_path: Path, content: bytes) -> Picture:
    (tmp_path / "source").write_bytes(content)
    return codec.load(tmp_path / "source")


def canvas_of(source: Picture) -> np.ndarray:
    """The source's own pixels as `save` takes a result's."""
    colours = source.pixels[..., :1] if source.grey else source.pixels
    parts = colours if source.alpha is None else np.concatenate([colours, source.alpha[..., None]], axis=2)
    return np.ascontiguousarray(parts)


class RoundTrip:
    """One file through `load` and `save`."""

    def __init__(self, tmp_path: Path, content: bytes, to: str | None = None, *, generative: bool = False) -> None:
        self.source = load(tmp_path, content)
        self.format = codec.result_format(to or self.source.format, self.source.width, self.source.height)
        self.path = tmp_path / "result"
        codec.save(canvas_of(self.source), self.path, self.format, self.source, generative=generative)
        self.content = self.path.read_bytes()
        self.image = Image.open(io.BytesIO(self.content))
        self.image.load()
        assert self.image.format == self.format

    @property
    def deep(self) -> np.ndarray:
        read = pyvips.Image.new_from_buffer(self.content, "")
        return read.numpy().reshape(read.height, read.width, read.bands)

    @property
    def xmp(self) -> Any:
        packet = self.image.info.get("xmp") or self.image.info["XML:com.adobe.xmp"]
        return ElementTree.fromstring(packet)

    @property
    def source_types(self) -> list[str]:
        found = [one.get(XMP_SOURCE_TYPE) for one in self.xmp.iter(f"{RDF}Description") if one.get(XMP_SOURCE_TYPE)]
        return found + [one.text or one.get(f"{RDF}resource") for one in self.xmp.iter(XMP_SOURCE_TYPE)]


def difference(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one, float) - np.asarray(other, float)).mean())


def camera_data(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112], exif[0x8298] = "A camera", orientation, "© Zoë".encode()
    inner = exif.get_ifd(0x8769)
    inner[0xA001], inner[0xA002], inner[0xA003] = 1, 10, 20
    inner[0x9003] = "2026:01:02 03:04:05"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 30.0, 1.5)})
    return exif


PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="uuid:7"'
    ' xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"'
    ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
    ' xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    ' tiff:Orientation="6" GCamera:MotionPhoto="1"{mark}>'
    "<exif:PixelXDimension>10</exif:PixelXDimension><exif:PixelYDimension>20</exif:PixelYDimension>"
    "<xmp:Thumbnails>old</xmp:Thumbnails>"
    "<dc:creator><rdf:Seq><rdf:li>Zoë</rdf:li></rdf:Seq></dc:creator></rdf:Description></rdf:RDF></x:xmpmeta>"
    '<?xpacket end="w"?>'
)


def with_xmp(source_format: str, packet: bytes) -> bytes:
    if source_format == "PNG":
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", packet.decode())
        return pictures.encoded(photograph(), "PNG", pnginfo=info)
    if source_format == "TIFF":
        return pictures.encoded(photograph(), "TIFF", tiffinfo={700: packet})
    return pictures.encoded(photograph(), source_format, xmp=packet)
