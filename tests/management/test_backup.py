"""A desk that is brought back from a backup: its rows, its money, its pictures."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from PIL import Image

from tests.conftest import Person
from upscaler import backup
from upscaler.models import Upscale, media_storage
from upscaler.processing import lifecycle, worker_step
from upscaler.storage.folder import UNFINISHED


@pytest.fixture
def other_desk(tmp_path: Path, transactional_db: None, settings: Any) -> Iterator[Callable[[], None]]:
    """Called, it has this process be another desk, whose database and storage are empty."""
    known = connection.settings_dict
    own = known["NAME"]
    copy = f"{own}_copy" if connection.vendor == "postgresql" else str(tmp_path / "copy.sqlite3")
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f'CREATE DATABASE "{copy}"')

    def move() -> None:
        connection.close()
        known["NAME"] = copy
        settings.MEDIA_ROOT = str(tmp_path / "media of the copy")

    try:
        yield move
    finally:
        connection.close()
        known["NAME"] = own
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(f'DROP DATABASE IF EXISTS "{copy}" WITH (FORCE)')


def run(command: str, *arguments: str) -> str:
    out = StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue()


def test_all_of_a_desk_comes_back(
    owner: Person,
    order: Callable[..., Upscale],
    done: Callable[..., Upscale],
    other_desk: Callable[[], None],
    tmp_path: Path,
) -> None:
    ready, waiting, failed = done(name="shirt.jpg"), order(name="trousers.jpg"), order(name="hat.jpg")
    claimed = lifecycle.claim(failed.pk)
    assert claimed is not None
    lifecycle.fail(claimed, message="no", code="no")
    balance, file = owner.balance, tmp_path / "desk.tar"
    pictures = {name: media_storage().open(name).read() for name in backup._names(media_storage())}

    assert run("backup", str(file)).startswith(f"OK: the database and {len(pictures):,} pictures (")
    assert file.stat().st_mode & 0o077 == 0, "for its owner alone"
    other_desk()
    assert connection.introspection.table_names() == []
    assert "is here" in run("restore", str(file))

    assert run("check_ledger").startswith("OK: the ledger is right (1 teams, ")
    assert owner.balance == balance
    assert dict(Upscale.objects.values_list("pk", "status")) == {
        ready.pk: "Done",
        waiting.pk: "Created",
        failed.pk: "Error",
    }
    assert {name: media_storage().open(name).read() for name in backup._names(media_storage())} == pictures
    again = Upscale.objects.get(pk=ready.pk)
    for stored in (again.source_file, again.result_file, again.after_preview, again.source_thumbnail):
        with stored.open() as content, Image.open(content) as picture:
            picture.load()
    # And it works on.
    worker_step.step(waiting.pk)
    assert Upscale.objects.get(pk=waiting.pk).status == "Done"


@pytest.mark.django_db(transaction=True)
def test_nothing_is_restored_into_a_desk_that_is_not_empty(tmp_path: Path) -> None:
    file = tmp_path / "desk.tar"
    run("backup", str(file))
    with pytest.raises(CommandError, match="a backup goes into an empty one alone: make a new database"):
        run("restore", str(file))
    with pytest.raises(CommandError, match="is there already"):
        run("backup", str(file))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no tar at all", "can’t be restored: file could not be opened"),
        (None, "can’t be restored: \"filename 'about.json' not found\""),
    ],
)
def test_a_file_that_is_no_backup_is_refused(
    db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, said: str
) -> None:
    monkeypatch.setattr(backup, "_ensure_empty", lambda: None)
    file = tmp_path / "desk.tar"
    if content is None:
        tarfile.open(file, "w").close()
    else:
        file.write_bytes(content)
    with pytest.raises(CommandError, match=said):
        run("restore", str(file))


def about(**values: Any) -> bytes:
    known = {"release": "1", "database": connection.vendor, "taken_at": "2026-11-27"}
    return json.dumps(known | values).encode()


def written(file: Path, **entries: bytes) -> None:
    with tarfile.open(file, "w") as tar:
        for name, content in entries.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, BytesIO(content))


def test_a_backup_of_another_database_is_refused_before_anything_is_written(
    db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "_ensure_empty", lambda: None)
    other = {"sqlite": "postgresql", "postgresql": "sqlite"}[connection.vendor]
    file = tmp_path / "desk.tar"
    written(file, **{"about.json": about(database=other)})
    with pytest.raises(CommandError, match="Set DATABASE_URL to an empty"):
        run("restore", str(file))


@pytest.mark.parametrize(
    "entries",
    [
        {"about.json": b"[]"},
        {"about.json": b'{"release": "1"}'},
        {"about.json": b"about"},
        {"media/../../out.png": b"x", "database": b""},
        {"media//etc/out.png": b"x", "database": b""},
    ],
)
def test_what_somebody_has_changed_is_refused_in_words(
    db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entries: dict[str, bytes]
) -> None:
    monkeypatch.setattr(backup, "_ensure_empty", lambda: None)
    monkeypatch.setattr(backup, "_load", lambda source: None)
    file = tmp_path / "desk.tar"
    written(file, **{"about.json": about(), **entries})
    with pytest.raises(CommandError, match="can’t be restored"):
        run("restore", str(file))
    assert not list(tmp_path.rglob("out.png"))


def test_a_file_that_lies_where_a_backup_is_written_is_not_touched(db: None, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("kept")
    (tmp_path / f"desk.tar{UNFINISHED}").symlink_to(tmp_path / "other")
    with pytest.raises(CommandError, match="another backup is being written, or one was broken off"):
        run("backup", str(tmp_path / "desk.tar"))
    assert (tmp_path / "other").read_text() == "kept"


def test_a_place_that_can_not_be_written_is_said(db: None) -> None:
    with pytest.raises(CommandError, match="The backup could not be written to /dev/null/desk"):
        run("backup", "/dev/null/desk.tar")
