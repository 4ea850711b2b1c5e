"""Forms that are sent after a session has ended: nothing is done, that is said, and the way leads back to the form."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.conftest import Person


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/", "/"),
        ("/again/", "/"),
        ("/team/switch/", "/"),
        ("/team/first/", "/"),
        ("/upscales/1/retry/", "/history/"),
        ("/history/selected/", "/history/"),
        ("/batches/1/cancel/", "/history/"),
        ("/batches/1/retry/", "/history/"),
        ("/batches/1/again/", "/history/"),
        ("/batches/1/email/", "/history/"),
        ("/team/result-names/", "/team/"),
        ("/ledger/grant/", "/ledger/"),
        ("/ledger/budgets/", "/ledger/"),
        ("/tokens/", "/tokens/"),
        ("/team/invite/", "/team/"),
        ("/team/invitations/again/", "/team/"),
        ("/team/role/", "/team/"),
        ("/team/leave/", "/team/"),
        ("/accounts/password/", "/accounts/password/"),
    ],
)
def test_after_signing_in_again_the_form_is_there(head: Person, path: str, page: str) -> None:
    browser = Client()
    answer = browser.post(path, {"email": "anna@example.com", "amount": "5", "note": "season"})
    assert answer.status_code == 302
    sign_in = browser.get(answer["Location"]).content.decode()
    assert f'name="next" value="{page}"' in sign_in
    assert ("You were signed out, so nothing was done" in sign_in) is (page != "/accounts/password/")
    signed_in = browser.post(
        "/accounts/login/", {"username": "head", "password": "a-good-password", "next": page}, follow=True
    )
    assert (signed_in.status_code, signed_in.redirect_chain[-1][0]) == (200, page)
    assert head.balance == 100
    assert not head.team.invitations.exists()


def test_a_page_that_is_opened_signed_out_says_nothing_of_forms(head: Person) -> None:
    sign_in = Client().get("/tokens/", follow=True)
    assert sign_in.redirect_chain == [("/accounts/login/?next=/tokens/", 302)]
    assert b"signed out" not in sign_in.content
