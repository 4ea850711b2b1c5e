"""The report on a month: figures that add up, for those who may see them, at a constant cost."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.conftest import Person, move_end
from tests.usage.test_counts import fail
from upscaler.models import Membership, Team, Upscale
from upscaler.usage.report import Span, duration

Order = Callable[..., Upscale]


@pytest.fixture
def staff(teammate: Person) -> Person:
    teammate.user.is_staff = True
    teammate.user.save()
    teammate.user.user_permissions.add(Permission.objects.get(codename="view_usageday"))
    return teammate


def text(person: Person, query: str = "") -> str:
    answer = person.client.get(f"/usage/{query}")
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def rows(person: Person, query: str = "") -> list[dict[str, str]]:
    content = person.client.get(f"/usage/month.csv{query}").getvalue().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(content)))


def test_an_empty_page_says_what_will_be_there(head: Person) -> None:
    page = text(head)
    assert "Nothing to review yet" in page
    assert "Enlarge the first picture" in page


def test_a_month_is_shown_by_person_model_engine_day_status_and_reason(head: Person, done: Order, order: Order) -> None:
    done(model_name="topaz", upscale_factor="2x")
    done()
    fail(order(), message="The picture is too large for this.")
    page = text(head)
    for words in ("Usage of Atelier", "By person", "By model", "By engine", "By status", "By day", "Topaz", "Recraft"):
        assert words in page
    assert "The picture is too large for this." in page
    found = {(row["Part"], row["Name"]): row for row in rows(head)}
    total = found["Total", "Atelier"]
    assert (total["Ready"], total["Failed"], total["Credits used"], total["Credits refunded"]) == ("2", "1", "4", "1")
    assert found["Person", "owner"]["Ready"] == "2"
    assert found["Model", "Topaz"]["Credits used"] == "3"
    assert found["Engine", "Local"]["Failed"] == "1"
    assert found["Status", "Failed"]["Failed"] == "1"
    assert found["Failure", "too_slow: The picture is too large for this."]["Credits refunded"] == "1"
    assert float(found["Time to result", "All"]["Median seconds"]) > 0
    days = [row for (part, _), row in found.items() if part.startswith("Day")]
    assert [row["Ready"] for row in days if row["Ready"] != "0"] == ["2"]


def test_this_month_is_compared_with_the_same_days_of_the_last(head: Person, done: Order) -> None:
    with time_machine.travel(datetime(2026, 3, 10, 12, tzinfo=UTC), tick=False):
        for ended in ((2026, 3, 2), (2026, 2, 10), (2026, 2, 11), (2026, 2, 28), (2026, 1, 31)):
            move_end(done(), datetime(*ended, 12, tzinfo=UTC))
        head.client.force_login(head.user)
        page = text(head)
        assert "1 to 10 March, compared with the same days of February (1 to 10)" in page
        assert "1 in the same days" in page
        assert "3 in all of February" in page
        [total] = [row for row in rows(head) if row["Part"] == "Total"]
        assert (total["Ready"], total["Ready, compared"], total["Compared to"]) == ("1", "1", "2026-02-10")
        earlier = text(head, "?month=2026-02")
        assert "compared with all of January" in earlier
        assert "month=2026-01" in earlier
        assert "month=2026-03" in earlier
        assert "month=2025-12" not in text(head, "?month=2026-01")


@pytest.mark.parametrize(
    ("today", "before_last", "is_partial"),
    [(date(2026, 3, 31), date(2026, 2, 28), False), (date(2026, 11, 23), date(2026, 10, 23), True)],
)
def test_a_shorter_month_is_compared_whole(today: date, before_last: date, is_partial: bool) -> None:
    with time_machine.travel(today, tick=False):
        span = Span.of("")
    assert (span.last, span.before_last, span.is_partial) == (today, before_last, is_partial)


@pytest.mark.parametrize(
    "query",
    [
        "month=13",
        "month=2026-13",
        "month=2%D9%A026-01",
        "team=0_1",
        "month=%00",
        "month=9999-12",
        "team=x",
        f"team={9**40}",
    ],
)
def test_an_address_that_makes_no_sense_shows_this_month(query: str, head: Person, staff: Person, done: Order) -> None:
    done()
    assert "Usage of Atelier" in text(head, f"?{query}")
    assert "Usage of Atelier" in text(staff, f"?{query}")
    assert rows(head, f"?{query}")


def test_merchandisers_read_whom_to_ask(owner: Person, head: Person) -> None:
    for address in ("/usage/", "/usage/month.csv"):
        answer = owner.client.get(address)
        assert answer.status_code == 403
        assert "This page is for your team’s admins" in answer.content.decode()
        assert "Ask head" in answer.content.decode()


def test_an_admin_sees_no_other_team_and_staff_see_all(
    outsider: Person, staff: Person, done: Order, team: Team
) -> None:
    done()
    Membership.objects.filter(user=outsider.user).update(role="admin")
    assert "Nothing to review yet" in text(outsider, f"?team={team.pk}")
    assert "Nothing to review yet" in text(outsider, "?team=all")
    assert "Nothing to review yet" in text(staff, f"?team={outsider.team.pk}")
    everything = text(staff, "?team=all")
    assert "Usage of all teams" in everything
    assert "By team" in everything
    Membership.objects.filter(user=staff.user).delete()
    assert "Usage of all teams" in text(staff)


def test_a_name_that_would_be_a_formula_is_harmless_in_the_file(head: Person, owner: Person, done: Order) -> None:
    owner.user.first_name = "=HYPERLINK(1)"
    owner.user.save()
    done()
    assert "'=HYPERLINK(1)" in [row["Name"] for row in rows(head)]


@pytest.mark.parametrize("query", ["", "?team=all"])
def test_the_number_of_queries_is_constant(query: str, staff: Person, done: Order) -> None:
    done()

    def counted() -> int:
        with CaptureQueriesContext(connection) as queries:
            text(staff, query)
        return len(queries)

    Membership.objects.filter(user=staff.user).update(role="admin")
    few = counted()
    call_command("make_history", "--upscales", "400", "--teams", "2", "--i-know", verbosity=0)
    team = Team.objects.get(slug="history-1")
    Membership.objects.filter(user=staff.user).update(team=team)
    # The example of each failure is looked for only where there are failures.
    assert few <= counted() <= few + 2


def test_times_read_well() -> None:
    assert [duration(seconds) for seconds in (None, 0.31, 9.96, 59.4, 61, 3599, 7300)] == [
        "–", "0.3 s", "10 s", "59 s", "1 min 1 s", "59 min", "2 h 1 min"
    ]  # fmt: skip


def test_a_staff_account_without_the_permission_sees_its_own_team_at_most(head: Person, outsider: Person) -> None:
    for person in (head, outsider):
        person.user.is_staff = True
        person.user.save()
        page = person.client.get("/history/").content.decode()
        assert ('href="/usage/"' in person.client.get("/team/").content.decode()) is (person is head)
        assert "/admin/" in page
        admin = person.client.get("/admin/").content.decode()
        assert "You don’t have permission to view or edit anything" in admin
    theirs = outsider.team
    for query in ("?team=all", f"?team={theirs.pk}"):
        page = text(head, query)
        assert "Usage of Atelier" in page and "Rivals" not in page
    assert outsider.client.get("/usage/?team=all").status_code == 403
    assert outsider.client.get("/usage/month.csv?team=all").status_code == 403
