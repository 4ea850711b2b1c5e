"""The Credits page: what it shows, how it is filtered and saved, and what admins enter there."""

from __future__ import annotations

import csv
import io
import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from tests.conftest import Person
from tests.support.concurrency import at_once
from upscaler import credits
from upscaler.models import AuditEvent, CreditEntry, Upscale
from upscaler.processing import lifecycle
from upscaler.views.csv_export import csv_response
from upscaler.views.ledger import PAGE_SIZE
from upscaler.views.paging import BATCH


def shown(answer: Any) -> list[int]:
    """The entries on a page, in their order."""
    return [int(number) for number in re.findall(r'data-entry-id="(\d+)"', answer.content.decode())]


def fill(person: Person, count: int) -> None:
    for i in range(count):
        credits.grant(team=person.team, amount=1, note=f"number {i}")


def grant(person: Person, amount: Any, note: str = "for spring", key: str = "") -> Any:
    return person.client.post(
        "/ledger/grant/", {"amount": amount, "note": note, "request_key": key or str(uuid.uuid4())}
    )


def rows(answer: Any) -> list[dict[str, str]]:
    content = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(content)))


def test_every_entry_says_what_who_why_and_the_balance_after(
    owner: Person, head: Person, order: Callable[..., Upscale]
) -> None:
    upscale = order(name="coat.jpg")
    claimed = lifecycle.claim(upscale.pk)
    assert claimed is not None
    lifecycle.fail(claimed, message="It broke.", code="test")
    credits.grant(team=owner.team, amount=1500, note="for <b>spring</b>", by=head.user)
    answer = owner.client.get("/ledger/")
    page = answer.content.decode()
    assert shown(answer) == list(CreditEntry.objects.values_list("pk", flat=True))
    for words in (
        "for &lt;b&gt;spring&lt;/b&gt;",
        "+1,500",
        "1,600",
        "−1",
        "The desk itself",
        f"Upscale {upscale.pk} failed",
        f'href="/upscales/{upscale.pk}/">coat.jpg',
        "Those who run the desk",
    ):
        assert words in page, words
    assert 'action="/ledger/grant/"' not in page, "a merchandiser sees no form"
    assert '<a id="balance" class="balance" href="/ledger/"' in page


@pytest.mark.parametrize("amount", ["1_0", "٣", "1e1", "ten", "1 0"])
def test_an_amount_that_is_no_number_is_refused(amount: str, head: Person) -> None:
    answer = grant(head, amount)
    assert "Enter a whole number, like 50." in answer.content.decode()
    assert head.balance == 100


@pytest.mark.parametrize("amount", ["10", " 10 ", "+10", "10.0"])
def test_an_amount_may_be_written_in_several_ways(amount: str, head: Person) -> None:
    grant(head, amount)
    assert head.balance == 110


def test_filters_and_nonsense(owner: Person, head: Person, teammate: Person, order: Callable[..., Upscale]) -> None:
    start = CreditEntry.objects.get().pk
    with time_machine.travel(timezone.now() - timedelta(days=3)):
        old = credits.grant(team=owner.team, amount=7, note="old", by=head.user).pk
    upscale = order()
    claimed = lifecycle.claim(upscale.pk)
    assert claimed is not None
    lifecycle.fail(claimed, message="It broke.", code="test")
    charge, refund = upscale.entries.order_by("pk").values_list("pk", flat=True)
    get = lambda query: shown(owner.client.get(f"/ledger/?{query}"))  # noqa: E731
    assert get("kind=grant") == [old, start]
    assert get("kind=refund") == [refund]
    assert get(f"person={owner.user.pk}") == [refund, charge]
    assert get(f"person={head.user.pk}") == [old]
    assert get(f"person={teammate.user.pk}") == []
    today, then = timezone.localdate(), timezone.localdate() - timedelta(days=3)
    assert get(f"from={today}") == [refund, charge, start]
    assert get(f"from={then}&to={then}") == [old]
    assert get(f"to={then - timedelta(days=1)}") == []
    for nonsense in (
        "kind=theft",
        "person=x",
        "from=2026-02-30",
        "from=0001-01-01",
        "to=9999-12-31",
        "from=%00",
        f"before={'9' * 5000}",
        f"person={'9' * 30}",
        "kind=%F0",
    ):
        assert len(get(nonsense)) == 4, nonsense
    assert owner.client.get("/ledger/?before=1")["Location"] == "/ledger/"


def test_pages_lead_through_the_whole_ledger_and_back(owner: Person) -> None:
    fill(owner, PAGE_SIZE + 4)
    every = list(CreditEntry.objects.values_list("pk", flat=True))
    first = owner.client.get("/ledger/?kind=grant")
    assert shown(first) == every[:PAGE_SIZE]
    second = owner.client.get(first.context["older_url"])
    assert shown(second) == every[PAGE_SIZE:]
    assert second.context["older_url"] is None
    assert shown(owner.client.get(second.context["newer_url"])) == every[:PAGE_SIZE]


