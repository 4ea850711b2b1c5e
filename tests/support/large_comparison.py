"""A finished upscale whose result has 100 megapixels, put into a live desk without the minutes of enlarging it."""

from __future__ import annotations

from pathlib import Path

import pyvips
from PIL import Image

from tests.support import pictures
from tests.support.live_server import Desk

SIDE = 10_000
SOURCE_SIDE = 2_500
PUT_IN = """
from pathlib import Path
from upscaler.imaging import intake
from upscaler.models import Upscale
from upscaler.storage.pictures import NewFiles
source, result = Path({source!r}), Path({result!r})
upscale = Upscale.objects.get(pk={number})
with NewFiles(upscale.team_id) as files:
    with source.open("rb") as file:
        stored = files.store_source(file, intake.examine_source(file, name="large.jpg"))
    found, after = intake.examine_result(result, max_bytes=10**9, max_pixels=10**9)
    made, previews = files.store_result(result, found, intake.preview(source), after)
    files.keep()
Upscale.objects.filter(pk={number}).update(**stored.source_columns(), **made.result_columns(), **previews)
"""


def put_in(desk: Desk, number: int, folder: Path) -> Path:
    """Make the upscale ``number``, which is Done, one of 2,500 to 10,000 pixels a side; its result's file."""
    source, result = folder / "source.jpg", folder / "result.jpg"
    tiles = [pictures.photograph(name, (500, 500)) for name in ("astronaut", "coffee", "chelsea", "rocket")]
    small = Image.new("RGB", (SOURCE_SIDE, SOURCE_SIDE))
    for place in range(25):
        small.paste(tiles[place % 4], (place % 5 * 500, place // 5 * 500))
    small.save(source, quality=93)
    large = pyvips.Image.new_from_file(str(source)).resize(SIDE / SOURCE_SIDE, kernel="cubic")
    # The grain that an enlarger draws, or tiles would have fewer bytes than those of real results.
    grain = pyvips.Image.gaussnoise(1000, 1000, mean=0, sigma=3, seed=1).replicate(SIDE // 1000, SIDE // 1000)
    (large + grain).cast("uchar").jpegsave(str(result), Q=95, subsample_mode="off")
    desk.manage("shell", "-c", PUT_IN.format(source=str(source), result=str(result), number=number))
    return result
