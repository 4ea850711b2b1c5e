"""What the check says of results that are faithful, and of those that are not."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms, ImageDraw, ImageFilter, ImageFont

from tests.support import pictures, profiles
from upscaler.errors import PublicError
from upscaler.fidelity import Verdict, check, heat_map
from upscaler.fidelity.measure import MAX_AREA, Measured, measure
from upscaler.fidelity.verdict import judge

SIDE, FACTOR = 240, 3
LABEL = (110, 190, 234, 214)
"""left, top, right, bottom in the source."""
BUTTON = (30, 160, 44, 174)
FACE = (87, 23, 132, 74)


def drawn(text: str = "NORD 1926", *, button: bool = True) -> Image.Image:
    picture = pictures.photograph("astronaut", (300, 300)).crop((30, 0, 30 + SIDE, SIDE))
    draw = ImageDraw.Draw(picture)
    draw.rectangle(LABEL, fill=(244, 242, 236))
    draw.text((LABEL[0] + 8, LABEL[1] + 2), text, font=ImageFont.load_default(18), fill=(28, 28, 34))
    if button:
        draw.ellipse(BUTTON, fill=(206, 196, 178), outline=(70, 60, 50))
    return picture


def enlarged(picture: Image.Image, factor: int = FACTOR) -> Image.Image:
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.LANCZOS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pictures")
    drawn().save(made / "source.png")
    return made


def seen(
    folder: Path, result: Image.Image, source: str = "source.png", name: str = "result.png", **how: object
) -> Verdict:
    result.save(folder / name, **{"compress_level": 1, **how})
    return check(folder / source, folder / name)


def part(
    picture: Image.Image, box: tuple[int, int, int, int], change: Callable[[Image.Image], Image.Image]
) -> Image.Image:
    """The picture, a result, with a box of the source's pixels changed."""
    left, top, right, bottom = (at * FACTOR for at in box)
    changed = picture.copy()
    changed.paste(change(picture.crop((left, top, right, bottom))), (left, top))
    return changed


def tinted(picture: Image.Image) -> Image.Image:
    return Image.fromarray((np.asarray(picture, np.float32) * (1.0, 0.86, 1.0)).round().astype(np.uint8))


