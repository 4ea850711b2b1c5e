"""What was refunded is given to nobody: it would be a result for nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import time_machine
from django.test import Client, override_settings
from django.utils import timezone

from tests.conftest import Person
from tests.support import pictures, webserver
from tests.support import vendor as vendors
from tests.support.vendor import LIST, SUBMIT, Vendor, as_json, follow, step
from upscaler.errors import PublicError
from upscaler.models import Upscale
from upscaler.ordering import reorder
from upscaler.processing.manual_refunds import refund_by_hand

REFUNDED = "The price of this picture was given back, so its result is given to nobody any more."


def link_of(person: Person, upscale: Upscale) -> str:
    [result] = person.api("get", f"generation/{upscale.pk}").json()["generation_results"]
    return urlsplit(result["image_url"]).path


def refunded(upscale: Upscale, head: Person) -> Upscale:
    refund_by_hand(upscale, note="spots on the sleeve", by=head.user)
    upscale.refresh_from_db()
    return upscale


@pytest.mark.parametrize("kind", ["result", "after", "download"])
def test_the_team_s_pages_give_no_picture_of_it(
    kind: str, owner: Person, head: Person, done: Callable[..., Upscale]
) -> None:
    upscale = done()
    address = f"/upscales/{upscale.pk}/{kind}/"
    assert owner.client.get(address).status_code == 200
    refunded(upscale, head)
    answer = owner.client.get(address)
    assert (answer.status_code, REFUNDED in answer.content.decode()) == (410, True)


def test_the_team_sees_that_it_was_and_gets_its_own_source(
    owner: Person, head: Person, done: Callable[..., Upscale]
) -> None:
    upscale = refunded(done(), head)
    page = owner.client.get(f"/upscales/{upscale.pk}/").content.decode()
    assert "This picture was refunded" in page
    assert "1 credit was returned" in page
    for address in ("result", "after", "download"):
        assert f"/upscales/{upscale.pk}/{address}/" not in page
    row = owner.client.get("/history/").content.decode()
    assert "1 credit returned" in row
    assert f"/upscales/{upscale.pk}/download/" not in row
    with upscale.source_file.open("rb") as source, upscale.source_thumbnail.open("rb") as thumbnail:
        kept = {"source": source.read(), "thumbnail": thumbnail.read()}
    for kind, content in kept.items():
        answer = owner.client.get(f"/upscales/{upscale.pk}/{kind}/")
        assert b"".join(answer.streaming_content) == content  # type: ignore[attr-defined]


def test_programs_get_it_no_more(owner: Person, head: Person, done: Callable[..., Upscale]) -> None:
    upscale = refunded(done(), head)
    row = owner.api("get", f"generation/{upscale.pk}").json()
    assert (row["status"], row["generation_results"], row["error"]) == ("Done", [], REFUNDED)
    answer = owner.api("get", f"generation-result/{upscale.result_id}")
    assert (answer.status_code, answer.json()["detail"]) == (404, REFUNDED)
    assert owner.api("get", "generation-results").json()["total_count"] == 0


def test_a_link_that_was_made_before_opens_nothing_for_anybody(
    owner: Person, head: Person, done: Callable[..., Upscale]
) -> None:
    upscale = done()
    link = link_of(owner, upscale)
    assert Client().get(link).status_code == 200
    refunded(upscale, head)
    token = {"Authorization": f"Bearer {owner.token}"}
    for answer in (Client().get(link), owner.client.get(link), Client().get(link, headers=token)):
        assert (answer.status_code, answer.json()) == (410, {"detail": REFUNDED})


@pytest.mark.parametrize("by", ["number", "link"])
def test_it_is_no_source(by: str, owner: Person, head: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    source: dict[str, Any] = {"generation_result_id": upscale.result_id}
    if by == "link":
        source = {"image_url": f"http://testserver{link_of(owner, upscale)}"}
    refunded(upscale, head)
    answer = owner.api("post", "generation-upscale", {**source, "model_name": "recraft"})
    [problem] = answer.json()["detail"]
    assert (answer.status_code, problem["type"]) == (422, "refunded")
    assert owner.client.get(f"/?result={upscale.pk}").status_code == 404
    assert f'id="result-{upscale.pk}"' not in owner.client.get("/").content.decode()


def test_an_order_that_was_made_from_it_shows_it_no_more(
    owner: Person, head: Person, done: Callable[..., Upscale]
) -> None:
    first = done()
    body = {"generation_result_id": first.result_id, "model_name": "recraft"}
    second = Upscale.objects.get(pk=owner.api("post", "generation-upscale", body).json()["generation_id"])
    follow(second)
    assert second.status == "Done"
    refunded(first, head)
    for kind in ("source", "before"):
        assert owner.client.get(f"/upscales/{second.pk}/{kind}/").status_code == 410
    for kind in ("result", "after", "thumbnail"):
        assert owner.client.get(f"/upscales/{second.pk}/{kind}/").status_code == 200
    page = owner.client.get(f"/upscales/{second.pk}/").content.decode()
    assert f"/upscales/{second.pk}/before/" not in page
    with pytest.raises(PublicError, match="given to nobody"):
        reorder.reorder(Upscale.objects.get(pk=second.pk))


def test_the_admin_is_told_before_the_refund(owner: Person, head: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    head.user.is_staff = head.user.is_superuser = True
    head.user.save()
    form = head.client.post(
        "/admin/upscaler/upscale/", {"action": "refund", "_selected_action": [upscale.pk]}
    ).content.decode()
    assert "After that nobody gets the result any more" in form


def test_a_failed_order_s_result_at_the_vendor_is_given_to_nobody(vendor: Vendor, owner: Person) -> None:
    """Too small beside its source: refunded, though the vendor has made something."""
    vendor.picture = vendors.picture((40, 30))
    body = {"image_url": f"http://{vendor.host}/shop/shirt.png", "model_name": "recraft"}
    upscale = Upscale.objects.get(pk=owner.api("post", "generation-upscale", body).json()["generation_id"])
    follow(upscale)
    assert (upscale.error_code, owner.balance) == ("result_too_small", 100)
    number = int(upscale.engine_id or 0) + 1000
    assert owner.api("get", f"generation-result/{number}").status_code == 404
    source = {"generation_result_id": number, "model_name": "recraft"}
    assert owner.api("post", "generation-upscale", source).json()["detail"][0]["type"] == "not_found"


def test_what_the_vendor_made_of_an_order_whose_answer_was_lost_is_given_to_nobody_after_the_refund(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale]
) -> None:
    vendor.fail(SUBMIT, vendors.taken_but(vendor, webserver.cut))
    vendor.fail(LIST, as_json({"detail": "no"}, 403))
    upscale = follow(order())
    with override_settings(UWEAR_OUTAGE_LIMIT=0):
        step(upscale)
    assert (upscale.error_code, upscale.engine_id, owner.balance) == ("uwear_outage", None, 100)
    vendor.faults.clear()
    [number] = vendor.generations
    with time_machine.travel(timezone.now() + timedelta(minutes=5)):
        assert owner.api("get", f"generation-result/{number + 1000}").status_code == 404


def test_a_picture_that_lies_at_the_vendor_and_stands_on_the_desk_is_larger_all_the_same(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale]
) -> None:
    """Displayed 40 x 160 by its orientation, the file that the vendor was given has 160 x 40."""
    picture = pictures.photograph("coffee", (160, 40))
    exif = picture.getexif()
    exif[0x0112] = 6
    vendor.picture = pictures.encoded(pictures.photograph("coffee", (320, 80)), "PNG")
    upscale = follow(order(content=pictures.encoded(picture, "JPEG", exif=exif)))
    assert (upscale.source_width, upscale.source_height) == (40, 160)
    assert (upscale.status, upscale.result_width) == ("Done", 320), upscale.error_message


def test_an_order_that_waits_with_a_copy_of_it_goes_on(
    owner: Person, head: Person, done: Callable[..., Upscale]
) -> None:
    """It was charged, and has its own copy; of the refunded result it shows nothing. What fails is not made again."""
    first = done()
    body = {"generation_result_id": first.result_id, "model_name": "recraft"}
    second = Upscale.objects.get(pk=owner.api("post", "generation-upscale", body).json()["generation_id"])
    refunded(first, head)
    assert owner.balance == 99
    assert owner.client.get(f"/upscales/{second.pk}/").status_code == 200
    assert owner.client.get(f"/upscales/{second.pk}/source/").status_code == 410
    follow(second)
    assert (second.status, owner.balance) == ("Done", 99), second.error_message
    assert owner.client.get(f"/upscales/{second.pk}/result/").status_code == 200
    assert owner.client.get(f"/upscales/{second.pk}/").status_code == 200
    row = owner.api("get", f"generation/{second.pk}").json()
    assert (row["status"], len(row["generation_results"])) == ("Done", 1)
