"""Source and result look the same in Chromium, whichever way the source says its colours."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from tests.support import picture_cases
from tests.support.picture_cases import CASES
from tests.support.picture_files import RoundTrip

MEDIA_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".avif": "image/avif"}
MEAN = """async ([type, content]) => {
  const image = new Image();
  image.src = `data:${type};base64,${content}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const sums = [0, 0, 0];
  for (let at = 0; at < data.length; at += 4) for (let i = 0; i < 3; i++) sums[i] += data[at + i];
  return [canvas.width, canvas.height, ...sums.map((sum) => sum / (data.length / 4))];
}"""
FILES = {name: (picture_cases.FOLDER / name).read_bytes() for name in CASES if not name.endswith(".tif")}
FILES |= picture_cases.declared()


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    yield page
    page.close()


def seen(page: Page, content: bytes, media_type: str) -> Any:
    """Width, height and the mean red, green and blue."""
    return np.array(page.evaluate(MEAN, [media_type, base64.b64encode(content).decode()]))


@pytest.mark.parametrize("name", FILES)
def test_a_result_looks_as_its_source_does(name: str, page: Page, tmp_path: Path) -> None:
    before = seen(page, FILES[name], MEDIA_TYPES[Path(name).suffix])
    trip = RoundTrip(tmp_path, FILES[name])
    after = seen(page, trip.content, f"image/{trip.format.lower()}")
    assert np.abs(after - before).max() <= 2
    if name in CASES:
        assert np.abs(after[2:] - CASES[name].mean).max() <= 2
