"""Files for channels: made once, kept, named by the channel's rule, and gone with their upscale."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from PIL import Image

from tests.channels import shots
from tests.conftest import Person
from upscaler.channels import files, teams
from upscaler.channels.names import Codes
from upscaler.channels.table import CHANNELS
from upscaler.errors import PublicError
from upscaler.imaging import decoding
from upscaler.models import Batch, ChannelFile, Upscale, media_storage
from upscaler.processing import worker_step
from upscaler.queue import tasks
from upscaler.storage import cleanup

Done = Callable[..., Upscale]


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


@pytest.fixture
def upscale(done: Done) -> Upscale:
    return done()


def make(person: Person, upscale: Upscale, channel: str = "etsy", **wishes: str) -> str:
    answer = person.client.post(f"/upscales/{upscale.pk}/channels/", {"channel": channel, **wishes}, follow=True)
    return text(answer)


def test_a_file_is_made_and_downloaded_by_its_name(owner: Person, upscale: Upscale) -> None:
    Upscale.objects.filter(pk=upscale.pk).update(sku="A-1")
    balance = owner.balance
    page = make(owner, upscale)
    assert "The file for Etsy is ready" in page
    made = ChannelFile.objects.get()
    assert (made.channel_id, made.format, made.problems) == ("etsy", "JPEG", [])
    answer = owner.client.get(f"/channel-files/{made.pk}/")
    assert answer["Content-Disposition"] == 'attachment; filename="A-1_1.jpg"'
    with Image.open(io.BytesIO(answer.getvalue())) as image:
        assert image.size == (made.width, made.height)
    assert owner.balance == balance


def test_what_the_shop_would_refuse_stands_beside_the_file(owner: Person, upscale: Upscale) -> None:
    page = make(owner, upscale, "aboutyou")
    assert "may refuse it: see why below" in page
    assert "Too small:" in page


def test_a_name_with_a_code_needs_the_table_of_codes(owner: Person, upscale: Upscale) -> None:
    Upscale.objects.filter(pk=upscale.pk).update(sku="A-1", source_name="front.jpg")
    make(owner, upscale, "amazon")
    made = ChannelFile.objects.get()
    assert "front.jpg" in owner.client.get(f"/channel-files/{made.pk}/")["Content-Disposition"]
    teams.keep_codes(owner.team, {"A-1": Codes(asin="B01ABCDEFG")})
    assert "B01ABCDEFG.MAIN.jpg" in owner.client.get(f"/channel-files/{made.pk}/")["Content-Disposition"]


def test_it_is_made_again_only_where_something_has_changed(owner: Person, upscale: Upscale) -> None:
    first = files.make(upscale, CHANNELS["etsy"])
    assert files.make(upscale, CHANNELS["etsy"]).file == first.file
    again = files.make(upscale, CHANNELS["etsy"], trim=True)
    assert again.pk == first.pk
    assert again.file != first.file
    assert media_storage().exists(again.file)


@pytest.mark.django_db(transaction=True)
def test_the_old_file_goes_with_the_new_one(owner: Person, done: Done) -> None:
    upscale = done()
    first = files.make(upscale, CHANNELS["etsy"])
    files.make(upscale, CHANNELS["etsy"], trim=True)
    assert not media_storage().exists(first.file)


def test_files_go_with_their_upscale(owner: Person, upscale: Upscale) -> None:
    made = files.make(upscale, CHANNELS["etsy"])
    Upscale.objects.filter(pk=upscale.pk).update(deleted_at=timezone.now())
    assert owner.client.get(f"/channel-files/{made.pk}/").status_code == 404
    cleanup.remove_deleted()
    assert not media_storage().exists(made.file)
    assert not ChannelFile.objects.exists()


def test_orphans_are_found_and_kept_files_stay(upscale: Upscale) -> None:
    made = files.make(upscale, CHANNELS["etsy"])
    lost = media_storage().save(made.file, io.BytesIO(b"lost"))
    of_long_ago = media_storage().save("channels/2019/11/lost.jpg", io.BytesIO(b"lost"))
    cleanup.remove_orphans(timezone.now() + timedelta(days=3))
    assert media_storage().exists(made.file)
    assert not media_storage().exists(lost) and not media_storage().exists(of_long_ago)


def test_a_refunded_upscale_gives_no_files(owner: Person, upscale: Upscale) -> None:
    made = files.make(upscale, CHANNELS["etsy"])
    Upscale.objects.filter(pk=upscale.pk).update(withdrawn_at=timezone.now())
    assert owner.client.get(f"/channel-files/{made.pk}/").status_code == 404
    upscale.refresh_from_db()
    with pytest.raises(PublicError):
        files.make(upscale, CHANNELS["etsy"])


def test_who_waits_at_the_page_is_told_where_others_take_too_long(
    owner: Person, upscale: Upscale, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "MAX_WAIT", 0.0)
    with decoding.turn((10, 10), "", patience=None), decoding.turn((10, 10), "", patience=None):
        assert "could not be looked at yet" in make(owner, upscale)
    assert not ChannelFile.objects.exists()


def test_an_unknown_or_switched_off_channel_is_refused(owner: Person, head: Person, upscale: Upscale) -> None:
    teams.switch(owner.team, "etsy", is_off=True)
    assert "There is no channel “etsy”" in make(owner, upscale)
    assert not ChannelFile.objects.exists()


def test_a_cut_out_is_laid_on_white_in_the_process_for_pictures(owner: Person, done: Done) -> None:
    buffer = io.BytesIO()
    mask = shots.garment((60, 80), 1)
    picture = Image.new("RGB", (60, 80), (200, 30, 40))
    picture.putalpha(mask)
    picture.save(buffer, "PNG")
    upscale = done(name="cut.png", content=buffer.getvalue())
    made = files.make(upscale, CHANNELS["otto"])
    with media_storage().open(made.file) as file, Image.open(file) as image:
        assert (image.mode, image.getpixel((0, 0))) == ("RGB", (255, 255, 255))


def test_a_batchs_files_are_made_and_lie_in_the_zip_by_channel(
    owner: Person, order_batch: Callable[..., Batch], done: Done
) -> None:
    batch = order_batch("front.jpg", "back.jpg")
    for row in Upscale.objects.filter(batch=batch):
        Upscale.objects.filter(pk=row.pk).update(sku="A-1")
        worker_step.step(row.pk)
    answer = owner.client.post(f"/batches/{batch.pk}/channels/", {"channel": "etsy"}, follow=True)
    assert "Files for Etsy are being made" in text(answer)
    tasks.fit_files.func(batch.pk)
    assert ChannelFile.objects.filter(upscale__batch=batch, problems=[]).count() == 2
    assert "<b>Etsy</b> 2 of 2 right." in text(owner.client.get(f"/batches/{batch.pk}/"))
    content = b"".join(owner.client.get(f"/batches/{batch.pk}/results.zip").streaming_content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert {"for etsy/A-1_1.jpg", "for etsy/A-1_2.jpg"} <= set(archive.namelist())
