"""One browser, two tabs, two teams: a form does what it says for the team whose page it is on, or nothing at all."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.conftest import Person
from upscaler import credits
from upscaler.accounts import invitations, tokens
from upscaler.models import ApiToken, Membership, Team, Upscale, WatchedFolder, WebhookEndpoint
from upscaler.processing import lifecycle
from upscaler.webhooks import outbox

EVERYWHERE = {"/accounts/logout/", "/team/switch/"}
"""What these do is the same whichever team the page is of."""


@pytest.fixture
def second(head: Person) -> Team:
    """Another team of the head's, which they have switched to in another tab."""
    second = Team.objects.create(name="Zweite", slug="zweite")
    credits.grant(team=second, amount=50, note="start")
    Membership.objects.create(team=second, user=head.user, role=Membership.Role.ADMIN)
    head.client.post("/team/switch/", {"team": second.pk})
    return second


def posts(owner: Person, upscale: Upscale) -> dict[str, dict[str, Any]]:
    """What the pages of the first team send."""
    return {
        "/ledger/grant/": {"amount": "7", "note": "season", "request_key": str(uuid.uuid4())},
        "/ledger/budgets/": {"budget-monthly_budget": "9", "budget-low_balance": "5"},
        "/tokens/": {"name": "import", "lasts": "90", "password": "a-good-password", "form_key": str(uuid.uuid4())},
        "/again/": {"offered": str(upscale.pk), "upscale": str(upscale.pk)},
        f"/upscales/{upscale.pk}/retry/": {},
        "/team/invite/": {"email": "anna@example.com", "role": "merchandiser"},
        "/team/remove/": {"membership": str(Membership.objects.get(user=owner.user).pk)},
    }


def test_a_page_of_one_team_changes_nothing_in_another(
    owner: Person, head: Person, second: Team, order: Callable[..., Upscale]
) -> None:
    upscale = order()
    lands = {"/ledger/grant/": "/ledger/", "/ledger/budgets/": "/ledger/", "/tokens/": "/tokens/", "/again/": "/"}
    lands[f"/upscales/{upscale.pk}/retry/"] = "/history/"
    for path, data in posts(owner, upscale).items():
        answer = head.client.post(path, {**data, "of_team": head.team.pk})
        assert (answer.status_code, answer.headers.get("Location")) == (302, lands.get(path, "/team/")), path
        assert "You work for Zweite now" in head.client.get(answer["Location"]).content.decode(), path
    second.refresh_from_db()
    assert (second.balance, second.monthly_budget) == (50, None)
    assert not ApiToken.objects.filter(team=second).exists()
    assert not second.invitations.exists()
    assert Upscale.objects.count() == 1


class Forms(HTMLParser):
    """The forms of a page that change something, with the names of their fields."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, set[str]]] = []
        self.open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "form":
            self.open = values.get("method") == "post"
            if self.open:
                self.found.append((values.get("action") or "", set()))
        elif self.open and values.get("name"):
            self.found[-1][1].add(str(values["name"]))

    def handle_endtag(self, tag: str) -> None:
        self.open = self.open and tag != "form"


def test_every_form_of_a_team_says_whose_it_is(
    owner: Person, head: Person, order: Callable[..., Upscale], done: Callable[..., Upscale]
) -> None:
    ready, failed = done(), order()
    claimed = lifecycle.claim(failed.pk)
    assert claimed is not None
    lifecycle.fail(claimed, message="It is damaged.", code="damaged")
    invitations.invite(team=head.team, email="anna@example.com", role="merchandiser", by=head.user)
    token, _ = tokens.issue(team=head.team, user=head.user, name="import")
    pages = ["/", "/history/", f"/upscales/{failed.pk}/", "/team/", "/ledger/", "/usage/", "/tokens/"]
    hook = WebhookEndpoint.objects.create(team=head.team, url="https://shop.example/")
    outbox.new(hook, "webhook.test").save()
    pages += ["/webhooks/", f"/webhooks/{hook.pk}/", f"/webhooks/{hook.pk}/remove/"]
    watched = WatchedFolder.objects.create(team=head.team, name="DAM", kind="s3", bucket="b", model_name="recraft")
    pages += [f"/watched-folders/{watched.pk}/{page}" for page in ("", "change/", "remove/")]
    pages += ["/watched-folders/new/s3/"]
    pages += ["/team/activity/", f"/tokens/{token.pk}/revoke/"]
    texts = [head.client.get(page).content.decode() for page in pages]
    offer = head.client.post("/", {"model_name": "recraft", "image": ready.source_file.open()})
    texts.append(offer.content.decode())
    forms = Forms()
    forms.feed("".join(texts))
    named = {action for action, _ in forms.found} - EVERYWHERE
    assert {"/", "/again/", "/ledger/grant/", "/ledger/budgets/", "/tokens/", "/team/leave/"} <= named
    assert f"/upscales/{failed.pk}/retry/" in named
    assert {action for action, names in forms.found if "of_team" not in names} <= EVERYWHERE