def slimmed(picture: Image.Image) -> Image.Image:
    width, height = picture.size
    narrow = picture.resize((round(width * 0.9), height), Image.Resampling.BICUBIC)
    wide = picture.copy()
    wide.paste(narrow, ((width - narrow.width) // 2, 0))
    return wide


def as_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    return Image.open(io.BytesIO(pictures.encoded(picture, "JPEG", quality=quality)))


ALTERED: dict[str, tuple[Callable[[Image.Image], Image.Image], str]] = {
    "a garment's colour": (lambda picture: part(picture, (40, 100, 140, 180), tinted), "colour"),
    "colour of the whole": (tinted, "colour"),
    "a letter": (lambda picture: enlarged(drawn("NURD 1926")), "text"),
    "the print": (lambda picture: enlarged(drawn("")), "text"),
    "a button": (lambda picture: enlarged(drawn(button=False)), "detail"),
    "a smoothed weave": (
        lambda picture: part(picture, (60, 90, 150, 160), lambda cut: cut.filter(ImageFilter.GaussianBlur(7))),
        "detail",
    ),
    "a larger pattern": (
        lambda picture: part(
            picture, (60, 90, 150, 160), lambda cut: cut.resize(cut.size, Image.Resampling.BICUBIC, (20, 20, 230, 180))
        ),
        "detail",
    ),
    "another face": (
        lambda picture: part(picture, FACE, lambda cut: cut.transpose(Image.Transpose.FLIP_TOP_BOTTOM)),
        "face",
    ),
    "narrower in the middle": (lambda picture: part(picture, (40, 80, 200, 190), slimmed), "detail"),
    "cropped": (lambda picture: picture.resize(picture.size, Image.Resampling.BICUBIC, (14, 14, 706, 706)), "shape"),
    "cut off": (lambda picture: picture.crop((0, 0, 680, 720)), "shape"),
    "padded": (lambda picture: pad(picture), "shape"),
    "mirrored": (lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "shape"),
    "turned": (lambda picture: picture.transpose(Image.Transpose.ROTATE_90), "shape"),
    "blocks": (lambda picture: as_jpeg(picture, 4), "colour"),
    "halos": (lambda picture: picture.filter(ImageFilter.UnsharpMask(5, 300, 0)), "detail"),
}


def pad(picture: Image.Image) -> Image.Image:
    sheet = Image.new("RGB", (picture.width + 90, picture.height), "white")
    sheet.paste(picture, (45, 0))
    return sheet


@pytest.mark.parametrize("kind", ALTERED)
def test_what_was_altered_is_found(folder: Path, kind: str) -> None:
    altered, reason = ALTERED[kind]
    found = seen(folder, altered(enlarged(drawn())))
    assert found.verdict == "look"
    assert reason in found.reasons
    for region in found.regions:
        x, y, width, height = region.box
        assert 0 <= x < x + width <= SIDE
        assert 0 <= y < y + height <= SIDE


def test_a_region_is_where_the_alteration_is(folder: Path) -> None:
    found = seen(folder, enlarged(drawn("NURD 1926")))
    [text] = [region for region in found.regions if region.reason == "text"]
    x, y, width, height = text.box
    assert abs(y + height / 2 - (LABEL[1] + LABEL[3]) / 2) < 8
    assert LABEL[0] - 8 <= x < x + width <= LABEL[2] + 4
    assert found.words.startswith("look: ")


def test_how_a_result_is_turned_and_cropped_is_told(folder: Path) -> None:
    assert seen(folder, enlarged(drawn()).transpose(Image.Transpose.FLIP_LEFT_RIGHT)).turned == "mirrored"
    assert seen(folder, enlarged(drawn()).transpose(Image.Transpose.ROTATE_90)).turned == "turned left"
    cut = seen(folder, enlarged(drawn()).crop((72, 0, 720, 720)))
    assert cut.lost == pytest.approx((0.1, 0, 0, 0), abs=0.003)


@pytest.mark.parametrize("way", ["Lanczos", "bicubic", "twice", "six times", "JPEG", "sharper", "half a pixel aside"])
def test_what_is_faithful_passes(folder: Path, way: str) -> None:
    source, how = drawn(), {}
    result = enlarged(source)
    if way == "bicubic":
        result = source.resize(result.size, Image.Resampling.BICUBIC)
    elif way in ("twice", "six times"):
        result = enlarged(source, 2 if way == "twice" else 6)
    elif way == "JPEG":
        how = {"format": "JPEG", "quality": 90}
    elif way == "sharper":
        result = result.filter(ImageFilter.UnsharpMask(2, 60, 0))
    elif way == "half a pixel aside":
        wide = Image.fromarray(np.pad(np.asarray(result), [(4, 4), (4, 4), (0, 0)], mode="edge"))
        result = wide.transform(result.size, Image.Transform.AFFINE, (1, 0, 5.5, 0, 1, 2.5), Image.Resampling.BICUBIC)
    found = seen(folder, result, **how)
    assert (found.words, found.regions) == ("faithful", ())
    assert found.faces == 1
    assert found.text_lines == 1
    assert found.ssim_mean > 0.97
    assert found.delta_e_mean < 1


def test_the_same_colours_in_another_profile_are_the_same(folder: Path, tmp_path: Path) -> None:
    source = drawn()
    p3 = ImageCms.profileToProfile(
        source, ImageCms.createProfile("sRGB"), ImageCms.ImageCmsProfile(io.BytesIO(profiles.P3)), renderingIntent=1
    )
    p3.save(tmp_path / "p3.png", icc_profile=profiles.P3)
    told = seen(tmp_path, enlarged(source), "p3.png")
    assert told.verdict == "faithful"
    # Without its profile, the same numbers are other colours.
    p3.info = {}
    p3.save(tmp_path / "bare.png")
    assert seen(tmp_path, enlarged(source), "bare.png").delta_e_mean > 1 > 5 * told.delta_e_mean
    cmyk = ImageCms.profileToProfile(
        source,
        ImageCms.createProfile("sRGB"),
        ImageCms.ImageCmsProfile(io.BytesIO(profiles.CMYK)),
        renderingIntent=1,
        outputMode="CMYK",
    )
    cmyk.save(tmp_path / "inks.tif", icc_profile=profiles.CMYK)
    with Image.open(tmp_path / "inks.tif") as file:
        shown = ImageCms.profileToProfile(
            file,
            ImageCms.ImageCmsProfile(io.BytesIO(profiles.CMYK)),
            ImageCms.createProfile("sRGB"),
            renderingIntent=1,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    assert seen(tmp_path, enlarged(shown), "inks.tif").verdict == "faithful"


def test_sixteen_bits_grey_and_turned_files_are_read_as_they_look(tmp_path: Path) -> None:
    source = drawn()
    deep = pyvips.Image.new_from_array(np.asarray(source).astype(np.uint16) * 257, interpretation="rgb16")
    deep.write_to_file(str(tmp_path / "deep.png"))
    assert seen(tmp_path, enlarged(source), "deep.png").verdict == "faithful"
    source.convert("L").save(tmp_path / "grey.png")
    assert seen(tmp_path, enlarged(source.convert("L")), "grey.png").verdict == "faithful"
    exif = Image.Exif()
    exif[274] = 6
    source.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.jpg", exif=exif, quality=97)
    found = seen(tmp_path, enlarged(source), "turned.jpg")
    assert (found.verdict, found.turned) == ("faithful", "")


def test_a_cut_out_keeps_its_outline(tmp_path: Path) -> None:
    mask = Image.new("L", (SIDE, SIDE))
    ImageDraw.Draw(mask).ellipse((20, 20, 220, 230), fill=255)
    source = drawn()
    source.putalpha(mask.filter(ImageFilter.GaussianBlur(0.7)))
    source.save(tmp_path / "source.png")
    assert seen(tmp_path, enlarged(source)).words == "faithful"
    narrow = mask.resize((SIDE - 16, SIDE)).crop((-8, 0, SIDE - 8, SIDE))
    thinner = drawn()
    thinner.putalpha(narrow)
    assert "shape" in seen(tmp_path, enlarged(thinner)).reasons
    assert "shape" in seen(tmp_path, enlarged(source).convert("RGB")).reasons


def test_a_product_on_white_keeps_its_outline(tmp_path: Path) -> None:
    def shown(width: int) -> Image.Image:
        sheet = Image.new("RGB", (200, 200), "white")
        ImageDraw.Draw(sheet).ellipse((100 - width, 30, 100 + width, 170), fill=(120, 40, 60))
        return sheet.filter(ImageFilter.GaussianBlur(0.7))

    shown(50).save(tmp_path / "source.png")
    assert seen(tmp_path, enlarged(shown(50))).words == "faithful"
    assert "shape" in seen(tmp_path, enlarged(shown(46))).reasons


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 240), (1600, 12)])
def test_pictures_of_any_size_can_be_compared(tmp_path: Path, size: tuple[int, int]) -> None:
    source = pictures.photograph("astronaut", size)
    source.save(tmp_path / "source.png")
    assert seen(tmp_path, enlarged(source)).verdict == "faithful"
    assert seen(tmp_path, Image.eval(enlarged(source), lambda level: 255 - level)).verdict == "look"


