"""A team that keeps as much as it may is refused what is new before it pays, and what is under way is finished."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tests.conftest import Person
from tests.support import pictures
from tests.support.concurrency import at_once
from tests.support.draft_page import DraftPage
from tests.watching.conftest import Watched, watched
from upscaler import text
from upscaler.health import metrics
from upscaler.models import Batch, DraftItem, Feed, Membership, Team, TeamStorage, Upscale
from upscaler.ordering import removal
from upscaler.processing import worker_step
from upscaler.storage import cleanup, stored_files, team_room

__all__ = ["watched"]

MEGABYTE = 1_000_000


def keep(person: Person, megabytes: float, *, quota: int | None = 10) -> None:
    """Have the team keep so much, with such a quota."""
    Team.objects.filter(pk=person.team.pk).update(storage_quota_mb=quota)
    stored_files.note(person.team.pk, {f"results/2026/01/{megabytes}.jpg": int(megabytes * MEGABYTE)})


def shown(person: Person, path: str = "/history/") -> str:
    return " ".join(person.client.get(path).content.decode().split())


def test_the_page_refuses_with_numbers_and_the_way_out_and_charges_nothing(
    owner: Person, upload: Callable[..., Any]
) -> None:
    keep(owner, 12.3)
    balance = owner.balance
    answer = owner.submit(image=upload())
    page = " ".join(answer.content.decode().split())
    assert "Your team keeps files of 12.3 MB; the limit is 10 MB." in page
    assert "Delete pictures in the history, or tell an admin of the team. Then choose this one again." in page
    assert (owner.balance, Upscale.objects.count()) == (balance, 0)


def test_the_api_answers_403_with_a_code_of_its_own(owner: Person, upload: Callable[..., Any]) -> None:
    link = Client().post("/api/v1/uploads", {"file": upload()}, headers={"Authorization": f"Bearer {owner.token}"})
    keep(owner, 10)
    balance = owner.balance
    body = {"image_url": link.json()["image_url"], "model_name": "recraft"}
    batch = {"model_name": "recraft", "items": [{"image_url": body["image_url"]}]}
    answers = [
        owner.api("post", "generation-upscale", body),
        owner.api("post", "generation/upscale", {"image_url": body["image_url"]}),
        owner.api("post", "batches", batch),
        Client().post("/api/v1/uploads", {"file": upload()}, headers={"Authorization": f"Bearer {owner.token}"}),
    ]
    told = [(answer.status_code, answer.json().get("code")) for answer in answers if answer.status_code != 404]
    assert told == [(403, "storage_quota_exceeded")] * len(told) and len(told) >= 3
    assert "nothing was charged" in answers[0].json()["detail"]
    assert (owner.balance, Upscale.objects.count(), Batch.objects.count()) == (balance, 0, 0)
    assert owner.api("post", "quotes", batch).status_code == 200


def test_a_repeat_with_its_key_is_given_what_it_ordered(owner: Person) -> None:
    body = {"image_url": "https://shop.example/a.jpg", "model_name": "recraft"}
    first = owner.api("post", "generation-upscale", body, **{"Idempotency-Key": "a"}).json()
    keep(owner, 10)
    again = owner.api("post", "generation-upscale", body, **{"Idempotency-Key": "a"})
    assert (again.status_code, again.json()["generation_id"]) == (200, first["generation_id"])
    assert owner.api("post", "generation-upscale", body, **{"Idempotency-Key": "b"}).status_code == 403


def test_a_draft_takes_no_picture_and_is_not_ordered(owner: Person, upload: Callable[..., Any]) -> None:
    page = DraftPage(owner)
    assert page.item(upload("a.jpg"))["state"] == "ready"
    keep(owner, 10)
    refused = page.item(upload("b.jpg"))
    assert refused["state"] == "refused"
    assert refused["message"] == (
        "Your team keeps files of 10 MB; the limit is 10 MB. Delete pictures in the history, or tell an admin of the "
        "team. Then choose this one again."
    )
    balance = owner.balance
    answer = page.order()
    assert answer.status_code >= 400 and "the limit is 10 MB" in answer.content.decode()
    assert (owner.balance, Upscale.objects.count()) == (balance, 0)
    assert DraftItem.objects.filter(name="a.jpg").exists(), "it waits for room"


def test_what_has_no_room_left_is_refused_though_there_is_some(owner: Person, upload: Callable[..., Any]) -> None:
    keep(owner, 9.9999)
    answer = owner.submit(image=upload())
    assert "9.99 MB, and this needs" in answer.content.decode()
    assert not Upscale.objects.exists()


def test_what_is_under_way_is_finished_and_kept(owner: Person, order: Callable[..., Upscale]) -> None:
    upscale = order()
    keep(owner, 10)
    worker_step.step(upscale.pk)
    upscale.refresh_from_db()
    assert upscale.status == Upscale.Status.DONE and upscale.gives_file
    assert team_room.of_team(Team.objects.get(pk=owner.team.pk)).used > 10 * MEGABYTE


def test_there_is_room_again_once_pictures_are_deleted(
    owner: Person, done: Callable[..., Upscale], upload: Callable[..., Any]
) -> None:
    upscale = done()
    used = TeamStorage.objects.get().total
    keep(owner, 10 - used / MEGABYTE + 0.001)
    owner.submit(image=upload())
    assert Upscale.objects.count() == 1
    removal.delete([upscale.pk], membership=Membership.objects.get(user=owner.user))
    cleanup.remove_deleted()
    owner.submit(image=upload())
    assert Upscale.objects.count() == 2


def test_a_catalogue_check_takes_no_file(owner: Person) -> None:
    keep(owner, 10)
    answer = owner.client.post("/feeds/new/", {"text": "sku,image\nA,https://shop.example/a.jpg", "channels": "etsy"})
    assert "the limit is 10 MB" in answer.content.decode()
    assert not Feed.objects.exists()


def test_a_watched_folder_waits_and_goes_on(watched: Watched) -> None:
    folder = watched.begin()
    watched.drop("a.jpg")
    keep(watched.head, 10)
    watched.look(2)
    folder.refresh_from_db()
    assert "the limit is 10 MB" in folder.problem and folder.failures == 0
    assert set(watched.states().values()) == {"ready"}
    Team.objects.update(storage_quota_mb=0)
    watched.look()
    assert set(watched.states().values()) == {"ordered"}


def test_the_desk_s_quota_is_for_teams_without_their_own(owner: Person, outsider: Person, settings: Any) -> None:
    settings.DEFAULT_STORAGE_QUOTA_MB = 10
    keep(owner, 10, quota=None)
    keep(outsider, 10.5, quota=0)
    full = {team.slug for team in Team.objects.select_related("storage") if team_room.of_team(team).is_full}
    assert full == {"atelier"}
    assert team_room.full_teams() == 1
    Team.objects.filter(pk=owner.team.pk).update(storage_quota_mb=4_000_000)
    assert team_room.full_teams() == 0


def test_from_ninety_percent_on_all_pages_warn_and_admins_read_what_to_do(owner: Person, head: Person) -> None:
    keep(owner, 8.9)
    assert "storage-banner" not in shown(owner)
    keep(owner, 0.1)
    for page in ("/", "/history/", "/team/"):
        assert "Atelier keeps files of 9 MB, 90 % of its 10 MB." in shown(owner, page)
    assert "tell an admin of the team" in shown(owner)
    assert '<a href="/team/#keeping">how long files are kept</a>' in shown(head)
    for page in ("/history/", "/team/"):
        assert "pictures of your own" in shown(owner, page) and "pictures of your own" not in shown(head, page)
    keep(owner, 2)
    assert "Atelier keeps files of 11 MB, and its limit is 10 MB: nothing new" in shown(owner)


def test_team_page_api_system_admin_and_metrics_say_how_much(
    owner: Person, head: Person, outsider: Person, admin_client: Client
) -> None:
    keep(owner, 10.5)
    stored_files.note(owner.team.pk, {"sources/2026/01/a.jpg": 250_000, "channels/2026/01/b.jpg": 5})
    for person in (owner, head):
        page = shown(person, "/team/")
        assert "10.7 MB of 10 MB, 107 %." in page
        for kind in ("Originals</dt><dd>250 kB", "Results</dt><dd>10.5 MB", "Files for shops</dt><dd>5 bytes"):
            assert kind in page
    storage = owner.api("get", "credits").json()["storage"]
    assert storage == {"used_bytes": 10_750_005, "quota_bytes": 10_000_000}
    assert outsider.api("get", "credits").json()["storage"] == {"used_bytes": 0, "quota_bytes": None}
    system = " ".join(admin_client.get("/system/").content.decode().split())
    assert "The teams keep files of 10.7 MB." in system and "1 team keeps as much as it may" in system
    assert "10.7 MB of 10 MB, 107 %" in admin_client.get("/admin/upscaler/team/").content.decode()
    told = metrics.text().decode()
    assert 'upscaler_kept_bytes{kind="results"} 1.05e+07' in told
    assert "upscaler_full_teams 1.0" in told


def test_staff_set_a_team_s_quota(owner: Person, admin_client: Client) -> None:
    sent = {"name": "Atelier", "slug": "atelier", "storage_quota_mb": "10"}
    sent |= {f"memberships-{name}_FORMS": "0" for name in ("TOTAL", "INITIAL", "MIN_NUM", "MAX_NUM")}
    answer = admin_client.post(f"/admin/upscaler/team/{owner.team.pk}/change/", sent)
    assert answer.status_code == 302, answer.content.decode()
    assert team_room.of_team(Team.objects.get(pk=owner.team.pk)).quota == 10 * MEGABYTE


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (12_345, "12.3 kB"),
        (999_999, "999 kB"),
        (10_000_000, "10 MB"),
        (1_999_999_999, "1.99 GB"),
        (4_000_000_000_000_000, "4,000 TB"),
    ],
)
def test_bytes_are_rounded_down(amount: int, words: str) -> None:
    assert text.format_bytes(amount) == words


@pytest.mark.django_db(transaction=True)
def test_of_several_uploads_at_once_those_are_refused_that_find_no_room(owner: Person) -> None:
    content = pictures.jpeg((60, 40))
    keep(owner, 10 - 1.5 * len(content) / MEGABYTE)
    headers = {"Authorization": f"Bearer {owner.token}"}

    def send() -> int:
        file = SimpleUploadedFile("shirt.jpg", content)
        return int(Client().post("/api/v1/uploads", {"file": file}, headers=headers).status_code)

    assert sorted(at_once(3, send)) == [201, 403, 403]
    assert TeamStorage.objects.get().sources == len(content)
