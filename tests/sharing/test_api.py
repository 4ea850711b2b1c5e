"""Share links by programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tests.conftest import Person
from upscaler.models import Batch, ShareLink, Upscale


def test_a_program_makes_lists_and_revokes_a_link(
    owner: Person, teammate: Person, head: Person, outsider: Person, done: Callable[..., Upscale]
) -> None:
    upscale = done()
    body = {"generation_id": upscale.pk, "label": "Client", "days": 30, "may_download": True}
    answer = owner.api("post", "share-links", body)
    made = answer.json()
    assert answer.status_code == 201
    assert (made["state"], made["batch_id"], made["may_decide"], made["may_download"]) == ("Live", None, False, True)
    path = made.pop("url").removeprefix("http://testserver")
    assert Client().get(path).status_code == 200
    listed = owner.api("get", "share-links").json()
    assert listed["total_count"] == 1 and listed["data"][0] == {
        **made, "opens": 1, "last_opened_at": listed["data"][0]["last_opened_at"],
    }  # fmt: skip
    assert path.split("/")[2] not in str(listed)
    for person, status, count in ((teammate, 404, 0), (outsider, 404, 0), (head, 200, 1)):
        assert person.api("get", "share-links").json()["total_count"] == count
        assert person.api("delete", f"share-links/{made['share_link_id']}").status_code == status
    again = owner.api("delete", f"share-links/{made['share_link_id']}")
    assert (again.status_code, again.json()["state"]) == (200, "Revoked")
    assert Client().get(path).status_code == 410


def test_a_batch_is_shared_for_seven_days_unless_told(owner: Person, order_batch: Callable[..., Batch]) -> None:
    batch = order_batch("a.jpg")
    assert owner.api("post", "share-links", {"batch_id": batch.pk, "label": "Client"}).status_code == 201
    link = ShareLink.objects.get()
    assert (link.batch, (link.expires_at - link.created_at).days) == (batch, 7)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"label": ""}, "Give the link a name"),
        ({"label": None}, "Give the link a name"),
        ({"label": "x" * 101}, "100 letters at most"),
        ({"days": 8}, "A link works for 1, 7, 30 or 90 days."),
        ({"batch_id": 1}, "either generation_id or batch_id"),
        ({"generation_id": None}, "either generation_id or batch_id"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_a_bad_body_is_refused_as_on_the_page(
    owner: Person, done: Callable[..., Upscale], sent: dict[str, Any], said: str
) -> None:
    answer = owner.api("post", "share-links", {"generation_id": done().pk, "label": "Client", **sent})
    assert answer.status_code == 422 and said in str(answer.json())
    assert not ShareLink.objects.exists()


def test_what_is_not_ready_is_not_shared(owner: Person, order: Callable[..., Upscale]) -> None:
    answer = owner.api("post", "share-links", {"generation_id": order().pk, "label": "Client"})
    assert (answer.status_code, answer.json()["detail"][0]["type"]) == (422, "not_comparable")
