"""Orders that say where pictures go: enlarged as much as the shops need, or only fitted, for nothing."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import override_settings
from PIL import Image

from tests.api.test_api import upload
from tests.conftest import Person
from tests.support import pictures, webserver
from tests.support.draft_page import DraftPage
from upscaler import credits
from upscaler.channels import teams
from upscaler.channels import work as channel_work
from upscaler.channels.names import Codes
from upscaler.models import Batch, ChannelFile, CreditEntry, TeamChannel, Upscale
from upscaler.ordering import reorder
from upscaler.processing import lifecycle, manual_refunds, worker_step

# Meta takes 500 × 500 and has no better size; John Lewis wants 800, Etsy 2,000 at best.
META = "Meta (Facebook and Instagram)"
LARGE, MIDDLE, SMALL, TINY = (520, 500), (260, 200), (100, 90), (40, 40)


def jpeg(size: tuple[int, int], name: str = "astronaut") -> bytes:
    return pictures.jpeg(size, name)


def links(owner: Person, *sizes: tuple[int, int]) -> list[dict[str, Any]]:
    return [{"image_url": upload(owner, jpeg(size), name=f"{size[0]}.jpg"), "sku": f"S-{size[0]}"} for size in sizes]


def order(owner: Person, items: list[dict[str, Any]], **more: Any) -> Batch:
    body = {"model_name": "topaz", "channels": ["meta"], "items": items, **more}
    answer = owner.api("post", "batches", body)
    assert answer.status_code == 200, answer.content
    return Batch.objects.get(pk=answer.json()["batch_id"])


def work(batch: Batch) -> list[Upscale]:
    for upscale in batch.upscales.order_by("pk"):
        while worker_step.step(upscale.pk) is not None:
            pass
    channel_work.make_due(batch.pk, most=100)
    return list(batch.upscales.order_by("pk"))


def test_each_picture_is_enlarged_as_much_as_its_shop_needs(owner: Person) -> None:
    items = links(owner, LARGE, MIDDLE, SMALL, TINY)
    body = {"model_name": "topaz", "channels": ["meta"], "items": items}
    quote = owner.api("post", "quotes", body).json()
    assert (quote["total"], quote["credits"], quote["already_large_enough"]) == (4, 9, 1)
    assert (quote["unnamed"], quote["unnamed_count"]) == ([], 0)
    batch = order(owner, items)
    assert (batch.channels, batch.credits, owner.balance) == (["meta"], 9, 91)
    assert "upscale_factor" not in batch.settings
    rows = work(batch)
    assert [row.factor for row in rows] == [1, 2, 6, 6]
    assert [(row.engine, row.credits, row.status) for row in rows] == [("fit", 0, "Done"), *[("local", 3, "Done")] * 3]
    assert rows[0].result_digest == rows[0].source_digest
    assert not CreditEntry.objects.filter(upscale=rows[0]).exists()
    made = dict(ChannelFile.objects.values_list("upscale__sku", "problems"))
    assert {sku: bool(problems) for sku, problems in made.items()} == {
        "S-520": False, "S-260": False, "S-100": False, "S-40": True,
    }  # fmt: skip
    standing = owner.api("get", f"batches/{batch.pk}").json()
    assert (standing["channels"], standing["credits_charged"]) == (["meta"], 9)
    fitted = owner.api("get", f"generation/{rows[0].pk}").json()
    assert (fitted["channels"], fitted["only_fitted"], fitted["credits"]) == (["meta"], True, 0)
    assert json.loads(fitted["payload"])["channels"] == ["meta"]
    [result] = fitted["generation_results"]
    assert (result["width"], result["height"], result["available"]) == (520, 500, True)
    # A result like any other: it may be enlarged further.
    further = {"generation_result_id": result["generation_result_id"], "model_name": "recraft"}
    assert owner.api("post", "generation-upscale", further).status_code == 200


def test_the_zip_and_its_manifest_have_what_was_only_fitted(owner: Person) -> None:
    batch = order(owner, links(owner, LARGE, SMALL))
    work(batch)
    answer = owner.api("get", f"batches/{batch.pk}/results.zip")
    with zipfile.ZipFile(io.BytesIO(answer.getvalue())) as archive:
        assert {"for meta/S-520_1.jpg", "for meta/S-100_1.jpg", "520.jpg"} <= set(archive.namelist())
        manifest = archive.read("manifest.csv").decode("utf-8-sig")
        first, second = manifest.splitlines()[1:]
    assert "Only fitted" in first
    assert (",0,Ready," in first, ",3,Ready," in second) == (True, True)
    assert [line["files for shops"] for line in csv.DictReader(io.StringIO(manifest))] == [
        "for meta/S-520_1.jpg",
        "for meta/S-100_1.jpg",
    ]


def test_a_file_keeps_its_number_alone_and_where_another_one_has_no_file(owner: Person) -> None:
    teams.keep_codes(owner.team, {"S-1": Codes(asin="B01ABCDEFG")})
    items = [{**item, "sku": "S-1"} for item in links(owner, TINY, (41, 40), (42, 40))]
    batch = order(owner, items, channels=["amazon"])
    front, back, _ = batch.upscales.order_by("pk")
    for upscale in (front, back):
        claimed = lifecycle.claim(upscale.pk)
        assert claimed is not None
        lifecycle.fail(claimed, message="No.", code="test")
    for again in (True, False):
        back.refresh_from_db()
        back = reorder.retry(back, user=owner.user).upscale
        if again:
            claimed = lifecycle.claim(back.pk)
            assert claimed is not None
            lifecycle.fail(claimed, message="No.", code="test")
    back.team.result_template = "look {n}"
    assert back.result_name.startswith("look 2")
    work(batch)
    archive = zipfile.ZipFile(io.BytesIO(owner.api("get", f"batches/{batch.pk}/results.zip").getvalue()))
    called = [f"B01ABCDEFG.PT{number}.jpg" for number in ("02", "01")]
    assert [name for name in archive.namelist() if "amazon" in name] == [f"for amazon/{name}" for name in called]
    # Alone too: nobody may take the back for the main picture.
    for file, name in zip(ChannelFile.objects.order_by("upscale_id"), called, strict=True):
        assert name in owner.client.get(f"/channel-files/{file.pk}/")["Content-Disposition"]


def test_several_shops_cost_one_upscale_and_the_hardest_decides(owner: Person) -> None:
    [upscale] = work(order(owner, links(owner, MIDDLE), channels=["meta", "johnlewis", "otto"]))
    assert (upscale.factor, owner.balance) == (4, 97)
    assert set(ChannelFile.objects.values_list("channel_id", flat=True)) == {"meta", "johnlewis", "otto"}


def test_a_factor_that_somebody_gives_stays(owner: Person) -> None:
    batch = order(owner, links(owner, LARGE, SMALL), generation_settings={"upscale_factor": "2x"})
    assert [row.factor for row in batch.upscales.order_by("pk")] == [2, 2]
    assert (batch.settings["upscale_factor"], owner.balance) == ("2x", 94)


def test_one_order_of_a_program(owner: Person) -> None:
    [item] = links(owner, LARGE)
    body = {**item, "model_name": "recraft", "channels": ["meta"]}
    key = {"Idempotency-Key": "once"}
    first = owner.api("post", "generation-upscale", body, **key)
    assert set(first.json()) == {"generation_id", "created_at", "updated_at"}
    assert owner.api("post", "generation-upscale", body, **key).json() == first.json()
    # The key is the same one that an order without shops would have.
    assert owner.api("post", "generation-upscale", {**body, "channels": []}, **key).status_code == 422
    upscale = Upscale.objects.get()
    assert upscale.batch is not None
    assert (upscale.batch.channels, upscale.batch.total, owner.balance) == (["meta"], 1, 100)
    # Without shops an answer is what it was.
    [other] = links(owner, SMALL)
    plain = owner.api("post", "generation-upscale", {"image_url": other["image_url"], "model_name": "recraft"})
    answer = owner.api("get", f"generation/{plain.json()['generation_id']}").json()
    assert {"channels", "only_fitted", "batch_id"}.isdisjoint(answer)
    assert "channels" not in json.loads(answer["payload"])


@pytest.mark.parametrize("path", ["generation-upscale", "batches", "quotes"])
def test_a_shop_that_the_team_does_not_use_is_refused_by_its_name(path: str, owner: Person) -> None:
    TeamChannel.objects.create(team=owner.team, channel_id="etsy", is_off=True)
    item = {"image_url": "https://shop.example/1.jpg"}
    source = item if path == "generation-upscale" else {"items": [item, item]}
    for channels, code in (
        (["etsy"], "unknown_channel"),
        (["zalando", "100 %s"], "unknown_channel"),
        ("meta", "list_type"),
    ):
        answer = owner.api("post", path, {"model_name": "recraft", "channels": channels, **source})
        assert answer.status_code == 422
        [problem] = answer.json()["detail"]
        assert (problem["type"], problem["loc"]) == (code, ["body", "channels"])
    assert owner.balance == 100
    page = owner.submit(image_url="https://shop.example/1.jpg", channels=["etsy"])
    assert page.status_code == 422
    assert "no channel “etsy”" in page.content.decode()


def served(owner: Person, content: bytes, **more: Any) -> Upscale:
    with webserver.serving({"/a": webserver.body(content)}) as host, override_settings(FETCH_ALLOW_HOSTS=[host]):
        [upscale] = work(order(owner, [{"image_url": f"http://{host}/a"}], **more))
    return upscale


def test_a_fetched_picture_that_is_large_enough_gets_its_price_back(owner: Person) -> None:
    upscale = served(owner, jpeg(LARGE))
    assert (upscale.status, upscale.engine, upscale.factor, owner.balance) == ("Done", "fit", 1, 100)
    refund = CreditEntry.objects.get(upscale=upscale, kind="refund")
    assert (refund.amount, refund.note) == (3, "Large enough for its shops: only fitted")
    assert owner.api("get", f"generation/{upscale.pk}").json()["credits"] == 0
    assert owner.client.get(f"/upscales/{upscale.pk}/").status_code == 200
    # It came back once, and does not come back by hand too.
    with pytest.raises(Exception, match="refunded before"):
        manual_refunds.refund_by_hand(upscale, note="again", by=owner.user)


def test_a_fetched_picture_is_enlarged_as_much_as_its_shop_needs(owner: Person) -> None:
    assert (served(owner, jpeg(MIDDLE)).factor, owner.balance) == (2, 97)
    assert served(owner, jpeg(SMALL), generation_settings={"upscale_factor": "4x"}).factor == 4


def test_no_page_names_a_factor_that_nobody_knows_yet(owner: Person) -> None:
    url = "https://shop.example/a.jpg"
    assert owner.submit(model_name="topaz", upscale_factor="", channels=["meta"], image_url=url).status_code == 302
    upscale = Upscale.objects.get()
    assert upscale.is_factor_open and upscale.batch is not None
    assert "upscale_factor" not in upscale.batch.settings
    for page in ("/history/", upscale.get_absolute_url(), upscale.batch.get_absolute_url()):
        shown = " ".join(owner.client.get(page).content.decode().split())
        assert not [said for said in ("4 times larger", "<dd>4x</dd>", ", 4x") if said in shown]
    assert "as much larger as its shops need" in " ".join(owner.client.get("/history/").content.decode().split())


def test_the_white_margin_does_not_count_where_the_shop_says_so(owner: Person) -> None:
    canvas = Image.new("RGB", (1300, 1300), "white")
    canvas.paste(pictures.photograph(size=(400, 400)), (450, 450))
    padded = pictures.encoded(canvas, "PNG")
    full = pictures.encoded(pictures.photograph("coffee", (1300, 1000)), "JPEG")
    form = DraftPage(owner)
    form.item(SimpleUploadedFile("padded.png", padded))
    form.item(SimpleUploadedFile("full.jpg", full))
    told = {
        item["name"]: (item["state"], item["reach"]) for item in form.get(model_name="topaz", channels="bol")["items"]
    }
    assert told == {
        "padded.png": ("ready", "Enough at 4x: bol."),
        "full.jpg": ("fitted", "Large enough already, only fitted: bol."),
    }
    # A program's upload was not measured: its worker does it, and the price comes back.
    batch = order(owner, [{"image_url": upload(owner, full)}], channels=["bol"])
    assert (batch.credits, owner.balance) == (3, 97)
    [upscale] = work(batch)
    assert (upscale.engine, owner.balance) == ("fit", 100)


def test_a_kind_that_results_have_not_becomes_a_png_without_a_mark_of_ai(owner: Person) -> None:
    content = pictures.encoded(pictures.photograph(size=LARGE), "TIFF")
    [upscale] = work(order(owner, [{"image_url": upload(owner, content, name="a.tif")}]))
    assert (upscale.status, upscale.result_format, upscale.error_message) == ("Done", "PNG", "")
    with upscale.result_file.open("rb") as file:
        written = file.read()
    assert b"digitalsourcetype" not in written
    assert Image.open(io.BytesIO(written)).size == LARGE


def test_another_format_is_given_where_it_is_asked_for(owner: Person) -> None:
    [upscale] = work(order(owner, links(owner, LARGE), result_format="WEBP"))
    assert (upscale.engine, upscale.result_format, upscale.result_width) == ("fit", "WEBP", 520)


def test_what_costs_nothing_can_fail_be_tried_again_and_be_cancelled(owner: Person) -> None:
    batch = order(owner, links(owner, LARGE, SMALL))
    fitted, enlarged = batch.upscales.order_by("pk")
    claimed = lifecycle.claim(fitted.pk)
    assert claimed is not None
    lifecycle.fail(claimed, message="No.", code="test")
    fitted.refresh_from_db()
    page = owner.client.get(batch.get_absolute_url()).content.decode()
    assert "Try the failed one again" in " ".join(page.split())
    retried = reorder.retry(fitted, user=owner.user)
    assert (retried.upscale.engine, retried.upscale.credits, owner.balance) == ("fit", 0, 97)
    assert owner.api("post", f"batches/{batch.pk}/cancel").json()["cancelled"] == 2
    assert owner.balance == 100
    assert not CreditEntry.objects.filter(upscale__in=[fitted, retried.upscale]).exists()
    enlarged.refresh_from_db()
    assert enlarged.error_code == "cancelled"


def test_what_would_be_too_large_enlarged_can_be_fitted_and_tried_again(owner: Person) -> None:
    with override_settings(MAX_RESULT_PIXELS=LARGE[0] * LARGE[1]):
        [fitted] = order(owner, links(owner, LARGE)).upscales.all()
        claimed = lifecycle.claim(fitted.pk)
        assert claimed is not None
        lifecycle.fail(claimed, message="No.", code="test")
        fitted.refresh_from_db()
        again = reorder.retry(fitted, user=owner.user).upscale
        assert (again.engine, again.credits, again.batch_id) == ("fit", 0, fitted.batch_id)


def test_a_team_without_credits_may_have_what_costs_nothing(owner: Person) -> None:
    credits.grant(team=owner.team, amount=-100)
    [upscale] = work(order(owner, links(owner, LARGE)))
    assert (upscale.status, owner.balance) == ("Done", 0)
    with pytest.raises(Exception, match="cost nothing"):
        manual_refunds.refund_by_hand(upscale, note="why not", by=owner.user)


def test_the_draft_says_for_each_picture_what_the_shops_can_have(owner: Person) -> None:
    form = DraftPage(owner)
    for size in (LARGE, MIDDLE, TINY):
        form.item(SimpleUploadedFile(f"{size[0]}.jpg", jpeg(size)))
    draft = form.get(model_name="topaz", upscale_factor="", channels=["meta", "etsy"])
    assert {item["name"]: item["reach"] for item in draft["items"]} == {
        "520.jpg": f"Large enough already: {META}. Enough at 4x: Etsy.",
        "260.jpg": f"Enough at 6x: {META}. Just enough at 6x: Etsy.",
        "40.jpg": f"Just enough at 6x: Etsy. Too small even at 6x: {META}.",
    }
    draft = form.get(channels="meta")
    assert form.states(channels="meta") == {"520.jpg": "fitted", "260.jpg": "ready", "40.jpg": "ready"}
    assert (draft["quote"]["total"], draft["quote"]["credits"], draft["quote"]["fitted"]) == (3, 2, 1)
    # Somebody wants it larger all the same.
    [item] = [item for item in draft["items"] if item["name"] == "520.jpg"]
    [changed] = form.post(f"items/{item['id']}/", enlarged="true", channels="meta", model_name="recraft").json()[
        "items"
    ]
    assert (changed["state"], changed["enlarged"], changed["result_width"]) == ("ready", True, 2080)
    form.post(f"items/{item['id']}/", enlarged="false")
    assert form.order(expected=3, credits=3, channels="meta").status_code == 409
    assert form.order(expected=3, credits=2, channels="meta").status_code == 200
    batch = Batch.objects.get(ordered_at__isnull=False)
    assert (batch.channels, batch.credits, owner.balance) == (["meta"], 2, 98)
    page = owner.client.get(batch.get_absolute_url()).content.decode()
    assert "Meta (Facebook and Instagram)" in page
    # The next order begins with the same shops.
    assert 'value="meta" id="channel-meta" checked' in owner.client.get("/").content.decode()


def test_a_picture_without_the_code_of_its_name_is_told_before_it_is_ordered(owner: Person) -> None:
    teams.keep_codes(owner.team, {"S-1": Codes(asin="B01ABCDEFG")})
    form = DraftPage(owner)
    for number in (1, 2):
        item = form.item(SimpleUploadedFile(f"{number}.jpg", jpeg((60 + number, 60))))
        form.post(f"items/{item['id']}/", sku=f"S-{number}")
    told = form.get(channels="amazon")["quote"]["unnamed"]
    assert (told["count"], told["more"]) == (1, 0)
    assert "“S-2” has no ASIN" in told["messages"][0]
    items = [{"image_url": "https://shop.example/1.jpg", "sku": "S-2"}]
    body = {"model_name": "recraft", "channels": ["etsy", "amazon"], "items": items}
    quote = owner.api("post", "quotes", body).json()
    [named] = quote["unnamed"]
    assert (named["item"], named["channel"], quote["unnamed_count"]) == (0, "amazon", 1)
    # It is ordered all the same.
    assert form.order(channels="amazon").status_code == 200


def test_the_page_without_scripts_takes_the_shops_too(owner: Person, upload: Callable[..., SimpleUploadedFile]) -> None:
    sent = owner.submit(
        model_name="topaz", upscale_factor="", channels=["meta", "etsy"], image=upload("a.jpg", jpeg(LARGE))
    )
    assert sent.status_code == 302
    upscale = Upscale.objects.get()
    assert upscale.batch is not None
    assert (upscale.factor, upscale.batch.channels, owner.balance) == (4, ["meta", "etsy"], 97)
