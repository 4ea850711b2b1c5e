"""What the client says where there is no desk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from upscaler_client import Client, ConnectionFailed, Withheld, shapes
from upscaler_client.cli import main


def test_an_address_or_a_token_that_is_missing_is_named(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UPSCALER_URL", raising=False)
    monkeypatch.delenv("UPSCALER_TOKEN", raising=False)
    assert main.main(["balance"]) == 2
    assert "UPSCALER_URL" in capsys.readouterr().err
    assert main.main(["--url", "http://127.0.0.1:9", "balance"]) == 5
    assert "UPSCALER_TOKEN" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main.main(["push", "a", "--out", "b", "--set", "upscale_factor"])
    assert ended.value.code == 2
    assert "upscale_factor=2x" in capsys.readouterr().err


def test_nobody_at_the_address_is_said() -> None:
    pauses: list[float] = []
    with Client("http://127.0.0.1:9", "ups_1", sleep=pauses.append) as client:
        with pytest.raises(ConnectionFailed, match="can't be reached"):
            client.order("https://shop.example/a.jpg", model="recraft")
    assert len(pauses) == 6 and max(pauses) > 10


@pytest.mark.parametrize(("review", "said"), [("pending", "approval"), ("rejected", "was rejected")])
def test_a_result_that_is_held_back_is_not_asked_for(review: str, said: str, tmp_path: Path) -> None:
    held = shapes.result({"generation_result_id": 1, "generation_id": 7, "image_url": "", "review": review})
    with Client("http://127.0.0.1:9", "ups_1") as client, pytest.raises(Withheld, match=f"generation 7 .*{said}"):
        client.download(held, tmp_path / "a.jpg")
    assert list(tmp_path.iterdir()) == []


def test_what_the_check_says_and_your_own_reference_are_fields_of_results() -> None:
    checked = {"verdict": "look", "reasons": ["text", "face"], "checked_at": "2026-11-27T08:00:00Z"}
    row = {"generation_result_id": 1, "generation_id": 7, "reference": "PIM-4711/front", "fidelity": checked}
    found = shapes.generation({**row, "status": "Done", "review": "approved", "generation_results": [row]})
    assert (found.review, found.reference, found.results[0].reference) == (
        "approved",
        "PIM-4711/front",
        "PIM-4711/front",
    )
    assert found.fidelity == found.results[0].fidelity and found.fidelity is not None
    assert (found.fidelity.verdict, found.fidelity.reasons) == ("look", ("text", "face"))
    assert found.fidelity.checked_at is not None and found.fidelity.checked_at.year == 2026
    older = shapes.result({"generation_result_id": 1})
    assert (older.reference, older.review, older.fidelity) == ("", "none", None)
