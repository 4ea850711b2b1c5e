"""JPEG XL in HDR comes out as the same picture in AVIF does: mapped to SDR, and said so."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support import jpeg_xl, pictures
from tests.support.picture_files import load
from upscaler.imaging import declared_colour, intake

SHIRT = pictures.photograph("coffee", (136, 96))


@pytest.mark.parametrize("transfer", [jpeg_xl.PQ, jpeg_xl.HLG])
def test_hdr_is_mapped_to_sdr(transfer: int, tmp_path: Path) -> None:
    content = jpeg_xl.with_transfer(SHIRT, transfer)
    declared = declared_colour.from_numbers(9, transfer)
    assert declared is not None
    expected = declared_colour.in_srgb(np.asarray(SHIRT), declared)
    loaded = load(tmp_path, content)
    assert (loaded.profile, loaded.pixels.shape) == (None, (96, 136, 3))
    assert declared_colour.HDR_NOTE in loaded.notes
    assert np.abs(loaded.pixels.astype(int) - expected.astype(int)).max() <= 1
    found = intake.examine_source(io.BytesIO(content), name="a")
    with Image.open(io.BytesIO(found.thumbnail)) as thumbnail:
        assert "icc_profile" not in thumbnail.info
        seen = np.asarray(thumbnail.convert("RGB")).reshape(-1, 3).mean(axis=0)
    assert np.abs(seen - expected.reshape(-1, 3).mean(axis=0)).max() < 3
