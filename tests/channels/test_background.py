"""White backgrounds: pure, and never a pixel of the product with them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.channels import shots
from upscaler.channels import background
from upscaler.imaging import surroundings

GROUNDS = ((250, 250, 250), (246, 246, 244), (242, 243, 245), (238, 238, 238), (252, 250, 246))


@pytest.mark.parametrize("shadow", [False, True], ids=["cut out", "with a soft shadow"])
@pytest.mark.parametrize("number", range(20))
def test_the_background_becomes_white_and_the_product_stays(number: int, *, shadow: bool) -> None:
    shot = shots.shot(
        ground=GROUNDS[number % 5],
        made_of=shots.TEXTURES[(number // 4) % 5],
        shape=number,
        shadow=shadow,
        noise=(0.0, 0.6, 1.2)[number % 3],
        slope=(0, 0, 4)[number % 3],
        seed=number,
    )
    before = shots.reread(shot.file()) if number % 2 else shot.pixels
    after = background.whiten(before)
    assert after is not None
    assert surroundings.look(after).is_pure_white
    touched = (after != before).any(axis=2) & shot.product
    assert touched.sum() == 0


@pytest.mark.parametrize(
    "ground",
    [(200, 200, 200), (250, 236, 214), (40, 40, 40)],
    ids=["grey", "cream", "black"],
)
def test_a_background_that_is_no_white_stays(ground: tuple[int, int, int]) -> None:
    assert background.whiten(shots.shot(ground=ground).pixels) is None


def test_a_white_one_stays_as_it_is() -> None:
    white = shots.shot(ground=(255, 255, 255), noise=0).pixels
    assert background.whiten(white) is white


def test_no_step_shows_where_white_meets_a_shadow() -> None:
    shot = shots.shot(ground=(246, 246, 246), shadow=True, noise=0)
    after = background.whiten(shot.pixels)
    assert after is not None
    steps = np.abs(np.diff(after.astype(int), axis=0)).max(axis=2)
    around = ~(shot.product[1:] | shot.product[:-1])
    was = np.abs(np.diff(shot.pixels.astype(int), axis=0)).max(axis=2)
    # The edge of the product itself is in half covered pixels.
    assert (steps[around] - was[around]).max() <= 5


def test_sixteen_bits_are_whitened_too() -> None:
    shot = shots.shot()
    after = background.whiten(shot.pixels.astype(np.uint16) * 257)
    assert after is not None
    assert (after[0, 0] == 65535).all()
    assert (after[shot.product] == shot.pixels[shot.product].astype(np.uint16) * 257).all()