def test_the_number_of_queries_does_not_grow(
    head: Person, order: Callable[..., Upscale], django_assert_num_queries: Any
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    counts = []
    for more in (8, 90):
        for _ in range(2):
            order()
        fill(head, more)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert head.client.get("/ledger/").status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 15


def test_the_csv_holds_what_is_filtered(owner: Person, head: Person, order: Callable[..., Upscale]) -> None:
    upscale = order(name="=HYPERLINK(1).jpg")
    credits.grant(team=owner.team, amount=-4, note="@SUM(1+1)*cmd", by=head.user)
    answer = owner.client.get("/ledger/entries.csv")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert "credits-atelier-" in answer["Content-Disposition"]
    newest, charge, start = rows(answer)
    assert (newest["What"], newest["Credits"], newest["Balance after"], newest["Who"]) == (
        "Correction",
        "-4",
        "95",
        "head",
    )
    assert newest["Why"] == "'@SUM(1+1)*cmd"
    assert (charge["Upscale"], charge["Picture"]) == (str(upscale.pk), "'" + upscale.source_name)
    assert start["Why"] == "start"
    assert [row["What"] for row in rows(owner.client.get("/ledger/entries.csv?kind=charge"))] == ["Charge"]


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "-1+1", "@a", "\tx", "\rx", "%1"])
def test_no_cell_is_a_formula(text: str) -> None:
    sent = csv_response("a.csv", ["Why", "Amount"], [[text, -1]]).getvalue().decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(sent, newline=""))) == [["Why", "Amount"], [f"'{text}", "-1"]]


def test_the_csv_is_whole_across_its_batches(owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    assert BATCH > 100
    monkeypatch.setattr("upscaler.views.paging.BATCH", 4)
    fill(owner, 11)
    found = [int(row["Entry"]) for row in rows(owner.client.get("/ledger/entries.csv"))]
    assert found == list(CreditEntry.objects.values_list("pk", flat=True))


def test_an_outsider_sees_their_own_ledger_only(owner: Person, outsider: Person) -> None:
    credits.grant(team=owner.team, amount=5, note="secret collection")
    assert b"secret collection" not in outsider.client.get("/ledger/").content
    assert [row["Why"] for row in rows(outsider.client.get("/ledger/entries.csv"))] == ["start"]


def test_an_admin_grants_and_corrects(head: Person) -> None:
    answer = grant(head, 50)
    assert answer["Location"] == "/ledger/"
    assert "50 credits granted. The balance is 150." in head.client.get("/ledger/").content.decode()
    grant(head, -30, "granted too much")
    assert head.balance == 120
    kinds = CreditEntry.objects.values_list("kind", "amount", "note", "created_by__username")
    assert list(kinds)[:2] == [
        ("correction", -30, "granted too much", "head"),
        ("grant", 50, "for spring", "head"),
    ]
    assert list(AuditEvent.objects.values_list("action", "about", "user_name")) == [
        ("corrected", "by 30 credits: granted too much", "head"),
        ("granted", "50 credits: for spring", "head"),
    ]
    grant(head, 12_000)
    assert "12,000 credits granted. The balance is 12,120." in head.client.get("/ledger/").content.decode()


@pytest.mark.parametrize(
    ("amount", "note", "words"),
    [
        ("", "why", "Enter a whole number, like 50."),
        ("1.5", "why", "Enter a whole number, like 50."),
        ("9" * 5000, "why", "Enter a whole number, like 50."),
        ("1000001", "why", "Enter at most 1,000,000."),
        ("0", "why", "0 does neither"),
        ("5", "  ", "Say why: the note stays in the ledger."),
        ("5", "x" * 201, "Keep it to 200 characters."),
        ("5", "a\0b", "Null characters are not allowed."),
        ("-101", "why", "Your team has 100 credits, so 101 credits can’t be taken away."),
    ],
)
def test_what_can_t_be_granted_is_said_and_kept(head: Person, amount: str, note: str, words: str) -> None:
    answer = grant(head, amount, note)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert head.balance == 100
    assert not AuditEvent.objects.exists()


def test_a_balance_has_an_upper_end(head: Person) -> None:
    credits.grant(team=head.team, amount=credits.MAX_BALANCE - 100, note="all there is")
    answer = grant(head, 1)
    assert answer.status_code == 422
    assert "at most 1,000,000,000 credits" in answer.content.decode()


def test_a_merchandiser_can_t_grant_nor_change_budgets(owner: Person, head: Person) -> None:
    for path in ("/ledger/grant/", "/ledger/budgets/"):
        answer = owner.client.post(path, {"amount": 5, "note": "me", "request_key": str(uuid.uuid4())})
        assert answer.status_code == 403
        assert "Ask head" in answer.content.decode()
        assert head.client.get(path)["Location"] == "/ledger/"
    assert owner.balance == 100


def test_sending_the_form_twice_grants_once(head: Person) -> None:
    key = str(uuid.uuid4())
    grant(head, 50, key=key)
    assert grant(head, 50, key=key)["Location"] == "/ledger/"
    assert "sending the form twice did it once" in head.client.get("/ledger/").content.decode()
    assert head.balance == 150
    # Another amount on a page that was sent before is another wish: it is neither lost nor carried out unasked.
    answer = grant(head, 20, key=key)
    assert answer.status_code == 422
    assert "What is entered now has not been done." in answer.content.decode()
    assert head.balance == 150
    fresh = answer.content.decode().partition('name="request_key" value="')[2].partition('"')[0]
    grant(head, 20, key=fresh)
    assert head.balance == 170
    assert grant(head, 20, key="nonsense").status_code == 422


def test_taking_away_twice_takes_once(head: Person) -> None:
    key = str(uuid.uuid4())
    assert grant(head, -60, key=key).status_code == 302
    assert grant(head, -60, key=key).status_code == 302, "though 60 more are not there"
    assert head.balance == 40


@pytest.mark.django_db(transaction=True)
def test_a_double_click_grants_once(head: Person) -> None:
    key = str(uuid.uuid4())

    def click() -> int:
        client = Client()
        client.cookies = head.client.cookies
        form = {"amount": 50, "note": "once", "request_key": key}
        return int(client.post("/ledger/grant/", form).status_code)

    assert at_once(6, click) == [302] * 6
    assert head.balance == 150
    assert AuditEvent.objects.filter(action="granted").count() == 1
