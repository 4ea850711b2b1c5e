"""Searching the history: what is found, in each database and without an index, and that it stays quick."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.core.management import call_command
from django.db import connection

from tests.conftest import Person
from upscaler import search
from upscaler.health import checks
from upscaler.models import Upscale


@pytest.fixture
def named(owner: Person) -> Callable[..., Upscale]:
    """An upscale of that name and SKU, open and without a charge. It goes before the ledger is proved."""

    def make(name: str, sku: str = "", person: Person = owner) -> Upscale:
        [row] = Upscale.objects.bulk_create(
            [
                Upscale(
                    team=person.team,
                    created_by=person.user,
                    source="url",
                    source_url="https://shop.example/a.jpg",
                    source_name=name,
                    sku=sku,
                    model_name="recraft",
                    credits=1,
                    engine="local",
                )
            ]
        )
        return Upscale.objects.latest("pk") if row.pk is None else row

    return make


@pytest.fixture(params=["index", "no index", "many hits"])
def any_way(request: pytest.FixtureRequest, db: None) -> Iterator[None]:
    """The answers are the same whether the index is read or the rows are."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "no index":
            patch.setattr(search, "has_index", lambda: False)
        elif request.param == "many hits":
            patch.setattr(search, "MANY", 1)
        yield


@pytest.fixture(autouse=True)
def no_rows_without_a_charge(db: None) -> Iterator[None]:
    yield
    Upscale.objects.all().delete()


def found(person: Person, query: str) -> list[int]:
    rows = search.matching(Upscale.objects.filter(team=person.team), query, team=person.team)
    return sorted(rows.values_list("pk", flat=True))


@pytest.mark.usefixtures("any_way")
def test_what_is_found(owner: Person, named: Callable[..., Upscale]) -> None:
    dress = named("Été – Robe_ROUGE 48220.jpg", "AB-1207")
    coat = named("coat-red.png", "XY 9")
    strange = named('100% "fine" o_ne.jpg')
    for query, expected in {
        "": [dress, coat, strange],
        "robe": [dress],
        "ete": [dress],
        "ÉTÉ": [dress],
        "e\u0301te\u0301": [dress],
        "48220": [dress],
        "822": [dress],
        "1207": [dress],
        "ab-12": [dress],
        "red coat": [coat],
        "coat rouge": [],
        "xy coat": [coat],
        "ab": [dress],
        "Ab": [dress],
        "a": [dress],
        "x": [coat],
        "ob": [],
        "100%": [strange],
        '"fine"': [strange],
        "o_n": [strange],
        "oxn": [],
        "' OR 1=1": [],
        "coat*": [],
        "NOT coat": [],
        "\0": [dress, coat, strange],
        "red\0coat": [coat],
        "x" * 5000: [],
        "9" * 500: [],
        " ".join("abcdefghijk"): [],
    }.items():
        assert found(owner, query) == [row.pk for row in expected], query


@pytest.mark.usefixtures("any_way")
def test_numbers_are_found_whole_or_by_their_beginning(owner: Person, named: Callable[..., Upscale]) -> None:
    row = named("a.jpg")
    Upscale.objects.filter(pk=row.pk).delete()
    for pk in (4, 41, 4100, 41000):
        Upscale.objects.bulk_create([Upscale(**{**values_of(row), "pk": pk})])
    assert found(owner, "4100") == [4100]
    assert found(owner, "41") == [41, 4100, 41000]
    assert found(owner, "4") == [4, 41, 4100, 41000]
    assert found(owner, "0") == []
    assert found(owner, "04") == []


@pytest.mark.usefixtures("any_way")
def test_people_are_found_by_their_names(owner: Person, teammate: Person, named: Callable[..., Upscale]) -> None:
    teammate.user.first_name, teammate.user.last_name = "Chloé", "Martin"
    teammate.user.save()
    named("mine.jpg")
    with pytest.MonkeyPatch.context() as patch:
        # Whoever has ordered is known by what they spent; here nothing was charged.
        patch.setattr(search, "_people", lambda team: {teammate.user.pk: "chloe martin teammate"})
        theirs = named("theirs.jpg", person=teammate)
        assert found(owner, "CHLOE") == [theirs.pk]
        assert found(owner, "martin theirs") == [theirs.pk]
        assert found(owner, "martin mine") == []


def test_the_index_follows_every_change(owner: Person, named: Callable[..., Upscale]) -> None:
    row = named("before.jpg")
    row.source_name = "after.jpg"
    row.save()
    assert (found(owner, "before"), found(owner, "after")) == ([], [row.pk])
    Upscale.objects.filter(pk=row.pk).delete()
    assert found(owner, "after") == []


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite drops triggers with a table that is made anew")
def test_a_table_that_was_made_anew_gets_its_triggers_back(owner: Person, named: Callable[..., Upscale]) -> None:
    row = named("kept.jpg")
    with connection.cursor() as cursor:
        for trigger in search.TRIGGERS:
            cursor.execute(f"DROP TRIGGER {trigger}")
    missed = named("missed.jpg")
    assert found(owner, "missed") == []
    call_command("migrate", verbosity=0)
    assert (found(owner, "kept"), found(owner, "missed")) == ([row.pk], [missed.pk])
    later = named("later.jpg")
    assert found(owner, "later") == [later.pk]


def test_a_slow_search_is_told_to_whoever_runs_the_desk(db: None) -> None:
    assert checks.searches_are_quick(databases=["default"]) == []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "TABLE", "nowhere")
        patch.setattr(search, "INDEX", "nowhere")
        [warning] = checks.searches_are_quick(databases=["default"])
    assert warning.id == "upscaler.W007"


def values_of(row: Upscale) -> dict[str, object]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
