"""Uploads that nobody orders: a team has a quota of them in 24 hours."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from tests.conftest import Person
from tests.support import pictures, stored_files
from upscaler.imaging import intake
from upscaler.models import UnorderedUpload
from upscaler.storage import cleanup

pytestmark = pytest.mark.django_db

CONTENT = pictures.jpeg((200, 160))


def upload(person: Person, content: bytes = CONTENT) -> Any:
    file = SimpleUploadedFile("shirt.jpg", content)
    return Client().post("/api/v1/uploads", {"file": file}, headers={"Authorization": f"Bearer {person.token}"})


@pytest.fixture(autouse=True)
def room_for_two(settings: Any) -> None:
    settings.UPLOAD_QUOTA_BYTES = 2 * len(CONTENT) + 10


def test_what_is_over_the_quota_is_refused_with_the_way_out(owner: Person, teammate: Person) -> None:
    assert upload(owner).status_code == 201
    assert upload(teammate).status_code == 201
    answer = upload(owner)
    assert answer.status_code == 429
    assert answer.json()["code"] == "upload_quota"
    assert "that nobody has ordered; the limit is" in answer.json()["detail"]
    assert "Order some of it, or go on after" in answer.json()["detail"]
    assert 86_000 < int(answer.headers["Retry-After"]) <= 86_400


def test_another_team_has_its_own(owner: Person, outsider: Person) -> None:
    upload(owner)
    upload(owner)
    assert upload(outsider).status_code == 201


def test_what_is_ordered_counts_no_more(owner: Person) -> None:
    links = [upload(owner).json()["image_url"] for _ in range(2)]
    assert upload(owner).status_code == 429
    order = owner.api("post", "generation-upscale", {"image_url": links[0], "model_name": "recraft"})
    assert order.status_code == 200
    assert upload(owner).status_code == 201
    assert upload(owner).status_code == 429


def test_an_order_that_is_refused_frees_nothing(owner: Person) -> None:
    link = upload(owner).json()["image_url"]
    upload(owner)
    owner.api("post", "generation-upscale", {"image_url": link, "model_name": "nothing"})
    assert upload(owner).status_code == 429


def test_a_day_later_there_is_room_again(owner: Person) -> None:
    upload(owner)
    upload(owner)
    UnorderedUpload.objects.update(created_at=timezone.now() - timedelta(hours=24, seconds=1))
    assert upload(owner).status_code == 201


def test_a_file_that_is_no_picture_counts_nothing(owner: Person) -> None:
    for _ in range(5):
        assert upload(owner, b"not a picture").status_code == 415
    assert upload(owner).status_code == 201


def test_of_two_at_once_the_second_finds_the_room_taken_and_leaves_no_file(
    owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    examine = intake.examine_source

    def meanwhile(*args: Any, **options: Any) -> Any:
        UnorderedUpload.objects.create(team=owner.team, path="sources/other.jpg", file_size=2 * len(CONTENT))
        return examine(*args, **options)

    monkeypatch.setattr(intake, "examine_source", meanwhile)
    before = stored_files.stored()
    assert upload(owner).status_code == 429
    assert stored_files.stored() == before
    assert list(UnorderedUpload.objects.values_list("path", flat=True)) == ["sources/other.jpg"]


def test_the_row_goes_with_the_file(owner: Person) -> None:
    upload(owner)
    cleanup.remove_orphans(timezone.now() + cleanup.KEPT_FOR + timedelta(minutes=1))
    assert not UnorderedUpload.objects.exists()
