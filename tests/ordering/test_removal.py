"""Archiving and deleting: who may, what stays, and that nobody gets a deleted picture, whichever way they ask."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.conftest import Person
from upscaler import credits, usage
from upscaler.errors import PublicError
from upscaler.models import DELETED, AuditEvent, Membership, Upscale, media_storage
from upscaler.ordering import deduplication, removal, reorder, results, submission
from upscaler.ordering.forms import UpscaleForm
from upscaler.processing import lifecycle, worker_step
from upscaler.storage import cleanup, pictures, room, signed_links

FIELDS = ("source_file", "source_thumbnail", "result_file", "result_thumbnail", "before_preview", "after_preview")


def membership(person: Person) -> Membership:
    return Membership.objects.select_related("team", "user").get(user=person.user, team=person.team)


def delete(person: Person, *upscales: Upscale) -> removal.Outcome:
    outcome = removal.delete([upscale.pk for upscale in upscales], membership=membership(person))
    for upscale in upscales:
        upscale.refresh_from_db()
    return outcome


def files(upscale: Upscale) -> dict[str, str]:
    return {field: getattr(upscale, field).name for field in FIELDS}


def there(paths: object) -> set[str]:
    return {path for path in paths if media_storage().exists(path)}  # type: ignore[attr-defined]


def order_of(person: Person, **data: object) -> submission.NewUpscale:
    form = UpscaleForm({"model_name": "recraft", **data}, team=person.team)
    assert form.is_valid(), form.errors
    assert form.order is not None
    return form.order


def test_a_deleted_upscale_s_files_go_and_its_row_stays(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale, balance = done(), owner.balance
    stored = files(upscale)
    assert there(stored.values()) == set(stored.values())
    assert delete(owner, upscale) == removal.Outcome(1, {})
    assert cleanup.remove_deleted() == 1
    upscale.refresh_from_db()
    assert there(stored.values()) == set()
    assert set(files(upscale).values()) == {""}
    assert owner.balance == balance
    assert credits.verify().problems == []
    usage.rebuild(owner.team)
    assert usage.verify() == []
    event = AuditEvent.objects.get(action="deleted")
    assert (event.user, event.upscale, event.about) == (owner.user, upscale, f"upscale {upscale.pk}")
    assert cleanup.remove_deleted() == 0


def test_who_may_delete(owner: Person, teammate: Person, head: Person, done: Callable[..., Upscale]) -> None:
    first, second = done(), done()
    assert delete(teammate, first, second) == removal.Outcome(0, {removal.NOT_YOURS: 2})
    assert first.deleted_at is None
    assert delete(owner, first).done == 1
    assert delete(head, first, second).done == 1


def test_nothing_under_way_or_of_another_team_is_deleted(
    outsider: Person, owner: Person, done: Callable[..., Upscale], order: Callable[..., Upscale]
) -> None:
    finished, waiting = done(), order()
    assert delete(outsider, finished) == removal.Outcome(0, {})
    assert delete(owner, waiting) == removal.Outcome(0, {removal.UNDER_WAY: 1})


def test_files_that_another_upscale_needs_stay_until_it_is_deleted_too(
    owner: Person, done: Callable[..., Upscale], order: Callable[..., Upscale]
) -> None:
    first = done()
    [further] = submission.submit(
        [order_of(owner, generation_result_id=first.result_id)], team=owner.team, user=owner.user
    )
    stored = files(first)
    delete(owner, first)
    cleanup.remove_deleted()
    assert there(stored.values()) == {stored["result_file"], stored["result_thumbnail"]}
    assert owner.client.get(f"/upscales/{further.pk}/source/").status_code == 200
    worker_step.step(further.pk)
    further.refresh_from_db()
    assert further.status == "Done", further.error_message
    delete(owner, further)
    cleanup.remove_deleted()
    assert there(stored.values()) == set()


def test_a_failed_one_goes_before_and_after_its_second_try(
    owner: Person, done: Callable[..., Upscale], order: Callable[..., Upscale]
) -> None:
    failed = order()
    claimed = lifecycle.claim(failed.pk)
    assert claimed is not None
    lifecycle.fail(claimed, message="No.", code="test")
    again = reorder.retry(Upscale.objects.get(pk=failed.pk), user=owner.user).upscale
    source = again.source_file.name
    failed.refresh_from_db()
    delete(owner, failed)
    cleanup.remove_deleted()
    assert there([source]) == {source}
    with pytest.raises(PublicError, match="was deleted"):
        reorder.reorder(Upscale.objects.get(pk=failed.pk))


def test_nobody_gets_a_deleted_picture(
    owner: Person, teammate: Person, done: Callable[..., Upscale], upload: Callable[..., object]
) -> None:
    upscale = done()
    detail = owner.api("get", f"generation/{upscale.pk}").json()
    result_link = detail["generation_results"][0]["image_url"]
    source_link = signed_links.make(None, pictures.source_of(upscale), name="a.jpg", team_id=owner.team.pk)
    source_link = source_link if source_link.startswith("http") else f"http://testserver{source_link}"
    again = reorder.reorder(upscale)
    delete(owner, upscale)
    for turn in ("its files are there", "they are gone"):
        for path in ("", "result/", "download/", "source/", "before/", "after/", "thumbnail/"):
            answer = teammate.client.get(f"/upscales/{upscale.pk}/{path}")
            assert answer.status_code == 410, (turn, path)
            assert "was deleted" in answer.content.decode()
        for link in (result_link, source_link):
            answer = owner.client.get(link)
            assert (answer.status_code, answer.json()) == (410, {"detail": DELETED}), turn
            form = UpscaleForm({"model_name": "recraft", "image_url": link}, team=owner.team, host="testserver")
            assert form.errors.as_data()["image_url"][0].code == "deleted", turn
        assert owner.client.get(f"/?result={upscale.pk}").status_code == 404
        assert owner.client.get(f"/?source={upscale.pk}").status_code == 404
        assert owner.client.get("/").context["recent_results"] == []
        assert owner.api("get", f"generation/{upscale.pk}").status_code == 404
        assert owner.api("get", f"generation-result/{upscale.result_id}").status_code == 404
        assert owner.api("get", "generations").json()["total_count"] == 0
        assert owner.api("get", "generation-results").json()["total_count"] == 0
        refused = owner.api(
            "post", "generation-upscale", {"model_name": "recraft", "generation_result_id": upscale.result_id}
        )
        assert (refused.status_code, refused.json()["detail"][0]["type"]) == (422, "deleted")
        with pytest.raises(PublicError, match="was deleted"):
            results.find_source_result(upscale.result_id or 0, team=owner.team)
        with pytest.raises(PublicError, match="was deleted"):
            reorder.reorder(Upscale.objects.get(pk=upscale.pk))
        assert deduplication.find_known({deduplication.key(again): 0}, team=owner.team) == {}
        assert f"/upscales/{upscale.pk}/" not in owner.client.get("/history/").content.decode()
        assert (
            f'data-upscale-id="{upscale.pk}"'
            not in owner.client.get(f"/history/live/?id={upscale.pk}").content.decode()
        )
        cleanup.remove_deleted()


def test_an_order_that_was_checked_before_the_deletion_is_refused(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale, balance = done(), owner.balance
    order = replace(order_of(owner, generation_result_id=upscale.result_id), source_name="late.jpg")
    delete(owner, upscale)
    with pytest.raises(PublicError) as refusal:
        submission.submit([order], team=owner.team, user=owner.user)
    assert (refusal.value.code, owner.balance) == ("deleted", balance)


@pytest.mark.parametrize("is_full", [False, True])
def test_what_can_t_be_removed_now_is_removed_later(
    owner: Person, done: Callable[..., Upscale], monkeypatch: pytest.MonkeyPatch, is_full: bool
) -> None:
    """And on a full disk, which it makes room on, the others are removed all the same."""
    stuck, fine = done(), done()
    stored = files(stuck)
    delete(owner, stuck, fine)
    storage, remove = media_storage(), media_storage().delete

    def fail(name: str) -> None:
        if name == stored["result_file"]:
            raise OSError("read-only")
        remove(name)

    def no_room_left() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(storage, "delete", fail)
        if is_full:
            patch.setattr(room, "probe", no_room_left)
        assert cleanup.remove_deleted() == 1
    assert there(stored.values())
    assert cleanup.remove_deleted() == 1
    assert there(stored.values()) == set()


def test_archived_ones_are_out_of_sight_until_they_are_asked_for(
    owner: Person, teammate: Person, done: Callable[..., Upscale], order: Callable[..., Upscale]
) -> None:
    finished, waiting = done(), order()
    mine = membership(teammate)
    assert removal.archive([finished.pk, waiting.pk], membership=mine) == removal.Outcome(1, {removal.UNDER_WAY: 1})
    assert removal.archive([finished.pk], membership=mine) == removal.Outcome(0, {})
    page = owner.client.get("/history/").content.decode()
    assert f'data-upscale-id="{finished.pk}"' not in page
    assert f'data-upscale-id="{finished.pk}"' in owner.client.get("/history/?archive=only").content.decode()
    assert owner.client.get(f"/upscales/{finished.pk}/").status_code == 200
    assert removal.take_out([finished.pk], membership=mine).done == 1
    assert f'data-upscale-id="{finished.pk}"' in owner.client.get("/history/").content.decode()
    assert list(AuditEvent.objects.order_by("pk").values_list("action", flat=True)) == ["archived", "unarchived"]
