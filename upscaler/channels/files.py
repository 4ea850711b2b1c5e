"""Channel files: a result fitted to a channel and kept with its upscale, made anew where the channel has changed."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import IO, Any, NamedTuple

from django.core.files.base import File
from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone

from upscaler import file_names
from upscaler.channels import due, names, subject, table, teams
from upscaler.channels.names import Picture
from upscaler.channels.table import Channel
from upscaler.errors import PublicError
from upscaler.imaging import decoding, intake
from upscaler.models import Batch, ChannelFile, Team, Upscale, media_storage
from upscaler.picture_formats import FORMATS
from upscaler.storage import file_marks, signing, stored_files

MAX_PIXELS = 64_000_000
"""Of a result that is fitted while somebody waits."""
FOLDER = "channels"
BEING_MADE = "It is being made."


def choose(batch: Batch, channel: Channel) -> None:
    """Have files made for a channel of all results of a batch, those to come among them.

    The sweep sees to it that they are made; who wants them soon wakes a worker as well.
    """
    with transaction.atomic():
        held = Batch.objects.select_for_update().get(pk=batch.pk)
        if channel.id not in held.channels:
            held.channels = [*held.channels, channel.id]
        held.fit_due_at = timezone.now() + due.GRACE
        held.save(update_fields=["channels", "fit_due_at"])
    # What was refused before may be possible now.
    made = ChannelFile.objects.filter(upscale__batch=batch, channel_id=channel.id)
    made.filter(file="", lease_until=None).delete()
    made.filter(attempts__gte=1, lease_until__lte=timezone.now()).update(attempts=0)


class Counts(NamedTuple):
    """A channel's files of a batch."""

    title: str
    results: int
    """Of so many results files are made: not of those whose price went back."""
    right: int
    with_problems: int
    refused: int
    """Could not be made."""
    missing: int
    """Are being made, or made anew after a change of the channel's rules."""
    is_used: bool
    """Whether the team uses the channel still: for others nothing is made any more."""


def counts(batch: Batch, results: int, channels: Sequence[teams.Listed]) -> list[Counts]:
    """For each channel of the batch how far it is.

    ``results``: how many of the batch are there to be fitted (`batch_queries.Counts`); ``channels``: all of the
    team's, as `teams.listed` gives them.
    """
    if not batch.channels:
        return []
    known = {one.channel.id: one for one in channels}
    rows = ChannelFile.objects.filter(
        upscale__batch=batch, upscale__deleted_at=None, upscale__withdrawn_at=None, lease_until=None
    )
    # Counted in the database: this is asked every few seconds, and the sentences are long.
    counted = (
        rows.order_by()
        .values("channel_id", "rules")
        .annotate(
            all=Count("pk"), none=Count("pk", filter=Q(file="")), right=Count("pk", filter=~Q(file="") & Q(problems=[]))
        )
    )
    found = {(row["channel_id"], row["rules"]): row for row in counted}
    nothing = {"all": 0, "none": 0, "right": 0}
    made = []
    for id_ in batch.channels:
        listed = known.get(id_)
        row = found.get((id_, table.rules(listed.channel)), nothing) if listed else nothing
        right, none = row["right"], row["none"]
        is_used = listed is not None and not listed.is_off
        missing = max(0, results - row["all"]) if is_used else 0
        title = listed.channel.title if listed else id_
        made.append(Counts(title, results, right, row["all"] - none - right, none, missing, is_used))
    return made


def is_current(made: ChannelFile, rules: Mapping[str, str]) -> bool:
    """Whether a file is there, and made by the channel's rules as they are now; ``rules``: what `rules_of` gives."""
    return bool(made.file) and made.rules is not None and rules.get(made.channel_id) == made.rules


def why_missing(made: ChannelFile) -> str:
    """In a sentence, of a row that `is_current` says no of."""
    if made.file:
        return "The channel's rules have changed since it was made. Press “Fit them” to have it made anew."
    return " ".join(made.problems) or BEING_MADE


