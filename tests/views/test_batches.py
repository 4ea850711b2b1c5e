"""A batch's page: what it shows, and cancelling, trying again and the e-mail at the end from it."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.conftest import Person
from tests.fidelity.test_shown import check
from tests.support.mail import deliver
from upscaler import credits
from upscaler.batches import progress
from upscaler.channels.table import CHANNELS
from upscaler.errors import PublicError
from upscaler.models import AuditEvent, Batch, CreditEntry, Team, Upscale, batch_queries
from upscaler.ordering import submission
from upscaler.processing import lifecycle, worker_step
from upscaler.views import batches, page_cache
from upscaler.views.batches import PAGE_SIZE

OrderBatch = Callable[..., Batch]


def page_of(person: Person, batch: Batch, query: str = "") -> str:
    answer = person.client.get(f"/batches/{batch.pk}/{query}")
    assert answer.status_code == 200
    return str(answer.content.decode())


def shown(page: str) -> list[int]:
    return [int(number) for number in re.findall(r'data-upscale-id="(\d+)"', page)]


def claim(upscale: Upscale) -> Upscale:
    claimed = lifecycle.claim(upscale.pk)
    assert claimed is not None
    return claimed


def fail(upscale: Upscale) -> None:
    lifecycle.fail(claim(upscale), message="The picture is damaged.", code="damaged")


def upscales(batch: Batch) -> list[Upscale]:
    return list(batch.upscales.order_by("pk"))


def test_what_is_at_work_comes_first_and_problems_second(teammate: Person, order_batch: OrderBatch) -> None:
    batch = order_batch("done.jpg", "waits.jpg", "broken.jpg", "works.jpg")
    done, waits, broken, works = upscales(batch)
    worker_step.step(done.pk)
    fail(broken)
    claim(works)
    page = page_of(teammate, batch)
    assert shown(page) == [broken.pk, works.pk, waits.pk, done.pk]
    assert page.index("At work now") < page.index("works.jpg") < page.index("broken.jpg")
    assert "<h1><bdi>Monday</bdi></h1>" in page and "Ordered by owner" in page
    for words in ("<b>2</b> of 4 ended", "<b>1</b> at work", "<b>1</b> waiting", "<b>1</b> ready", "<b>1</b> failed"):
        assert words in page, words
    assert "4 credits charged, 1 returned" in page and "The picture is damaged." in page
    assert shown(page_of(teammate, batch, "?status=Error")) == [broken.pk]


def test_one_bad_picture_stops_none_of_the_others(owner: Person, order_batch: OrderBatch) -> None:
    batch = order_batch("a.jpg", "b.jpg", "c.jpg")
    first, bad, last = upscales(batch)
    fail(bad)
    worker_step.step(first.pk)
    assert not Batch.objects.get(pk=batch.pk).ended_at
    worker_step.step(last.pk)
    assert Batch.objects.get(pk=batch.pk).ended_at, "it ends with the last one"
    assert "<b>2</b> of 3 ready" in page_of(owner, batch)


def test_cancelling_gives_back_what_has_not_begun(owner: Person, teammate: Person, order_batch: OrderBatch) -> None:
    batch = order_batch("works.jpg", "a.jpg", "b.jpg", model_name="topaz")
    works, *waiting = upscales(batch)
    held = claim(works)
    assert owner.balance == 91
    answer = teammate.client.post(f"/batches/{batch.pk}/cancel/", follow=True).content.decode()
    assert "2 pictures cancelled, and the credits returned. What is at work now goes on." in answer
    assert owner.balance == 97
    history = teammate.client.get("/history/").content.decode()
    assert history.count('<p class="status">Cancelled</p>') == 2 and '"status error"' not in history
    assert "This picture was cancelled" in owner.client.get(f"/upscales/{waiting[0].pk}/").content.decode()
    for upscale in waiting:
        upscale.refresh_from_db()
        assert (upscale.status, upscale.error_code) == ("Error", "cancelled")
        assert upscale.error_message == "teammate cancelled this before the work on it had begun."
        assert lifecycle.claim(upscale.pk) is None
    assert not Batch.objects.get(pk=batch.pk).ended_at
    lifecycle.fail(held, message="No.", code="test")
    assert Batch.objects.get(pk=batch.pk).ended_at
    [event] = AuditEvent.objects.filter(action="cancelled")
    assert str(event) == "teammate: Cancelled 2 of the batch “Monday”"
    again = teammate.client.post(f"/batches/{batch.pk}/cancel/", follow=True).content.decode()
    assert "Nothing was left to cancel" in again and owner.balance == 100


def test_only_the_failed_ones_are_tried_again_in_the_same_batch(owner: Person, order_batch: OrderBatch) -> None:
    batch = order_batch("a.jpg", "b.jpg", "c.jpg", "d.jpg")
    good, bad, worse, cancelled = upscales(batch)
    worker_step.step(good.pk)
    fail(bad)
    fail(worse)
    lifecycle.cancel(Upscale.objects.filter(pk=cancelled.pk), by=owner.user)
    assert owner.balance == 99
    page = page_of(owner, batch)
    assert "Try 2 failed again" in page and '<span class="button-note">2 credits</span>' in page
    assert shown(page) == [bad.pk, worse.pk, good.pk, cancelled.pk], "what somebody cancelled is no problem"
    assert shown(page_of(owner, batch, "?status=Error")) == [bad.pk, worse.pk]
    assert shown(page_of(owner, batch, "?status=cancelled")) == [cancelled.pk]
    answer = owner.client.post(f"/batches/{batch.pk}/retry/", follow=True).content.decode()
    assert "We are trying 2 pictures again, for 2 credits." in answer
    assert owner.balance == 97
    tries = [upscale for upscale in upscales(batch) if upscale.retry_of_id]
    assert [upscale.retry_of_id for upscale in tries] == [bad.pk, worse.pk]
    assert not Batch.objects.get(pk=batch.pk).ended_at, "it goes on"
    counts = batch_queries.counts(batch)
    assert (counts.total, counts.failed, counts.created, counts.done) == (4, 0, 2, 1)
    assert batch_queries.money_of([batch])[batch.pk] == (6, 3)
    owner.client.post(f"/batches/{batch.pk}/retry/")
    assert owner.balance == 97, "a second click charges nothing"


def test_trying_again_is_all_or_nothing_in_money(owner: Person, order_batch: OrderBatch) -> None:
    batch = order_batch("a.jpg", "b.jpg", model_name="topaz")
    for upscale in upscales(batch):
        fail(upscale)
    credits.grant(team=owner.team, amount=-95, note="almost nothing left")
    answer = owner.client.post(f"/batches/{batch.pk}/retry/", follow=True).content.decode()
    assert "This costs 6 credits, but your team has 5 credits left." in answer
    assert (owner.balance, batch.upscales.count()) == (5, 2)


def test_what_can_t_be_tried_again_is_named(owner: Person, order_batch: OrderBatch, settings: Any) -> None:
    batch = order_batch("a.jpg", "b.jpg")
    for upscale in upscales(batch):
        fail(upscale)
    settings.MAX_RESULT_PIXELS = 10
    answer = owner.client.post(f"/batches/{batch.pk}/retry/", follow=True).content.decode()
    assert "a.jpg: " in answer and "b.jpg: " in answer and "megapixels" in answer
    assert owner.balance == 100


def test_the_same_pictures_are_ordered_with_another_model(teammate: Person, order_batch: OrderBatch) -> None:
    batch = order_batch("a.jpg", "b.jpg")
    for _ in range(2):
        answer = teammate.client.post(f"/batches/{batch.pk}/again/", follow=True)
    assert "The 2 pictures of Monday wait in the list." in answer.content.decode()
    draft = Batch.objects.get(created_by=teammate.user, ordered_at=None)
    assert [item.name for item in draft.items.order_by("pk")] == ["a.jpg", "b.jpg"]
    choice = {"model_name": "topaz", "upscale_factor": "2x"}
    quote = teammate.client.get(f"/drafts/{draft.pk}/", choice).json()["quote"]
    assert (quote["total"], quote["credits"]) == (2, 6)
    order = {**choice, "expected": 2, "credits": 6, "name": "Monday, twice"}
    assert teammate.client.post(f"/drafts/{draft.pk}/order/", order).status_code == 200
    assert [row.model_name for row in Batch.objects.get(name="Monday, twice").upscales.all()] == ["topaz"] * 2
    assert teammate.balance == 92


@pytest.mark.parametrize(("waited", "asked", "told"), [(1, False, False), (1, True, True), (11, False, True)])
def test_the_end_is_told_by_e_mail_where_it_took_long_or_is_asked_for(
    owner: Person, teammate: Person, order_batch: OrderBatch, waited: int, asked: bool, told: bool
) -> None:
    owner.user.email = "owner@example.com"
    owner.user.save()
    batch = order_batch("a.jpg", "b.jpg")
    if asked:
        assert teammate.client.post(f"/batches/{batch.pk}/email/", {"wants_email": "true"}).status_code == 404
        owner.client.post(f"/batches/{batch.pk}/email/", {"wants_email": "true"})
        assert "Send me no e-mail" in page_of(owner, batch)
    first, second = upscales(batch)
    worker_step.step(first.pk)
    with time_machine.travel(timezone.now() + timedelta(minutes=waited)):
        fail(second)
        assert len(deliver()) == told
    if told:
        [message] = mail.outbox
        assert (message.to, message.subject) == (["owner@example.com"], "Monday: 1 picture ready")
        assert "1 of 2 pictures of the batch “Monday” are ready." in message.body
        assert "1 could not be enlarged; their credits were returned." in message.body
        assert f"/batches/{batch.pk}/" in message.body


def test_a_picture_of_the_batch_leads_on_and_back_as_the_batch_lists_it(owner: Person, order_batch: OrderBatch) -> None:
    batch = order_batch("a.jpg", "b.jpg", "c.jpg")
    Upscale.objects.filter(batch=batch).update(sku="A & 1")
    first, second, third = (row.pk for row in upscales(batch))
    query = f"?batch={batch.pk}&amp;of_batch_page=1"
    assert f'href="/upscales/{second}/{query}"' in page_of(owner, batch)
    page = owner.client.get(f"/upscales/{second}/{html.unescape(query)}").content.decode()
    assert (
        f'rel="prev" href="/upscales/{first}/{query}"' in page
        and f'rel="next" href="/upscales/{third}/{query}"' in page
    )
    assert f'href="/batches/{batch.pk}/#upscale-{second}" data-back' in page and "Esc for the batch" in page
    assert 'href="/history/?sku=A%20%26%201"' in page and f'href="/batches/{batch.pk}/"' in page
    later = owner.client.get(f"/upscales/{second}/?batch={batch.pk}&of_batch_page=3").content.decode()
    assert f'href="/batches/{batch.pk}/?page=3#upscale-{second}" data-back' in later


def test_what_is_tried_again_the_next_day_did_not_take_a_day(owner: Person, order_batch: OrderBatch) -> None:
    owner.user.email = "owner@example.com"
    owner.user.save()
    batch = order_batch("a.jpg", "b.jpg")
    first, second = upscales(batch)
    fail(first)
    worker_step.step(second.pk)
    with time_machine.travel(timezone.now() + timedelta(days=1)):
        owner.client.post(f"/batches/{batch.pk}/retry/")
        worker_step.step(batch.upscales.latest("pk").pk)
        assert not deliver()
        batch.refresh_from_db()
        assert batch.ended_at is not None and batch.upscales.count() == 3


def test_the_page_keeps_itself_live(owner: Person, order_batch: OrderBatch) -> None:
    batch = order_batch("a.jpg", "b.jpg")
    first, second = upscales(batch)
    page = page_of(owner, batch)
    assert f'hx-get="/batches/{batch.pk}/live/"' in page and "data-batch-open" in page
    worker_step.step(first.pk)
    live = owner.client.get(f"/batches/{batch.pk}/live/?id={first.pk}&id={second.pk}&id=x").content.decode()
    assert "<b>1</b> of 2 ended" in live and f'id="upscale-{first.pk}"' in live and 'data-status="Done"' in live
    assert "Download the result" in live
    tabs = re.sub(r"<[^>]+>", "", live.partition('<nav id="batch-states"')[2].partition(">")[2].partition("</nav>")[0])
    assert tabs.split() == ["All", "2", "Waiting", "1", "Ready", "1"], "the numbers beside the views too"
    chosen = owner.client.get(f"/batches/{batch.pk}/live/?status=Created").content.decode()
    assert '?status=Created" aria-current="page"' in chosen
    assert f'hx-get="/batches/{batch.pk}/live/?status=Created"' in page_of(owner, batch, "?status=Created")
    worker_step.step(second.pk)
    assert "data-batch-open" not in owner.client.get(f"/batches/{batch.pk}/live/").content.decode()


def test_a_large_batch_costs_no_more_queries_than_a_small_one(owner: Person, order_batch: OrderBatch) -> None:
    few = order_batch("a.jpg", "b.jpg", "c.jpg")
    many = order_batch(*(f"{number}.jpg" for number in range(PAGE_SIZE + 3)))
    with CaptureQueriesContext(connection) as of_few:
        page_of(owner, few)
    with CaptureQueriesContext(connection) as of_many:
        page = page_of(owner, many)
    assert len(of_many) == len(of_few)
    assert len(shown(page)) == PAGE_SIZE and "?page=2" in page
    assert len(shown(page_of(owner, many, "?page=2"))) == 3
    beyond = owner.client.get(f"/batches/{many.pk}/?page=99")
    assert beyond["Location"] == f"/batches/{many.pk}/?status=&page=2"


def test_a_batch_is_charged_as_one_with_an_entry_for_each(owner: Person, order_batch: OrderBatch) -> None:
    batch = order_batch("a.jpg", "b.jpg", "c.jpg", model_name="topaz")
    entries = CreditEntry.objects.filter(upscale__batch=batch).order_by("pk")
    assert [(entry.amount, entry.balance_after) for entry in entries] == [(-3, 97), (-3, 94), (-3, 91)]
    assert (batch.total, batch.credits) == (3, 9)


def test_the_list_of_batches_costs_no_more_queries_for_many(owner: Person, order_batch: OrderBatch) -> None:
    first = order_batch("a.jpg", "b.jpg")
    owner.api("get", "batches")  # The token's first call notes when it was used.
    with CaptureQueriesContext(connection) as of_one:
        [one] = owner.api("get", "batches").json()["data"]
    others = [order_batch(f"{number}.jpg", f"{number}.png") for number in range(4)]
    assert progress.cancel(others[0], user=owner.user) == 2
    with CaptureQueriesContext(connection) as of_five:
        listed = owner.api("get", "batches").json()["data"]
    assert len(of_five) == len(of_one)
    assert (listed[-1], one["batch_id"]) == (one, first.pk)
    assert [(batch["counts"]["Error"], batch["credits_refunded"]) for batch in listed] == [(0, 0)] * 3 + [
        (2, 2),
        (0, 0),
    ]


def test_why_trying_again_is_refused_is_said_whatever_it_is(
    owner: Person, order_batch: OrderBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = order_batch("a.jpg")
    fail(upscales(batch)[0])

    def refuse(*given: Any, **more: Any) -> None:
        raise PublicError("The database did not say.", code=submission.MAYBE_TAKEN, permanent=False)

    monkeypatch.setattr(submission, "submit", refuse)
    answer = owner.client.post(f"/batches/{batch.pk}/retry/", follow=True)
    assert (answer.status_code, answer.redirect_chain[0][0]) == (200, batch.get_absolute_url())
    assert "The database did not say." in answer.content.decode()


def seen_in(page: str) -> str:
    return re.findall(r'id="live-seen" name="seen" value="([^"]+)"', page)[0]


def test_the_live_part_is_empty_while_nothing_changes(owner: Person, order_batch: OrderBatch) -> None:
    batch = order_batch("a.jpg", "b.jpg")
    first, second = upscales(batch)
    address = f"/batches/{batch.pk}/live/?id={first.pk}&id={second.pk}"
    now = timezone.now().replace(second=0)

    def news(seen: str = "") -> str:
        """What is new, and nothing from then on."""
        answer = owner.client.get(f"{address}&seen={seen}")
        assert answer.status_code == 200
        page = str(answer.content.decode())
        assert owner.client.get(f"{address}&seen={seen_in(page)}").status_code == 204
        return page

    with time_machine.travel(now, tick=False) as clock:
        page = news()
        # Beside these, what was kept of the answer would be looked at.
        page_cache.answers.clear()
        with CaptureQueriesContext(connection) as queries:
            assert owner.client.get(f"{address}&seen={seen_in(page)}").status_code == 204
        # Who asks, for which team and batch; then all that there is to know.
        assert len(queries) == 3 + 1 + 1
        clock.shift(1)
        lifecycle.progress(claim(first), 0.4, "Enlarging")
        page = news(seen_in(page))
        assert 'data-progress="0.400"' in page
        fail(second)
        page = news(seen_in(page))
        assert "The picture is damaged." in page and 'data-failed="1"' in page
        credits.grant(team=owner.team, amount=7, note="more")
        page = news(seen_in(page))
        clock.shift(60)
        news(seen_in(page))


def test_a_row_that_was_drawn_before_shows_what_has_changed(
    owner: Person, teammate: Person, order_batch: OrderBatch
) -> None:
    batch = order_batch("a.jpg", "b.jpg")
    first, second = upscales(batch)
    assert page_of(owner, batch).count('data-status="Created"') == 2
    fail(first)
    for person in (owner, teammate):
        page = page_of(person, batch)
        row = page.partition(f'id="upscale-{first.pk}"')[2].partition("</li>")[0]
        assert "The picture is damaged." in row
        # Each has the form's key of their own.
        key = re.findall(r'name="csrfmiddlewaretoken" value="([A-Za-z0-9]{64})"', row)
        assert key and page.count(key[0]) > 1
    Upscale.objects.filter(pk=first.pk).update(source_name="<b>.jpg")
    assert "&lt;b&gt;.jpg" in page_of(owner, batch)
    assert f"/upscales/{second.pk}/?batch={batch.pk}&amp;of_batch_page=1" in page_of(owner, batch)


def in_all_states(batch: Batch, owner: Person) -> None:
    """The first ones in one state each; the others wait."""
    kinds: list[Callable[[Upscale], Any]] = [
        lambda row: worker_step.step(row.pk),
        lambda row: check(row, "look", ("colour",)) if worker_step.step(row.pk) else None,
        fail,
        claim,
        lambda row: lifecycle.cancel(Upscale.objects.filter(pk=row.pk), by=owner.user),
    ]
    for kind, row in zip(kinds, upscales(batch), strict=False):
        kind(row)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL plans by how much there is, which is little here")
@pytest.mark.parametrize("reviews", [Team.Reviews.NOBODY, Team.Reviews.DOUBTS])
def test_what_waits_for_approval_is_counted_without_reading_all_that_the_team_has(
    owner: Person, order_batch: OrderBatch, reviews: str
) -> None:
    Team.objects.filter(pk=owner.team.pk).update(reviews=reviews)
    batch = order_batch("a.jpg", "b.jpg", "c.jpg")
    in_all_states(batch, owner)
    with CaptureQueriesContext(connection) as queries:
        page_of(owner, batch)
    of_team, of_batch = "upscale_team_pending (team_id=?", "upscale_batch_status (batch_id=?"
    plans = []
    with connection.cursor() as cursor:
        for sql in (query["sql"] for query in queries if '"pending_since" IS NOT NULL' in query["sql"]):
            plans.append(" ".join(step[-1] for step in cursor.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()))
    assert [of_team in plan for plan in plans] == [False, True]
    assert of_batch in plans[0] and not any("upscale_team_listed" in plan for plan in plans)


@pytest.mark.parametrize("has_ended", [False, True])
def test_a_page_of_a_batch_asks_few_questions_however_much_it_shows(
    owner: Person, teammate: Person, order_batch: OrderBatch, has_ended: bool
) -> None:
    Team.objects.filter(pk=owner.team.pk).update(reviews=Team.Reviews.DOUBTS)
    asked = []
    for number in (1, PAGE_SIZE + 10):
        batch = order_batch(*(f"{one}.jpg" for one in range(number)))
        in_all_states(batch, owner)
        if has_ended:
            for row in batch.upscales.filter(status__in=Upscale.OPEN):
                lifecycle.fail(row if row.status == "Ongoing" else claim(row), message="No.", code="damaged")
            owner.client.post(f"/batches/{batch.pk}/retry/")
            for row in batch.upscales.filter(status="Created"):
                fail(row)
        page_of(teammate, batch)
        for channels, most in ([], 8), ([next(iter(CHANNELS))], 9):
            Batch.objects.filter(pk=batch.pk).update(channels=channels)
            # Beside these, what was kept of the page would be looked at.
            page_cache.answers.clear()
            with CaptureQueriesContext(connection) as queries:
                page = page_of(teammate, batch)
            assert len(shown(page)) == min(number, PAGE_SIZE)
            assert len(queries) <= most, [query["sql"] for query in queries]
            asked.append(len(queries))
    assert asked[:2] == asked[2:]


def test_what_is_at_work_is_told_on_each_page(
    owner: Person, order_batch: OrderBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "PAGE_SIZE", 2)
    batch = order_batch(*(f"{number}.jpg" for number in range(6)))
    first, second, third, *_ = upscales(batch)
    fail(first)
    claim(second)
    claim(third)
    for query in ("", "?page=2", "?page=3", "?status=Error", "?status=Ongoing"):
        at_work = page_of(owner, batch, query).partition('id="at-work"')[2].partition("</section>")[0]
        assert re.findall(r"<bdi>(.*?)</bdi>", at_work) == ["1.jpg", "2.jpg"], query


def test_the_time_left_is_told_by_the_last_ones_that_ended(owner: Person, order_batch: OrderBatch) -> None:
    now = timezone.now()
    with time_machine.travel(now, tick=False) as clock:
        batch = order_batch(*(f"{number}.jpg" for number in range(30)))
        rows = upscales(batch)
        for row in rows[:2]:
            fail(row)
        assert " left<" not in page_of(owner, batch)
        for row in rows[2:4]:
            fail(row)
        # One that was cancelled did not take its time.
        lifecycle.cancel(Upscale.objects.filter(pk=rows[29].pk), by=owner.user)
        clock.shift(8 * 60)
        assert "About 50 minutes left" in page_of(owner, batch), "two minutes each"
        clock.shift(100 * 60)
        for row in rows[4 : 4 + progress.RECENT]:
            fail(row)
        clock.shift(20 * 60)
        assert "About 5 minutes left" in page_of(owner, batch), "one minute each"


def test_trying_again_costs_nothing_for_what_is_only_fitted_or_gone(owner: Person, order_batch: OrderBatch) -> None:
    batch = order_batch("a.jpg", "b.jpg", "c.jpg", model_name="topaz")
    for row in upscales(batch):
        fail(row)
    first, second, _ = upscales(batch)
    Upscale.objects.filter(pk=first.pk).update(engine=Upscale.Engine.FIT)
    Upscale.objects.filter(pk=second.pk).update(deleted_at=timezone.now(), deleted_by_rule=True)
    page = page_of(owner, batch)
    # Each test ends with a look at the ledger, and what is fitted is charged nothing.
    Upscale.objects.filter(pk=first.pk).update(engine=Upscale.Engine.LOCAL)
    assert "Try 2 failed again" in page and '<span class="button-note">3 credits</span>' in page
