"""Who gets what: every page of the URL list, tried by everybody. A page that is not in the table fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.urls.converters import IntConverter

from tests.conftest import Person
from tests.support import access_table as table
from tests.views.addresses import Addresses, patterns
from upscaler.models import Batch, Upscale

ANSWERS = """
# What belongs to one team (an upscale, a token) is the merchandiser's, made by that very person.
# sign-in: sent to the sign-in page. no-team, admins: 403, and the page says whom to ask. A number: that status.
# outsider: a merchandiser of another team. staff: one who is in no team and may
# see everything. bare-staff: the same without any permission.

CALL  page                    nobody    outsider  merchandiser  admin   staff     bare-staff

GET   submit                  sign-in   200       200           200     no-team   no-team
POST  submit                  sign-in   422       422           422     no-team   no-team
GET   again                   sign-in   302       302           302     no-team   no-team
POST  again                   sign-in   200       200           200     no-team   no-team
GET   history                 sign-in   200       200           200     no-team   no-team
POST  history                 sign-in   405       405           405     405       405
GET   live                    sign-in   200       200           200     no-team   no-team
POST  live                    sign-in   405       405           405     405       405

# A draft is its person's alone; its addresses are asked by scripts, so nobody is sent anywhere.
GET   begin-draft             401       405       405           405     405       405
POST  begin-draft             401       200       200           200     403       403
GET   draft                   401       404       200           404     404       404
POST  draft                   401       405       405           405     405       405
GET   draft-files             401       405       405           405     405       405
POST  draft-files             401       404       422           404     404       404
GET   draft-addresses         401       405       405           405     405       405
POST  draft-addresses         401       404       422           404     404       404
GET   draft-results           401       405       405           405     405       405
POST  draft-results           401       404       422           404     404       404
GET   draft-remove            401       405       405           405     405       405
POST  draft-remove            401       404       200           404     404       404
GET   draft-pattern           401       405       405           405     405       405
POST  draft-pattern           401       404       200           404     404       404
GET   draft-item              401       405       405           405     405       405
POST  draft-item              401       404       200           404     404       404
GET   draft-thumbnail         401       404       200           404     404       404
POST  draft-thumbnail         401       405       405           405     405       405
GET   draft-order             401       405       405           405     405       405
POST  draft-order             401       404       200           404     404       404

GET   history-count           sign-in   200       200           200     no-team   no-team
POST  history-count           sign-in   405       405           405     405       405
GET   history-act             sign-in   405       405           405     405       405
POST  history-act             sign-in   302       302           302     no-team   no-team