def not_begun(upscales: Sequence[Upscale]) -> list[tuple[Upscale, Channel]]:
    """Results of one team for which no worker has begun the file of a channel of their batch. They need ``team``."""
    if not upscales:
        return []
    usable = teams.channels(upscales[0].team)
    wanted = dict(Batch.objects.filter(pk__in=_batches_of(upscales)).exclude(channels=[]).values_list("pk", "channels"))
    rows = ChannelFile.objects.filter(upscale__batch__in=wanted).values_list("upscale_id", "channel_id")
    begun = set(rows) if wanted else set()
    return [
        (upscale, usable[id_])
        for upscale in upscales
        for id_ in wanted.get(upscale.batch_id or 0, ())
        if id_ in usable and (upscale.pk, id_) not in begun
    ]


class Shown(NamedTuple):
    """A file on its upscale's page."""

    file: ChannelFile
    state: str
    """``made``, ``refused``, ``begun``, or ``old``: made by rules that the channel has no more."""
    can_be_made: bool
    """Whether the team uses the channel still."""


def shown(upscale: Upscale, channels: Sequence[teams.Listed]) -> list[Shown]:
    """The upscale's files, those among them that are out of date and those that are still to come.

    ``channels``: all of the team's, as `teams.listed` gives them.
    """
    rules = _rules(channels)
    usable = teams.used(channels)
    made = []
    for one in upscale.channel_files.all():
        if is_current(one, rules):
            state = "made"
        elif one.file:
            state = "old"
        else:
            state = "refused" if one.problems else "begun"
        made.append(Shown(one, state, one.channel_id in usable))
    return made


def rules_of(team: Team) -> dict[str, str]:
    """By channel the sum of its rules, of all channels that the team has."""
    return _rules(teams.listed(team))


def _rules(channels: Sequence[teams.Listed]) -> dict[str, str]:
    return {one.channel.id: table.rules(one.channel) for one in channels}


