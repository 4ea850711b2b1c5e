"""Share links as an outsider holds them: what they show, and that nothing else of the team is to be had."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client
from django.urls import resolve, reverse
from django.utils import timezone
from PIL import Image

from tests.conftest import Person
from tests.processing.test_fidelity_checks import result_of
from tests.sharing.conftest import doubted, shared
from tests.support.waiting import quick, single, worked
from tests.views.test_access import TABLE, patterns
from upscaler.logs.lines import line_formatter
from upscaler.models import Batch, FidelityCheck, ReviewDecision, ShareLink, Upscale
from upscaler.queue import tasks
from upscaler.sharing import links
from upscaler.storage import tiles

PARTS = [
    "", "1/", "1/picture/before/", "1/picture/after/", "1/picture/before-thumbnail/", "1/picture/after-thumbnail/",
    "1/tiles/before/", "1/tiles/after/", f"1/tiles/after/{tiles.VERSION}/0/0/0/", "1/comparison.png", "file/1/",
    "1/heat-map/", "1/places/0/before/", "1/places/0/after/",
]  # fmt: skip
"""All that a link with every right opens."""
OPEN_TO_ALL = {
    "login", "password_reset", "password_reset_done", "password_reset_confirm", "healthz", "readyz", "invitation",
    "sign-in-code", "logout", "signed-file", "oidc-start", "oidc-callback", "oidc-back-channel-logout",
    "hint",
}  # fmt: skip
"""Pages that need no sign-in, and show nothing of a team to who holds no link of theirs."""
HREF = re.compile(r'(?:href|src|action|data-tiles|data-heat|value)="([^"]*)"')


def test_all_that_a_link_opens_is_tried() -> None:
    names = {str(pattern.name) for pattern in patterns() if str(pattern.name).startswith("shared")}
    assert {resolve(f"/s/secret/{part}").url_name for part in [*PARTS, "1/decide/"]} == names


def test_everything_that_a_link_shows_is_there(owner: Person, done: Callable[..., Upscale]) -> None:
    path = shared(owner, doubted(done()), may_download="true")
    for part in PARTS:
        answer = Client().get(path + part)
        assert answer.status_code == 200, part
        assert Client().head(path + part).status_code == 200, part
        assert Client().post(path + part).status_code == 405, part
    told = Client().get(f"{path}1/tiles/after/").json()
    assert told["url"] == f"{path}1/tiles/after/{tiles.VERSION}/"
    panels = Image.open(io.BytesIO(Client().get(f"{path}1/comparison.png").getvalue()))
    assert panels.width > 3 * panels.height / 2, "before, after and difference side by side"
    file = Client().get(f"{path}file/1/")
    assert file["Content-Disposition"] == 'attachment; filename="shirt.jpg"'


@pytest.mark.parametrize("part", [*PARTS, "9/", "nothing/", "1/decide/"])
def test_each_answer_is_kept_by_nobody_and_sets_no_cookie(
    owner: Person, done: Callable[..., Upscale], part: str
) -> None:
    path = shared(owner, doubted(done()), may_decide="true", may_download="true")
    for method in ("get", "post", "put"):
        answer = getattr(Client(), method)(path + part)
        assert answer["Referrer-Policy"] == "no-referrer"
        assert answer["X-Robots-Tag"] == "noindex, nofollow"
        assert answer["Cache-Control"] == "private, no-store"
        assert "Set-Cookie" not in answer.headers and not answer.cookies


@pytest.mark.parametrize("end", ["expired", "revoked"])
def test_a_link_that_has_ended_shows_one_plain_page(owner: Person, done: Callable[..., Upscale], end: str) -> None:
    path = shared(owner, doubted(done()), may_decide="true", may_download="true")
    link = ShareLink.objects.get()
    if end == "revoked":
        links.revoke(link, by=owner.user)
    moment = timezone.now() + timedelta(days=7, seconds=1) if end == "expired" else timezone.now()
    with time_machine.travel(moment, tick=False):
        for part in PARTS:
            answer = Client().get(path + part)
            assert answer.status_code == 410, part
            assert "This link has ended. Ask who sent it" in answer.content.decode()
            assert "shirt" not in answer.content.decode() and "For the client" not in answer.content.decode()
        assert Client().post(f"{path}1/decide/", {"name": "Ann", "decision": "approve"}).status_code == 410
        told = Client().get(f"{path}1/tiles/after/", headers={"accept": "application/json"})
        assert told.status_code == 410 and "has ended" in told.json()["detail"]
    assert not ReviewDecision.objects.exists()


def test_just_before_its_end_it_works(owner: Person, done: Callable[..., Upscale]) -> None:
    path = shared(owner, done(), days=1)
    with time_machine.travel(timezone.now() + timedelta(hours=23, minutes=59), tick=False):
        assert Client().get(path).status_code == 200


@pytest.mark.parametrize("number", ["0", "2", "-1", "99999999", "9" * 40, "x", "1.0", "%00"])
@pytest.mark.parametrize("of", ["upscale", "batch"])
def test_numbers_around_it_open_nothing(
    owner: Person, done: Callable[..., Upscale], done_batch: Callable[..., Batch], of: str, number: str
) -> None:
    shows = doubted(done(name="one.jpg")) if of == "upscale" else done_batch("one.jpg")
    doubted(done(name="private.jpg"))
    path = shared(owner, shows, may_decide="true", may_download="true")
    for part in PARTS[1:]:
        # In place of the link's own number, which is 1 in each of them.
        answer = Client().get(path + part.replace("1/", f"{number}/", 1).replace("1/comp", f"{number}/comp"))
        assert answer.status_code == 404, part
        assert "private" not in answer.content.decode()
    assert Client().post(f"{path}{number}/decide/", {"name": "A", "decision": "approve"}).status_code == 404
    assert not ReviewDecision.objects.exists()


@pytest.mark.parametrize("places", ["1/places/1/after/", "1/places/0/elsewhere/", "1/places/x/after/"])
def test_places_around_those_of_the_check_show_nothing(
    owner: Person, done: Callable[..., Upscale], places: str
) -> None:
    assert Client().get(shared(owner, doubted(done())) + places).status_code == 404


def test_guests_read_the_verdict_as_the_team_does(owner: Person, settings: Any) -> None:
    settings.FIDELITY_CHECKS = True
    upscale = result_of(owner, altered=True)
    path = shared(owner, upscale)
    assert "compare by eye" in Client().get(path).content.decode()
    tasks.check_fidelity.call()
    page = Client().get(path).content.decode()
    own = owner.client.get(f"/upscales/{upscale.pk}/").content.decode()
    for words in ("Look</strong> at colour", "another colour, Delta E", "pixels of the original", "What changed"):
        assert words in page and words in own
    heat_map = Client().get(f"{path}1/heat-map/")
    assert f'data-heat="{path}1/heat-map/"' in page
    assert Image.open(io.BytesIO(heat_map.getvalue())).mode == "RGBA"
    for side in ("before", "after"):
        assert f'src="{path}1/places/0/{side}/"' in page


def test_why_there_is_no_verdict_stays_with_the_team(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    said = {"checked_at": timezone.now(), "problem": "The storage of Atelier is away."}
    FidelityCheck.objects.update_or_create(upscale=upscale, defaults=said)
    path = shared(owner, upscale)
    page = Client().get(path).content.decode()
    assert "compare by eye" in page and "Atelier" not in page and "heat" not in page
    assert Client().get(f"{path}1/heat-map/").status_code == 404


def test_a_batch_says_which_to_look_at(owner: Person, done_batch: Callable[..., Batch]) -> None:
    batch = done_batch("a.jpg", "b.jpg")
    doubted(batch.upscales.get(source_name="b.jpg"))
    page = Client().get(shared(owner, batch)).content.decode()
    assert page.count("Look</strong> at colour") == 1
    assert page.index("b.jpg") < page.index("a.jpg"), "what is doubted comes first"


@pytest.mark.parametrize("end", ["live", "expired", "revoked"])
def test_another_link_s_secret_opens_nothing_of_this_one(
    owner: Person, outsider: Person, done: Callable[..., Upscale], end: str
) -> None:
    private = doubted(done(name="private.jpg"))
    shared(owner, private, may_decide="true", may_download="true")
    with quick():
        theirs = single(outsider)
        worked(1)
    path = shared(outsider, theirs, may_decide="true", may_download="true")
    link = ShareLink.objects.get(team=outsider.team)
    if end == "revoked":
        links.revoke(link, by=outsider.user)
    moment = timezone.now() + timedelta(days=8) if end == "expired" else timezone.now()
    numbers = [1, private.pk - 1, private.pk, private.pk + 1]
    with time_machine.travel(moment, tick=False):
        for number in numbers:
            for part in PARTS[1:]:
                answer = Client().get(path + part.replace("1/", f"{number}/", 1))
                own = end == "live" and number == 1 and not part.startswith(("1/heat-map", "1/places"))
                assert answer.status_code == (200 if own else 404 if end == "live" else 410), part
                assert "private" not in answer.get("Content-Disposition", "")
                assert answer.streaming or b"private" not in answer.content
            sent = {"name": "Ann", "decision": "approve"}
            assert Client().post(f"{path}{number}/decide/", sent).status_code in (302, 404, 410)
    private.refresh_from_db()
    assert private.review == "none"


def test_a_link_shows_what_it_was_made_for_alone(
    owner: Person, outsider: Person, done: Callable[..., Upscale], done_batch: Callable[..., Batch]
) -> None:
    secret_one, batch = done(name="private.jpg"), done_batch("a.jpg", "b.jpg")
    path = shared(owner, batch)
    for number in range(3, 12):
        assert Client().get(f"{path}{number}/picture/after/").status_code == 404
    assert "private" not in Client().get(path).content.decode()
    # Another team can't share it, and its own link opens nothing of it.
    answer = outsider.client.post(f"/upscales/{secret_one.pk}/share/", {"label": "x", "days": 7})
    assert answer.status_code == 404
    assert outsider.client.post(f"/batches/{batch.pk}/share/", {"label": "x", "days": 7}).status_code == 404


def test_every_other_page_is_refused_to_who_holds_a_link(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    path = shared(owner, upscale, may_decide="true", may_download="true")
    secret = path.split("/")[2]
    guest = Client()
    assert guest.get(path).status_code == 200
    tried = set()
    for pattern in patterns():
        name = str(pattern.name)
        if name in OPEN_TO_ALL or name.startswith("shared"):
            continue
        converters = pattern.pattern.converters.items()
        known = {"side": "after", "channel_id": "etsy", "version": tiles.VERSION}
        around = [upscale.pk - 1, upscale.pk, upscale.pk + 1] if converters else [0]
        for number, query in product(around, ("", f"?s={secret}&secret={secret}&token={secret}")):
            url = reverse(name, args=[known.get(key, number) for key, _ in converters]) + query
            for method in ("get", "post"):
                sent = {"headers": {"authorization": f"Bearer {secret}", "referer": f"http://testserver{path}"}}
                answer = getattr(guest, method)(url, **sent)
                status = answer.status_code
                is_sent_away = answer.get("Location", "").startswith("/accounts/login/")
                assert status in (401, 403, 405) or is_sent_away, (url, status)
                tried.add(name)
    assert tried == {name for _, name in TABLE if name not in OPEN_TO_ALL and not name.startswith("shared")}
    for call in ("credits", "generations", f"generation/{upscale.pk}", "share-links"):
        answer = guest.get(f"/api/v1/{call}", headers={"authorization": f"Bearer {secret}"})
        assert answer.status_code == 401
        cache.clear()
    assert guest.get("/admin/").status_code == 302


@pytest.mark.parametrize("secret", ["x", "x" * 43, "é", "..", "%00", "A" * 2000])
def test_a_secret_that_nobody_made_opens_nothing(owner: Person, done: Callable[..., Upscale], secret: str) -> None:
    shared(owner, done())
    for part in ("", "1/", "file/1/", "1/picture/after/", "1/tiles/after/"):
        answer = Client().get(f"/s/{secret}/{part}")
        assert answer.status_code == 404
        assert "shirt" not in answer.content.decode()


def test_the_stored_digest_opens_nothing(owner: Person, done: Callable[..., Upscale]) -> None:
    shared(owner, done())
    assert Client().get(f"/s/{ShareLink.objects.get().digest}/").status_code == 404


def test_no_secret_gets_into_the_log(owner: Person, done: Callable[..., Upscale]) -> None:
    path = shared(owner, done())
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(line_formatter("text"))
    logger = logging.getLogger("django.request")
    logger.addHandler(handler)
    try:
        Client().get(f"{path}9/")
    finally:
        logger.removeHandler(handler)
    assert lines.getvalue().endswith(" WARNING django.request Not Found: /s/…/9/\n")


def test_guesses_are_slowed_and_right_links_of_the_same_address_go_on(
    owner: Person, done: Callable[..., Upscale]
) -> None:
    path = shared(owner, done())
    with time_machine.travel("2026-12-01T12:00Z", tick=False):
        ShareLink.objects.update(expires_at=timezone.now() + timedelta(days=1))
        guest = Client()
        answers = [guest.get(f"/s/guess-{number}/") for number in range(61)]
        assert [answer.status_code for answer in answers] == [404] * 60 + [429]
        assert int(answers[-1]["Retry-After"]) == 601
        assert "Wait 11 minutes" in answers[-1].content.decode()
        assert guest.get(path).status_code == 200


@pytest.mark.parametrize(
    "change", [{"deleted_at": timezone.now}, {"archived_at": timezone.now}, {"withdrawn_at": timezone.now}]
)
def test_what_the_team_takes_away_is_gone_from_the_link_too(
    owner: Person, done_batch: Callable[..., Batch], change: dict[str, Any]
) -> None:
    batch = done_batch("gone.jpg", "second.jpg", "third.jpg")
    path = shared(owner, batch, may_download="true")
    first = doubted(batch.upscales.order_by("pk")[0])
    alone = shared(owner, first, may_download="true")
    Upscale.objects.filter(pk=first.pk).update(**{name: value() for name, value in change.items()})
    for part in PARTS[1:]:
        assert Client().get(path + part).status_code == 404, part
        assert Client().get(alone + part).status_code == 404, part
    assert Client().get(alone).status_code == 404
    page = Client().get(path).content.decode()
    assert "gone.jpg" not in page and "second" in page
    # The numbers of the others mean what they meant.
    assert "third" in Client().get(f"{path}3/").content.decode()
    assert Client().get(path).content.decode().count('class="pair"') == 2


def test_pages_hold_nothing_of_the_team(
    owner: Person, head: Person, done: Callable[..., Upscale], done_batch: Callable[..., Batch]
) -> None:
    for _ in range(2):
        done()
    batch = done_batch("a.jpg", "b.jpg")
    owner.user.first_name, owner.user.email = "Ophelia", "ophelia@atelier.example"
    owner.user.save()
    path = shared(owner, batch, may_decide="true", may_download="true")
    a, b = batch.upscales.order_by("pk")
    for part in ("", "1/", "2/", "9/"):
        page = Client().get(path + part).content.decode()
        for word in ("Atelier", "atelier", "Ophelia", "owner", "Monday", "credit", str(a.engine_id or "recraft")):
            assert word not in page, (part, word)
        own = [address for address in HREF.findall(page) if address.startswith("/") and "/static/" not in address]
        assert all(address.startswith(path) for address in own), own
        assert not re.search(r"upscale-\d|/upscales/|/batches/|csrfmiddlewaretoken", page)
    assert a.pk > 2 and b.pk > 2, "no number of the link's can be one of theirs"
    # Someone who is signed in sees no more.
    for person in (owner, head):
        assert person.client.get(path).content == Client().get(path).content


def test_file_names_tell_no_number(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale = done(name="coat.jpg")
    upscale.team.result_template = "{id}-{name}"
    upscale.team.save()
    path = shared(owner, upscale, may_download="true")
    for part in PARTS:
        answer = Client().get(path + part)
        assert str(upscale.result_file.name).rpartition("/")[2] not in answer.get("Content-Disposition", "")
    assert 'filename="coat.jpg"' in Client().get(f"{path}file/1/")["Content-Disposition"]
    assert 'filename="after.jpg"' in Client().get(f"{path}1/picture/after/")["Content-Disposition"]


def test_without_leave_there_is_no_download(owner: Person, done: Callable[..., Upscale]) -> None:
    path = shared(owner, done())
    for part in ("file/1/", "1/comparison.png"):
        answer = Client().get(path + part)
        assert answer.status_code == 403 and "gives no files" in answer.content.decode()
    page = Client().get(path).content.decode()
    assert "Download" not in page and "Save as one picture" not in page


@pytest.mark.parametrize(("review", "status"), [("pending", 409), ("rejected", 409), ("approved", 200), ("none", 200)])
def test_what_waits_for_approval_or_was_rejected_is_not_given_out(
    owner: Person, done: Callable[..., Upscale], review: str, status: int
) -> None:
    upscale = done()
    path = shared(owner, upscale, may_download="true")
    Upscale.objects.filter(pk=upscale.pk).update(review=review)
    answer = Client().get(f"{path}file/1/")
    assert answer.status_code == status
    page = Client().get(path)
    assert page.status_code == 200
    assert (f"{path}file/1/" in page.content.decode()) is (status == 200)


def test_many_pictures_come_in_pages(
    owner: Person, done_batch: Callable[..., Batch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upscaler.views.shared.PAGE_SIZE", 2)
    path = shared(owner, done_batch("a.jpg", "b.jpg", "c.jpg"))
    pages = [Client().get(f"{path}?page={page}").content.decode() for page in ("1", "2", "99", "-1", "x")]
    assert [page.count('class="pair"') for page in pages] == [2, 1, 1, 2, 2]
    assert f'href="{path}3/"' in pages[1] and 'href="?page=1"' in pages[1] and 'href="?page=2"' in pages[0]