GET   upscale                 sign-in   404       200           200     no-team   no-team
POST  upscale                 sign-in   405       405           405     405       405
# The table's result was not checked and has no heat map.
GET   fidelity                sign-in   404       200           200     no-team   no-team
POST  fidelity                sign-in   404       302           302     no-team   no-team
GET   heat-map                sign-in   404       404           404     no-team   no-team
POST  heat-map                sign-in   405       405           405     405       405
GET   batch-evidence          sign-in   404       200           200     no-team   no-team
POST  batch-evidence          sign-in   405       405           405     405       405
GET   sku-evidence            sign-in   404       404           404     no-team   no-team
POST  sku-evidence            sign-in   405       405           405     405       405
GET   fidelity-place          sign-in   404       404           404     no-team   no-team
POST  fidelity-place          sign-in   405       405           405     405       405
GET   retry                   sign-in   405       405           405     405       405
POST  retry                   sign-in   404       302           302     no-team   no-team
GET   batch                   sign-in   404       200           200     no-team   no-team
POST  batch                   sign-in   405       405           405     405       405
GET   batch-live              sign-in   404       200           200     no-team   no-team
POST  batch-live              sign-in   405       405           405     405       405
GET   batch-cancel            sign-in   405       405           405     405       405
POST  batch-cancel            sign-in   404       302           302     no-team   no-team
GET   batch-retry             sign-in   405       405           405     405       405
POST  batch-retry             sign-in   404       302           302     no-team   no-team
GET   batch-again             sign-in   405       405           405     405       405
POST  batch-again             sign-in   404       302           302     no-team   no-team
GET   batch-email             sign-in   405       405           405     405       405
POST  batch-email             sign-in   404       302           404     no-team   no-team
GET   batch-channels          sign-in   405       405           405     405       405
POST  batch-channels          sign-in   404       302           302     no-team   no-team
GET   batch-delete            sign-in   404       200           200     no-team   no-team
POST  batch-delete            sign-in   404       302           302     no-team   no-team
GET   batch-zip               sign-in   404       200           200     no-team   no-team
POST  batch-zip               sign-in   405       405           405     405       405
GET   result-names            sign-in   405       405           405     405       405
POST  result-names            sign-in   admins    admins        302     no-team   no-team
GET   thumbnail               sign-in   404       200           200     no-team   no-team
POST  thumbnail               sign-in   405       405           405     405       405
GET   before                  sign-in   404       200           200     no-team   no-team
POST  before                  sign-in   405       405           405     405       405
GET   after                   sign-in   404       200           200     no-team   no-team
POST  after                   sign-in   405       405           405     405       405
GET   source                  sign-in   404       200           200     no-team   no-team
POST  source                  sign-in   405       405           405     405       405
GET   result                  sign-in   404       200           200     no-team   no-team
POST  result                  sign-in   405       405           405     405       405
GET   compare                 sign-in   404       200           200     no-team   no-team
POST  compare                 sign-in   405       405           405     405       405
GET   comparison-picture      sign-in   404       200           200     no-team   no-team
POST  comparison-picture      sign-in   405       405           405     405       405
GET   tiles                   sign-in   404       200           200     no-team   no-team
POST  tiles                   sign-in   405       405           405     405       405
GET   tile                    sign-in   404       200           200     no-team   no-team
POST  tile                    sign-in   405       405           405     405       405
GET   before-thumbnail        sign-in   404       200           200     no-team   no-team
POST  before-thumbnail        sign-in   405       405           405     405       405
GET   batch-compare           sign-in   404       200           200     no-team   no-team
POST  batch-compare           sign-in   405       405           405     405       405
GET   download                sign-in   404       200           200     no-team   no-team
POST  download                sign-in   405       405           405     405       405

