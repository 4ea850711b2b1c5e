"""Files in and out without the networks: what `load` reads and `save` writes, on real photographs."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
import tifffile
from defusedxml import ElementTree
from PIL import ExifTags, Image, ImageCms

from tests import pictures, profiles
from tests.pictures import deep, deep_png
from upscaler.engines.base import EngineError
from upscaler.engines.local import picture
from upscaler.engines.local.picture import Picture

pytestmark = pytest.mark.engine

SIZE = (60, 40)
IIM = b"\x1c\x02\x78\x00\x05A cap"  # caption
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
    return picture.load(tmp_path / "source")


def canvas_of(source: Picture) -> np.ndarray:
    """The source's own pixels as `save` takes a result's."""
    colours = source.pixels[..., :1] if source.grey else source.pixels
    parts = colours if source.alpha is None else np.concatenate([colours, source.alpha[..., None]], axis=2)
    return np.ascontiguousarray(parts)


class RoundTrip:
    """One file through `load` and `save`."""

    def __init__(self, tmp_path: Path, content: bytes, to: str | None = None, *, generative: bool = False) -> None:
        self.source = load(tmp_path, content)
        self.format = picture.result_format(to or self.source.format, self.source.width, self.source.height)
        self.path = tmp_path / "result"
        picture.save(canvas_of(self.source), self.path, self.format, self.source, generative=generative)
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


# Pixels, per format and mode

LOSSLESS = {
    # format and mode of the source: mode of the result
    "PNG 1": "L", "PNG L": "L", "PNG LA": "LA", "PNG P": "RGB", "PNG RGB": "RGB", "PNG RGBA": "RGBA",
    "TIFF 1": "L", "TIFF L": "L", "TIFF LA": "LA", "TIFF P": "RGB", "TIFF RGB": "RGB", "TIFF RGBA": "RGBA",
    "BMP 1": "L", "BMP L": "L", "BMP P": "RGB", "BMP RGB": "RGB",
    "GIF 1": "L", "GIF L": "L", "GIF P": "RGB", "AVIF RGB": "RGB", "AVIF RGBA": "RGBA",
}  # fmt: skip


@pytest.mark.parametrize("case", LOSSLESS)
def test_every_pixel_of_a_lossless_result_is_the_source_s(case: str, tmp_path: Path) -> None:
    source_format, mode = case.split()
    content = pictures.encoded(photograph(mode), source_format)
    done = RoundTrip(tmp_path, content)
    with Image.open(io.BytesIO(content)) as opened:
        expected = opened.convert(LOSSLESS[case])
    assert (done.format, done.image.mode) == ("PNG", LOSSLESS[case])
    assert np.array_equal(np.asarray(done.image), np.asarray(expected))


@pytest.mark.parametrize(
    ("source_format", "mode", "result_mode"),
    [
        ("JPEG", "RGB", "RGB"),
        ("JPEG", "L", "L"),
        ("MPO", "RGB", "RGB"),
        ("WEBP", "RGB", "RGB"),
        ("WEBP", "RGBA", "RGBA"),
    ],
)
def test_jpeg_and_webp_stay_what_they_are_and_lose_next_to_nothing(
    source_format: str, mode: str, result_mode: str, tmp_path: Path
) -> None:
    content = pictures.encoded(photograph(mode), source_format, quality=95)
    done = RoundTrip(tmp_path, content)
    assert (done.format, done.image.mode) == ({"MPO": "JPEG"}.get(source_format, source_format), result_mode)
    with Image.open(io.BytesIO(content)) as opened:
        assert difference(done.image, opened.convert(result_mode)) < 2.5


def test_a_jpeg_result_has_its_colours_in_full_resolution(tmp_path: Path) -> None:
    done = RoundTrip(tmp_path, pictures.encoded(photograph(), "JPEG", subsampling="4:2:0"))
    assert [layer[1:3] for layer in done.image.layer] == [(1, 1)] * 3  # type: ignore[attr-defined]
    assert picture.load(done.path).jpeg_quality == 95


def test_a_jpeg_without_its_colour_transform_is_read_by_adobe_s_marker(tmp_path: Path) -> None:
    content = pictures.encoded(photograph(), "JPEG", quality=95, keep_rgb=True)
    assert difference(RoundTrip(tmp_path, content).image, photograph()) < 3


def test_a_lossless_webp_comes_out_as_webp(tmp_path: Path) -> None:
    done = RoundTrip(tmp_path, pictures.encoded(photograph("RGBA"), "WEBP", lossless=True))
    assert done.format == "WEBP"
    assert difference(done.image, photograph("RGBA")) < 4


@pytest.mark.parametrize("name", ["one transparent colour", "steps of transparency"])
def test_a_palette_keeps_its_transparency(name: str, tmp_path: Path) -> None:
    palette = photograph().quantize(16)
    steps: Any = 3 if name == "one transparent colour" else bytes([0, 64, 128, 200, *[255] * 12])
    done = RoundTrip(tmp_path, pictures.encoded(palette, "PNG", transparency=steps))
    alphas = [0 if index == 3 else 255 for index in range(16)] if steps == 3 else list(steps)
    assert done.image.mode == "RGBA"
    assert np.array_equal(np.asarray(done.image)[..., 3], np.array(alphas)[np.asarray(palette)])


def test_lab_becomes_srgb(tmp_path: Path) -> None:
    transform = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    content = pictures.encoded(ImageCms.applyTransform(photograph(), transform), "TIFF")
    done = RoundTrip(tmp_path, content)
    assert done.image.mode == "RGB"
    assert difference(done.image, photograph()) < 3


def test_a_tiff_in_ycbcr(tmp_path: Path) -> None:
    content = pictures.encoded(photograph(), "TIFF", compression="jpeg", quality=95)
    assert difference(RoundTrip(tmp_path, content).image, photograph()) < 3


# 16 bits


# Of grey with alpha in 16 bits, Pillow reads PNG alone.
@pytest.mark.parametrize(
    ("source_format", "channels"),
    [("PNG", 1), ("PNG", 2), ("PNG", 3), ("PNG", 4), ("TIFF", 1), ("TIFF", 3), ("TIFF", 4)],
)
def test_sixteen_bits_are_read_and_written_to_the_last_one(source_format: str, channels: int, tmp_path: Path) -> None:
    values = deep(channels)
    content = deep_png(values) if source_format == "PNG" else deep_tiff(values)
    done = RoundTrip(tmp_path, content)
    assert done.source.pixels.dtype == np.uint16
    assert (done.source.pixels.min(), done.source.pixels.max()) == (0, 65535)
    assert done.source.grey == (channels < 3)
    seen = values[..., -1] > 0 if channels in (2, 4) else np.ones(values.shape[:2], bool)
    assert np.array_equal(done.deep[seen], values[seen])
    assert done.deep.dtype == np.uint16


@pytest.mark.parametrize("to", ["JPEG", "WEBP"])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_are_rounded_for_a_format_with_eight(to: str, channels: int, tmp_path: Path) -> None:
    flat = np.full((32, 32, channels), 200 * 257 - 100, np.uint16)
    result = np.asarray(RoundTrip(tmp_path, deep_png(flat), to).image.convert("RGB"), int)
    assert np.abs(result - 200).max() <= 1
    white = RoundTrip(tmp_path, deep_png(np.full((32, 32, channels), 65535, np.uint16)), to)
    assert (np.asarray(white.image) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_deep_tiff_is_turned_like_any_other(orientation: int, tmp_path: Path) -> None:
    turned = load(tmp_path, deep_tiff(deep(3), extratags=[(274, 3, 1, orientation, True)]))
    shallow = (deep(3) >> 8).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    same = load(tmp_path, pictures.encoded(Image.fromarray(shallow), "PNG", exif=exif))
    assert np.array_equal(turned.pixels >> 8, same.pixels)


def test_a_deep_tiff_s_premultiplied_colours_are_undone(tmp_path: Path) -> None:
    values = np.full((8, 8, 4), 20000, np.uint16)
    values[..., 3] = 32768
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, photometric="rgb", extrasamples=["assocalpha"])
    source = load(tmp_path, buffer.getvalue())
    assert source.alpha is not None
    assert (source.alpha == 32768).all()
    assert np.abs(source.pixels.astype(int) - 40000).max() <= 2


@pytest.mark.parametrize(("mode", "top"), [("I", 65535), ("I", 255), ("F", 1.0), ("F", 255.0)])
def test_numbers_with_32_bits_are_spread_over_their_range(mode: str, top: float, tmp_path: Path) -> None:
    ramp = np.linspace(0, top, 64, dtype=np.float32)[None].repeat(8, axis=0)
    content = pictures.encoded(Image.fromarray(ramp.astype(np.int32 if mode == "I" else np.float32)), "TIFF")
    source = load(tmp_path, content)
    assert source.pixels.dtype == np.uint16
    assert (source.pixels[0, 0, 0], source.pixels[0, -1, 0]) == (0, 65535)


# Transparency in a format without


@pytest.mark.parametrize("values", [8, 16])
def test_transparency_becomes_white_in_a_jpeg(values: int, tmp_path: Path) -> None:
    cut_out = np.asarray(Image.open(io.BytesIO(pictures.cut_out())))
    content = pictures.cut_out() if values == 8 else deep_png(cut_out.astype(np.uint16) * 257)
    done = RoundTrip(tmp_path, content, "JPEG")
    assert done.image.mode == "RGB"
    assert done.image.getpixel((0, 0)) == (255, 255, 255)
    assert difference(done.image.crop((18, 18, 30, 30)), Image.fromarray(cut_out[18:30, 18:30, :3])) < 6


# Profiles

RGB_PROFILES = {"Display P3": profiles.P3, "Adobe RGB": profiles.adobe_rgb()}


def test_the_test_s_own_adobe_rgb_is_what_it_says() -> None:
    to_srgb = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(profiles.adobe_rgb())), ImageCms.createProfile("sRGB"), "RGB", "RGB"
    )
    samples = Image.fromarray(np.array([[[255, 255, 255], [128, 128, 128], [144, 160, 176]]], np.uint8))
    white, grey, muted = np.asarray(ImageCms.applyTransform(samples, to_srgb), int)[0]
    assert (np.abs(white - 255) <= 1).all()
    assert (np.abs(grey - 127) <= 2).all()
    # By the two standards' formulae: gamma 2.19921875, the matrices, sRGB's curve.
    assert (np.abs(muted - [138.2, 161.5, 178.2]) <= 1).all()


@pytest.mark.parametrize("name", RGB_PROFILES)
@pytest.mark.parametrize("source_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("to", [None, "JPEG", "PNG", "WEBP"])
def test_a_profile_comes_out_byte_by_byte(name: str, source_format: str, to: str | None, tmp_path: Path) -> None:
    content = pictures.encoded(photograph(), source_format, icc_profile=RGB_PROFILES[name])
    assert RoundTrip(tmp_path, content, to).image.info["icc_profile"] == RGB_PROFILES[name]


def test_a_deep_picture_keeps_its_profile(tmp_path: Path) -> None:
    content = deep_tiff(deep(3), iccprofile=RGB_PROFILES["Adobe RGB"])
    done = RoundTrip(tmp_path, content)
    assert done.image.info["icc_profile"] == RGB_PROFILES["Adobe RGB"]
    assert np.array_equal(done.deep, deep(3))


@pytest.mark.parametrize("source_format", ["JPEG", "PNG", "TIFF"])
def test_a_grey_profile_stays_with_grey(source_format: str, tmp_path: Path) -> None:
    content = pictures.encoded(photograph("L"), source_format, icc_profile=profiles.grey(1.8))
    done = RoundTrip(tmp_path, content)
    assert (done.image.mode, done.image.info["icc_profile"]) == ("L", profiles.grey(1.8))


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_a_webp_shows_a_grey_profile_s_shades_by_its_pixels(mode: str, tmp_path: Path) -> None:
    content = pictures.encoded(photograph(mode), "PNG", icc_profile=profiles.grey(1.0))
    done = RoundTrip(tmp_path, content, "WEBP")
    assert "icc_profile" not in done.image.info
    linear = np.asarray(photograph("L"), float) / 255
    srgb = 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(np.asarray(done.image)[..., 1] - srgb).mean() < 3


@pytest.mark.parametrize("source_format", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb_by_its_own_profile(source_format: str, tmp_path: Path) -> None:
    press = ImageCms.ImageCmsProfile(io.BytesIO(profiles.CMYK))
    to_press = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), press, "RGB", "CMYK", renderingIntent=1)
    content = pictures.encoded(
        ImageCms.applyTransform(photograph(), to_press), source_format, icc_profile=profiles.CMYK
    )
    done = RoundTrip(tmp_path, content)
    assert done.image.mode == "RGB"
    assert "sRGB" in ImageCms.getProfileDescription(io.BytesIO(done.image.info["icc_profile"]))
    by_formula = ImageCms.applyTransform(photograph(), to_press).convert("RGB")
    assert difference(done.image, photograph()) < 0.7 * difference(by_formula, photograph())


def test_cmyk_without_a_profile_keeps_white_and_black(tmp_path: Path) -> None:
    inks = Image.new("CMYK", (16, 8))
    inks.paste((0, 0, 0, 255), (8, 0, 16, 8))
    done = RoundTrip(tmp_path, pictures.encoded(inks, "TIFF"))
    assert (done.image.getpixel((0, 0)), done.image.getpixel((15, 0))) == ((255, 255, 255), (0, 0, 0))
    assert "icc_profile" not in done.image.info


BROKEN_PROFILES = {
    "no profile at all": b"no profile at all",
    "half a profile": profiles.adobe_rgb()[:300],
    "a profile for inks": profiles.CMYK,
    "a profile for grey": profiles.grey(2.2),
    "noise": np.random.default_rng(1).bytes(3000),
}


@pytest.mark.parametrize("case", BROKEN_PROFILES)
@pytest.mark.parametrize("source_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_profile_that_cannot_be_right_is_dropped(case: str, source_format: str, tmp_path: Path) -> None:
    content = pictures.encoded(photograph(), source_format, icc_profile=BROKEN_PROFILES[case])
    done = RoundTrip(tmp_path, content)
    assert "icc_profile" not in done.image.info
    assert done.image.size == SIZE


def test_a_profile_that_only_png_finds_fault_with_does_not_fail_the_job(tmp_path: Path) -> None:
    # It says that it is longer than it is, which Little CMS overlooks.
    damaged = b"\x01" + profiles.P3[1:]
    content = pictures.encoded(photograph(), "JPEG", icc_profile=damaged)
    assert RoundTrip(tmp_path, content, "JPEG").image.info["icc_profile"] == damaged
    assert "icc_profile" not in RoundTrip(tmp_path, content, "PNG").image.info


# What the camera and the people wrote


def camera_data(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112], exif[0x8298] = "A camera", orientation, "© Zoë".encode()
    inner = exif.get_ifd(0x8769)
    inner[0xA001], inner[0xA002], inner[0xA003] = 1, 10, 20
    inner[0x9003] = "2026:01:02 03:04:05"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 30.0, 1.5)})
    return exif


@pytest.mark.parametrize("source_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("to", [None, "JPEG", "PNG", "WEBP"])
def test_camera_data_is_carried_over(source_format: str, to: str | None, tmp_path: Path) -> None:
    # As bytes: from its own object, Pillow writes half of it into a TIFF.
    content = pictures.encoded(photograph(), source_format, exif=camera_data(orientation=6).tobytes())
    done = RoundTrip(tmp_path, content, to)
    assert done.image.size == (40, 60)
    exif = done.image.getexif()
    inner = exif.get_ifd(0x8769)
    assert exif[0x010F] == "A camera"
    if source_format not in ("AVIF", "TIFF"):  # where the test's own writer would lose it
        assert exif[0x8298].encode("latin-1").decode() == "© Zoë"
    assert exif.get(0x0112, 1) == 1
    assert (inner[0xA001], inner[0xA002], inner[0xA003]) == (1, 40, 60)
    assert inner[0x9003] == "2026:01:02 03:04:05"
    assert exif.get_ifd(0x8825) == {1: "N", 2: (52.0, 30.0, 1.5)}
    assert not {256, 257, 273, 277, 278, 279} & set(exif)


def test_what_a_tiff_says_in_any_script_is_kept(tmp_path: Path) -> None:
    done = RoundTrip(tmp_path, pictures.encoded(photograph(), "TIFF", tiffinfo={0x8298: "© Zoë".encode()}))
    assert done.image.getexif()[0x8298].encode("latin-1").decode() == "© Zoë"


def with_thumbnail(exif: Image.Exif, small: bytes) -> bytes:
    """EXIF data with a JPEG in its second directory, as cameras write it."""
    tiff = bytearray(exif.tobytes()[6:])
    (first,) = struct.unpack_from(">I", tiff, 4)
    (count,) = struct.unpack_from(">H", tiff, first)
    tiff += bytes(len(tiff) % 2)
    second = len(tiff)
    struct.pack_into(">I", tiff, first + 2 + 12 * count, second)
    tiff += struct.pack(">H", 3) + struct.pack(">HHIHH", 0x0103, 3, 1, 6, 0)
    tiff += struct.pack(">HHII", 0x0201, 4, 1, second + 42) + struct.pack(">HHII", 0x0202, 4, 1, len(small)) + bytes(4)
    return b"Exif\0\0" + bytes(tiff) + small


@pytest.mark.parametrize("to", [None, "PNG", "WEBP"])
def test_the_camera_s_small_copy_of_the_old_picture_is_left_out(to: str | None, tmp_path: Path) -> None:
    small = pictures.encoded(Image.new("RGB", (16, 12), "red"))
    content = pictures.encoded(photograph(), "JPEG", exif=with_thumbnail(camera_data(), small))
    assert small in content
    assert Image.open(io.BytesIO(content)).getexif().get_ifd(ExifTags.IFD.IFD1)
    done = RoundTrip(tmp_path, content, to)
    assert small not in done.content
    assert not done.image.getexif().get_ifd(ExifTags.IFD.IFD1)
    assert done.image.getexif()[0x010F] == "A camera"


def app13(data: bytes) -> bytes:
    """A JPEG segment as Photoshop writes it: a small copy of the picture, then IPTC."""
    resources = b"8BIM\x04\x0c\0\0" + struct.pack(">I", 40) + bytes(40)
    resources += b"8BIM\x04\x04\0\0" + struct.pack(">I", len(data)) + data + bytes(len(data) % 2)
    segment = b"Photoshop 3.0\0" + resources
    return b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment


@pytest.mark.parametrize("source_format", ["JPEG", "TIFF"])
def test_iptc_reaches_a_jpeg(source_format: str, tmp_path: Path) -> None:
    if source_format == "JPEG":
        content = pictures.encoded(photograph(), "JPEG")
        content = content[:2] + app13(IIM) + content[2:]
    else:
        content = pictures.encoded(photograph(), "TIFF", tiffinfo={33723: IIM})
    done = RoundTrip(tmp_path, content, "JPEG")
    assert done.image.info["photoshop"] == {0x0404: IIM}


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
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", packet.decode())
        return pictures.encoded(photograph(), "PNG", pnginfo=info)
    if source_format == "TIFF":
        return pictures.encoded(photograph(), "TIFF", tiffinfo={700: packet})
    return pictures.encoded(photograph(), source_format, xmp=packet)


@pytest.mark.parametrize("source_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("to", [None, "JPEG", "PNG", "WEBP"])
def test_xmp_is_carried_over_and_brought_in_line(source_format: str, to: str | None, tmp_path: Path) -> None:
    done = RoundTrip(tmp_path, with_xmp(source_format, PACKET.replace("{mark}", "").encode()), to)
    first, second = done.xmp.iter(f"{RDF}Description")
    assert [one.text for one in first.iter(f"{RDF}li")] == ["Zoë"]
    assert first.get("{http://ns.adobe.com/tiff/1.0/}Orientation") == "1"
    size = tuple(done.image.size)
    assert tuple(int(first.findtext(f"{{http://ns.adobe.com/exif/1.0/}}Pixel{side}Dimension")) for side in "XY") == size
    assert first.find("{http://ns.adobe.com/xap/1.0/}Thumbnails") is None
    assert not [name for name in first.keys() if "google" in name]  # noqa: SIM118 - an Element is no mapping
    assert second.get(f"{RDF}about") == "uuid:7"
    assert second.get(XMP_SOURCE_TYPE) == f"{TERMS}algorithmicallyEnhanced"


@pytest.mark.parametrize("to", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    ("generative", "term"), [(False, "algorithmicallyEnhanced"), (True, "compositeWithTrainedAlgorithmicMedia")]
)
def test_every_result_says_what_made_it(to: str, generative: bool, term: str, tmp_path: Path) -> None:
    done = RoundTrip(tmp_path, pictures.encoded(photograph(), "PNG"), to, generative=generative)
    assert done.source_types == [TERMS + term]


@pytest.mark.parametrize(
    ("was", "generative", "now"),
    [
        ("trainedAlgorithmicMedia", False, "trainedAlgorithmicMedia"),
        ("trainedAlgorithmicMedia", True, "trainedAlgorithmicMedia"),
        ("compositeSynthetic", False, "compositeSynthetic"),
        ("compositeWithTrainedAlgorithmicMedia", False, "compositeWithTrainedAlgorithmicMedia"),
        ("digitalCapture", False, "algorithmicallyEnhanced"),
        ("digitalCapture", True, "compositeWithTrainedAlgorithmicMedia"),
        ("algorithmicallyEnhanced", True, "compositeWithTrainedAlgorithmicMedia"),
    ],
)
def test_a_stronger_mark_is_kept_and_a_weaker_one_replaced(
    was: str, generative: bool, now: str, tmp_path: Path
) -> None:
    packet = PACKET.replace("{mark}", f' Iptc4xmpExt:DigitalSourceType="{TERMS}{was}"')
    done = RoundTrip(tmp_path, with_xmp("JPEG", packet.encode()), generative=generative)
    assert done.source_types == [TERMS + now]


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY a{i} "{f"&a{i - 1 or str()};" * 10}">' for i in range(1, 9))
    + "]><x:xmpmeta xmlns:x='adobe:ns:meta/'>&a8;</x:xmpmeta>"
)
HOSTILE = {
    "entity bomb": BOMB.encode(),
    "a file of this machine": b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]><x>&e;</x>',
    "no XML": b"\xff\xfe\x00 not xml",
    "no RDF": b"<x/>",
    "cut off": PACKET.encode()[:400],
    "very deep": b"<a>" * 9_000 + b"</a>" * 9_000,
    "deep inside": PACKET.replace("old", "<a>" * 8_000 + "</a>" * 8_000).replace("{mark}", "").encode(),
    "unknown encoding": b'<?xml version="1.0" encoding="klingon"?><x/>',
}


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("source_format", ["JPEG", "WEBP"])
def test_hostile_xmp_is_replaced_by_the_mark_alone(case: str, source_format: str, tmp_path: Path) -> None:
    done = RoundTrip(tmp_path, with_xmp(source_format, HOSTILE[case]))
    assert done.source_types == [f"{TERMS}algorithmicallyEnhanced"]
    assert len(list(done.xmp.iter())) == 3


def test_an_editor_s_long_history_goes_before_the_rest_of_xmp(tmp_path: Path) -> None:
    history = f'<h:History xmlns:h="http://ns.adobe.com/photoshop/1.0/">{"x" * 70_000}</h:History>'
    packet = PACKET.replace("{mark}", "").replace("<dc:creator>", f"{history}<dc:creator>").encode()
    content = with_xmp("PNG", packet)
    assert b"x" * 70_000 in RoundTrip(tmp_path, content).content
    done = RoundTrip(tmp_path, content, "JPEG")
    assert b"x" * 1000 not in done.content
    assert "Zoë" in [one.text for one in done.xmp.iter(f"{RDF}li")]


@pytest.mark.parametrize("source_format", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("to", [None, "JPEG", "PNG"])
def test_resolution_is_kept(source_format: str, to: str | None, tmp_path: Path) -> None:
    done = RoundTrip(tmp_path, pictures.encoded(photograph(), source_format, dpi=(300, 150)), to)
    # Pillow tells one of EXIF's two.
    assert done.image.info["dpi"] == pytest.approx((300, 300 if done.format == "JPEG" else 150), abs=0.1)
    assert RoundTrip(tmp_path, done.content, "PNG").image.info["dpi"] == pytest.approx((300, 150), abs=0.1)


def test_resolution_goes_into_a_webp_and_comes_out_again(tmp_path: Path) -> None:
    done = RoundTrip(tmp_path, pictures.encoded(photograph(), "JPEG", dpi=(300, 150)), "WEBP")
    exif = done.image.getexif()
    assert (exif[0x011A], exif[0x011B], exif[0x0128]) == (300, 150, 2)
    again = RoundTrip(tmp_path, done.content, "PNG")
    assert again.image.info["dpi"] == pytest.approx((300, 150), abs=0.1)


def test_resolution_turns_with_the_picture(tmp_path: Path) -> None:
    content = pictures.encoded(photograph(), "PNG", dpi=(300, 150), exif=camera_data(orientation=6))
    assert RoundTrip(tmp_path, content).image.info["dpi"] == pytest.approx((150, 300), abs=0.1)


BROKEN_EXIF = {
    "noise": b"Exif\0\0" + np.random.default_rng(2).bytes(300),
    "nothing": b"Exif\0\0",
    "half": camera_data().tobytes()[:60],
    "a directory far away": b"Exif\0\0MM\0*\xff\xff\xff\xff",
    "a directory that names itself": b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x87\x69\0\x04\0\0\0\x01\0\0\0\x08\0\0\0\x08",
    "many tags": b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(3000),
}


@pytest.mark.parametrize("case", BROKEN_EXIF)
@pytest.mark.parametrize("source_format", ["JPEG", "PNG", "WEBP"])
def test_broken_camera_data_is_no_reason_to_fail(case: str, source_format: str, tmp_path: Path) -> None:
    done = RoundTrip(tmp_path, pictures.encoded(photograph(), source_format, exif=BROKEN_EXIF[case]))
    assert done.image.size == SIZE
    assert done.source_types


@pytest.mark.parametrize("kind", [3, 4, 8, 9])
def test_no_odd_orientation_turns_the_result_once_more(kind: int, tmp_path: Path) -> None:
    value = struct.pack("<HH", 6, 0)
    entries = b"".join(struct.pack("<HHI", 0x0112, kind, 1) + value for _ in range(2))
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4)
    for name in ("JPEG", "PNG", "WEBP"):
        done = RoundTrip(tmp_path, pictures.encoded(photograph(), "JPEG", exif=exif), name)
        assert done.image.getexif().get(0x0112, 1) == 1


def test_a_picture_without_camera_data_gets_none(tmp_path: Path) -> None:
    for name in ("PNG", "JPEG", "WEBP"):
        assert not RoundTrip(tmp_path, pictures.encoded(photograph(), "PNG"), name).image.getexif()


# Sizes and trouble


@pytest.mark.parametrize(
    ("asked", "size", "expected"),
    [
        ("JPEG", (65500, 9), "JPEG"), ("JPEG", (65501, 9), "PNG"), ("WEBP", (9, 16383), "WEBP"),
        ("WEBP", (9, 16384), "PNG"), ("MPO", (9, 9), "JPEG"), ("TIFF", (9, 9), "PNG"), ("GIF", (9, 9), "PNG"),
    ],
)  # fmt: skip
def test_a_format_is_taken_only_where_it_holds_the_size(asked: str, size: tuple[int, int], expected: str) -> None:
    assert picture.result_format(asked, *size) == expected


@pytest.mark.parametrize(("name", "size"), [("JPEG", (65500, 2)), ("WEBP", (16383, 2)), ("PNG", (70000, 1))])
def test_the_longest_picture_of_each_format_can_be_written(name: str, size: tuple[int, int], tmp_path: Path) -> None:
    done = RoundTrip(tmp_path, pictures.encoded(Image.new("RGB", size, "white"), "PNG"), name)
    assert (done.image.size, done.image.getpixel((0, 0))) == (size, (255, 255, 255))


def test_a_place_that_cannot_be_written_is_an_oserror(tmp_path: Path) -> None:
    source = load(tmp_path, pictures.jpeg())
    for name in ("JPEG", "PNG", "WEBP"):
        with pytest.raises(OSError, match=r"could not be written|No such file"):
            picture.save(canvas_of(source), tmp_path / "none" / "x", name, source, generative=False)


@pytest.mark.parametrize(
    "case", [name for name in pictures.BAD_FILES if name not in ("animated gif", "51 MB", "60000 x 60000")]
)
def test_what_is_no_picture_is_one_plain_error(case: str, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="could not be read as a picture") as raised:
        load(tmp_path, pictures.BAD_FILES[case][1])
    assert (raised.value.code, raised.value.permanent) == (picture.UNREADABLE, True)


@pytest.mark.parametrize("size", [59_000, 64_000])
def test_as_much_camera_data_as_a_jpeg_holds(size: int, tmp_path: Path) -> None:
    exif = camera_data()
    exif.get_ifd(0x8769)[0x927C] = bytes(range(256)) * (size // 256)  # a maker's own notes
    done = RoundTrip(tmp_path, pictures.encoded(photograph(), "JPEG", exif=exif.tobytes()))
    kept = done.image.getexif()
    assert kept.get(0x010F) == ("A camera" if size < 60_000 else None)
    assert done.source_types


@pytest.mark.parametrize("length", [58_000, 62_000])
def test_as_much_xmp_as_a_jpeg_holds(length: int, tmp_path: Path) -> None:
    packet = PACKET.replace("{mark}", "").replace("Zoë", "Zoë" + "x" * length).encode()
    done = RoundTrip(tmp_path, with_xmp("JPEG", packet))
    assert ("x" * length in (next(done.xmp.iter(f"{RDF}li"), done.xmp).text or "")) == (length < 60_000)
    assert done.source_types == [f"{TERMS}algorithmicallyEnhanced"]
