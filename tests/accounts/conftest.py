"""A company whose people sign in with its accounts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.accounts.company import ANNA
from tests.support import oidc_provider
from tests.support.oidc_provider import Provider


@pytest.fixture
def company(db: None) -> Iterator[Provider]:
    with oidc_provider.serving(team_claim="teams", role_claim="groups", admin_groups=("desk-admins",)) as company:
        company.person = dict(ANNA)
        yield company