GET   decide                  sign-in   405       405           405     405       405
POST  decide                  sign-in   404       302           302     no-team   no-team
GET   wrong-result            sign-in   405       405           405     405       405
POST  wrong-result            sign-in   404       302           302     no-team   no-team
GET   gentler                 sign-in   405       405           405     405       405
POST  gentler                 sign-in   404       302           302     no-team   no-team
GET   review                  sign-in   200       200           200     no-team   no-team
POST  review                  sign-in   405       405           405     405       405
GET   approve-many            sign-in   405       405           405     405       405
POST  approve-many            sign-in   302       302           302     no-team   no-team
GET   approval-rule           sign-in   405       405           405     405       405
POST  approval-rule           sign-in   admins    admins        302     no-team   no-team
GET   keeping-rule            sign-in   405       405           405     405       405
POST  keeping-rule            sign-in   admins    admins        302     no-team   no-team
GET   channel-files           sign-in   405       405           405     405       405
POST  channel-files           sign-in   404       302           302     no-team   no-team
GET   channel-file            sign-in   404       200           200     no-team   no-team
POST  channel-file            sign-in   405       405           405     405       405
GET   share-upscale           sign-in   404       200           200     no-team   no-team
POST  share-upscale           sign-in   404       422           422     no-team   no-team
GET   share-batch             sign-in   404       200           200     no-team   no-team
POST  share-batch             sign-in   404       422           422     no-team   no-team
GET   share-links             sign-in   200       200           200     no-team   no-team
POST  share-links             sign-in   405       405           405     405       405
GET   revoke-share-link       sign-in   404       200           200     no-team   no-team
POST  revoke-share-link       sign-in   404       302           302     no-team   no-team
# A share link opens what it shows for whoever holds it; this one gives every right.
GET   shared                  200       200       200           200     200       200
POST  shared                  405       405       405           405     405       405
GET   shared-file             200       200       200           200     200       200
POST  shared-file             405       405       405           405     405       405
GET   shared-comparison       200       200       200           200     200       200
POST  shared-comparison       405       405       405           405     405       405
GET   shared-decide           405       405       405           405     405       405
POST  shared-decide           422       422       422           422     422       422
GET   shared-comparison-picture  200    200       200           200     200       200
POST  shared-comparison-picture  405    405       405           405     405       405
GET   shared-picture          200       200       200           200     200       200
POST  shared-picture          405       405       405           405     405       405
# The table's result was not checked.
GET   shared-heat-map         404       404       404           404     404       404
POST  shared-heat-map         405       405       405           405     405       405
GET   shared-place            404       404       404           404     404       404
POST  shared-place            405       405       405           405     405       405
GET   shared-tiles            200       200       200           200     200       200
POST  shared-tiles            405       405       405           405     405       405
GET   shared-tile             200       200       200           200     200       200
POST  shared-tile             405       405       405           405     405       405
GET   channels                sign-in   200       200           200     no-team   no-team
POST  channels                sign-in   405       405           405     405       405
GET   channel-check           sign-in   200       200           200     no-team   no-team
POST  channel-check           sign-in   422       422           422     no-team   no-team
GET   channel-codes           sign-in   405       405           405     405       405
POST  channel-codes           sign-in   302       302           302     no-team   no-team
GET   channel                 sign-in   admins    admins        200     no-team   no-team
POST  channel                 sign-in   admins    admins        422     no-team   no-team
GET   channel-copy            sign-in   405       405           405     405       405
POST  channel-copy            sign-in   admins    admins        302     no-team   no-team
GET   channel-switch          sign-in   405       405           405     405       405
POST  channel-switch          sign-in   admins    admins        302     no-team   no-team
GET   feeds                   sign-in   200       200           200     no-team   no-team
POST  feeds                   sign-in   405       405           405     405       405
GET   new-feed                sign-in   200       200           200     no-team   no-team
POST  new-feed                sign-in   422       422           422     no-team   no-team
GET   feed                    sign-in   404       200           200     no-team   no-team
POST  feed                    sign-in   405       405           405     405       405
GET   feed-live               sign-in   404       200           200     no-team   no-team
POST  feed-live               sign-in   405       405           405     405       405
GET   feed-check              sign-in   405       405           405     405       405
POST  feed-check              sign-in   404       302           302     no-team   no-team
GET   feed-stop               sign-in   405       405           405     405       405
POST  feed-stop               sign-in   404       302           302     no-team   no-team
GET   feed-mend               sign-in   405       405           405     405       405
POST  feed-mend               sign-in   404       302           302     no-team   no-team
GET   feed-csv                sign-in   404       200           200     no-team   no-team
POST  feed-csv                sign-in   405       405           405     405       405
GET   feed-remove             sign-in   405       405           405     405       405
# Once: the second finds it removed.
POST  feed-remove             sign-in   404       302           404     no-team   no-team

GET   tokens                  sign-in   200       200           200     no-team   no-team
POST  tokens                  sign-in   422       422           422     no-team   no-team
GET   revoke-token            sign-in   404       200           200     no-team   no-team
POST  revoke-token            sign-in   404       302           302     no-team   no-team

GET   watched-folders         sign-in   admins    admins        200     no-team   no-team
POST  watched-folders         sign-in   405       405           405     405       405
GET   watched-folder-new      sign-in   admins    admins        200     no-team   no-team
POST  watched-folder-new      sign-in   admins    admins        422     no-team   no-team
GET   watched-folder          sign-in   admins    admins        200     no-team   no-team
POST  watched-folder          sign-in   405       405           405     405       405
GET   watched-folder-change   sign-in   admins    admins        200     no-team   no-team
POST  watched-folder-change   sign-in   admins    admins        422     no-team   no-team
GET   watched-folder-look     sign-in   405       405           405     405       405
POST  watched-folder-look     sign-in   admins    admins        302     no-team   no-team
GET   watched-folder-switch   sign-in   405       405           405     405       405
POST  watched-folder-switch   sign-in   admins    admins        302     no-team   no-team
GET   watched-folder-retry    sign-in   405       405           405     405       405
POST  watched-folder-retry    sign-in   admins    admins        302     no-team   no-team
GET   watched-folder-remove   sign-in   admins    admins        200     no-team   no-team
POST  watched-folder-remove   sign-in   admins    admins        302     no-team   no-team

