"""Results that are done, cheaply, in a team that wants to approve them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Person
from tests.support.waiting import quick, single, worked
from upscaler.models import Team, Upscale


@pytest.fixture
def result(owner: Person) -> Callable[..., Upscale]:
    """A result of the owner's that is just done, under a rule of `Team.Reviews`."""

    def make(rule: str = Team.Reviews.EVERYTHING, **values: Any) -> Upscale:
        Team.objects.filter(pk=owner.team.pk).update(reviews=rule)
        with quick():
            upscale = single(owner)
            worked(1)
        if values:
            Upscale.objects.filter(pk=upscale.pk).update(**values)
        upscale.refresh_from_db()
        return upscale

    return make
