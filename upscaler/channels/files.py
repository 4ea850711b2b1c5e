"""Channel files: a result fitted to a channel and kept with its upscale, made anew where the channel has changed."""

from __future__ import annotations

import hashlib
import json
import tempfile
import uuid
from typing import IO, Any

from django.core.files.base import File
from django.db import transaction
from django.utils import timezone

from upscaler.channels import table
from upscaler.channels.table import Channel
from upscaler.errors import PublicError
from upscaler.imaging import intake
from upscaler.models import ChannelFile, Upscale, media_storage
from upscaler.picture_formats import FORMATS

MAX_PIXELS = 64_000_000
"""Of a result that is fitted while somebody waits."""
FOLDER = "channels"


def make(upscale: Upscale, channel: Channel, *, crop: bool = False, trim: bool = False) -> ChannelFile:
    """The upscale's file for the channel: the kept one, where channel, result and wishes are the same, else a new one.

    Raises PublicError with code ``withdrawn`` for an upscale whose result is given to nobody, ``too_many_pixels``,
    ``result_gone``, and what reading the result says.
    """
    if not upscale.gives_result:
        raise PublicError(upscale.why_closed or "There is no result yet. Wait until it is ready.", code="withdrawn")
    size = upscale.result_width or 0, upscale.result_height or 0
    if size[0] * size[1] > MAX_PIXELS:
        raise PublicError(
            f"The result has {size[0] * size[1] / 1e6:,.0f} megapixels; at most {MAX_PIXELS / 1e6:.0f} are fitted "
            "here. Enlarge it by a smaller factor, which is enough for every shop.",
            code="too_many_pixels",
        )
    wishes = {"channel": table.to_row(channel), "crop": crop, "trim": trim}
    said = json.dumps([wishes, upscale.result_file.name], sort_keys=True)
    key = hashlib.sha256(said.encode()).hexdigest()
    known = ChannelFile.objects.filter(upscale=upscale, channel_id=channel.id).first()
    if known is not None and known.key == key and media_storage().exists(known.file):
        return known
    with tempfile.TemporaryFile() as target:
        try:
            with media_storage().open(upscale.result_file.name or "") as source:
                told = intake.convert("channels.fit", source, target, wishes, named="The result", size=size)
        except FileNotFoundError:
            raise PublicError("The result's file is not there any more.", code="result_gone") from None
        return _kept(upscale, channel, key, told, target)


def _kept(upscale: Upscale, channel: Channel, key: str, told: dict[str, Any], target: IO[bytes]) -> ChannelFile:
    target.seek(0)
    format_ = FORMATS[told["format"]]
    name = f"{FOLDER}/{timezone.now():%Y/%m}/{uuid.uuid4().hex}{format_.extension}"
    path = media_storage().save(name, File(target))
    with transaction.atomic():
        # Who deletes the upscale takes this row's lock too, so that no file is left behind it.
        held = Upscale.objects.select_for_update().get(pk=upscale.pk)
        if not held.gives_result:
            transaction.on_commit(lambda: media_storage().delete(path))
            raised = PublicError(held.why_closed or "The result is gone.", code="withdrawn")
        else:
            raised = None
            before = ChannelFile.objects.filter(upscale=held, channel_id=channel.id).first()
            made, _ = ChannelFile.objects.update_or_create(
                upscale=held,
                channel_id=channel.id,
                defaults={
                    "title": channel.title,
                    "file": path,
                    "format": format_.name,
                    "width": told["width"],
                    "height": told["height"],
                    "file_size": told["bytes"],
                    "problems": told["problems"],
                    "key": key,
                },
            )
            if before is not None:
                transaction.on_commit(lambda: media_storage().delete(before.file))
    if raised is not None:
        raise raised
    return made