GET   webhooks                sign-in   admins    admins        200     no-team   no-team
POST  webhooks                sign-in   admins    admins        422     no-team   no-team
GET   webhook                 sign-in   admins    admins        200     no-team   no-team
POST  webhook                 sign-in   405       405           405     405       405
GET   webhook-test            sign-in   405       405           405     405       405
POST  webhook-test            sign-in   admins    admins        302     no-team   no-team
GET   webhook-secret          sign-in   405       405           405     405       405
POST  webhook-secret          sign-in   admins    admins        200     no-team   no-team
GET   webhook-switch          sign-in   405       405           405     405       405
POST  webhook-switch          sign-in   admins    admins        302     no-team   no-team
GET   webhook-remove          sign-in   admins    admins        200     no-team   no-team
POST  webhook-remove          sign-in   admins    admins        302     no-team   no-team
GET   webhook-again           sign-in   405       405           405     405       405
POST  webhook-again           sign-in   admins    admins        302     no-team   no-team

GET   team                    sign-in   200       200           200     no-team   no-team
POST  team                    sign-in   405       405           405     405       405
GET   make-team               sign-in   302       302           302     302       302
POST  make-team               sign-in   302       302           302     422       302
GET   switch-team             sign-in   405       405           405     405       405
POST  switch-team             sign-in   404       404           404     404       404
GET   invite                  sign-in   admins    admins        302     no-team   no-team
POST  invite                  sign-in   admins    admins        422     no-team   no-team
GET   renew-invitation        sign-in   admins    admins        302     no-team   no-team
POST  renew-invitation        sign-in   admins    admins        404     no-team   no-team
GET   withdraw-invitation     sign-in   405       405           405     405       405
POST  withdraw-invitation     sign-in   admins    admins        404     no-team   no-team
GET   change-role             sign-in   405       405           405     405       405
POST  change-role             sign-in   admins    admins        404     no-team   no-team
GET   remove-member           sign-in   405       405           405     405       405
POST  remove-member           sign-in   admins    admins        404     no-team   no-team
GET   accept-waiting          sign-in   405       405           405     405       405
POST  accept-waiting          sign-in   admins    admins        404     no-team   no-team
GET   leave-team              sign-in   405       405           405     405       405
POST  leave-team              sign-in   302       302           302     no-team   no-team

GET   activity                sign-in   admins    admins        200     no-team   no-team
POST  activity                sign-in   405       405           405     405       405
GET   activity-csv            sign-in   admins    admins        200     no-team   no-team
POST  activity-csv            sign-in   405       405           405     405       405

GET   ledger                  sign-in   200       200           200     no-team   no-team
POST  ledger                  sign-in   405       405           405     405       405
GET   ledger-csv              sign-in   200       200           200     no-team   no-team
POST  ledger-csv              sign-in   405       405           405     405       405
GET   grant                   sign-in   admins    admins        302     no-team   no-team
POST  grant                   sign-in   admins    admins        422     no-team   no-team
GET   budgets                 sign-in   admins    admins        302     no-team   no-team
POST  budgets                 sign-in   admins    admins        422     no-team   no-team

GET   usage                   sign-in   admins    admins        200     200       no-team
POST  usage                   sign-in   405       405           405     405       405
GET   usage-csv               sign-in   admins    admins        200     200       no-team
POST  usage-csv               sign-in   405       405           405     405       405

GET   account-data            sign-in   405       405           405     405       405
POST  account-data            sign-in   200       200           200     200       200
GET   password_change         sign-in   200       200           200     200       200
POST  password_change         sign-in   200       200           200     200       200
GET   password_reset          200       200       200           200     200       200
POST  password_reset          200       200       200           200     200       200
GET   password_reset_done     200       200       200           200     200       200
POST  password_reset_done     405       405       405           405     405       405
GET   password_reset_confirm  200       200       200           200     200       200
POST  password_reset_confirm  200       200       200           200     200       200
GET   invitation              404       404       404           404     404       404
POST  invitation              404       404       404           404     404       404

# A hint's address is known to whoever got it with a job.
GET   hint                    405       405       405           405     405       405
POST  hint                    404       404       404           404     404       404

