"""What is chosen waits in a draft, each file with its state."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from tests.conftest import Person
from tests.support import pictures
from tests.support.draft_page import DraftPage, zipped
from upscaler.batches import draft_items
from upscaler.imaging import decoding
from upscaler.models import Batch, DraftItem, Membership, Team, UnorderedUpload, Upscale, media_storage
from upscaler.ordering import removal
from upscaler.storage import cleanup, draft_files

Upload = Callable[..., SimpleUploadedFile]


@pytest.fixture
def form(owner: Person) -> DraftPage:
    return DraftPage(owner)


def test_a_chosen_file_waits_with_all_that_is_known_of_it(form: DraftPage, upload: Upload) -> None:
    file = upload("Größe 12.5 red.jpg", pictures.jpeg((40, 30)))
    item = form.item(file, key="a1", folder="season/shirts")
    assert (item["key"], item["name"], item["folder"]) == ("a1", "Größe 12.5 red.jpg", "season/shirts")
    assert (item["width"], item["height"], item["bytes"]) == (40, 30, file.size)
    assert (item["state"], item["message"]) == ("ready", "")
    assert form.get()["items"] == [{**item, "result_width": 160, "result_height": 120}]
    assert form.client.get(item["thumbnail"])["Content-Type"] == "image/webp"
    assert form.get(model_name="topaz", upscale_factor="2x")["items"][0]["result_width"] == 80


def test_files_that_can_t_be_enlarged_stay_in_the_list_with_their_reason(form: DraftPage, upload: Upload) -> None:
    form.item(upload("a.jpg"))
    for name, content, state in [
        ("broken.jpg", pictures.jpeg()[:200], "unreadable"),
        ("folder", b"", "empty"),
        ("note.html", b"to do", "unreadable"),
    ]:
        item = form.item(SimpleUploadedFile(name, content))
        assert (item["state"], bool(item["message"]), item["thumbnail"]) == (state, True, None)
    assert form.states() == {"a.jpg": "ready", "broken.jpg": "unreadable", "folder": "empty", "note.html": "unreadable"}
    quote = form.get()["quote"]
    assert (quote["total"], quote["credits"], quote["balance"], quote["balance_after"]) == (1, 1, 100, 99)
    assert quote["counts"] == {"ready": 1, "unreadable": 2, "empty": 1}


def test_the_same_key_again_gives_the_same_item(form: DraftPage) -> None:
    content = pictures.jpeg()
    first = form.item(SimpleUploadedFile("a.jpg", content), key="k")
    assert form.item(SimpleUploadedFile("a.jpg", content), key="k") == first
    assert DraftItem.objects.count() == UnorderedUpload.objects.count() == 1


def test_the_same_picture_twice_is_a_duplicate_and_not_in_the_price(form: DraftPage) -> None:
    content = pictures.jpeg()
    first = form.item(SimpleUploadedFile("a.jpg", content), key="1")
    second = form.item(SimpleUploadedFile("copy of a.jpg", content), key="2")
    assert (first["state"], second["state"]) == ("ready", "duplicate")
    assert "“a.jpg”" in second["message"]
    assert form.get()["quote"]["total"] == 1
    form.post("remove/", id=first["id"])
    assert form.states() == {"copy of a.jpg": "ready"}


def test_what_the_team_has_made_is_free_unless_it_is_wanted_anew(
    form: DraftPage, owner: Person, done: Callable[..., Upscale]
) -> None:
    content = pictures.jpeg()
    made = done(content=content)
    item = form.item(SimpleUploadedFile("again.jpg", content))
    assert item["state"] == "made"
    assert item["made"]["url"] == made.get_absolute_url()
    assert (item["made"]["by"], item["made"]["status"]) == ("owner", "Done")
    assert form.order(expected=0, credits=0).status_code == 422
    [anew] = form.post(f"items/{item['id']}/", anew="true").json()["items"]
    assert anew["state"] == "ready"
    assert form.order(expected=1, credits=1).status_code == 200
    assert owner.balance == 98


def test_a_result_that_would_be_too_large_says_so_and_is_ready_with_a_smaller_factor(
    form: DraftPage, upload: Upload, settings: Any
) -> None:
    settings.MAX_RESULT_PIXELS = 40 * 30 * 4
    form.item(upload("a.jpg", pictures.jpeg((40, 30))))
    [item] = form.get()["items"]
    assert (item["state"], "megapixels" in item["message"]) == ("too_large", True)
    assert form.states(model_name="topaz", upscale_factor="2x") == {"a.jpg": "ready"}


def test_removed_items_are_gone_with_their_files(form: DraftPage, upload: Upload) -> None:
    item = form.item(upload("a.jpg"))
    row = DraftItem.objects.get()
    assert media_storage().exists(row.file)
    assert form.post("remove/", id=[item["id"], 999]).json() == {"removed": [item["id"]]}
    assert not media_storage().exists(row.file)
    assert not media_storage().exists(row.thumbnail)
    assert not UnorderedUpload.objects.exists()


def test_all_of_one_state_are_removed_at_once(form: DraftPage, upload: Upload) -> None:
    form.item(upload("a.jpg"))
    form.item(SimpleUploadedFile("bad.jpg", b"no"))
    form.item(SimpleUploadedFile("none", b""))
    form.post("remove/", state=["unreadable", "empty"], model_name="recraft")
    assert form.states() == {"a.jpg": "ready"}


def test_a_zip_gives_one_item_for_each_picture_and_says_what_was_left_out(form: DraftPage) -> None:
    content = {
        "season/Ärmel 1.jpg": pictures.jpeg((30, 20)) + b"1",
        "season/in/2.jpg": pictures.jpeg((30, 20)) + b"2",
        "broken.jpg": b"\xff\xd8\xff nothing",
        "notes.txt": b"to do",
    }
    answer = form.add(zipped(content), key="z").json()
    assert [(item["folder"], item["name"], item["origin"], item["state"]) for item in answer["items"]] == [
        ("season", "Ärmel 1.jpg", "monday.zip", "ready"),
        ("season/in", "2.jpg", "monday.zip", "ready"),
        ("", "broken.jpg", "monday.zip", "unreadable"),
    ]
    assert answer["reading"] == []
    [left] = answer["left_out"]
    assert left["name"] == "monday.zip"
    assert "“notes.txt”" in left["message"]
    # A reload loses nothing, and the same again adds nothing.
    assert form.get()["left_out"] == [left]
    assert form.add(zipped(content), key="z").json() == answer
    assert len(form.get()["items"]) == 3
    assert form.order(expected=2, credits=2).status_code == 200


def test_a_zip_that_can_t_be_opened_is_an_item_with_the_reason(form: DraftPage) -> None:
    item = form.item(SimpleUploadedFile("monday.zip", b"PK\3\4 not whole"))
    assert (item["state"], "damaged" in item["message"]) == ("refused", True)
    assert form.states() == {"monday.zip": "refused"}


def test_addresses_wait_until_they_are_fetched(form: DraftPage, upload: Upload, owner: Person) -> None:
    text = "https://example.com/a.jpg\nnonsense\nhttps://example.com/b.jpg https://example.com/a.jpg"
    items = form.post("addresses/", text=text).json()["items"]
    assert [(item["name"], item["state"]) for item in items] == [
        ("a.jpg", "fetch"),
        ("b.jpg", "fetch"),
        ("a.jpg", "duplicate"),
        ("nonsense", "refused"),
    ]
    assert items[-1]["origin"] == "list of addresses, line 2"
    assert form.get()["quote"]["total"] == 2
    assert form.order(expected=2, credits=2).status_code == 200
    assert set(Upscale.objects.values_list("source", "source_url")) == {
        ("url", "https://example.com/a.jpg"),
        ("url", "https://example.com/b.jpg"),
    }


def test_an_earlier_result_is_chosen_and_its_file_stays_when_it_is_removed(
    form: DraftPage, done: Callable[..., Upscale]
) -> None:
    upscale = done()
    [item] = form.post("results/", upscale=upscale.pk, what="result").json()["items"]
    [source] = form.post("results/", upscale=upscale.pk, what="source").json()["items"]
    assert (item["state"], item["width"]) == ("ready", upscale.result_width)
    assert source["state"] == "made"
    form.post("remove/", id=source["id"])
    assert media_storage().exists(upscale.source_file.name or "")
    assert form.order(expected=1, credits=1).status_code == 200
    assert Upscale.objects.get(source="result").source_result == upscale


def test_another_team_s_result_is_refused(form: DraftPage, outsider: Person, done: Callable[..., Upscale]) -> None:
    other = DraftPage(outsider)
    answer = other.post("results/", upscale=done().pk, what="result")
    assert (answer.status_code, "no such picture" in answer.json()["message"]) == (422, True)


def test_a_full_batch_keeps_the_name_of_what_found_no_room(form: DraftPage, upload: Upload, settings: Any) -> None:
    settings.MAX_BATCH = 2
    form.item(upload("a.jpg"))
    form.item(upload("b.jpg"))
    answer = form.add(upload("c.jpg")).json()
    assert answer["items"] == []
    assert [left["name"] for left in answer["left_out"]] == ["c.jpg"]
    assert "at most 2 pictures" in answer["left_out"][0]["message"]
    files = {f"{n}.jpg": pictures.jpeg() + b"z%d" % n for n in range(2)}
    assert form.add(zipped(files)).json()["items"] == []
    left = form.get()["left_out"]
    assert [row["name"] for row in left] == ["c.jpg", "monday.zip"]
    assert "2 of its 2 pictures found no room" in left[1]["message"]


def test_an_upload_over_the_quota_is_said_of_that_file_alone(form: DraftPage, upload: Upload, settings: Any) -> None:
    first = upload("a.jpg")
    settings.UPLOAD_QUOTA_BYTES = first.size
    form.item(first)
    item = form.item(upload("b.jpg"))
    assert (item["state"], "24 hours" in item["message"]) == ("refused", True)
    form.post("remove/", id=form.get()["items"][0]["id"])
    assert form.item(upload("c.jpg"))["state"] == "ready"


def test_a_busy_decoder_asks_to_come_again_and_keeps_no_item(
    form: DraftPage, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "MAX_WAIT_TO_WAIT", 0.01)
    monkeypatch.setattr(decoding, "_places", decoding._Turns(0))
    answer = form.add(upload("a.jpg"))
    assert (answer.status_code, int(answer["Retry-After"]) > 0) == (503, True)
    assert "Nothing is wrong with it" in answer.json()["message"]
    assert not DraftItem.objects.exists()


def test_a_draft_is_its_person_s_alone(form: DraftPage, teammate: Person, outsider: Person, upload: Upload) -> None:
    item = form.item(upload("a.jpg"))
    for person in (teammate, outsider):
        for path in ("", f"items/{item['id']}/thumbnail/"):
            assert person.client.get(f"/drafts/{form.pk}/{path}").status_code == 404
        for path in ("files/", "addresses/", "results/", "remove/", f"items/{item['id']}/", "order/"):
            answer = person.client.post(f"/drafts/{form.pk}/{path}", {"id": item["id"]})
            assert (answer.status_code, bool(answer.json()["message"])) == (404, True)
    assert len(form.get()["items"]) == 1


def test_another_tab_s_team_changes_nothing(form: DraftPage, owner: Person, upload: Upload) -> None:
    other = Team.objects.create(name="Other", slug="other")
    Membership.objects.create(team=other, user=owner.user)
    owner.client.post("/team/switch/", {"team": other.pk})
    form.item(upload("a.jpg"))
    assert form.order(expected=1, credits=1).status_code == 200
    assert Upscale.objects.get().team == owner.team
    assert owner.client.post("/drafts/", {"of_team": owner.team.pk}).status_code == 200
    assert Batch.objects.filter(ordered_at=None).get().team == owner.team


def test_who_has_left_the_team_has_no_draft_of_it(form: DraftPage, owner: Person) -> None:
    Membership.objects.filter(user=owner.user).delete()
    assert owner.client.get(f"/drafts/{form.pk}/").status_code == 404


def test_signed_out_the_scripts_are_told_so_in_json(form: DraftPage, upload: Upload) -> None:
    answer = Client().post(f"/drafts/{form.pk}/files/", {"file": upload("a.jpg"), "key": "a"})
    assert (answer.status_code, "nothing is lost" in answer.json()["message"]) == (401, True)
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = form.client.cookies
    answer = strict.post(f"/drafts/{form.pk}/files/", {"file": upload("a.jpg"), "key": "a"})
    assert (answer.status_code, "nothing is lost" in answer.json()["message"]) == (401, True)


def test_a_spreadsheet_gives_addresses_with_their_skus_and_names_its_wrong_rows(form: DraftPage) -> None:
    table = "SKU;Image\n48220;https://example.com/a.jpg\n48221;nowhere\n48222;https://example.com/c.jpg\n"
    file = SimpleUploadedFile("list.csv", table.encode())
    items = form.add(file, key="c").json()["items"]
    assert [(item["sku"], item["name"], item["origin"], item["state"]) for item in items[:2]] == [
        ("48220", "a.jpg", "list.csv, line 2", "fetch"),
        ("48222", "c.jpg", "list.csv, line 4", "fetch"),
    ]
    assert (items[2]["origin"], items[2]["state"]) == ("list.csv, line 3", "refused")
    assert form.add(SimpleUploadedFile("list.csv", table.encode()), key="c").json()["items"] == items
    assert form.order(expected=2, credits=2).status_code == 200
    assert set(Upscale.objects.values_list("sku", flat=True)) == {"48220", "48222"}


def test_a_spreadsheet_without_addresses_is_an_item_with_the_reason(form: DraftPage) -> None:
    item = form.item(SimpleUploadedFile("list.csv", b"SKU;Price\n1;2\n"))
    assert (item["state"], "No address" in item["message"]) == ("refused", True)


def test_skus_come_from_the_names_by_a_pattern_that_is_guessed_until_one_is_chosen(
    form: DraftPage, upload: Upload
) -> None:
    for name in ("48220_red_front.jpg", "48220_red_back.jpg", "48221_blue_front.jpg"):
        form.item(upload(name), folder="Shirt 7")
    whole = form.get()
    assert [item["sku"] for item in whole["items"]] == ["48220", "48220", "48221"]
    assert whole["pattern"]["text"].startswith("{sku}_")
    assert whole["pattern"]["example"] == "48220 from 48220_red_front.jpg"
    first = whole["items"][0]["id"]
    form.post(f"items/{first}/", sku="OWN")
    folder = form.post("pattern/", pattern="folder").json()
    assert [item["sku"] for item in folder["items"]] == ["OWN", "Shirt 7", "Shirt 7"]
    none = form.post("pattern/", pattern="").json()
    assert ([item["sku"] for item in none["items"]], none["pattern"]["text"]) == (["OWN", "", ""], "")
    form.post("pattern/", pattern="{sku}_{colour}_{view}")
    assert form.post("pattern/", pattern="{colour}").status_code == 422
    assert form.order(expected=3, credits=3).status_code == 200
    assert sorted(Upscale.objects.values_list("sku", flat=True)) == ["48220", "48221", "OWN"]
    assert Batch.objects.get().sku_pattern == "{sku}_{colour}_{view}"


def test_cleanup_keeps_what_a_draft_names_and_takes_drafts_that_nobody_touches(
    form: DraftPage, upload: Upload, done: Callable[..., Upscale]
) -> None:
    earlier = done()
    form.post("results/", upscale=earlier.pk, what="result")
    form.item(upload("a.jpg"))
    row = DraftItem.objects.get(name="a.jpg")
    later = timezone.now() + timedelta(days=3)
    cleanup.remove_orphans(later)
    assert media_storage().exists(row.file) and media_storage().exists(row.thumbnail)
    assert draft_files.remove_old_drafts(timezone.now() + timedelta(days=6)) == 0
    assert draft_files.remove_old_drafts(timezone.now() + timedelta(days=8)) == 1
    assert not media_storage().exists(row.file) and not media_storage().exists(row.thumbnail)
    assert media_storage().exists(earlier.result_file.name or "")
    assert form.client.get(f"/drafts/{form.pk}/").status_code == 404
    assert not UnorderedUpload.objects.exists()


def test_signs_that_nobody_sees_are_in_no_sku_folder_or_name(form: DraftPage, upload: Upload) -> None:
    item = form.item(upload("a.jpg"), folder="a\0b\u202ec/../\u2066/d")
    assert item["folder"] == "abc/d"
    [item] = form.post(f"items/{item['id']}/", sku="S\0H\u202e-1").json()["items"]
    assert item["sku"] == "SH-1"
    table = SimpleUploadedFile("a.csv", "sku,url\nS\u202e2,http://shop.example/a.jpg\n".encode())
    assert form.item(table)["sku"] == "S2"
    assert form.order(expected=2, credits=2, name="Mon\0day\u202e").status_code == 200
    assert Batch.objects.get(pk=form.pk).name == "Monday"


def test_a_nul_in_a_pasted_list_is_named_and_stored_nowhere(form: DraftPage) -> None:
    answer = form.post("addresses/", text="a\0b\nS\0H\thttp://shop.example/a\0b.jpg\n", key="list")
    assert answer.status_code == 200
    assert answer.json()["items"]
    assert "\0" not in str(list(DraftItem.objects.values("name", "sku", "url", "origin", "problem_message")))


def test_names_of_files_differ_by_capitals(form: DraftPage, upload: Upload) -> None:
    form.add(zipped({"a.jpg": pictures.jpeg(), "b.jpg": pictures.jpeg() + b"2"}), key="ZA")
    assert form.item(upload("mine.jpg"), key="za")["name"] == "mine.jpg"


def test_of_a_deleted_picture_it_is_said_that_it_was_deleted(
    form: DraftPage, owner: Person, order: Callable[..., Upscale], done: Callable[..., Upscale]
) -> None:
    made, waiting = done(), order()
    assert form.post("results/", upscale=made.pk, what="result").status_code == 200
    removal.delete([made.pk], membership=Membership.objects.select_related("team", "user").get(user=owner.user))
    cleanup.remove_deleted()
    [item] = form.get()["items"]
    assert (item["state"], "deleted" in item["message"]) == ("refused", True)
    for what in ("result", "source"):
        assert "deleted" in form.post("results/", upscale=made.pk, what=what).json()["message"]
    assert "under way" in form.post("results/", upscale=waiting.pk, what="result").json()["message"]


def test_lists_without_end_fill_no_database(
    form: DraftPage, settings: Any, monkeypatch: pytest.MonkeyPatch, order_batch: Callable[..., Batch]
) -> None:
    settings.MAX_BATCH = 2
    monkeypatch.setattr(draft_items, "MAX_REFUSED", 3)
    answers = [form.post("addresses/", text=f"http://a.example/{n}a.jpg http://a.example/{n}b.jpg") for n in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 422, 422, 422]
    assert "at most 2 pictures" in answers[-1].json()["message"]
    assert DraftItem.objects.count() == 2 + 3
    batch = order_batch("a.jpg")
    page = form.client.post(f"/batches/{batch.pk}/again/", follow=True)
    assert (page.status_code, "at most 2 pictures" in page.content.decode()) == (200, True)
