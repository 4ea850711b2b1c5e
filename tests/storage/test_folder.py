"""A folder of pictures: what is there is whole."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile

from tests.conftest import Person
from tests.support import pictures
from tests.support.live_server import ROOT
from upscaler.models import media_storage
from upscaler.storage.folder import FolderStorage

FULL_DISK = """
import resource, sys
import django
django.setup()
from django.core.files.base import ContentFile
from upscaler.storage.folder import FolderStorage
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
storage = FolderStorage(location=sys.argv[1])
storage.save("results/2026/01/small.png", ContentFile(b"x" * 90_000))
try:
    storage.save("results/2026/01/large.png", ContentFile(b"x" * 400_000))
except OSError as error:
    print(type(error).__name__)
"""


def files_under(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_file_that_the_disk_has_no_room_for_leaves_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "OSError", done.stderr
    assert files_under(tmp_path) == ["small.png"]


def test_nobody_sees_half_a_file(tmp_path: Path) -> None:
    storage = FolderStorage(location=tmp_path)
    half_written, go_on = threading.Event(), threading.Event()

    class Slow(ContentFile):
        def chunks(self, chunk_size: int | None = None) -> Any:
            yield b"first"
            half_written.set()
            go_on.wait(10)
            yield b" half"

    thread = threading.Thread(target=storage.save, args=("a.png", Slow(b"")))
    thread.start()
    try:
        assert half_written.wait(10)
        assert not storage.exists("a.png")
    finally:
        go_on.set()
        thread.join()
    assert storage.open("a.png").read() == b"first half"
    assert files_under(tmp_path) == ["a.png"]


def test_a_name_that_is_taken_is_not_written_over(tmp_path: Path) -> None:
    storage = FolderStorage(location=tmp_path)
    first, second = (storage.save("a.png", ContentFile(content)) for content in (b"one", b"two"))
    assert (storage.open(first).read(), storage.open(second).read()) == (b"one", b"two")


@pytest.mark.django_db
def test_a_picture_whose_thumbnail_can_t_be_stored_leaves_nothing(
    owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = FolderStorage._save

    def fails(self: FolderStorage, name: str, content: Any) -> str:
        if name.startswith("thumbnails/"):
            raise OSError(28, "No space left on device")
        return save(self, name, content)

    before = files_under(Path(media_storage().path("")))
    monkeypatch.setattr(FolderStorage, "_save", fails)
    answer = owner.submit(image=SimpleUploadedFile("shirt.jpg", pictures.jpeg() + b"thumb"))
    assert (answer.status_code, owner.balance) == (422, 100)
    assert "storage is full" in answer.content.decode()
    assert files_under(Path(media_storage().path(""))) == before
