"""The pages of channels and the API's check, as people and programs meet them."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils.html import escape

from tests.channels import grid
from tests.conftest import Person
from tests.support import pictures
from upscaler.channels import check, forms, reach, table, teams
from upscaler.imaging import measuring
from upscaler.models import ProductCode

MEASURED = measuring.Measured(
    "JPEG", 1, 1, 1, False, False, 8, "", True, 96.0, (0, 0, 0), False, 0.0, None, False, False, ""
)  # fmt: skip
ALPHABET = "SKU,ASIN,EAN\nA-1,B01ABCDEFG,4006381333931\nA-2,,4.81E+12\nA-1,B01ABCDEFH,\n"


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def fields(channel: table.Channel, **changes: Any) -> dict[str, Any]:
    shown = {name: value for name, value in forms.initial(channel).items() if value not in (None, False, "")}
    return {**shown, **changes}


def test_the_table_shows_numbers_source_and_day(owner: Person) -> None:
    page = text(owner.client.get("/channels/"))
    for known in table.CHANNELS.values():
        assert known.title in page
        assert escape(known.source) in page
    assert "1,801 × 2,600" in page
    assert "As of 27 November 2026, compared on 27 November 2026. Ratio, smallest and best size" in page


@pytest.mark.parametrize(("day", "says_so"), [("2027-11-27", False), ("2027-11-28", True)])
def test_a_row_that_is_more_than_a_year_old_says_so(owner: Person, day: str, *, says_so: bool) -> None:
    with time_machine.travel(f"{day}T12:00:00Z", tick=False):
        assert ("more than a year old" in text(signed_in(owner).get("/channels/"))) is says_so


def signed_in(person: Person) -> Client:
    client = Client()
    client.force_login(person.user)
    return client


def test_a_team_copies_a_row_and_changes_it(head: Person, outsider: Person) -> None:
    made = head.client.post("/channels/zalando/copy/", {"title": "Zalando, campaign"})
    assert made["Location"] == "/channels/zalando-campaign/"
    ours = teams.find(head.team, "zalando-campaign")
    changed = head.client.post(made["Location"], fields(ours, max_mb="3.5", name_rule="{ean}_{number}"))
    assert changed.status_code == 302
    kept = teams.find(head.team, "zalando-campaign")
    assert (kept.max_bytes, kept.name_rule, kept.best_width) == (3_500_000, "{ean}_{number}", 1801)
    assert "Zalando, campaign" in text(head.client.get("/channels/"))
    assert "Zalando, campaign" not in text(outsider.client.get("/channels/"))
    assert "zalando-campaign" not in teams.channels(outsider.team)
    head.client.post(made["Location"], {"do": "delete"})
    assert "zalando-campaign" not in teams.channels(head.team)


def test_a_copied_row_that_is_opened_and_saved_loses_no_rule(head: Person) -> None:
    odd = {"max_megapixels": 12.5, "max_bytes": 1_048_576, "min_bytes": 30_001, "max_number": 3, "fill": 0.855}
    odd |= {"max_bytes_by_format": {"WEBP": 500_000, "TIFF": 99_999_999}, "background_colour": (233, 233, 234)}
    for known in table.CHANNELS.values():
        made = teams.copy(head.team, known.id, f"Our {known.id}")
        for row in [made, *([dataclasses.replace(made, **odd)] if known.id == "myntra" else [])]:
            teams.save(head.team, row)
            shown = head.client.get(f"/channels/{made.id}/").context["form"]
            given = {bound.name: bound.value() for bound in shown if bound.value() not in (None, False, "")}
            answer = head.client.post(f"/channels/{made.id}/", {"do": "save", **given})
            assert answer.status_code == 302, answer.context["form"].errors
            assert teams.find(head.team, made.id) == row
        teams.delete(head.team, made.id)


def test_sizes_are_the_best_for_the_check_where_they_are_for_the_order() -> None:
    wide = dataclasses.replace(table.CHANNELS["google"], best_width=1500, best_height=1000)
    for channel in (*table.CHANNELS.values(), wide):
        for size in ((1200, 400), (1000, 1000), (400, 1600), (1801, 2600), (2600, 1000), (60, 80), (2200, 2200)):
            measured = dataclasses.replace(MEASURED, width=size[0], height=size[1])
            already = reach.reach(*size, channel).state == reach.ALREADY
            if channel.best_width:
                assert (check.advice(measured, channel) == "") is already, (channel.id, size)


@pytest.mark.parametrize(
    ("title", "shown", "id_"),
    [("Check", "Check", "check-2"), ("codes", "codes", "codes-2"), ("A\0B\u202e", "AB", "ab")],
)
def test_an_odd_title_still_makes_a_channel_that_can_be_changed(head: Person, title: str, shown: str, id_: str) -> None:
    made = head.client.post("/channels/zalando/copy/", {"title": title})
    assert made["Location"] == f"/channels/{id_}/"
    assert f"<h1>{shown}</h1>" in text(head.client.get(made["Location"]))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"best_width": "500"}, "500 is less than 762 above"),
        ({"ratio_height": ""}, "The ratio needs width and height"),
        ({"name_rule": "{colour}"}, "is no rule for names"),
        ({"read_on": "2099-01-01"}, "This day is still to come"),
        ({"formats": []}, "Choose the formats that the shop takes"),
        ({"formats": ["GIF"]}, "The desk writes no GIF and no BMP"),
        ({"min_width": "many"}, "a whole number of pixels"),
        ({"source": "nowhere"}, "Enter a valid URL"),
    ],
)
def test_a_row_that_makes_no_sense_is_not_saved(head: Person, changes: dict[str, Any], said: str) -> None:
    made = teams.copy(head.team, "zalando", "Ours")
    answer = head.client.post(f"/channels/{made.id}/", fields(made, **changes))
    assert answer.status_code == 422
    assert said in text(answer)
    assert teams.find(head.team, made.id) == made


def test_the_tables_own_rows_stay_as_they_are(head: Person) -> None:
    answer = head.client.post("/channels/zalando/", fields(table.CHANNELS["zalando"], max_mb="1"), follow=True)
    assert "Copy a row, and change the copy" in text(answer)
    assert teams.find(head.team, "zalando") == table.CHANNELS["zalando"]


def test_a_channel_that_is_switched_off_can_not_be_chosen(head: Person) -> None:
    head.client.post("/channels/etsy/switch/", {"to": "off"})
    assert "etsy" not in teams.channels(head.team)
    assert 'value="etsy"' not in text(head.client.get("/channels/check/"))
    refused = head.client.post("/channels/check/", {"channel": "etsy", "files": upload()})
    assert refused.status_code == 422
    assert "There is no channel “etsy”. Channels: zalando, " in text(refused)
    head.client.post("/channels/etsy/switch/", {"to": "on"})
    assert "etsy" in teams.channels(head.team)


def upload(name: str = "front.jpg", content: bytes | None = None) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, pictures.jpeg((600, 400)) if content is None else content)


def test_a_file_is_judged_by_each_rule_with_its_number(owner: Person) -> None:
    right = upload("right.jpg", grid.content("white, exactly Zalando's"))
    page = text(owner.client.post("/channels/check/", {"channel": "zalando", "files": [right, upload()]}))
    assert "Right for Zalando" in page
    assert "Too small: 600 × 400; Zalando wants at least 762 × 1,100. Enlarge it 2 times first." in page
    assert "1:0.667" in page
    assert "rules not met" in page


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jpg", b"not a picture", "“a.jpg” is not a picture that we can read"),
        ("a.jpg", b"", "is empty"),
        ("a.png", pictures.huge_header(), "megapixels"),
        ("a.jpg", pictures.jpeg()[:-300], "damaged or incomplete"),
        ("b.pdf", b"%PDF-1.7", "a PDF, not a picture"),
    ],
)
def test_what_is_no_picture_is_said_beside_the_others(owner: Person, name: str, content: bytes, said: str) -> None:
    files = [upload(name, content), upload()]
    answer = owner.client.post("/channels/check/", {"channel": "google", "files": files})
    assert answer.status_code == 200
    # Django's test client sends an empty file as none.
    assert said in text(answer) or not content
    assert "Too small: 600 × 400" in text(answer)


def test_the_api_judges_a_file(owner: Person) -> None:
    sent = {"channel": "google", "file": upload("front.png")}
    answer = Client().post("/api/v1/channel-checks", sent, headers={"Authorization": f"Bearer {owner.token}"})
    assert answer.status_code == 200
    body = answer.json()
    assert (body["channel"], body["passed"]) == ("google", False)
    rules = {rule["rule"]: rule for rule in body["rules"]}
    assert rules["min_size"]["measured"] == "600 × 400"
    assert rules["ending"]["message"] == "The name ends in .png, but the file is a JPEG. Rename it."
    assert rules["format"]["passed"] is True


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        ({"channel": "amazn"}, 422, "There is no channel “amazn”. Channels: zalando"),
        ({"file": upload("a.jpg", b"no")}, 415, "not a picture"),
    ],
)
def test_the_api_says_what_it_can_not_judge(owner: Person, sent: dict[str, Any], status: int, said: str) -> None:
    body = {"channel": "google", "file": upload(), **sent}
    answer = Client().post("/api/v1/channel-checks", body, headers={"Authorization": f"Bearer {owner.token}"})
    assert answer.status_code == status
    assert said in json.dumps(answer.json(), ensure_ascii=False)


def test_a_table_of_codes_is_kept_and_its_wrong_rows_named(owner: Person, outsider: Person) -> None:
    page = text(owner.client.post("/channels/codes/", {"codes": SimpleUploadedFile("c.csv", ALPHABET.encode())}))
    assert "Codes of 1 product are kept; 2 rows could not be read." in page
    assert "Row 3: The spreadsheet has rounded the EAN to 4.81E+12" in page
    assert "Row 4: “A-1” stands in row 2 already" in page
    more = SimpleUploadedFile("c.csv", b"SKU,GTIN\nA-1,4006381333931\nA-3,96385074\n")
    assert "Codes of 2 products are kept, 1 of them new" in text(
        owner.client.post("/channels/codes/", {"codes": more}, follow=True)
    )
    kept = ProductCode.objects.get(team=owner.team, sku="A-1")
    assert (kept.asin, kept.ean, kept.gtin) == ("B01ABCDEFG", "4006381333931", "4006381333931")
    assert teams.codes_of(outsider.team, ["A-1"]) == {}


def test_a_table_without_codes_is_refused_with_what_it_needs(owner: Person) -> None:
    answer = owner.client.post("/channels/codes/", {"codes": SimpleUploadedFile("c.csv", b"a,b\n1,2\n")})
    assert answer.status_code == 422
    assert "one column “SKU” and one or more of “ASIN”, “EAN” and “GTIN”" in text(answer)