def test_what_has_nothing_to_go_by_is_not_moved(tmp_path: Path) -> None:
    flat = Image.new("RGB", (100, 80), (180, 60, 60))
    flat.save(tmp_path / "source.png")
    found = seen(tmp_path, enlarged(flat))
    assert (found.words, found.lost) == ("faithful", (0, 0, 0, 0))


def test_large_pictures_are_compared_in_a_size_that_is_bounded(tmp_path: Path) -> None:
    # More than what is decoded as a whole, so read row by row.
    source = pictures.photograph("coffee").resize((2400, 1600), Image.Resampling.BICUBIC)
    source.save(tmp_path / "source.jpg", quality=92)
    source.resize((4900, 3267), Image.Resampling.BILINEAR).save(tmp_path / "result.jpg", quality=92)
    measured = measure(tmp_path / "source.jpg", tmp_path / "result.jpg")
    assert measured.rgb.shape[0] * measured.rgb.shape[1] <= MAX_AREA * 1.01
    found = judge(measured)
    assert found.words == "faithful"
    assert measured.source_size == (2400, 1600)


def measured(folder: Path, result: Image.Image) -> Measured:
    result.save(folder / "result.png", compress_level=1)
    return measure(folder / "source.png", folder / "result.png")


def test_the_heat_map_is_clear_where_nothing_differs(folder: Path, tmp_path: Path) -> None:
    altered = np.asarray(heat_map.overlay(measured(folder, enlarged(drawn(button=False)))))[..., 3]
    left, top, right, bottom = BUTTON
    assert altered[top:bottom, left:right].min() > 40
    altered = altered.copy()
    altered[top - 24 : bottom + 24, left - 24 : right + 24] = 0
    assert not altered.any()
    same = check(folder / "source.png", folder / "source.png", heat_map=tmp_path / "map.png")
    assert same.verdict == "faithful"
    with Image.open(tmp_path / "map.png") as drawn_map:
        assert (drawn_map.mode, drawn_map.size) == ("RGBA", (SIDE, SIDE))
        assert drawn_map.getchannel("A").getextrema() == (0, 0)


def test_a_check_can_be_cancelled(folder: Path) -> None:
    asked = []

    def cancel() -> bool:
        asked.append(1)
        return len(asked) > 1

    with pytest.raises(PublicError) as refused:
        check(folder / "source.png", folder / "source.png", cancel=cancel)
    assert refused.value.code == "cancelled"
