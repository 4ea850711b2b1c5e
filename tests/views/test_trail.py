"""The way through the history on an upscale's page: previous and next in what was filtered, and the way back."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.conftest import Person
from tests.views.test_history import fail, fill, shown
from upscaler.models import Upscale
from upscaler.views.history import PAGE_SIZE


def links(person: Person, address: str) -> dict[str, str]:
    """Where an upscale's page leads: ``prev``, ``next`` and ``back``."""
    answer = person.client.get(address)
    assert answer.status_code == 200
    page = answer.content.decode()
    found = {way: re.search(rf'<a [^>]*rel="{way}" href="([^"]*)"', page) for way in ("prev", "next")}
    found["back"] = re.search(r'href="([^"]*)" data-back', page)
    return {way: html.unescape(match[1]) for way, match in found.items() if match}


def row_links(person: Person, address: str) -> list[str]:
    page = person.client.get(address).content.decode()
    return [html.unescape(link) for link in re.findall(r'class="card-link" href="([^"]*)"', page)]


@pytest.fixture
def rows(owner: Person) -> Iterator[list[int]]:
    """Sixty upscales, every third of them Topaz; their numbers, the newest first."""
    for _ in range(20):
        fill(owner, 1, model_name="topaz", credits=3, settings={"upscale_factor": "4x"})
        fill(owner, 2)
    yield list(Upscale.objects.order_by("-pk").values_list("pk", flat=True))
    Upscale.objects.all().delete()


def test_previous_and_next_follow_the_history(owner: Person, rows: list[int]) -> None:
    assert links(owner, f"/upscales/{rows[5]}/") == {
        "prev": f"/upscales/{rows[4]}/",
        "next": f"/upscales/{rows[6]}/",
        "back": f"/history/#upscale-{rows[5]}",
    }
    assert "prev" not in links(owner, f"/upscales/{rows[0]}/")
    assert "next" not in links(owner, f"/upscales/{rows[-1]}/")


def test_filters_go_along_to_the_page_and_back(owner: Person, rows: list[int]) -> None:
    topaz = list(Upscale.objects.filter(model_name="topaz").order_by("-pk").values_list("pk", flat=True))
    assert row_links(owner, "/history/?status=&model=topaz&person=")[:3] == [
        f"/upscales/{pk}/?model=topaz" for pk in topaz[:3]
    ]
    assert links(owner, f"/upscales/{topaz[1]}/?model=topaz") == {
        "prev": f"/upscales/{topaz[0]}/?model=topaz",
        "next": f"/upscales/{topaz[2]}/?model=topaz",
        "back": f"/history/?model=topaz#upscale-{topaz[1]}",
    }


def test_a_row_that_changes_while_one_looks_keeps_its_link(owner: Person, rows: list[int]) -> None:
    page = owner.client.get("/history/?model=recraft").content.decode()
    live = html.unescape(re.search(r'hx-get="([^"]*)"', page)[1])  # type: ignore[index]
    assert row_links(owner, f"{live}&id={rows[0]}") == [f"/upscales/{rows[0]}/?model=recraft"]


def test_the_way_back_is_the_page_that_the_row_is_on(owner: Person, rows: list[int]) -> None:
    second = f"before={rows[PAGE_SIZE - 1]}"
    third = f"before={rows[2 * PAGE_SIZE - 1]}"
    newer = f"after={rows[PAGE_SIZE]}"
    for query, place in (
        ("", rows[0]),
        ("", rows[PAGE_SIZE - 1]),
        (second, rows[PAGE_SIZE]),
        (second, rows[2 * PAGE_SIZE - 1]),
        (third, rows[-1]),
        (newer, rows[0]),
        (newer, rows[PAGE_SIZE - 1]),
    ):
        back = links(owner, f"/upscales/{place}/?{query}")["back"]
        assert back == f"/history/{'?' if query else ''}{query}#upscale-{place}"
        assert place in shown(owner.client.get(back.partition("#")[0]))
        assert f"/upscales/{place}/{'?' if query else ''}{query}" in row_links(owner, f"/history/?{query}")


@pytest.mark.parametrize(("query", "index"), [("", PAGE_SIZE), ("before={0}", 3), ("after={0}", 50), ("after={0}", 40)])
def test_past_the_page_s_end_the_way_back_moves_along(owner: Person, rows: list[int], query: str, index: int) -> None:
    back = links(owner, f"/upscales/{rows[index]}/?{query.format(rows[PAGE_SIZE])}")["back"]
    assert back == f"/history/?before={rows[index] + 1}#upscale-{rows[index]}"
    assert shown(owner.client.get(back.partition("#")[0]))[0] == rows[index]


def test_the_way_back_keeps_filters_that_match_nothing_any_more(owner: Person, order: Callable[..., Upscale]) -> None:
    upscale = order()
    back = links(owner, f"/upscales/{upscale.pk}/?status=Done")["back"]
    assert back == f"/history/?status=Done#upscale-{upscale.pk}"
    gone = owner.client.get(f"/history/?status=Done&before={upscale.pk + 1}")
    assert gone["Location"] == "/history/?status=Done"


