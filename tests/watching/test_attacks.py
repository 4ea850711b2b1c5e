"""No path and no link leads out of a watched folder, and no address into the operator's own network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from config.environment import watched_roots
from tests.conftest import Person
from tests.support import pictures
from tests.watching.conftest import FORM, Watched
from upscaler.models import Upscale, WatchedFile, WatchedFolder
from upscaler.watching import folder_place
from upscaler.watching.places import FileChanged, Found

S3 = {
    **{name: value for name, value in FORM.items() if name != "root"},
    "bucket": "shop",
    "endpoint": "https://s3.example.com",
    "access_key_id": "KEY",
    "secret_key": "SECRET",
}


@pytest.mark.parametrize(
    ("kind", "wrong", "says"),
    [
        ("folder", {"path": "../secret"}, "has “.” or “..” in it"),
        ("folder", {"path": "a/../../b"}, "has “.” or “..” in it"),
        ("folder", {"path": "a\\..\\b"}, "holds a backslash"),
        ("folder", {"path": "a\0b"}, "Null characters"),
        ("folder", {"root": "/etc"}, "Choose a root: studio"),
        ("folder", {"put_to": "/../x"}, "has “.” or “..” in it"),
        ("folder", {"put_to": "/incoming"}, "enlarged again and again"),
        ("folder", {"put_to": "/"}, "enlarged again and again"),
        ("folder", {"put_to": ""}, "Say where results go"),
        ("folder", {"template": "{nonsense}"}, "no word that a template knows"),
        ("folder", {"template": "same"}, "called the same"),
        ("folder", {"sku_pattern": "{colour}"}, "nowhere what the SKU is"),
        ("folder", {"model_name": "nonsense"}, "There is no model called"),
        ("folder", {"model_name": "topaz", "daily_credits": "1"}, "nothing could be ordered"),
        ("folder", {"channels": ["nowhere"]}, "nowhere"),
        ("folder", {"name": ""}, "Give the folder a name"),
        ("s3", {"endpoint": "http://169.254.169.254"}, "inside a private network"),
        ("s3", {"endpoint": "http://localhost"}, "inside a private network"),
        ("s3", {"endpoint": "https://s3.example.com:9000"}, "the ports 80 and 443"),
        ("s3", {"endpoint": "https://s3.example.com/bucket"}, "without anything after the host"),
        ("s3", {"endpoint": "https://key@s3.example.com"}, "without anything after the host"),
        ("s3", {"endpoint": "", "region": "eu@evil.example#"}, "This is no region"),
        ("s3", {"bucket": "../other"}, "no bucket’s name"),
        ("s3", {"secret_key": ""}, "Give the secret"),
        ("s3", {"access_key_id": "a b"}, "Copy it again"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_watched(
    watched: Watched, kind: str, wrong: dict[str, Any], says: str
) -> None:
    data = {**(S3 if kind == "s3" else FORM), **wrong}
    answer = watched.head.client.post(f"/watched-folders/new/{kind}/", data)
    assert answer.status_code == 422 and says in answer.content.decode()
    assert not WatchedFolder.objects.exists()


def test_links_are_not_followed_wherever_they_stand(watched: Watched, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "private.jpg").write_bytes(pictures.jpeg())
    folder = watched.begin()
    (watched.incoming / "link.jpg").symlink_to(secret / "private.jpg")
    (watched.incoming / "folder").symlink_to(secret)
    os.mkfifo(watched.incoming / "pipe.jpg")
    watched.drop("good.jpg")
    watched.look(2)
    assert watched.states() == {"good.jpg": "ordered"}
    # Where results go a link stands now.
    (watched.incoming / "done").symlink_to(secret)
    watched.enlarge()
    watched.look()
    assert [path.name for path in secret.iterdir()] == ["private.jpg"]
    page = watched.head.client.get(f"/watched-folders/{folder.pk}/").content.decode()
    assert "Results can’t be put back" in page and "a link, which is not followed" in page
    # And one in the place of the folder itself.
    watched.incoming.rename(watched.disk / "before")
    watched.incoming.symlink_to(secret)
    watched.look(2)
    folder.refresh_from_db()
    assert "a link, which is not followed" in folder.problem
    assert Upscale.objects.count() == 1


def test_a_file_that_becomes_a_link_before_it_is_read_gives_nothing(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.jpg").write_bytes(b"x")
    (tmp_path / "in" / "a.jpg").write_bytes(b"x")
    place = folder_place.FolderPlace(tmp_path, ["in"], put_parts=["in", "done"], left_out="done/")
    [found] = place.files()
    (tmp_path / "in" / "a.jpg").unlink()
    (tmp_path / "in" / "a.jpg").symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(Exception, match="not followed"), place.open(found):
        pass
    with pytest.raises(FileChanged), place.open(Found("gone.jpg", 1, "1-1")):
        pass


def test_two_never_watch_the_same_and_no_results_go_round(watched: Watched, outsider: Person) -> None:
    watched.begin(put_to="/finished")
    (watched.disk / "finished").mkdir()
    again = {**FORM, "name": "Other"}
    for wrong, says in (
        ({"path": "incoming"}, "watched already by “Studio”"),
        ({"path": "incoming/part"}, "watched already by “Studio”"),
        ({"path": ""}, "watched already by “Studio”"),
        ({"path": "finished"}, "Results of “Studio” come into this folder"),
        ({"path": "other", "put_to": "/incoming/x"}, "a folder that “Studio” watches"),
    ):
        answer = watched.head.client.post("/watched-folders/new/folder/", {**again, **wrong})
        assert answer.status_code == 422 and says in answer.content.decode(), wrong
    outsider.team.memberships.update(role="admin")
    answer = outsider.client.post("/watched-folders/new/folder/", again)
    assert "watched already by another team" in answer.content.decode()
    with override_settings(WATCHED_ROOTS={"studio": f"{watched.disk}/{{team}}"}):
        assert outsider.client.post("/watched-folders/new/folder/", again).status_code == 302


def test_the_secret_is_shown_nowhere_and_goes_with_the_folder(watched: Watched, admin_client: Any) -> None:
    head = watched.head
    secret = "a-very-secret-key"
    assert head.client.post("/watched-folders/new/s3/", {**S3, "secret_key": secret}).status_code == 302
    folder = WatchedFolder.objects.get()
    pages = [f"/watched-folders/{folder.pk}/{page}" for page in ("", "change/", "remove/")]
    texts = [head.client.get(page).content.decode() for page in [*pages, "/watched-folders/", "/team/activity/"]]
    texts.append(admin_client.get(f"/admin/upscaler/watchedfolder/{folder.pk}/change/").content.decode())
    assert "shop" in texts[-1]
    assert not any(secret in text for text in texts)
    # Left empty it stays.
    change = {**S3, "secret_key": "", "name": "New name"}
    assert head.client.post(f"/watched-folders/{folder.pk}/change/", change).status_code == 302
    folder.refresh_from_db()
    assert (folder.name, folder.secret_key, folder.bucket) == ("New name", secret, "shop")
    head.client.post(f"/watched-folders/{folder.pk}/remove/")
    folder.refresh_from_db()
    assert folder.secret_key == ""


@pytest.mark.parametrize(
    "wrong", ["studio", "studio:relative", "a b:/srv", "s:/", "s:/srv/media/x", "s:/srv", "s:/a,s:/b"]
)
def test_roots_that_are_none_stop_the_start(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHED_ROOTS", wrong)
    with pytest.raises(ImproperlyConfigured, match="WATCHED_ROOTS holds"):
        watched_roots("WATCHED_ROOTS", apart_from=Path("/srv/media"))


def test_names_that_are_no_utf_8_are_told(watched: Watched) -> None:
    watched.begin()
    (Path(os.fsdecode(os.fsencode(watched.incoming) + b"/caf\xe9.jpg"))).write_bytes(pictures.jpeg())
    watched.look(2)
    file = WatchedFile.objects.get()
    assert (file.state, file.path) == ("refused", "caf\\xe9.jpg") and "not written in UTF-8" in file.problem


def test_another_team_s_admin_finds_nothing(watched: Watched, outsider: Person) -> None:
    folder = watched.begin()
    outsider.team.memberships.update(role="admin")
    for page in ("", "change/", "remove/"):
        assert outsider.client.get(f"/watched-folders/{folder.pk}/{page}").status_code == 404
    for page in ("change/", "look/", "switch/", "retry/", "remove/"):
        assert outsider.client.post(f"/watched-folders/{folder.pk}/{page}").status_code == 404
    assert "Studio" not in outsider.client.get("/watched-folders/").content.decode()
