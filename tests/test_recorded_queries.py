"""What is read of the database while something is made, and whether it would be read the same again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import Count
from django.db.models.functions import Repeat

from tests.conftest import Person
from upscaler.models import Team, Upscale
from upscaler.recorded_queries import Read, read_again, recorded


def made(team: Team) -> list[object]:
    """As a page asks: for rows, for one, for a number, for none, row by row, and past Django's models."""
    rows = Upscale.objects.filter(team=team).select_related("batch").order_by("pk")
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM upscaler_team WHERE id = %s", [team.pk])
        [(name,), *_] = cursor.fetchmany(5)
        cursor.execute("SELECT slug FROM upscaler_team WHERE id = %s", [team.pk])
        slug = cursor.fetchone()
    return [
        list(rows),
        rows.last(),
        rows.all().count(),
        rows.filter(pk=-1).first(),
        rows.aggregate(Count("pk")),
        [row.pk for row in rows.iterator(chunk_size=2)],
        rows.all().exists(),
        name,
        slug,
    ]


def test_who_is_recorded_reads_the_same(owner: Person, order: Callable[..., Upscale]) -> None:
    for _ in range(3):
        order()
    before = made(owner.team)
    with recorded() as reads:
        assert made(owner.team) == before
    assert reads.can_be_repeated
    assert len(reads.all) == 9
    assert read_again(reads.all) == reads.all
    with recorded(read_again(reads.all)) as from_memory:
        assert made(owner.team) == before
    assert from_memory.all == reads.all


def test_a_change_is_seen(owner: Person, order: Callable[..., Upscale]) -> None:
    upscale = order()
    with recorded() as reads:
        before = made(owner.team)
    Upscale.objects.filter(pk=upscale.pk).update(sku="A 100 %")
    again = read_again(reads.all)
    assert again != reads.all
    with recorded(again) as newer:
        after = made(owner.team)
    assert (before[1].sku, after[1].sku) == ("", "A 100 %")  # type: ignore[attr-defined]
    assert read_again(newer.all) == newer.all != reads.all


def test_what_is_written_can_not_be_repeated_and_is_read(owner: Person) -> None:
    mine = Team.objects.filter(pk=owner.team.pk).values_list("name", flat=True)
    with recorded() as before:
        mine.get()
    just_read = read_again(before.all)
    with recorded(just_read) as reads:
        mine.update(name="Couture")
        assert mine.get() == "Couture"
    assert not reads.can_be_repeated


def test_a_percent_sign_of_its_own_is_left_alone(team: Team) -> None:
    with recorded() as reads, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM upscaler_team WHERE name LIKE '%telier'")
        assert cursor.fetchone() == (1,)
    assert not reads.can_be_repeated


def test_who_goes_on_without_an_answer_is_not_repeated(db: None) -> None:
    with recorded() as reads, connection.cursor() as cursor:
        with pytest.raises(DatabaseError), transaction.atomic():
            cursor.execute("SELECT no_such_column FROM upscaler_team WHERE id = %s", [1])
        Team.objects.count()
    assert not reads.can_be_repeated


def test_named_values_are_not_repeated(team: Team) -> None:
    with recorded() as reads, connection.cursor() as cursor:
        cursor.execute("SELECT name FROM upscaler_team WHERE id = %(team)s", {"team": team.pk})
        assert cursor.fetchone() == (team.name,)
    assert not reads.can_be_repeated


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite locks no rows")
@pytest.mark.parametrize("no_key", [False, True])
def test_who_locks_rows_holds_them(team: Team, no_key: bool) -> None:
    with recorded() as reads:
        Team.objects.select_for_update(no_key=no_key).get(pk=team.pk)
    assert not reads.can_be_repeated


def test_what_was_just_read_says_its_columns(team: Team) -> None:
    teams = Team.objects.raw("SELECT id, name FROM upscaler_team WHERE id = %s", [team.pk])
    with recorded() as reads:
        assert list(teams) == [team]
    teams = Team.objects.raw("SELECT id, name FROM upscaler_team WHERE id = %s", [team.pk])
    with recorded(read_again(reads.all)):
        assert [one.name for one in teams] == [team.name]


def test_the_memory_of_long_texts_is_counted(team: Team) -> None:
    asked = Team.objects.filter(name="x" * 10_000)
    answered = Team.objects.annotate(long=Repeat("name", 10_000))
    for rows in (asked, answered):
        with recorded() as reads:
            list(rows)
        assert 10_000 < reads.size < 100_000


def test_what_fails_is_raised(db: None) -> None:
    with pytest.raises(DatabaseError), transaction.atomic(), recorded(), connection.cursor() as cursor:
        cursor.execute("SELECT no_such_column FROM upscaler_team WHERE id = %s", [1])


def test_what_fails_when_read_again_is_raised(db: None) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        read_again([Read("SELECT no_such_column FROM upscaler_team WHERE id = %s", (1,), [])])


def test_a_page_is_answered_again(owner: Person, order: Callable[..., Upscale]) -> None:
    order(name="shirt.jpg")
    pages = [owner.client.get("/history/").content for _ in range(3)]
    assert pages[1] == pages[2]
    order(name="socks.jpg")
    pages = [owner.client.get("/history/").content for _ in range(2)]
    assert b"socks.jpg" in pages[0] and pages[0] == pages[1]
