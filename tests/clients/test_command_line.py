"""The command `upscaler` against a whole desk, as people and scripts call it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from upscaler_client import Client
from upscaler_client.cli import console, main

from tests.support import pictures, webserver
from tests.support.faulty_proxy import Proxy, before
from tests.support.live_server import ON_ONE_QUEUE, Desk

pytestmark = [pytest.mark.processes, ON_ONE_QUEUE]
signed_in_by_environment = pytest.mark.usefixtures("signed_in")
NAMES = ("48220_red_front.jpg", "48221_blue_front.jpg", "more/48222_red_back.JPG", ".hidden.jpg", "notes.txt")


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch, desk: Desk, token: str) -> None:
    monkeypatch.setenv("UPSCALER_URL", desk.url)
    monkeypatch.setenv("UPSCALER_TOKEN", token)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "shirts"
    for number, name in enumerate(NAMES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(pictures.jpeg((20 + number, 20)))
    return folder


def names_in(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


@signed_in_by_environment
class TestPush:
    def test_a_folder_becomes_a_zip(self, folder: Path, tmp_path: Path, client: Client, capsys: Any) -> None:
        out = tmp_path / "results.zip"
        code = main.main(["push", str(folder), "--sku", "{sku}_{colour}_{view}", "--out", str(out), "--yes"])
        said = capsys.readouterr()
        assert (code, said.out.strip()) == (0, str(out)), said.err
        assert "3 pictures with recraft: 3 credits" in said.err and "Your team has 200 credits now." in said.err
        assert "3 of 3 pictures done for 3 credits." in said.err
        assert {name for name in names_in(out) if name != "manifest.csv"} == {
            "48220_red_front.jpg",
            "48221_blue_front.jpg",
            "48222_red_back.jpg",
        }
        assert sorted(row.sku for row in client.generations()) == ["48220", "48221", "48222"]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["results.zip", "shirts"]
        # What is there is never written over.
        assert main.main(["push", str(folder), "--out", str(out), "--yes"]) == 1
        assert "there already" in capsys.readouterr().err
        assert client.credits().balance == 197

    def test_stopped_anywhere_it_goes_on_and_pays_once(
        self, folder: Path, tmp_path: Path, client: Client, capsys: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out = tmp_path / "results.zip"
        command = ["push", str(folder), "--out", str(out), "--yes"]
        uploads: list[Path] = []
        upload = Client.upload

        def counted(self: Client, picture: Path) -> str:
            uploads.append(picture)
            return upload(self, picture)

        def stop(*args: object, **options: object) -> Any:
            raise KeyboardInterrupt

        monkeypatch.setattr(Client, "upload", counted)
        for step in ("quote", "order_batch", "follow_batch", "results_zip"):
            with monkeypatch.context() as patch:
                patch.setattr(Client, step, stop)
                assert main.main(command) == 130
            assert "goes on from here" in capsys.readouterr().err
            assert not out.exists()
        state = tmp_path / "results.zip.push.json"
        assert json.loads(state.read_text())["batch_id"] and state.stat().st_mode & 0o077 == 0
        # Called otherwise, it would be another order.
        assert main.main([*command, "--model", "topaz"]) == 1
        assert "called otherwise (options)" in capsys.readouterr().err
        assert main.main(command) == 0
        assert len(names_in(out)) == 4 and not state.exists()
        assert len(uploads) == 3
        assert [batch.total for batch in client.batches()] == [3] and client.credits().balance == 197

    def test_an_order_whose_answer_never_came_is_the_same_order(
        self, folder: Path, tmp_path: Path, proxy: Proxy, client: Client, capsys: Any
    ) -> None:
        out = tmp_path / "results.zip"
        command = ["--url", proxy.url, "push", str(folder), "--out", str(out), "--yes"]
        # It is taken, and then the desk is away for good.
        gone = before(webserver.body(b'{"detail": "Come back later."}', 503, Retry_After="600"))

        def taken_and_lost(handler: Any, response: Any) -> None:
            gone(handler, response)

        proxy.faults["POST", "/api/v1/batches"] = [taken_and_lost]
        assert main.main(command) == 1
        assert "Come back later" in capsys.readouterr().err
        assert client.credits().balance == 197
        assert main.main(command) == 0
        assert client.credits().balance == 197 and len(names_in(out)) == 4

    def test_without_a_yes_nothing_is_ordered(
        self, folder: Path, tmp_path: Path, client: Client, capsys: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        command = ["push", str(folder), "--out", str(tmp_path / "a.zip")]
        assert main.main(command) == 1
        assert "Add --yes" in capsys.readouterr().err
        monkeypatch.setattr(console.Console, "confirm", lambda self, question: False)
        assert main.main(command) == 1
        assert "Nothing was ordered" in capsys.readouterr().err
        assert list(client.batches()) == []

    def test_files_that_are_no_pictures_are_named_and_left_out_only_if_told(
        self, folder: Path, tmp_path: Path, capsys: Any, client: Client
    ) -> None:
        (folder / "broken.jpg").write_bytes(b"no picture")
        (folder / "empty.png").write_bytes(b"")
        out = tmp_path / "a.zip"
        command = ["push", str(folder), "--out", str(out), "--yes"]
        assert main.main(command) == 1
        said = capsys.readouterr().err
        assert "broken.jpg: " in said and "empty.png: " in said and "--skip-refused" in said
        assert client.credits().balance == 200
        assert main.main([*command, "--skip-refused"]) == 3
        assert "Left out: broken.jpg, empty.png." in capsys.readouterr().err
        assert len(names_in(out)) == 4 and client.credits().balance == 197

    @pytest.mark.parametrize(
        ("options", "code", "said"),
        [
            (["--model", "esrgan"], 1, "recraft"),
            (["--model", "topaz", "--set", "upscale_factor=3x"], 1, "2x, 4x, 6x"),
            (["--sku", "{colour}"], 1, "Write {sku} once"),
            (["--sku", "none.csv"], 1, "can't be read"),
        ],
    )
    def test_what_is_wrong_is_said(
        self, folder: Path, tmp_path: Path, capsys: Any, options: list[str], code: int, said: str
    ) -> None:
        assert main.main(["push", str(folder), "--out", str(tmp_path / "a.zip"), "--yes", *options]) == code
        assert said in capsys.readouterr().err


@signed_in_by_environment
class TestOthers:
    def test_one_picture_its_status_and_the_balance(self, picture: Path, tmp_path: Path, capsys: Any) -> None:
        assert main.main(["order", str(picture), "--sku", "K1", "--yes"]) == 0
        said = capsys.readouterr()
        large = picture.with_name("48220_red-large.jpg")
        assert said.out.strip() == str(large)
        with Image.open(large) as enlarged:
            assert enlarged.size == (96, 80)
        assert main.main(["status"]) == 0
        [line] = capsys.readouterr().out.splitlines()
        number, *told = line.split("  ")
        assert told == ["Done", "K1", "48220_red.jpg"]
        assert main.main(["status", number, "--out", str(tmp_path / "again.jpg")]) == 0
        assert (tmp_path / "again.jpg").read_bytes() == large.read_bytes()
        capsys.readouterr()
        assert main.main(["balance"]) == 0
        assert capsys.readouterr().out.endswith(": 199 credits\n")
        assert main.main(["order", str(picture), "--yes"]) == 1
        assert "there already" in capsys.readouterr().err

    def test_a_wrong_token_and_too_few_credits_have_codes_of_their_own(
        self, picture: Path, tmp_path: Path, capsys: Any, client: Client
    ) -> None:
        assert main.main(["--token", "ups_wrong", "balance"]) == 5
        assert "token" in capsys.readouterr().err.lower()
        link = client.upload(picture)
        for _ in range(66):
            client.order(link, model="topaz", settings={"upscale_factor": "2x"})
        assert main.main(["order", str(picture), "--model", "topaz", "--out", str(tmp_path / "a"), "--yes"]) == 4
        assert "credits" in capsys.readouterr().err