def make(
    upscale: Upscale,
    channel: Channel,
    *,
    crop: bool = False,
    trim: bool = False,
    patience: decoding.Patience | None = None,
    lease: datetime | None = None,
) -> ChannelFile:
    """The upscale's file for the channel: the kept one, where channel, result and wishes are the same, else a new one.

    ``lease``: until when a worker has the file's row. Where it is that worker's no more, as after somebody has made the
    file with other wishes, what is there stays.

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
    wishes = {"crop": crop, "trim": trim}
    key = _key(upscale, channel, wishes)
    known = ChannelFile.objects.filter(upscale=upscale, channel_id=channel.id).first()
    if known is not None and known.file and known.key == key and media_storage().exists(known.file):
        # The rules may have been changed back while a worker was about to follow them.
        ChannelFile.objects.filter(pk=known.pk).exclude(lease_until=None).update(attempts=0, lease_until=None)
        return known
    options = {"channel": table.to_row(channel), **wishes}
    with tempfile.TemporaryFile() as target:
        try:
            with media_storage().open(upscale.result_file.name or "") as source:
                if crop and channel.ratio:
                    options["subject"] = subject.find(source, size=size, named="The result", patience=patience)
                told = intake.convert(
                    "channels.fit", source, target, options, named="The result", size=size, patience=patience
                )
        except FileNotFoundError:
            raise PublicError("The result's file is not there any more.", code="result_gone") from None
        with tempfile.TemporaryFile() as signed:
            is_signed = _signed(upscale, channel, told["format"], target, signed)
            return _kept(upscale, channel, {"key": key, **wishes}, told, signed if is_signed else target, lease)


def _signed(upscale: Upscale, channel: Channel, format_name: str, file: IO[bytes], signed: IO[bytes]) -> bool:
    """Whether ``signed`` is now the file with Content Credentials, and has no more bytes than the channel takes."""
    if not signing.sign(upscale, file, signed, format_name=format_name, provenance=upscale.provenance, is_fitted=True):
        return False
    most = channel.most_bytes(format_name)
    return most is None or signed.seek(0, os.SEEK_END) <= most


def _key(upscale: Upscale, channel: Channel, wishes: dict[str, bool]) -> str:
    said = json.dumps([table.rules(channel), wishes, upscale.result_file.name], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


def _kept(
    upscale: Upscale,
    channel: Channel,
    wishes: dict[str, Any],
    told: dict[str, Any],
    target: IO[bytes],
    lease: datetime | None,
) -> ChannelFile:
    file_size = target.seek(0, os.SEEK_END)
    target.seek(0)
    format_ = FORMATS[told["format"]]
    name = f"{FOLDER}/{timezone.now():%Y/%m}/{uuid.uuid4().hex}{format_.extension}"
    path = media_storage().save(name, File(target))
    with transaction.atomic():
        # Who deletes the upscale takes this row's lock too, so that no file is left behind it.
        held = Upscale.objects.select_for_update().get(pk=upscale.pk)
        if not held.gives_result:
            transaction.on_commit(lambda: stored_files.remove([path]))
            raised = PublicError(held.why_closed or "The result is gone.", code="withdrawn")
        else:
            raised = None
            before = ChannelFile.objects.filter(upscale=held, channel_id=channel.id).first()
            if lease is not None and before is not None and before.lease_until != lease:
                transaction.on_commit(lambda: stored_files.remove([path]))
                return before
            made, _ = ChannelFile.objects.update_or_create(
                upscale=held,
                channel_id=channel.id,
                defaults={
                    "title": channel.title,
                    "file": path,
                    "format": format_.name,
                    "width": told["width"],
                    "height": told["height"],
                    "file_size": file_size,
                    "problems": told["problems"],
                    "rules": table.rules(channel),
                    "attempts": 0,
                    "lease_until": None,
                    **wishes,
                },
            )
            file_marks.note(held.pk, path)
            stored_files.note(held.team_id, {path: file_size})
            if before is not None and before.file:
                transaction.on_commit(lambda: stored_files.remove([before.file]))
    if raised is not None:
        raise raised
    return made


def names_of(made: Sequence[ChannelFile]) -> list[str]:
    """What one channel's files of one team are called, by its rule, no two alike.

    They need ``upscale`` and its ``team``. A picture's number is its place among those that were ordered with it,
    whatever became of them: where the first one has no file, the second is no main picture. A file whose code is
    missing has its source's own name.
    """
    if not made:
        return []
    team = made[0].upscale.team
    known = {one.channel.id: one.channel for one in teams.listed(team)}
    channel = known.get(made[0].channel_id)
    upscales = [one.upscale for one in made]
    stems = [_stem(upscale.source_name) for upscale in upscales]
    endings = [FORMATS[one.format].extension for one in made]
    given = [""] * len(made)
    if channel is not None:
        by_place = _given_names(team, channel, upscales)
        given = [by_place[upscale.pk] for upscale in upscales]
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


def _given_names(team: Team, channel: Channel, upscales: Sequence[Upscale]) -> dict[int, str]:
    """What the channel's rule calls the upscales and those of their batches, by number; without endings."""
    ordered: dict[int, tuple[int | None, str, str]] = {
        upscale.pk: (upscale.retry_of_id, upscale.sku, upscale.source_name) for upscale in upscales
    }
    # Deleted ones too: the others keep their names.
    beside = Upscale.objects.filter(batch__in=_batches_of(upscales))
    ordered |= {row[0]: row[1:] for row in beside.order_by().values_list("pk", "retry_of_id", "sku", "source_name")}
    # One that was tried again keeps its place.
    firsts: dict[int, int] = {}
    pictures: dict[int, Picture] = {}
    for pk, (retry_of, sku, source_name) in sorted(ordered.items()):
        firsts[pk] = firsts.get(retry_of or pk, pk)
        pictures[firsts[pk]] = Picture(sku, fallback=_stem(source_name))
    codes = teams.codes_of(team, [picture.sku for picture in pictures.values() if picture.sku])
    called = dict(zip(pictures, names.names(channel, list(pictures.values()), codes), strict=True))
    return {pk: called[first].name.rpartition(".")[0] for pk, first in firsts.items()}


def _batches_of(upscales: Sequence[Upscale]) -> set[int]:
    return {upscale.batch_id for upscale in upscales if upscale.batch_id is not None}


def _stem(source_name: str) -> str:
    return file_names.stem(source_name) or "picture"


def name_of(made: ChannelFile) -> str:
    """What one file is called where it is downloaded alone."""
    [name] = names_of([made])
    return name
