"""Every way out of the desk: closed while a result waits or was rejected, open once it is approved."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tests.conftest import Person
from tests.support.waiting import batch as order_batch
from tests.support.waiting import quick, worked
from upscaler.models import ChannelFile, Team, Upscale
from upscaler.review import decisions
from upscaler.storage import pictures, signed_links

Result = Callable[..., Upscale]


def link_of(upscale: Upscale, **more: Any) -> str:
    """A signed link that was handed out before, as a path."""
    return signed_links.path(pictures.result_of(upscale), name="shirt.png", team_id=upscale.team_id, **more)


def channel_file(upscale: Upscale) -> str:
    made = ChannelFile.objects.create(
        upscale=upscale, channel_id="amazon", title="Amazon", file=upscale.result_file.name
    )
    return f"/channel-files/{made.pk}/"


def source_of_another(upscale: Upscale) -> str:
    """An order whose source is that result."""
    other = Upscale.objects.get(pk=upscale.pk)
    other.pk, other.result_id, other.engine_id, other.status = None, None, None, Upscale.Status.CREATED
    other.source_file, other.result_file, other.review = upscale.result_file, "", "none"
    other.pending_since = other.completed_at = None
    other.credits, other.rank = 0, None
    other.save(force_insert=True)
    return f"/upscales/{other.pk}/source/"


WAYS: dict[str, Callable[[Upscale], str]] = {
    "the download": lambda upscale: f"/upscales/{upscale.pk}/download/",
    "the file": lambda upscale: f"/upscales/{upscale.pk}/result/",
    "a signed link": lambda upscale: link_of(upscale, result_of=upscale.pk),
    "a link from before downloads were noted": link_of,
    "a channel file": channel_file,
}
LOOKING = ("", "thumbnail/", "after/", "compare/", "comparison.png", "tiles/after/", "fidelity/")


@pytest.mark.parametrize("state", ["pending", "rejected"])
@pytest.mark.parametrize("way", WAYS)
def test_no_way_leads_out_before_approval(result: Result, owner: Person, head: Person, way: str, state: str) -> None:
    upscale = result()
    if state == "rejected":
        decisions.decide(upscale=upscale, approve=False, user=owner.user)
    address = WAYS[way](upscale)
    for client in (owner.client, head.client):
        answer = client.get(address)
        assert answer.status_code == 403
        said = answer.content.decode()
        assert ("waits for approval" if state == "pending" else "was rejected") in said


@pytest.mark.parametrize("way", [way for way in WAYS if way != "a channel file"])
def test_the_ways_open_with_approval_and_close_again(result: Result, owner: Person, way: str) -> None:
    upscale = result()
    address = WAYS[way](upscale)
    decisions.decide(upscale=upscale, approve=True, user=owner.user)
    answer = owner.client.get(address)
    assert answer.status_code == 200
    assert "max-age=0" in answer.headers["Cache-Control"], "a browser asks again"
    decisions.take_back(upscale=upscale, user=owner.user)
    assert owner.client.get(address).status_code == 403


def test_a_signed_link_is_closed_to_strangers_and_tokens_too(result: Result, owner: Person) -> None:
    upscale = result()
    address = link_of(upscale, result_of=upscale.pk)
    assert Client().get(address).status_code == 403
    assert Client().get(address, headers={"Authorization": f"Bearer {owner.token}"}).status_code == 403
    assert Client().get(link_of(upscale, for_engine=True)).status_code == 200, "an engine fetches its source"


def test_a_result_that_waits_does_not_leave_as_the_source_of_another_order(result: Result, owner: Person) -> None:
    upscale = result()
    address = source_of_another(upscale)
    page = owner.client.get(address).content.decode()
    assert "The original of this is a result that waits for approval" in page
    assert f'href="/upscales/{upscale.pk}/">See that result' in page, "the order itself has nothing to decide"
    assert owner.client.get(address).status_code == 403
    Upscale.objects.filter(pk=int(address.split("/")[2])).delete()


@pytest.mark.parametrize("what", LOOKING)
def test_who_reviews_may_look(result: Result, owner: Person, what: str) -> None:
    upscale = result()
    assert owner.client.get(f"/upscales/{upscale.pk}/{what}").status_code == 200


def test_the_zip_leaves_out_what_waits_and_its_manifest_says_so(owner: Person) -> None:
    Team.objects.filter(pk=owner.team.pk).update(reviews="everything")
    with quick():
        rows = order_batch(owner, 3)
        worked(3)
    first, second, _ = Upscale.objects.filter(pk__in=[row.pk for row in rows]).order_by("pk")
    decisions.decide(upscale=first, approve=True, user=owner.user)
    decisions.decide(upscale=second, approve=False, user=owner.user)
    answer = owner.client.get(f"/batches/{first.batch_id}/results.zip")
    made = zipfile.ZipFile(io.BytesIO(b"".join(answer)))  # type: ignore[arg-type]
    assert len(made.namelist()) == 2, "one result and the manifest"
    lines = list(csv.DictReader(io.StringIO(made.read("manifest.csv").decode("utf-8-sig"))))
    assert [(bool(line["file"]), line["reason"]) for line in lines] == [
        (True, ""),
        (False, "Rejected"),
        (False, "Waits for approval"),
    ]
    page = owner.client.get(f"/batches/{first.batch_id}/").content.decode()
    assert "Review 1 that waits" in page
    assert "the 1 that is given out" in page


def test_the_api_says_how_it_stands_and_gives_no_address(result: Result, owner: Person, outsider: Person) -> None:
    upscale = result()
    numbers = f"generation/{upscale.pk}", f"generation-result/{upscale.result_id}"

    def shown() -> tuple[dict[str, Any], ...]:
        detail, one = (owner.api("get", path).json() for path in numbers)
        listed = owner.api("get", "generation-results").json()["data"][0]
        row = owner.api("get", "generations?review=" + detail["review"]).json()["data"][0]
        assert {detail["review"], row["review"]} == {one["review"]} == {listed["review"]}
        return detail["generation_results"][0], one, listed

    for told in shown():
        assert (told["review"], told["image_url"], told["available"]) == ("pending", "", False)
    assert owner.api("get", "generations?review=approved").json()["total_count"] == 0
    assert outsider.api("post", f"generation/{upscale.pk}/review", {"decision": "approved"}).status_code == 404
    answer = owner.api("post", f"generation/{upscale.pk}/review", {"decision": "approved", "note": "fine"})
    assert (answer.status_code, answer.json()["review"]) == (200, "approved")
    for told in shown():
        assert Client().get(told["image_url"]).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"decision": "rejected"}, 409),
        ({"decision": "perhaps"}, 422),
        ({}, 422),
        ({"decision": "rejected", "note": "x" * 501}, 422),
        ({"decision": "rejected", "reason": "smell"}, 422),
        ({"decision": "rejected", "colour": "red"}, 422),
    ],
)
def test_a_call_that_decides_nothing_is_told_why(
    result: Result, owner: Person, teammate: Person, body: dict[str, str], status: int
) -> None:
    upscale = result()
    decisions.decide(upscale=upscale, approve=True, user=teammate.user)
    answer = owner.api("post", f"generation/{upscale.pk}/review", body)
    assert answer.status_code == status
    assert answer.json()["detail"]


def test_what_is_made_of_a_waiting_result_waits_too(result: Result, owner: Person) -> None:
    waiting = result()
    Team.objects.update(reviews="nobody")
    body = {"generation_result_id": waiting.result_id, "model_name": "recraft"}
    with quick():
        made = owner.api("post", "generation-upscale", body).json()
        worked(1)
    copy = Upscale.objects.get(pk=made["generation_id"])
    assert (copy.status, copy.review) == ("Done", "pending")
    decisions.note_faithful(copy.pk)
    copy.refresh_from_db()
    assert copy.review == "pending", "it is faithful to what nobody may have"


def test_nothing_is_made_of_a_rejected_result(result: Result, owner: Person) -> None:
    upscale = result()
    decisions.decide(upscale=upscale, approve=False, user=owner.user)
    body = {"generation_result_id": upscale.result_id, "model_name": "recraft"}
    answer = owner.api("post", "generation-upscale", body)
    assert answer.status_code == 422 and "This result was rejected" in answer.content.decode()
