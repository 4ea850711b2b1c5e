"""Made-up histories: believable, consistent, and in teams of their own."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.utils import timezone

from tests.conftest import Person
from upscaler import credits
from upscaler.models import Batch, CreditEntry, MonthlySpend, Team, Upscale, UsageDay
from upscaler.ordering import reorder, submission


def make(*arguments: str) -> str:
    out = StringIO()
    call_command("make_history", *arguments, stdout=out)
    return out.getvalue()


def test_a_history_is_consistent_to_the_last_credit(db: None) -> None:
    said = make("--upscales", "600", "--months", "3", "--people", "4", "--i-know")
    assert said.startswith("600 upscales for history-1, history-2, history-3 in ")
    assert credits.verify().problems == []
    failed = Upscale.objects.filter(status="Error")
    assert Upscale.objects.count() == 600
    assert 10 <= failed.count() <= 60
    assert len(set(failed.values_list("error_code", flat=True))) >= 3
    assert CreditEntry.objects.filter(kind="refund").count() == failed.count()
    assert MonthlySpend.objects.exists()
    assert UsageDay.objects.filter(status="Done").exists()
    assert not Upscale.objects.filter(completed_at__gt=timezone.now()).exists()
    assert {team.memberships.count() for team in Team.objects.all()} == {4}


def test_a_share_of_a_history_may_be_ordered_in_batches(db: None) -> None:
    make("--upscales", "2000", "--in-batches", "40", "--i-know")
    assert credits.verify().problems == []
    assert 400 <= Upscale.objects.exclude(batch=None).count() <= 1200
    for batch in Batch.objects.all():
        rows = batch.upscales.all()
        assert (rows.count(), sum(row.credits for row in rows)) == (batch.total, batch.credits)
        assert set(rows.values_list("team", "created_by")) == {(batch.team_id, batch.created_by_id)}
    assert {10, 50} <= set(Batch.objects.values_list("total", flat=True))


def test_what_was_there_stays_and_the_desk_goes_on(owner: Person, upload: object) -> None:
    make("--upscales", "30", "--teams", "1", "--i-know")
    make("--upscales", "30", "--teams", "1", "--i-know")
    assert set(Team.objects.values_list("slug", flat=True)) == {"atelier", "history-1", "history-2"}
    assert owner.balance == 100
    failed = Upscale.objects.filter(team__slug="history-2")[0]
    last = Upscale.objects.latest("pk")
    again = submission.submit([reorder.reorder(failed)], team=owner.team, user=owner.user)[0]
    assert again.pk > last.pk


def test_the_pictures_of_a_history_can_be_looked_at(owner: Person) -> None:
    make("--upscales", "5", "--teams", "1", "--i-know")
    upscale = Upscale.objects.filter(status="Done")[0]
    owner.client.force_login(upscale.team.members.all()[0])
    assert owner.client.get("/history/").status_code == 200
    assert owner.client.get(f"/upscales/{upscale.pk}/").status_code == 200
    assert owner.client.get(f"/upscales/{upscale.pk}/thumbnail/").status_code == 200


def test_outside_development_it_must_be_meant(db: None) -> None:
    with pytest.raises(CommandError, match="say --i-know"):
        make("--upscales", "5")
    with override_settings(DEBUG=True):
        assert "5 upscales" in make("--upscales", "5", "--teams", "1")


@pytest.mark.parametrize("wrong", [("--upscales", "0"), ("--upscales", "5", "--people", "0")])
def test_a_number_out_of_reach_is_refused(wrong: tuple[str, ...], db: None) -> None:
    with pytest.raises(CommandError, match="must be from 1 to"):
        make(*wrong, "--i-know")
