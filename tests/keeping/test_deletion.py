"""Deleting on request: what names a picture goes with its files, for one upscale and for a batch."""

from __future__ import annotations

from collections.abc import Callable

from tests.conftest import Person
from upscaler import credits
from upscaler.models import AuditEvent, Batch, Upscale, WebhookDelivery, WebhookEndpoint, media_storage
from upscaler.ordering import submission
from upscaler.ordering.forms import UpscaleForm
from upscaler.processing import lifecycle, worker_step
from upscaler.sharing import links
from upscaler.storage import cleanup
from upscaler.webhooks import outbox

TELLING = ("SECRET-DRESS", "secret-dress")


def everything_told(*rows: object) -> str:
    """All columns of some rows as one text."""
    return " ".join(str(value) for row in rows for value in vars(row).values())


def is_named(*rows: object) -> bool:
    told = everything_told(*rows)
    return any(word in told for word in TELLING)


def named_order(person: Person, upload: Callable[..., object]) -> Upscale:
    form = UpscaleForm(
        {"model_name": "recraft", "sku": "SECRET-DRESS", "reference": "secret-dress-7"},
        {"image": upload("secret-dress.jpg")},
        team=person.team,
    )
    assert form.is_valid() and form.order is not None, form.errors
    return submission.submit([form.order], team=person.team, user=person.user)[0]


def test_a_deleted_upscale_keeps_no_name(owner: Person, upload: Callable[..., object]) -> None:
    hook = WebhookEndpoint.objects.create(team=owner.team, url="https://shop.example/")
    upscale = named_order(owner, upload)
    worker_step.step(upscale.pk)
    owner.client.get(f"/upscales/{upscale.pk}/download/")
    told = outbox.new(hook, "generation.ended")
    told.upscale, told.request, told.due_at = upscale, '{"name": "secret-dress.jpg"}', None
    told.save()
    upscale.refresh_from_db()
    assert is_named(upscale) and is_named(*AuditEvent.objects.all())
    asked = owner.client.post("/history/selected/", {"act": "delete", "numbers": str(upscale.pk)})
    assert "can’t be undone" in asked.content.decode()
    owner.client.post("/history/selected/", {"act": "delete", "numbers": str(upscale.pk), "confirmed": "1"})
    cleanup.remove_deleted()
    upscale.refresh_from_db()
    assert upscale.deleted_at is not None and upscale.credits
    assert not is_named(upscale, *AuditEvent.objects.all(), *WebhookDelivery.objects.all())
    assert {event.action for event in AuditEvent.objects.filter(upscale=upscale)} == {"downloaded", "deleted"}
    # The ledger leads nowhere that tells more.
    assert not [word for word in TELLING if word in owner.client.get("/ledger/").content.decode()]
    assert owner.api("get", "generations?sku=SECRET-DRESS").json()["total_count"] == 0
    assert credits.verify().problems == []


def test_a_failed_one_keeps_no_address_in_its_message(owner: Person, order: Callable[..., Upscale]) -> None:
    failed = lifecycle.claim(order().pk)
    assert failed is not None
    lifecycle.fail(failed, message="https://shop.example/secret-dress.jpg is no picture.", code="test")
    answer = owner.api("delete", f"generation/{failed.pk}")
    assert answer.status_code == 200
    assert not is_named(Upscale.objects.get(pk=failed.pk))


def test_the_api_deletes_what_its_person_may(
    owner: Person, teammate: Person, head: Person, done: Callable[..., Upscale], order: Callable[..., Upscale]
) -> None:
    upscale, waiting = done(), order()
    refused = teammate.api("delete", f"generation/{upscale.pk}")
    assert (refused.status_code, "only whoever ordered it" in refused.json()["detail"]) == (403, True)
    refused = owner.api("delete", f"generation/{waiting.pk}")
    assert (refused.status_code, "under way" in refused.json()["detail"]) == (409, True)
    files = [upscale.source_file.name, upscale.result_file.name]
    assert head.api("delete", f"generation/{upscale.pk}").status_code == 200
    cleanup.remove_deleted()
    assert not [path for path in files if media_storage().exists(path)]
    for method in ("get", "delete"):
        assert owner.api(method, f"generation/{upscale.pk}").status_code == 404


