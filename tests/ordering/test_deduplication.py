"""No paying twice: the page offers what the team has had done, and the person may still order it anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from tests.conftest import Person
from tests.support import pictures
from tests.support.concurrency import at_once
from upscaler import credits, upscaling_models
from upscaler.models import Batch, Upscale, media_storage
from upscaler.processing import lifecycle, worker_step
from upscaler.templatetags.times import local_time

SHIRT = pictures.jpeg()
COAT = pictures.jpeg((50, 40), "coffee")
HAT = pictures.jpeg((52, 40), "chelsea")
Upload = Callable[..., Any]


def offers(answer: Any) -> list[tuple[int, str]]:
    """The number and the name of each picture that the page offers."""
    return [(known.upscale.pk, known.name) for known in answer.context["known"]]


def words(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def finished(upscale: Upscale) -> Upscale:
    worker_step.step(upscale.pk)
    upscale.refresh_from_db()
    assert upscale.status == Upscale.Status.DONE, upscale.error_message
    return upscale


def test_what_a_colleague_had_done_is_offered_for_nothing(
    owner: Person, teammate: Person, done: Callable[..., Upscale], upload: Upload
) -> None:
    owner.user.first_name, owner.user.last_name = "Ada", "Moreau"
    owner.user.save()
    made = done(content=SHIRT)
    before = owner.balance
    answer = teammate.submit(image=upload("mine.jpg", SHIRT))
    assert answer.status_code == 200
    assert offers(answer) == [(made.pk, "mine.jpg")]
    page = words(answer)
    assert "Your team has ordered this picture before" in page
    assert f"Made on {local_time(made.created_at)}" in page
    assert "by Ada Moreau" in page
    assert f'href="/upscales/{made.pk}/">Use this result, free' in page
    assert f'src="/upscales/{made.pk}/thumbnail/"' in page
    assert "Order anew for 1 credit" in page
    assert Upscale.objects.count() == 1
    assert owner.balance == before


def test_nothing_is_stored_for_what_is_only_offered(
    owner: Person, done: Callable[..., Upscale], upload: Upload
) -> None:
    done(content=SHIRT)
    folder = media_storage()

    def stored() -> int:
        years = folder.listdir("sources")[0]
        return sum(len(folder.listdir(f"sources/{y}/{m}")[1]) for y in years for m in folder.listdir(f"sources/{y}")[0])

    before = stored()
    assert offers(owner.submit(image=upload("twice.jpg", SHIRT)))
    assert stored() == before


@pytest.mark.parametrize("other", [{"model_name": "topaz"}, {"result_format": "PNG"}, {"content": COAT}])
def test_another_picture_model_or_format_is_another_order(
    owner: Person, done: Callable[..., Upscale], upload: Upload, other: dict[str, Any]
) -> None:
    done(content=SHIRT)
    sent = {**other, "image": upload("shirt.jpg", other.get("content", SHIRT))}
    sent.pop("content", None)
    assert owner.submit(**sent).status_code == 302
    assert Upscale.objects.count() == 2


def test_settings_count_where_they_make_a_difference(owner: Person, upload: Upload) -> None:
    def sent(**settings: str) -> int:
        return owner.submit(image=upload("s.jpg", SHIRT), model_name="topaz", **settings).status_code

    assert sent() == 302
    assert sent(face_enhancement_creativity="0.9") == 200  # nobody's face is enhanced, so it does nothing
    assert sent(upscale_factor="2x") == 302
    assert sent(face_enhancement="true") == 302
    assert sent(face_enhancement="true", face_enhancement_creativity="0.9") == 302
    assert Upscale.objects.count() == 4


def test_another_team_s_pictures_are_never_offered(
    outsider: Person, done: Callable[..., Upscale], upload: Upload
) -> None:
    made = done(content=SHIRT)
    assert outsider.submit(image=upload("s.jpg", SHIRT)).status_code == 302
    answer = outsider.client.post("/again/", {"offered": made.pk, "upscale": made.pk})
    assert answer.status_code == 200
    assert offers(answer) == []
    assert Upscale.objects.filter(team=outsider.team).count() == 1


def test_a_double_click_without_javascript_is_charged_once(owner: Person, upload: Upload) -> None:
    assert owner.submit(image=upload("s.jpg", SHIRT)).status_code == 302
    second = owner.submit(image=upload("s.jpg", SHIRT))
    assert "Ordered on" in words(second)
    assert "by you, and still under way" in words(second)
    assert owner.balance == 99


@pytest.mark.django_db(transaction=True)
def test_the_same_picture_at_the_same_moment_is_charged_once(owner: Person, teammate: Person, upload: Upload) -> None:
    people = [owner, teammate] * 3
    answers = at_once(6, lambda: people.pop().submit(image=upload("s.jpg", SHIRT)))
    assert [answer.status_code for answer in answers].count(302) == 1
    made = Upscale.objects.get()
    for answer in answers:
        # Made already; or the same person's other tab has put it into the list, and is about to send it.
        is_offered, is_listed = f'data-offer="{made.pk}"' in words(answer), "The same picture as" in words(answer)
        assert answer.status_code == 302 or is_offered or is_listed
    assert owner.balance == 99


def test_two_identical_files_in_one_submit_count_once(owner: Person, upload: Upload) -> None:
    answer = owner.submit(image=[upload("a.jpg", SHIRT), upload("b.jpg", SHIRT), upload("c.jpg", COAT)])
    assert sorted(Upscale.objects.values_list("source_name", flat=True)) == ["a.jpg", "c.jpg"]
    assert "<bdi>b.jpg</bdi></b> The same picture as “a.jpg”" in words(answer)
    assert owner.balance == 98


def test_of_several_the_new_ones_go_and_the_others_are_offered(
    owner: Person, done: Callable[..., Upscale], upload: Upload
) -> None:
    shirt, coat = done(content=SHIRT), done(content=COAT)
    files = [upload("1.jpg", SHIRT), upload("2.jpg", HAT), upload("3.jpg", COAT)]
    answer = owner.submit(image=files)
    assert answer.status_code == 200
    assert "1 picture is on its way; 2 were not sent, because your team has ordered them before" in words(answer)
    assert offers(answer) == [(shirt.pk, "1.jpg"), (coat.pk, "3.jpg")]
    assert owner.balance == 97


def test_offers_stay_beside_a_refusal(owner: Person, done: Callable[..., Upscale], upload: Upload) -> None:
    made = done(content=SHIRT)
    credits.grant(team=owner.team, amount=-99, note="none left")
    answer = owner.submit(image=[upload("1.jpg", SHIRT), upload("2.jpg", HAT), upload("bad.jpg", b"no picture")])
    assert answer.status_code == 422
    assert offers(answer) == [(made.pk, "1.jpg")]
    assert "This costs 1 credit" in words(answer)
    assert "bad.jpg" in words(answer)


def test_one_offer_is_ordered_anew_from_the_kept_copy(
    owner: Person, teammate: Person, done: Callable[..., Upscale], upload: Upload
) -> None:
    made = done(content=SHIRT, model_name="topaz", upscale_factor="2x", result_format="PNG")
    again = {"offered": made.pk, f"name-{made.pk}": "my name.jpg", "upscale": made.pk}
    answer = teammate.client.post("/again/", again)
    assert (answer.status_code, answer["Location"]) == (302, Batch.objects.get().get_absolute_url())
    fresh = Upscale.objects.latest("pk")
    assert (fresh.source_name, fresh.created_by, fresh.source_digest) == (
        "my name.jpg",
        teammate.user,
        made.source_digest,
    )
    assert (fresh.settings, fresh.requested_format, fresh.order_digest) == (made.settings, "PNG", made.order_digest)
    assert finished(fresh).result_width == made.result_width
    assert owner.balance == 94
    # The form once more, by a double click or a reload: what it ordered is offered now, and nothing is charged.
    assert offers(teammate.client.post("/again/", again)) == [(fresh.pk, "my name.jpg")]
    assert owner.balance == 94


@pytest.mark.django_db(transaction=True)
def test_ordering_anew_many_times_at_once_is_charged_once(owner: Person, done: Callable[..., Upscale]) -> None:
    made = done(content=SHIRT)
    again = {"offered": made.pk, "upscale": made.pk}
    answers = at_once(4, lambda: owner.client.post("/again/", again))
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [302]
    assert owner.balance == 98


def test_one_of_two_offers_or_both(owner: Person, done: Callable[..., Upscale]) -> None:
    shirt, coat = done(content=SHIRT), done(content=COAT)
    offered = {"offered": [shirt.pk, coat.pk], f"name-{coat.pk}": "coat.jpg"}
    one = owner.client.post("/again/", {**offered, "upscale": shirt.pk})
    assert offers(one) == [(coat.pk, "coat.jpg")]
    assert "Nothing was charged for it" in words(one)
    both = owner.client.post("/again/", {**offered, "upscale": "all"})
    # The shirt was ordered anew a moment ago, which this page did not know.
    assert [name for _, name in offers(both)] == ["shirt.jpg"]
    assert Upscale.objects.count() == 4
    assert owner.balance == 96


def test_ordering_anew_costs_what_is_left(owner: Person, done: Callable[..., Upscale]) -> None:
    made = done(content=SHIRT)
    credits.grant(team=owner.team, amount=-99, note="none left")
    answer = owner.client.post("/again/", {"offered": made.pk, "upscale": made.pk})
    assert answer.status_code == 422
    assert "This costs 1 credit" in words(answer)


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"offered": ["x", "-1", "0", "9" * 30, "\0", "12"], "upscale": "all"},
        {"offered": "1", "upscale": "2"},
        {"offered": "1", "name-1": "\0" * 300, "upscale": "\0"},
    ],
)
def test_nonsense_orders_nothing(owner: Person, sent: dict[str, Any]) -> None:
    assert owner.client.post("/again/", sent).status_code == 200
    assert owner.client.get("/again/")["Location"] == "/"
    assert not Upscale.objects.exists()


def test_a_failed_one_is_no_offer_and_a_retry_is_never_held_up(
    owner: Person, order: Callable[..., Upscale], upload: Upload
) -> None:
    failed = order(content=SHIRT)
    claimed = lifecycle.claim(failed.pk)
    assert claimed is not None
    lifecycle.fail(claimed, message="No.", code="test")
    assert owner.submit(image=upload("s.jpg", SHIRT)).status_code == 302
    assert owner.client.post(f"/upscales/{failed.pk}/retry/").status_code == 302
    assert Upscale.objects.open().count() == 2


def test_one_whose_file_is_gone_is_no_offer(owner: Person, done: Callable[..., Upscale], upload: Upload) -> None:
    older, newer = done(content=SHIRT), None
    assert owner.client.post("/again/", {"offered": older.pk, "upscale": older.pk}).status_code == 302
    newer = finished(Upscale.objects.latest("pk"))
    media_storage().delete(newer.result_file.name)
    assert offers(owner.submit(image=upload("s.jpg", SHIRT))) == [(older.pk, "s.jpg")]
    media_storage().delete(older.result_file.name)
    assert owner.submit(image=upload("s.jpg", SHIRT)).status_code == 302


def test_the_kept_copy_and_an_earlier_result_count_too(owner: Person, done: Callable[..., Upscale]) -> None:
    made = done(content=SHIRT)
    kept = owner.client.get(f"/?source={made.pk}").context["kept_copy"]
    assert offers(owner.submit(image_url=kept["link"])) == [(made.pk, "shirt.jpg")]
    assert owner.submit(generation_result_id=str(made.result_id)).status_code == 302
    further = Upscale.objects.latest("pk")
    assert further.source_digest == made.result_digest != ""
    assert offers(owner.submit(generation_result_id=str(made.result_id))) == [(further.pk, "shirt.jpg")]


def test_a_result_s_own_bytes_are_known_when_they_are_uploaded(
    owner: Person, done: Callable[..., Upscale], upload: Upload
) -> None:
    made = done(content=SHIRT)
    assert owner.submit(generation_result_id=str(made.result_id)).status_code == 302
    with made.result_file.open("rb") as file:
        content = file.read()
    assert offers(owner.submit(image=upload("downloaded.jpg", content)))


def test_an_address_is_held_up_only_while_it_is_under_way(owner: Person) -> None:
    url = "https://shop.example/look.jpg"
    assert owner.submit(image_url=url).status_code == 302
    first = Upscale.objects.get()
    assert offers(owner.submit(image_url=url)) == [(first.pk, "look.jpg")]
    assert owner.submit(image_url=url, model_name="topaz").status_code == 302
    assert owner.client.post("/again/", {"offered": first.pk, "upscale": first.pk}).status_code == 302
    assert Upscale.objects.filter(source_url=url, model_name="recraft").count() == 2
    for upscale in Upscale.objects.all():
        claimed = lifecycle.claim(upscale.pk)
        assert claimed is not None
        lifecycle.fail(claimed, message="No.", code="test")
    assert owner.submit(image_url=url).status_code == 302


def test_an_address_whose_factor_is_open_is_another_order_than_one_that_is_enlarged(owner: Person) -> None:
    order = {"image_url": "https://shop.example/look.jpg", "model_name": "topaz"}
    open_ = {**order, "upscale_factor": "", "channels": ["meta", "etsy"]}
    assert owner.submit(**open_).status_code == 302
    first = Upscale.objects.get()
    # It may be only fitted in the end: who wants it four times larger, or for another shop, does not get that.
    assert owner.submit(**order, upscale_factor="4x").status_code == 302
    assert owner.submit(**{**open_, "channels": ["zalando"]}).status_code == 302
    assert offers(owner.submit(**{**open_, "channels": ["etsy", "meta"]})) == [(first.pk, "look.jpg")]
    assert owner.balance == 91


def test_the_api_pays_twice_and_the_page_knows_what_it_ordered(owner: Person, upload: Upload) -> None:
    bearer = {"Authorization": f"Bearer {owner.token}"}
    link = Client().post("/api/v1/uploads", {"file": upload("s.jpg", SHIRT)}, headers=bearer).json()["image_url"]
    for _ in range(2):
        sent = owner.api("post", "generation-upscale", {"image_url": link, "model_name": "recraft"})
        assert sent.status_code == 200
    assert owner.balance == 98
    assert offers(owner.submit(image=upload("s.jpg", SHIRT))) == [(Upscale.objects.latest("pk").pk, "s.jpg")]


def test_a_result_that_was_refunded_by_hand_is_no_offer(
    owner: Person, done: Callable[..., Upscale], upload: Upload
) -> None:
    made = done(content=SHIRT)
    with transaction.atomic():
        credits.refund([made], note="came out wrong")
        assert owner.submit(image=upload("s.jpg", SHIRT)).status_code == 302
        transaction.set_rollback(True)
    assert offers(owner.submit(image=upload("s.jpg", SHIRT))) == [(made.pk, "s.jpg")]


def test_what_an_earlier_version_of_the_engine_made_is_not_offered_as_the_new_one(
    owner: Person, done: Callable[..., Upscale], upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = done(content=SHIRT)
    assert offers(owner.submit(image=upload("shirt.jpg", SHIRT))) == [(made.pk, "shirt.jpg")]
    monkeypatch.setitem(upscaling_models.ENGINE_VERSIONS, "local", upscaling_models.ENGINE_VERSIONS["local"] + 1)
    assert owner.submit(image=upload("shirt.jpg", SHIRT)).status_code == 302
    fresh = finished(Upscale.objects.latest("pk"))
    assert fresh != made
    assert offers(owner.submit(image=upload("shirt.jpg", SHIRT))) == [(fresh.pk, "shirt.jpg")]


def test_what_was_ordered_before_an_upgrade_and_made_after_it_counts_as_the_new_one(
    owner: Person, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner.submit(image=upload("shirt.jpg", SHIRT))
    monkeypatch.setitem(upscaling_models.ENGINE_VERSIONS, "local", upscaling_models.ENGINE_VERSIONS["local"] + 1)
    made = finished(Upscale.objects.get())
    assert offers(owner.submit(image=upload("shirt.jpg", SHIRT))) == [(made.pk, "shirt.jpg")]
