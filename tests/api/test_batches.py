"""Many pictures in one call: what is taken, what is refused by its number, what it costs, and how it stands."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.api.test_api import upload
from tests.conftest import Person, move_end
from tests.support import pictures
from tests.support.concurrency import at_once
from upscaler import credits
from upscaler.accounts import tokens
from upscaler.batches import progress
from upscaler.models import Batch, CreditEntry, Membership, Upscale
from upscaler.ordering import removal
from upscaler.processing import lifecycle, manual_refunds, worker_step
from upscaler.storage import cleanup


def item(number: int, **more: Any) -> dict[str, Any]:
    return {"image_url": f"https://shop.example/{number}.jpg", **more}


def body(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"model_name": "recraft", "items": list(items) or [item(0), item(1), item(2)], **more}


def problems(answer: Any) -> list[tuple[str, list[Any]]]:
    assert answer.status_code == 422, answer.content
    return [(problem["type"], problem["loc"]) for problem in answer.json()["detail"]]


def test_a_batch_from_links_addresses_and_results(owner: Person, done: Callable[..., Upscale]) -> None:
    before = done(name="earlier.jpg")
    sent = body(
        {"image_url": upload(owner, name="SKU-12.5 red.jpg"), "sku": "SKU-12.5"},
        item(1, name="Mantel groß.jpg"),
        {"generation_result_id": before.result_id, "sku": " 12 / 7 "},
        name="Autumn/Winter 26",
        result_format="PNG",
    )
    made = owner.api("post", "batches", sent)
    assert made.status_code == 200, made.content
    answer = made.json()
    assert set(answer) == {"batch_id", "total", "credits", "created_at", "generation_ids"}
    assert (answer["total"], answer["credits"]) == (3, 3)
    assert owner.balance == 96
    rows = list(Upscale.objects.filter(batch=answer["batch_id"]).order_by("pk"))
    assert [row.pk for row in rows] == answer["generation_ids"]
    assert [(row.source, row.source_name, row.sku) for row in rows] == [
        ("upload", "SKU-12.5 red.jpg", "SKU-12.5"),
        ("url", "Mantel groß.jpg", ""),
        ("result", "earlier.jpg", "12 / 7"),
    ]
    assert {(row.requested_format, row.token_id is None) for row in rows} == {("PNG", False)}
    worker_step.step(rows[0].pk)

    found = owner.api("get", f"batches/{answer['batch_id']}").json()
    assert found.pop("ended_at") is None and found.pop("cancelled_at") is None
    assert found.pop("created_at") == answer["created_at"]
    assert found == {
        "batch_id": answer["batch_id"],
        "name": "Autumn/Winter 26",
        "status": "Open",
        "counts": {"Created": 2, "Ongoing": 0, "Done": 1, "Error": 0},
        "total": 3,
        "credits_charged": 3,
        "credits_refunded": 0,
        "model_name": "recraft",
        "generation_settings": {},
        "result_format": "PNG",
    }


def test_a_quote_says_what_the_batch_will_cost_and_charges_nothing(owner: Person) -> None:
    sent = body(model_name="topaz", generation_settings={"upscale_factor": "2x"})
    expected = {
        "total": 3,
        "credits": 9,
        "balance_after": 91,
        "seconds": None,
        "already_made": 0,
        "already_large_enough": 0,
    }
    assert owner.api("post", "quotes", sent).json() == expected
    assert (owner.balance, Upscale.objects.count(), Batch.objects.count()) == (100, 0, 0)
    ordered = owner.api("post", "batches", sent).json()
    assert (ordered["credits"], owner.balance) == (9, 91)
    assert Upscale.objects.values_list("settings__upscale_factor", flat=True).distinct().get() == "2x"
    again = owner.api("post", "quotes", sent).json()
    assert (again["already_made"], again["balance_after"]) == (3, 82)


def test_a_token_that_may_only_look_may_ask_for_a_quote(owner: Person) -> None:
    _, clear = tokens.issue(team=owner.team, user=owner.user, name="eyes", read_only=True)
    many = [item(number, name="n" * 200) for number in range(400)]
    for sent in (body(), body(*many)):
        calls = {
            path: Client().post(
                f"/api/v1/{path}", json.dumps(sent), "application/json", headers={"Authorization": f"Bearer {clear}"}
            )
            for path in ("quotes", "batches")
        }
        assert calls["quotes"].status_code == 200
        assert calls["batches"].status_code == 403
    assert Batch.objects.count() == 0


@pytest.mark.parametrize("call", ["batches", "quotes"])
def test_every_wrong_item_is_named_by_its_number(call: str, owner: Person, outsider: Person) -> None:
    refused = body(
        item(0),
        {"image_url": "shirt.jpg"},
        {"image_url": "https://192.168.1.1/a.jpg"},
        {"image_url": upload(outsider)},
        {},
        item(5, generation_result_id=7),
        {"generation_result_id": 77},
        item(7, sku="s" * 101, name="n" * 256),
        {"generation_result_id": "seven"},
        item(9),
    )
    assert problems(owner.api("post", call, refused)) == [
        ("url_parsing", ["body", "items", 1, "image_url"]),
        ("url_private", ["body", "items", 2, "image_url"]),
        ("not_found", ["body", "items", 3, "image_url"]),
        ("source_missing", ["body", "items", 4]),
        ("not_found", ["body", "items", 5, "generation_result_id"]),
        ("source_ambiguous", ["body", "items", 5]),
        ("not_found", ["body", "items", 6, "generation_result_id"]),
        ("string_too_long", ["body", "items", 7, "name"]),
        ("string_too_long", ["body", "items", 7, "sku"]),
        ("int_parsing", ["body", "items", 8, "generation_result_id"]),
    ]
    assert (owner.balance, Batch.objects.count(), Upscale.objects.count()) == (100, 0, 0)


def test_what_all_items_share_is_refused_once(owner: Person) -> None:
    sent = body(item(0), {"image_url": "x"}, item(2), model_name="dalle", result_format="BMP", generation_settings=[1])
    assert problems(owner.api("post", "batches", sent)) == [
        ("enum", ["body", "model_name"]),
        ("dict_type", ["body", "generation_settings"]),
        ("enum", ["body", "result_format"]),
        ("url_parsing", ["body", "items", 1, "image_url"]),
    ]
    wrong = body(model_name="topaz", generation_settings={"upscale_factor": "3x", "colour": 1})
    assert problems(owner.api("post", "batches", wrong)) == [
        ("enum", ["body", "generation_settings", "upscale_factor"]),
        ("extra_forbidden", ["body", "generation_settings", "colour"]),
    ]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (body(colours=["red"]), ("extra_forbidden", ["body", "colours"])),
        (body(item(0), item(1, colour="red")), ("extra_forbidden", ["body", "items", 1, "colour"])),
        (body(item(0), item(1, sku=12)), ("string_type", ["body", "items", 1, "sku"])),
        (body(item(0), {"image_url": 7}), ("string_type", ["body", "items", 1, "image_url"])),
        ({"model_name": "recraft"}, ("missing", ["body", "items"])),
        ({"model_name": "recraft", "items": []}, ("too_short", ["body", "items"])),
        ({"model_name": "recraft", "items": {}}, ("list_type", ["body", "items"])),
        ({"items": [item(0)]}, ("missing", ["body", "model_name"])),
        (body(name="n" * 256), ("string_too_long", ["body", "name"])),
        (body(name="a\0b"), ("value_error", ["body", "name"])),
    ],
)
def test_a_body_of_another_shape_is_refused_by_place(sent: Any, expected: tuple[str, list[Any]], owner: Person) -> None:
    assert problems(owner.api("post", "batches", sent)) == [expected]


def test_of_very_many_wrong_items_a_hundred_are_named(owner: Person) -> None:
    for wrong in ({"image_url": "x"}, item(1, colour="red")):
        answer = owner.api("post", "batches", body(*[wrong] * 400))
        found = answer.json()["detail"]
        assert len(found) == 101
        assert found[99]["loc"][:3] == ["body", "items", 99]
        assert "300 more" in found[100]["msg"]
    long = owner.api("post", "batches", {**body(), "x" * 100_000: 1})
    assert len(long.content) < 1_000


def test_the_limit_is_said_with_the_way_out(owner: Person, settings: Any) -> None:
    settings.MAX_BATCH = 3
    assert owner.api("post", "batches", body()).status_code == 200
    answer = owner.api("post", "batches", body(*[item(number) for number in range(4)]))
    assert problems(answer) == [("too_long", ["body", "items"])]
    assert answer.json()["detail"][0]["msg"] == (
        "There are 4 items; the limit is 3 in one batch. Send the rest in another one."
    )


def test_money_is_all_or_nothing(owner: Person) -> None:
    answer = owner.api("post", "batches", body(*[item(number) for number in range(101)]))
    assert answer.status_code == 402
    assert "costs 101 credits" in answer.json()["detail"]
    assert (owner.balance, Batch.objects.count(), CreditEntry.objects.filter(kind="charge").count()) == (100, 0, 0)
    Membership.objects.filter(user=owner.user).update(monthly_budget=2)
    assert owner.api("post", "batches", body()).status_code == 402
    assert owner.balance == 100


def test_the_same_batch_twice_is_charged_once(owner: Person, outsider: Person) -> None:
    key = {"Idempotency-Key": "monday"}
    first = owner.api("post", "batches", body(), **key)
    second = owner.api("post", "batches", body(), **key)
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    assert owner.balance == 97
    other = owner.api("post", "batches", body(item(0), item(1)), **key)
    assert problems(other) == [("idempotency_conflict", ["header", "Idempotency-Key"])]
    assert outsider.api("post", "batches", body(), **key).json() != first.json()
    credits.grant(team=owner.team, amount=-97, note="nothing left")
    assert owner.api("post", "batches", body(), **key).json() == first.json()


def test_a_repeat_says_the_same_after_some_were_tried_again(owner: Person) -> None:
    key = {"Idempotency-Key": "monday"}
    first = owner.api("post", "batches", body(), **key).json()
    claimed = lifecycle.claim(first["generation_ids"][1])
    assert claimed is not None
    lifecycle.fail(claimed, message="The host was away.", code="test")
    [batch] = Batch.objects.all()
    assert len(progress.retry_failed(batch, user=owner.user).upscales) == 1
    assert owner.api("post", "batches", body(), **key).json() == first
    found = owner.api("get", f"batches/{batch.pk}").json()
    assert found["counts"] == {"Created": 3, "Ongoing": 0, "Done": 0, "Error": 0}
    assert (found["total"], found["credits_charged"], found["credits_refunded"]) == (3, 4, 1)


@pytest.mark.django_db(transaction=True)
def test_of_the_same_batch_at_once_there_is_one(owner: Person) -> None:
    answers = at_once(4, lambda: owner.api("post", "batches", body(), **{"Idempotency-Key": "race"}).json())
    assert len({answer["batch_id"] for answer in answers}) == 1
    assert (Batch.objects.count(), owner.balance) == (1, 97)


def test_a_batch_that_is_cancelled_gives_back_what_had_not_begun(owner: Person) -> None:
    made = owner.api("post", "batches", body({"image_url": upload(owner)}, item(1), item(2))).json()
    path = f"batches/{made['batch_id']}"
    worker_step.step(made["generation_ids"][0])
    answer = owner.api("post", f"{path}/cancel")
    assert answer.status_code == 200, answer.content
    assert (answer.json()["cancelled"], answer.json()["status"]) == (2, "Done")
    found = owner.api("get", path).json()
    assert found["counts"] == {"Created": 0, "Ongoing": 0, "Done": 1, "Error": 2}
    assert (found["credits_charged"], found["credits_refunded"], owner.balance) == (3, 2, 99)
    assert found["cancelled_at"] is not None
    assert owner.api("post", f"{path}/cancel").json()["cancelled"] == 0
    cancelled = owner.api("get", f"generation/{made['generation_ids'][1]}").json()
    assert cancelled["status"] == "Error"
    assert "cancelled" in cancelled["error"]


def test_a_failure_and_a_refund_by_hand_come_back_too(owner: Person, head: Person) -> None:
    made = owner.api("post", "batches", body({"image_url": upload(owner)}, item(1))).json()
    claimed = lifecycle.claim(made["generation_ids"][1])
    assert claimed is not None
    lifecycle.fail(claimed, message="The picture could not be fetched.", code="test")
    worker_step.step(made["generation_ids"][0])
    found = owner.api("get", f"batches/{made['batch_id']}").json()
    assert (found["status"], found["credits_refunded"]) == ("Done", 1)
    manual_refunds.refund_by_hand(Upscale.objects.get(pk=made["generation_ids"][0]), note="bad", by=head.user)
    assert owner.api("get", f"batches/{made['batch_id']}").json()["credits_refunded"] == 2


def test_batches_come_in_pages_and_drafts_are_none(owner: Person, outsider: Person) -> None:
    made = [owner.api("post", "batches", body(name=name)).json()["batch_id"] for name in ("May", "June", "Mayfair")]
    draft = Batch.objects.create(team=owner.team, created_by=owner.user)
    listed = owner.api("get", "batches?items_per_page=2").json()
    assert (listed["current_page"], listed["max_page"], listed["total_count"]) == (1, 2, 3)
    assert [row["batch_id"] for row in listed["data"]] == [made[2], made[1]]
    assert listed["data"][0] == owner.api("get", f"batches/{made[2]}").json()
    assert [row["name"] for row in owner.api("get", "batches?name=may").json()["data"]] == ["Mayfair", "May"]
    assert owner.api("get", f"batches/{draft.pk}").status_code == 404
    assert owner.api("post", f"batches/{draft.pk}/cancel").status_code == 404
    assert outsider.api("get", "batches").json()["data"] == []


def test_a_large_body_is_taken_where_batches_are_and_nowhere_else(owner: Person) -> None:
    credits.grant(team=owner.team, amount=5000, note="season")
    # Of two thousand addresses as long as signed ones are: 3 MB, more than any other call takes.
    sent = body(*[item(number, name="n" * 250, sku=f"{number}", image_url=address(number)) for number in range(2000)])
    assert len(json.dumps(sent)) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    assert owner.api("post", "quotes", sent).json()["total"] == 2000
    made = owner.api("post", "batches", sent)
    assert made.status_code == 200, made.content
    assert Upscale.objects.filter(batch=made.json()["batch_id"]).values("sku").distinct().count() == 2000
    assert owner.api("post", "generation-upscale", {"image_url": "a" * 3_000_000}).status_code == 413
    huge = owner.api("post", "batches", {"name": "a" * (settings.MAX_BATCH * 4_000 + 70_000)})
    assert huge.status_code == 413
    assert "fewer items" in huge.json()["detail"]


def address(number: int) -> str:
    return f"https://shop.example/{number}.jpg?signature={'s' * 1200}"


def test_a_withdrawn_result_and_one_that_ran_out_are_refused(
    owner: Person, head: Person, done: Callable[..., Upscale]
) -> None:
    refunded, old, good = done(), done(), done()
    link = owner.api("get", f"generation-result/{refunded.result_id}").json()["image_url"]
    manual_refunds.refund_by_hand(refunded, note="bad", by=head.user)
    move_end(old, timezone.now() - timedelta(hours=5))
    sent = body(
        {"generation_result_id": good.result_id},
        {"generation_result_id": refunded.result_id},
        {"generation_result_id": old.result_id},
        {"image_url": link},
    )
    assert problems(owner.api("post", "batches", sent)) == [
        ("refunded", ["body", "items", 1, "generation_result_id"]),
        ("expired", ["body", "items", 2, "generation_result_id"]),
        ("refunded", ["body", "items", 3, "image_url"]),
    ]


def test_a_picture_that_would_become_too_large_is_named(owner: Person, settings: Any) -> None:
    link = upload(owner, pictures.jpeg((300, 300)))
    settings.MAX_RESULT_PIXELS = 1_000_000
    answer = owner.api("post", "batches", body(item(0), {"image_url": link}))
    [(_, place)] = problems(answer)
    assert place == ["body", "items", 1]


def test_thousands_cost_no_more_questions_than_a_few(owner: Person) -> None:
    """Rows are added many at a time, and each picture's message is one; nothing else grows."""
    credits.grant(team=owner.team, amount=2000, note="season")
    link = upload(owner)
    asked = []
    for count in (50, 850):
        of_each = [{"image_url": link}, item(1, sku="a")]
        with CaptureQueriesContext(connection) as taken:
            assert owner.api("post", "batches", body(*of_each * (count // 2))).status_code == 200
        asked.append([query["sql"] for query in taken.captured_queries if "django_tasks" not in query["sql"]])
    inserts = sum(sql.startswith("INSERT") for sql in asked[1])
    assert inserts < 850 / 8
    assert len(asked[1]) - inserts <= len(asked[0])


def test_a_link_to_a_picture_that_was_deleted_is_refused(owner: Person) -> None:
    link = upload(owner)
    [number] = owner.api("post", "batches", body({"image_url": link})).json()["generation_ids"]
    worker_step.step(number)
    place = Membership.objects.select_related("team", "user").get(user=owner.user)
    removal.delete([number], membership=place)
    assert cleanup.remove_deleted() == 1
    answer = owner.api("post", "batches", body({"image_url": link}))
    assert answer.status_code == 422
    [problem] = answer.json()["detail"]
    assert (problem["type"], problem["loc"]) == ("deleted", ["body", "items", 0, "image_url"])
    assert owner.balance == 99
