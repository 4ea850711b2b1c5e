"""A folder that is watched, and a worker that is stepped by hand."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings
from django.utils import timezone

from tests.conftest import Person
from tests.support import pictures
from upscaler.models import Upscale, WatchedFile, WatchedFolder
from upscaler.processing import worker_step
from upscaler.watching import work

FORM = {
    "name": "Studio",
    "root": "studio",
    "path": "incoming",
    "put_to": "done",
    "template": "{name}",
    "model_name": "recraft",
}


class Watched:
    """A watched folder on a real disk, with its people and workers."""

    def __init__(self, head: Person, disk: Path) -> None:
        self.head, self.disk, self.incoming = head, disk, disk / "incoming"
        self.incoming.mkdir()
        self._count = 0

    def begin(self, **data: Any) -> WatchedFolder:
        """Make it by the page's form."""
        answer = self.head.client.post("/watched-folders/new/folder/", {**FORM, **data})
        assert answer.status_code == 302, answer.content.decode()
        return WatchedFolder.objects.latest("pk")

    def drop(self, name: str, content: bytes | None = None) -> bytes:
        """Put a picture of its own into the folder."""
        self._count += 1
        content = pictures.jpeg() + b"%d" % self._count if content is None else content
        path = self.incoming / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return content

    def look(self, times: int = 1) -> None:
        """Look, each time after a pause in which nothing has changed."""
        for _ in range(times):
            WatchedFile.objects.update(seen_at=timezone.now() - timedelta(minutes=1))
            WatchedFolder.objects.update(due_at=timezone.now() - timedelta(seconds=1))
            assert work.step()

    def enlarge(self) -> None:
        """Let the workers finish what is ordered."""
        for upscale in Upscale.objects.open():
            worker_step.step(upscale.pk)

    def put(self, folder: str = "done") -> dict[str, bytes]:
        """What lies in the results' folder, by path."""
        base = self.incoming / folder
        return {str(path.relative_to(base)): path.read_bytes() for path in base.rglob("*") if path.is_file()}

    def states(self) -> dict[str, str]:
        """The state of each file, by path; of several versions the newest."""
        return dict(WatchedFile.objects.order_by("pk").values_list("path", "state"))


@pytest.fixture
def watched(head: Person, tmp_path: Path) -> Any:
    disk = tmp_path / "disk"
    disk.mkdir()
    with override_settings(WATCHED_ROOTS={"studio": str(disk)}):
        yield Watched(head, disk)


def result_of(upscale: Upscale) -> bytes:
    return Path(settings.MEDIA_ROOT, upscale.result_file.name or "").read_bytes()
