"""Channel files: a result fitted to a channel and kept with its upscale, made anew where the channel has changed."""

from __future__ import annotations

import hashlib
import json
import tempfile
import uuid
from collections import Counter
from collections.abc import Sequence
from typing import IO, Any

from django.core.files.base import File
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q
from django.utils import timezone

from upscaler import file_names
from upscaler.channels import names, table, teams
from upscaler.channels.table import Channel
from upscaler.errors import PublicError
from upscaler.imaging import decoding, intake
from upscaler.models import Batch, ChannelFile, Upscale, media_storage
from upscaler.picture_formats import FORMATS

MAX_PIXELS = 64_000_000
"""Of a result that is fitted while somebody waits."""
FOLDER = "channels"
PART = 1_000
"""Rows of one statement."""


def choose(batch: Batch, channel: Channel) -> None:
    """Have files made for a channel of all results of a batch, those to come among them."""
    with transaction.atomic():
        held = Batch.objects.select_for_update().get(pk=batch.pk)
        if channel.id not in held.channels:
            held.channels = [*held.channels, channel.id]
            held.save(update_fields=["channels"])
    made = ChannelFile.objects.filter(upscale__batch=batch, channel_id=channel.id)
    # What was refused before may be possible now.
    made.filter(file="").delete()
    # Those of a row that has changed since are given out until the new ones are there.
    old = [one.pk for one in made.select_related("upscale") if not _is_fresh(one, channel)]
    for start in range(0, len(old), PART):
        ChannelFile.objects.filter(pk__in=old[start : start + PART]).update(key="")


def make_due(batch_id: int, *, most: int) -> int:
    """Make at most ``most`` of the files that the batch's channels still lack. Returns how many were seen to.

    What can't be made is kept too, with its reason, so that nobody waits for it.
    """
    batch = Batch.objects.select_related("team").get(pk=batch_id)
    known = teams.channels(batch.team)
    done = 0
    for channel in [known[id_] for id_ in batch.channels if id_ in known]:
        lacking = Upscale.objects.present().filter(batch=batch, status=Upscale.Status.DONE, withdrawn_at=None)
        there = ChannelFile.objects.filter(Q(file="") | ~Q(key=""), upscale=OuterRef("pk"), channel_id=channel.id)
        lacking = lacking.exclude(Exists(there))
        for upscale in lacking.order_by("pk")[: most - done]:
            _make_or_note(upscale, channel)
            done += 1
    return done


def counts(batch: Batch) -> list[tuple[str, int, int, int]]:
    """For each channel of the batch its title, and how many files are right, made with problems, and could not be."""
    titles = {one.channel.id: one.channel.title for one in teams.listed(batch.team)}
    rows = ChannelFile.objects.filter(upscale__batch=batch).order_by().values("channel_id")
    none = Q(file="")
    # Counted in the database: this is asked every few seconds, and the sentences are long.
    counted = rows.annotate(
        all=Count("pk"), none=Count("pk", filter=none), right=Count("pk", filter=~none & Q(problems=[]))
    )
    found = {row["channel_id"]: (row["right"], row["all"] - row["none"] - row["right"], row["none"]) for row in counted}
    return [(titles.get(id_, id_), *found.get(id_, (0, 0, 0))) for id_ in batch.channels]


def _make_or_note(upscale: Upscale, channel: Channel) -> None:
    try:
        make(upscale, channel)
    except PublicError as error:
        before = ChannelFile.objects.filter(upscale=upscale, channel_id=channel.id).first()
        ChannelFile.objects.update_or_create(
            upscale=upscale,
            channel_id=channel.id,
            defaults={"title": channel.title, "file": "", "problems": [error.message], "key": ""},
        )
        if before is not None and before.file:
            transaction.on_commit(lambda: media_storage().delete(before.file))


def make(
    upscale: Upscale,
    channel: Channel,
    *,
    crop: bool = False,
    trim: bool = False,
    patience: decoding.Patience | None = None,
) -> ChannelFile:
    """The upscale's file for the channel: the kept one, where channel, result and wishes are the same, else a new one.

    Raises PublicError with code ``withdrawn`` for an upscale whose result is given to nobody, ``too_many_pixels``,
    ``result_gone``, ``busy`` where others take longer than ``patience``, and what reading the result says.
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
    key = _key(upscale, wishes)
    known = ChannelFile.objects.filter(upscale=upscale, channel_id=channel.id).first()
    if known is not None and known.key == key and media_storage().exists(known.file):
        return known
    with tempfile.TemporaryFile() as target:
        try:
            with media_storage().open(upscale.result_file.name or "") as source:
                told = intake.convert(
                    "channels.fit", source, target, wishes, named="The result", size=size, patience=patience
                )
        except FileNotFoundError:
            raise PublicError("The result's file is not there any more.", code="result_gone") from None
        return _kept(upscale, channel, key, told, target)


def _key(upscale: Upscale, wishes: dict[str, Any]) -> str:
    said = json.dumps([wishes, upscale.result_file.name], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


def _is_fresh(made: ChannelFile, channel: Channel) -> bool:
    """Whether the file is of the channel's row and the result as they are now, whatever the wishes."""
    row = table.to_row(channel)
    wishes = [{"channel": row, "crop": crop, "trim": trim} for crop in (False, True) for trim in (False, True)]
    return made.key in [_key(made.upscale, wish) for wish in wishes]


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
            if before is not None and before.file:
                transaction.on_commit(lambda: media_storage().delete(before.file))
    if raised is not None:
        raise raised
    return made


def names_of(made: Sequence[ChannelFile]) -> list[str]:
    """What one channel's files of one team are called, by its rule, no two alike.

    They need ``upscale`` and its ``team``. A file whose code is missing has its source's own name.
    """
    if not made:
        return []
    team = made[0].upscale.team
    known = {one.channel.id: one.channel for one in teams.listed(team)}
    channel = known.get(made[0].channel_id)
    upscales = [one.upscale for one in made]
    stems = [file_names.stem(upscale.source_name) or "picture" for upscale in upscales]
    endings = [FORMATS[one.format].extension for one in made]
    given = [""] * len(made)
    if channel is not None:
        codes = teams.codes_of(team, [upscale.sku for upscale in upscales if upscale.sku])
        pictures = [names.Picture(upscale.sku, fallback=stem) for upscale, stem in zip(upscales, stems, strict=True)]
        given = [name.name.rpartition(".")[0] for name in names.names(channel, pictures, codes)]
    taken: set[str] = set()
    # Thousands of pictures may have the same name: each goes on where the last one was.
    numbers: Counter[str] = Counter()
    result = []
    for stem, fallback, ending in zip(given, stems, endings, strict=True):
        first = name = f"{stem or fallback}{ending}"
        while name.lower() in taken:
            numbers[first.lower()] += 1
            name = f"{stem or fallback}-{numbers[first.lower()] + 1}{ending}"
        taken.add(name.lower())
        result.append(name)
    return result


def name_of(made: ChannelFile) -> str:
    """What one file is called where it is downloaded alone."""
    [name] = names_of([made])
    return name
