"""A copy of one's data: everything of the person's, nothing of others', and no secret."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.conftest import Person
from upscaler import credits
from upscaler.accounts import tokens
from upscaler.models import AuditEvent, Membership, ReviewDecision, Upscale, media_storage
from upscaler.sharing import links


def opened(content: bytes) -> dict[str, Any]:
    """Name and content of each file; JSON read."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        read = {name: archive.read(name) for name in archive.namelist()}
    return {name: json.loads(text) if name.endswith(".json") else text for name, text in read.items()}


def downloaded(person: Person) -> dict[str, Any]:
    answer: Any = person.client.post("/accounts/data/")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
    assert "no-store" in answer["Cache-Control"]
    return opened(b"".join(answer.streaming_content))


def test_one_gets_all_of_one_s_own_and_nothing_else(
    owner: Person, teammate: Person, done: Callable[..., Upscale], upload: Callable[..., Any]
) -> None:
    upscale = done(name="mine.jpg", sku="S1")
    teammate.client.post("/", {"model_name": "recraft", "image": upload("theirs.jpg")})
    token, clear = tokens.issue(team=owner.team, user=owner.user, name="my script")
    ReviewDecision.objects.create(
        team=owner.team, upscale=upscale, kind="approved", before="pending", user=owner.user, user_name="owner"
    )
    secret = links.make(team=owner.team, user=owner.user, shows=upscale, label="For a friend")[1]
    credits.grant(team=owner.team, amount=5, note="not the owner's")
    got = downloaded(owner)
    assert got["account.json"]["username"] == "owner"
    assert [one["team"] for one in got["account.json"]["teams"]] == ["Atelier"]
    assert "my script" in [one["name"] for one in got["account.json"]["tokens"]]
    assert [(one["number"], one["source_name"], one["sku"]) for one in got["orders.json"]] == [
        (upscale.pk, "mine.jpg", "S1")
    ]
    assert [one["kind"] for one in got["decisions.json"]] == ["approved"]
    assert [(one["order"], one["amount"]) for one in got["ledger.json"]] == [(upscale.pk, -upscale.credits)]
    assert [one["label"] for one in got["shared_links.json"]] == ["For a friend"]
    assert "token_issued" in [one["action"] for one in got["activity.json"]]
    told = json.dumps(got, default=repr)
    for hidden in ("theirs.jpg", clear, token.digest, secret, owner.user.password, "not the owner"):
        assert hidden not in told
    assert AuditEvent.objects.get(action="data_taken").user == owner.user


def test_what_was_done_for_a_team_that_one_has_left_stays_there(owner: Person, done: Callable[..., Upscale]) -> None:
    done()
    Membership.objects.filter(user=owner.user).delete()
    got = downloaded(owner)
    assert (got["orders.json"], got["ledger.json"], got["activity.json"]) == ([], [], [])
    assert b"teams that the person has left" in got["README.txt"]


def test_the_command_takes_pictures_along(
    owner: Person, done: Callable[..., Upscale], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upscale, withheld, gone = done(), done(), done()
    Upscale.objects.filter(pk=withheld.pk).update(review="rejected")
    media_storage().delete(gone.source_file.name or "")
    owner.user.email = "owner@example.com"
    owner.user.save()
    path = tmp_path / "owner.zip"
    call_command("export_person", "OWNER@example.com", str(path), files=True)
    assert "3 orders" in capsys.readouterr().out
    got = opened(path.read_bytes())
    assert {name for name in got if name.startswith("files/")} == {
        f"files/{upscale.pk}-source.jpg",
        f"files/{upscale.pk}-result.jpg",
        f"files/{withheld.pk}-source.jpg",
        f"files/{gone.pk}-result.jpg",
    }
    with media_storage().open(upscale.result_file.name or "") as stored:
        assert got[f"files/{upscale.pk}-result.jpg"] == stored.read()
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError, match="is there already"):
        call_command("export_person", "owner", str(path))
    with pytest.raises(CommandError, match="Nobody here has"):
        call_command("export_person", "nobody@example.com", str(tmp_path / "nobody.zip"))
    assert not (tmp_path / "nobody.zip").exists()
    with pytest.raises(CommandError, match="can't be written"):
        call_command("export_person", "owner", str(tmp_path / "no-such-folder" / "a.zip"))
