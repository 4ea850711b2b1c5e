"""The history and an upscale's page: what is shown, how it is filtered, and that it stays fast and live."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.conftest import Person, move_end
from tests.fidelity.test_shown import check
from upscaler import credits
from upscaler.channels import teams
from upscaler.channels.table import CHANNELS
from upscaler.models import Batch, ChannelFile, ShareLink, Team, Upscale
from upscaler.processing import lifecycle
from upscaler.sharing import links
from upscaler.views import page_cache
from upscaler.views.history import PAGE_SIZE


def shown(answer: Any) -> list[int]:
    """The upscales on a page, in their order."""
    return [int(number) for number in re.findall(r'data-upscale-id="(\d+)"', answer.content.decode())]


def fill(person: Person, count: int, **values: Any) -> list[Upscale]:
    """Rows as they are after long use, without their files."""
    return Upscale.objects.bulk_create(
        Upscale(
            team=person.team,
            created_by=person.user,
            source="url",
            source_name=f"look-{i}.jpg",
            source_url="https://shop.example/a.jpg",
            **{"model_name": "recraft", "credits": 1, "engine": "local", **values},
        )
        for i in range(count)
    )


def fail(upscale: Upscale) -> None:
    claimed = lifecycle.claim(upscale.pk)
    assert claimed is not None
    lifecycle.fail(claimed, message="The shop did not hand out the picture.", code="test")


def test_the_team_shares_its_history(teammate: Person, order: Callable[..., Upscale]) -> None:
    first, second = order(name="red.jpg"), order(name="blue.jpg")
    answer = teammate.client.get("/history/")
    assert shown(answer) == [second.pk, first.pk]
    page = answer.content.decode()
    for words in ("red.jpg", "blue.jpg", "owner", "Recraft", "1 credit", "Waiting", 'data-status="Created"'):
        assert words in page, words


def test_pages_of_one_who_has_left_still_open(head: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    made, _ = links.make(
        team=head.team,
        user=upscale.created_by,
        shows=upscale,
        label="Ours",
        may_decide=False,
        may_download=False,
    )
    upscale.created_by.delete()
    assert ShareLink.objects.get(pk=made.pk).made_by is None
    for address in (upscale.get_absolute_url(), "/share-links/"):
        answer = head.client.get(address)
        assert answer.status_code == 200
        assert "omeone who has left" in answer.content.decode()


def test_an_empty_history_says_what_to_do(owner: Person) -> None:
    page = owner.client.get("/history/").content.decode()
    assert 'href="/"' in page
    assert shown(owner.client.get("/history/")) == []


def test_filters(owner: Person, teammate: Person, order: Callable[..., Upscale]) -> None:
    plain, rich = order(), order(model_name="topaz")
    fail(rich)
    [theirs] = fill(teammate, 1)
    theirs = Upscale.objects.latest("pk")
    try:
        get = owner.client.get
        assert shown(get("/history/?status=Error")) == [rich.pk]
        assert shown(get("/history/?status=Created")) == [theirs.pk, plain.pk]
        assert shown(get("/history/?model=topaz")) == [rich.pk]
        assert shown(get(f"/history/?person={teammate.user.pk}")) == [theirs.pk]
        assert shown(get(f"/history/?person={owner.user.pk}&model=recraft&status=Created")) == [plain.pk]
        assert get("/history/?before=1")["Location"] == "/history/"
        nothing = get("/history/?status=Done")
        assert shown(nothing) == []
        for nonsense in (
            "status=Lost",
            "model=crystal",
            "person=abc",
            "before=x",
            "after=-1",
            f"before={'9' * 30}",
            f"after={'9' * 5000}",
            f"person={'9' * 5000}",
        ):
            assert len(shown(get(f"/history/?{nonsense}"))) == 3
    finally:
        Upscale.objects.filter(pk=theirs.pk).delete()


def test_pages_lead_through_the_whole_history_and_back(owner: Person) -> None:
    fill(owner, 2 * PAGE_SIZE + 5)
    try:
        every = list(Upscale.objects.values_list("pk", flat=True))
        first = owner.client.get("/history/?status=Created")
        assert shown(first) == every[:PAGE_SIZE]
        assert first.context["newer_url"] is None
        second = owner.client.get(first.context["older_url"])
        assert shown(second) == every[PAGE_SIZE : 2 * PAGE_SIZE]
        third = owner.client.get(second.context["older_url"])
        assert shown(third) == every[2 * PAGE_SIZE :]
        assert third.context["older_url"] is None
        assert shown(owner.client.get(third.context["newer_url"])) == every[PAGE_SIZE : 2 * PAGE_SIZE]
        assert shown(owner.client.get(second.context["newer_url"])) == every[:PAGE_SIZE]
        assert "status=Created" in second.context["newer_url"]
    finally:
        Upscale.objects.all().delete()


def test_a_page_asks_the_database_a_constant_number_of_times(
    owner: Person, django_assert_max_num_queries: Any, order: Callable[..., Upscale]
) -> None:
    order()
    owner.client.get("/history/")
    # One of them is how many results wait for approval, from an index of those alone.
    with django_assert_max_num_queries(7) as few:
        owner.client.get("/history/")
    fill(owner, 60)
    try:
        # Beside these, what was kept of the page would be looked at.
        page_cache.answers.clear()
        with django_assert_max_num_queries(len(few)):
            owner.client.get("/history/")
        ids = "&".join(f"id={pk}" for pk in Upscale.objects.values_list("pk", flat=True)[:PAGE_SIZE])
        with django_assert_max_num_queries(6):
            owner.client.get(f"/history/live/?{ids}&newest=1")
    finally:
        Upscale.objects.filter(source="url").delete()


def test_the_page_of_an_upscale_asks_few_questions_whatever_it_shows(
    owner: Person,
    teammate: Person,
    order: Callable[..., Upscale],
    done: Callable[..., Upscale],
    django_assert_max_num_queries: Any,
) -> None:
    Team.objects.filter(pk=owner.team.pk).update(reviews=Team.Reviews.EVERYTHING)
    result, waits, failed = done(), order(), order()
    check(result, "look", ("colour",))
    fail(failed)
    channel = teams.copy(owner.team, next(iter(CHANNELS)), "Our shop")
    ChannelFile.objects.create(upscale=result, channel_id=channel.id, title="Our shop", problems=["Too small."])
    opened = teammate.client.get(result.get_absolute_url())

    def asks(upscale: Upscale, most: int, query: str = "") -> None:
        # Beside these, what was kept of the page would be looked at.
        page_cache.answers.clear()
        with django_assert_max_num_queries(most):
            assert teammate.client.get(f"{upscale.get_absolute_url()}{query}").status_code == 200

    try:
        for rows in (0, 60):
            fill(owner, rows)
            asks(result, 9)
            asks(result, 9, f"?status=Done&before={result.pk + 1}")
            asks(waits, 7)
            asks(failed, 7)
        answer = owner.client.post(f"/upscales/{result.pk}/review/", {"decision": "rejected", "reason": "colour"})
        assert answer.status_code == 302
        # Who rejected it.
        asks(result, 9 + 1)
    finally:
        Upscale.objects.filter(source="url").delete()
    assert opened.content.count(b"Our shop") > 1


def test_the_live_part_sends_the_rows_that_are_asked_for(owner: Person, order: Callable[..., Upscale]) -> None:
    waiting, working = order(), order()
    claimed = lifecycle.claim(working.pk)
    assert claimed is not None
    lifecycle.progress(claimed, 0.42, "Enlarging")
    answer = owner.client.get(f"/history/live/?id={working.pk}&newest={waiting.pk}")
    page = answer.content.decode()
    assert shown(answer) == [working.pk]
    assert "hx-swap-oob" in page
    assert 'data-status="Ongoing"' in page
    assert 'data-progress="0.42' in page
    assert "42" in page
    assert 'id="balance"' in page
    assert "1 new upscale" in page


def seen_in(answer: Any) -> str:
    return re.findall(r'id="live-seen" name="seen" value="([^"]*)"', answer.content.decode())[0]


def test_the_live_part_is_empty_while_nothing_changes(
    owner: Person, order: Callable[..., Upscale], django_assert_num_queries: Any
) -> None:
    upscale = order()
    address = f"/history/live/?id={upscale.pk}&newest={upscale.pk}"
    seen = seen_in(owner.client.get(address))
    # Who asks, for which team; then all that there is to know.
    with django_assert_num_queries(3 + 1):
        assert owner.client.get(f"{address}&seen={seen}").status_code == 204
    claimed = lifecycle.claim(upscale.pk)
    assert claimed is not None
    for progress in (0.2, 0.7):
        lifecycle.progress(claimed, progress, "Enlarging")
        answer = owner.client.get(f"{address}&seen={seen}")
        assert f'data-progress="{progress}' in answer.content.decode()
        seen = seen_in(answer)
        assert owner.client.get(f"{address}&seen={seen}").status_code == 204
    credits.grant(team=owner.team, amount=7, note="more")
    answer = owner.client.get(f"{address}&seen={seen}")
    assert f'data-balance="{owner.balance}"' in answer.content.decode()
    seen = seen_in(answer)
    order()
    assert "1 new upscale" in owner.client.get(f"{address}&seen={seen}").content.decode()


def test_a_card_that_was_drawn_before_shows_what_has_changed(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale = done(name="shirt.jpg")
    page = owner.client.get("/history/").content.decode()
    assert "shirt.jpg" in page
    assert owner.client.get("/history/").content.decode().count("card-download") == page.count("card-download") == 1
    get_user_model().objects.filter(pk=owner.user.pk).update(first_name="Ada", last_name="Lovelace")
    assert "Ada Lovelace, " in owner.client.get("/history/?status=Done").content.decode()
    assert "Ada Lovelace, " in owner.client.get("/history/").content.decode()
    Upscale.objects.filter(pk=upscale.pk).update(review="rejected")
    assert "card-download" not in owner.client.get("/history/").content.decode()


def test_the_live_part_survives_nonsense(owner: Person) -> None:
    for query in ("", "id=abc", "id=-5", f"id={'9' * 40}", "view=upscale", "view=upscale&id=99", "newest=x"):
        assert owner.client.get(f"/history/live/?{query}").status_code == 200


def test_a_finished_upscale_s_page(owner: Person, teammate: Person, done: Callable[..., Upscale]) -> None:
    upscale = done(model_name="topaz", upscale_factor="2x")
    page = teammate.client.get(f"/upscales/{upscale.pk}/").content.decode()
    for words in ("Your picture is ready", "Topaz", "High Fidelity V2", "owner", "3 credits", "shirt.jpg", "48", "96"):
        assert words in page, words
    for link in ("before", "after", "download"):
        assert f"/upscales/{upscale.pk}/{link}/" in page
    assert f"?result={upscale.pk}" in page
    assert f"?source={upscale.pk}" in page


def test_what_could_not_be_done_as_asked_is_on_the_page(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    upscale.provenance = {"networks": ["waifu2x-cunet"], "notes": ["No face was found to enhance."]}
    upscale.save(update_fields=["provenance"])
    assert "No face was found to enhance." in owner.client.get(f"/upscales/{upscale.pk}/").content.decode()


def test_the_download_has_the_source_s_own_name(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale = done(name="Été – robe n° 5.JPG")
    answer = owner.client.get(f"/upscales/{upscale.pk}/download/")
    assert "attachment" in answer["Content-Disposition"]
    assert "%C3%89t%C3%A9%20%E2%80%93%20robe%20n%C2%B0%205.jpg" in answer["Content-Disposition"]
    assert len(answer.getvalue()) == upscale.result_bytes


def test_a_failed_upscale_s_page(owner: Person, order: Callable[..., Upscale]) -> None:
    upscale = order()
    fail(upscale)
    page = owner.client.get(f"/upscales/{upscale.pk}/").content.decode()
    assert "The shop did not hand out the picture." in page
    assert f'action="/upscales/{upscale.pk}/retry/"' in page
    assert "returned" in page
    assert "The shop did not hand out the picture." in owner.client.get("/history/").content.decode()
    assert owner.client.get(f"/upscales/{upscale.pk}/download/").status_code == 404


def test_names_are_shown_as_text(owner: Person, order: Callable[..., Upscale]) -> None:
    upscale = order(name="<script>alert(1)</script>.jpg")
    for url in ("/history/", f"/upscales/{upscale.pk}/"):
        assert b"<script>alert(1)" not in owner.client.get(url).content


def test_an_old_result_is_offered_as_our_kept_copy(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    assert owner.client.get(f"/?result={upscale.pk}").context["kept_copy"] is None
    move_end(upscale, timezone.now() - timedelta(days=30))
    page = owner.client.get(f"/?result={upscale.pk}")
    kept = page.context["kept_copy"]
    assert kept["link"] in page.content.decode().replace("&amp;", "&")
    assert page.context["recent_results"] == []

    answer = owner.submit(image_url=kept["link"], model_name="topaz", upscale_factor="2x")
    assert answer.status_code == 302
    again = Upscale.objects.latest("pk")
    assert (again.source, again.source_file.name) == ("upload", upscale.result_file.name)
    assert (again.source_width, again.source_name) == (192, "shirt.jpg")


def test_the_original_can_be_enlarged_again(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    kept = owner.client.get(f"/?source={upscale.pk}").context["kept_copy"]
    assert owner.submit(image_url=kept["link"], model_name="topaz").status_code == 302
    assert Upscale.objects.latest("pk").source_file.name == upscale.source_file.name


def test_the_submit_page_offers_results_of_the_last_four_hours(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    assert owner.client.get("/").context["recent_results"] == [upscale]
    with override_settings(RESULT_LIFETIME=0):
        assert owner.client.get("/").context["recent_results"] == []


def test_several_pictures_at_once_of_which_one_is_bad(owner: Person, upload: Callable[..., Any]) -> None:
    files = [upload("a.jpg"), upload("bad.jpg", b"no picture at all"), upload("c.jpg")]
    answer = owner.submit(image=files)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "bad.jpg" in page
    assert "2 pictures are on their way; 1 was not sent" in page
    assert sorted(Upscale.objects.values_list("source_name", flat=True)) == ["a.jpg", "c.jpg"]
    assert owner.balance == 98


def test_all_good_leads_to_the_batch(owner: Person, upload: Callable[..., Any]) -> None:
    plain = owner.client.post("/", {"model_name": "recraft", "image": upload()})
    [first] = Batch.objects.all()
    assert (plain.status_code, plain["Location"]) == (302, first.get_absolute_url())


def test_too_many_pictures_at_once(owner: Person, upload: Callable[..., Any]) -> None:
    with override_settings(MAX_FILES=2):
        answer = owner.submit(image=[upload(f"{i}.jpg") for i in range(3)])
    assert answer.status_code == 422
    assert "send at most 2 at once" in answer.content.decode()
    assert not Upscale.objects.exists()


def test_without_javascript_a_refused_form_keeps_its_choices(owner: Person) -> None:
    answer = owner.submit(model_name="topaz", upscale_factor="6x", image_url="nonsense", face_enhancement="true")
    assert answer.status_code == 422
    chosen = answer.context["chosen"]
    assert (chosen["model_name"], chosen["image_url"]) == ("topaz", "nonsense")
    assert (chosen["settings"]["upscale_factor"], chosen["settings"]["face_enhancement"]) == ("6x", True)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL plans by how much there is, which is little here")
def test_the_submit_page_looks_for_recent_results_in_an_index(owner: Person) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert owner.client.get("/").status_code == 200
    [recent] = [query["sql"] for query in queries if "referable_until" in query["sql"] and "ORDER BY" in query["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {recent}")
        plan = [row[-1] for row in cursor.fetchall()]
    assert len(plan) == 1, "no sorting"
    assert "upscale_team_completed (team_id=? AND status=? AND completed_at>?)" in plan[0]


def test_an_upscale_leads_to_its_batch_and_to_all_of_its_sku(owner: Person, order_batch: Callable[..., Batch]) -> None:
    batch = order_batch("a.jpg", "b.jpg")
    first = batch.upscales.earliest("pk")
    Upscale.objects.filter(pk=first.pk).update(sku="48220 & Söhne", source_folder="spring/<b>")
    page = owner.client.get(f"/upscales/{first.pk}/").content.decode()
    assert f'href="{batch.get_absolute_url()}"' in page
    assert '<dt>SKU</dt><dd><a href="/history/?sku=48220%20%26%20S%C3%B6hne"><bdi>48220 &amp; Söhne</bdi></a>' in page
    assert "<bdi>spring/&lt;b&gt;</bdi>" in page
    assert f'id="upscale-{first.pk}"' in owner.client.get("/history/?sku=48220%20%26%20S%C3%B6hne").content.decode()
    of_batch = owner.client.get(f"/history/?batch={batch.pk}").content.decode()
    assert f'<a href="{batch.get_absolute_url()}">How this batch stands</a>' in of_batch
