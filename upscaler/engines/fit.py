"""The engine of pictures that are large enough as they are: the source is the result, and shops' files are made of it.

It needs no network and costs nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from upscaler.engines.base import EngineError, Finished, Order, Report, SamePicture
from upscaler.imaging.structure import formats

NOTE = "This picture was large enough for its shops, so it was not enlarged, only fitted to them."


class FitEngine:
    """Takes a picture as it is."""

    name = "fit"
    model_names: Sequence[str] = ()
    advice: Mapping[str, str] = {}
    preselected: Mapping[str, Any] = {}
    idle: Mapping[str, Mapping[str, Any]] = {}
    same_pictures: Sequence[SamePicture] = ()
    queue = "cpu"
    setup_hint = ""

    def check(self) -> None:
        """It can always work."""

    def start(self, order: Order) -> str | None:
        """There is nothing to hand over."""
        return None

    def advance(self, order: Order, report: Report) -> Finished:
        """The source as it is. The desk saves it anew where another format is wanted.

        Raises EngineError.
        """
        path = order.work_dir / "result"
        shutil.copyfile(order.source_path, path)
        with path.open("rb") as file:
            found = formats.format_of_file(file)
        if found is None:
            raise EngineError("The picture can’t be read. Export it anew.", code="damaged", permanent=True)
        return Finished(path=path, format=found, width=0, height=0, provenance={"engine": self.name, "notes": [NOTE]})