def test_nobody_s_else_upscales_are_in_the_way(owner: Person, outsider: Person, order: Callable[..., Upscale]) -> None:
    first = order()
    fill(outsider, 1)
    second = order()
    try:
        assert links(owner, f"/upscales/{first.pk}/")["prev"] == f"/upscales/{second.pk}/"
        assert links(owner, f"/upscales/{second.pk}/")["next"] == f"/upscales/{first.pk}/"
    finally:
        Upscale.objects.filter(team=outsider.team).delete()


@pytest.mark.parametrize(
    "query",
    [
        "status=Lost",
        "model=%00",
        "person=x",
        f"person={9**40}",
        "before=x",
        f"before={9**18}",
        "after=-1",
        "before=1&after=1",
        "status=%22%3E%3Cscript%3E",
    ],
)
def test_an_address_that_makes_no_sense_is_no_crash(owner: Person, order: Callable[..., Upscale], query: str) -> None:
    upscale = order()
    page = owner.client.get(f"/upscales/{upscale.pk}/?{query}")
    assert page.status_code == 200
    assert "><script>" not in page.content.decode()
    assert (
        owner.client.get(links(owner, f"/upscales/{upscale.pk}/?{query}")["back"].partition("#")[0]).status_code < 400
    )


@pytest.mark.parametrize("query", ["", "status=Done&model=topaz", "before={0}", "person={1}&after={0}"])
def test_the_way_reads_no_more_of_a_long_history(owner: Person, rows: list[int], query: str) -> None:
    here = rows[30]
    address = f"/upscales/{here}/?{query.format(rows[40], owner.user.pk)}"
    owner.client.get(address)
    with CaptureQueriesContext(connection) as asked:
        owner.client.get(address)
    ours = [q["sql"] for q in asked if re.search(r'"upscaler_upscale"\."id" [<>] [1-9]', q["sql"])]
    assert len(ours) == 2
    assert all("LIMIT" in sql and "JOIN" not in sql for sql in ours)


def test_the_title_is_the_file_s_name_and_the_rest_is_below(
    owner: Person, done: Callable[..., Upscale], order: Callable[..., Upscale]
) -> None:
    upscale = done(name="SKU-12.5 red.jpg")
    Upscale.objects.filter(pk=upscale.pk).update(provenance={"networks": ["cunet", "photo"]})
    page = owner.client.get(f"/upscales/{upscale.pk}/").content.decode()
    assert re.findall(r"<h1[^>]*>([^<]*)</h1>", page) == ["SKU-12.5 red.jpg"]
    assert "<title>SKU-12.5 red.jpg · Upscaler</title>" in page
    assert page.index("</h1>") < page.index("Your picture is ready")
    plain, technical = page.split('<details class="technical">')
    for words in ("cunet", "photo", "Result number", "Attempts", f"{upscale.source_bytes:,} bytes"):
        assert words in technical and words not in plain.split('class="facts"')[1]
    waits, failed = order(name="waits.jpg"), order(name="gone.jpg")
    fail(failed)
    for other, words in ((waits, "Waiting for its turn"), (failed, "This picture could not be enlarged")):
        page = owner.client.get(f"/upscales/{other.pk}/").content.decode()
        assert re.findall(r"<h1[^>]*>([^<]*)</h1>", page) == [other.source_name]
        assert re.search(rf"<h2[^>]*>{words}</h2>", page)


def test_the_version_of_the_engine_is_told_and_results_from_before_versions_are_told_apart(
    owner: Person, done: Callable[..., Any]
) -> None:
    upscale = done()

    def technical(**provenance: Any) -> str:
        Upscale.objects.filter(pk=upscale.pk).update(provenance=provenance)
        page = owner.client.get(f"/upscales/{upscale.pk}/").content.decode()
        return re.sub(r"<[^>]*>", " ", page.split('<details class="technical">')[1].split("</details>")[0])

    told = technical(engine="local 2", networks=["dat-light-x4"], source="no JPEG, shrunk by Lanczos, 400 × 300")
    assert "this desk’s own machines, version 2 " in told
    assert "no JPEG, shrunk by Lanczos, 400 × 300" in told
    assert "this desk’s own machines, an earlier version " in technical(networks=["waifu2x-cunet"])


def test_settings_without_effect_are_not_among_the_facts(owner: Person, done: Callable[..., Any]) -> None:
    def facts(**settings: str) -> str:
        upscale = done(model_name="topaz", **settings)
        return owner.client.get(f"/upscales/{upscale.pk}/").content.decode().split('class="facts"')[1]

    faithful = facts(enhance_model="High Fidelity V2", upscale_factor="2x")
    assert "Focus on" not in faithful and "Face creativity" not in faithful
    rebuilt = facts(enhance_model="Standard V2", upscale_factor="2x", face_enhancement="true")
    assert "Focus on" in rebuilt and "Face creativity" in rebuilt