def test_a_batch_is_deleted_with_its_name(owner: Person, head: Person, order_batch: Callable[..., Batch]) -> None:
    batch = order_batch("secret-dress-1.jpg", "secret-dress-2.jpg", batch_name="secret-dress, Monday")
    refused = owner.client.post(f"/batches/{batch.pk}/delete/", follow=True).content.decode()
    assert "is still under way, so nothing was deleted" in refused
    for row in batch.upscales.all():
        worker_step.step(row.pk)
    owner.client.get(f"/batches/{batch.pk}/results.zip").getvalue()  # type: ignore[attr-defined]
    assert "Delete 2 pictures" in owner.client.get(f"/batches/{batch.pk}/delete/").content.decode()
    assert owner.client.post(f"/batches/{batch.pk}/delete/").status_code == 302
    cleanup.remove_deleted()
    batch.refresh_from_db()
    rows = list(batch.upscales.all())
    assert {row.source_file.name for row in rows} == {row.result_file.name for row in rows} == {""}
    assert not is_named(batch, *rows, *AuditEvent.objects.all())
    assert AuditEvent.objects.filter(action="deleted", about=f"batch {batch.pk}").count() == 1
    assert owner.client.get(f"/batches/{batch.pk}/").status_code == 200


def test_links_to_a_batch_do_not_tell_its_name_either(owner: Person, order_batch: Callable[..., Batch]) -> None:
    batch = order_batch("a.jpg", batch_name="secret-dress")
    worker_step.step(batch.upscales.get().pk)
    link, _ = links.make(team=owner.team, user=owner.user, shows=batch, label="For Ada")
    links.revoke(link, by=owner.user)
    assert is_named(*AuditEvent.objects.all())
    owner.client.post(f"/batches/{batch.pk}/delete/")
    assert not is_named(*AuditEvent.objects.all())


def test_what_is_told_of_another_batch_of_that_name_stays(owner: Person, order_batch: Callable[..., Batch]) -> None:
    one, other = order_batch("a.jpg"), order_batch("b.jpg")
    for batch in (one, other):
        worker_step.step(batch.upscales.get().pk)
        owner.client.get(f"/batches/{batch.pk}/results.zip").getvalue()  # type: ignore[attr-defined]
    named = AuditEvent.objects.filter(about__contains="the batch “Monday”")
    assert named.count() == 2
    owner.client.post(f"/batches/{one.pk}/delete/")
    assert named.count() == 2
    owner.client.post(f"/batches/{other.pk}/delete/")
    assert named.count() == 0


def test_somebody_else_s_batch_stays_but_for_an_admin(
    teammate: Person, head: Person, order_batch: Callable[..., Batch]
) -> None:
    batch = order_batch("a.jpg")
    worker_step.step(batch.upscales.get().pk)
    teammate.client.post(f"/batches/{batch.pk}/delete/")
    assert batch.upscales.present().count() == 1
    assert Batch.objects.get(pk=batch.pk).name == "Monday"
    head.client.post(f"/batches/{batch.pk}/delete/")
    assert batch.upscales.present().count() == 0


def test_a_batch_s_name_goes_with_the_last_of_its_pictures_and_once(
    owner: Person, teammate: Person, order_batch: Callable[..., Batch]
) -> None:
    batch = order_batch("a.jpg", "b.jpg")
    Batch.objects.filter(pk=batch.pk).update(name="SECRET-DRESS")
    lifecycle.cancel(Upscale.objects.filter(batch=batch), by=owner.user)
    first, last = batch.upscales.order_by("pk")
    for upscale, name in ((first, "SECRET-DRESS"), (last, "")):
        owner.client.post("/history/selected/", {"act": "delete", "confirmed": "1", "numbers": str(upscale.pk)})
        batch.refresh_from_db()
        assert batch.name == name
    for _ in range(2):
        teammate.client.post(f"/batches/{batch.pk}/delete/")
    assert AuditEvent.objects.filter(about=f"batch {batch.pk}").count() == 1