# A signed link opens one picture for whoever holds it.
GET   signed-file             200       200       200           200     200       200
POST  signed-file             405       405       405           405     405       405
GET   login                   200       302       302           302     302       302
POST  login                   200       302       302           302     302       302
GET   sign-in-code            302       302       302           302     302       302
POST  sign-in-code            302       302       302           302     302       302
GET   second-factor           sign-in   200       200           200     200       200
POST  second-factor           sign-in   422       422           422     422       422
GET   second-factor-codes     sign-in   302       302           302     302       302
POST  second-factor-codes     sign-in   302       302           302     302       302
GET   second-factor-off       sign-in   302       302           302     302       302
POST  second-factor-off       sign-in   302       302           302     302       302
# There is no provider here: with one, tests/accounts/test_oidc.py.
GET   oidc-start              404       404       404           404     404       404
POST  oidc-start              405       405       405           405     405       405
GET   oidc-callback           404       404       404           404     404       404
POST  oidc-callback           405       405       405           405     405       405
GET   oidc-link               sign-in   404       404           404     404       404
POST  oidc-link               sign-in   404       404           404     404       404
GET   oidc-back-channel-logout  405     405       405           405     405       405
POST  oidc-back-channel-logout  404     404       404           404     404       404
GET   sign-out-everywhere     sign-in   405       405           405     405       405
POST  sign-out-everywhere     sign-in   302       302           302     302       302
GET   logout                  405       405       405           405     405       405
POST  logout                  302       302       302           302     302       302
GET   system                  sign-in   403       403           403     200       200
POST  system                  sign-in   405       405           405     405       405
GET   healthz                 200       200       200           200     200       200
POST  healthz                 405       405       405           405     405       405
GET   readyz                  200       200       200           200     200       200
POST  readyz                  405       405       405           405     405       405
# The tests come from this machine's address, which is not named: what opens it is in tests/health/test_metrics.py.
GET   metrics                 403       403       403           403     403       403
POST  metrics                 405       405       405           405     405       405
"""
CALLERS, TABLE = table.read(ANSWERS)
TAKES_PUT_FOR_POST = {"login", "password_change", "password_reset", "password_reset_confirm"}
"""Django's own pages."""


def test_every_page_is_in_the_table() -> None:
    assert {(method, pattern.name) for pattern in patterns() for method in ("GET", "POST")} == set(TABLE)


@pytest.fixture
def clients(owner: Person, head: Person, outsider: Person) -> dict[str, Client]:
    staff = Client()
    staff.force_login(get_user_model().objects.create_superuser("staff", password="a-good-password"))
    bare = Client()
    bare.force_login(get_user_model().objects.create_user("bare", password="a-good-password", is_staff=True))
    return {
        "nobody": Client(),
        "outsider": outsider.client,
        "merchandiser": owner.client,
        "admin": head.client,
        "staff": staff,
        "bare-staff": bare,
    }


@pytest.fixture
def address(
    owner: Person,
    order: Callable[..., Upscale],
    done: Callable[..., Upscale],
    upload: Callable[..., SimpleUploadedFile],
    order_batch: Callable[..., Batch],
) -> Callable[[str], str]:
    """A page's address, with something of the owner's where it is about one thing."""

    return Addresses(owner, order, done, upload, order_batch).of


@pytest.mark.parametrize(("method", "name"), TABLE, ids=map(" ".join, TABLE))
def test_everybody_gets_what_the_table_says(
    method: str, name: str, clients: dict[str, Client], address: Callable[[str], str]
) -> None:
    url = address(name)
    got = {caller: answer_of(getattr(clients[caller], method.lower())(url)) for caller in CALLERS}
    assert got == dict(zip(CALLERS, TABLE[method, name], strict=True))


def answer_of(response: Any) -> str:
    """A response in the table's words."""
    if response.status_code == 302 and response["Location"].startswith("/accounts/login/?next="):
        return "sign-in"
    if response.status_code == 403:
        used = {template.name for template in response.templates}
        return "no-team" if "noteam.html" in used else "admins" if "team/admins_only.html" in used else "403"
    return str(response.status_code)


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_no_page_takes_another_method(method: str, clients: dict[str, Client]) -> None:
    for pattern in patterns():
        if pattern.name in TAKES_PUT_FOR_POST:
            continue
        converters = pattern.pattern.converters.values()
        arguments = [1 if isinstance(converter, IntConverter) else "x" for converter in converters]
        url = reverse(pattern.name, args=arguments)
        assert getattr(clients["merchandiser"], method)(url).status_code == 405, url
