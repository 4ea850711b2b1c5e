"""A ZIP whose pictures go into a draft: read on while nobody waits, so that a closed tab stops nothing.

While it is read, a row with the problem `READING` stands for it. Taking that row out of the draft ends the reading; one
that nothing was read of for `STALLED_AFTER` says that whoever read it has died, and how to go on.
"""

from __future__ import annotations

import io
import logging
import os
import threading
import time
from contextlib import ExitStack
from datetime import timedelta
from typing import IO

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from upscaler import no_room
from upscaler.batches import archives, draft_items, drafts
from upscaler.batches.archives import Archive, Member
from upscaler.batches.drafts import READING
from upscaler.errors import PublicError
from upscaler.models import Batch, DraftItem
from upscaler.ordering.new_batches import DraftOrderedBefore

logger = logging.getLogger(__name__)

AT_ONCE = 8
"""Pictures that are read while the browser waits, however long they take."""
ANSWER_AFTER = 20.0
"""Seconds after which the browser is answered while the rest is read on."""
BUSY_PAUSE = 1.0
"""Seconds until a picture is looked at again for which there was no turn."""
UNPACKED = 4
"""How many times its own greatest size an archive may unpack to: pictures without compression shrink some."""
STALLED_AFTER = timedelta(minutes=5)
BEAT = timedelta(seconds=20)
"""How often the row of an archive is touched while it is read."""


def add_archive(draft: Batch, file: IO[bytes], *, key: str, name: str) -> None:
    """Begin to add a ZIP's pictures, and wait for them at most `ANSWER_AFTER` seconds.

    One that can't be read becomes an item with its problem. Raises as `draft_items.add_picture` does.
    """
    with ExitStack() as opened:
        own = opened.enter_context(_own(file))
        try:
            archive = opened.enter_context(
                archives.read(
                    own,
                    max_members=settings.MAX_BATCH,
                    max_bytes=settings.MAX_UPLOAD_BYTES,
                    max_total_bytes=UNPACKED * settings.MAX_ARCHIVE_BYTES,
                )
            )
        except PublicError as error:
            item = DraftItem(batch=draft, key=key, source=DraftItem.Source.UPLOAD, name=name)
            draft_items.add_problem(draft, item, error)
            return
        reading = _Reading(draft, archive, key=key, name=name)
        if not reading.begin():
            return
        if len(archive) <= AT_ONCE:
            reading.run()
            return
        thread = threading.Thread(target=reading.run_alone, args=[opened.pop_all()], name=f"archive-{draft.pk}")
        thread.start()
        thread.join(ANSWER_AFTER)


def is_stalled(row: DraftItem) -> bool:
    """Whether nobody reads the archive any more that a row stands for."""
    return row.created_at < timezone.now() - STALLED_AFTER


class _Reading:
    """One archive on its way into a draft."""

    def __init__(self, draft: Batch, archive: Archive, *, key: str, name: str) -> None:
        self.draft, self.archive, self.key, self.name = draft, archive, key, name
        self.beaten_at = timezone.now()

    def begin(self) -> bool:
        """Write the row that says that it is read; False where somebody reads it already."""
        with drafts.changing(self.draft) as locked:
            row = locked.items.filter(key=self.key).first()
            if row is not None and (row.problem != READING or not is_stalled(row)):
                return False
            if row is None:
                row = DraftItem(batch=locked, key=self.key, source=DraftItem.Source.UPLOAD, name=self.name)
            row.problem, row.problem_message, row.created_at = READING, str(len(self.archive)), timezone.now()
            row.save()
        return True

    def run_alone(self, opened: ExitStack) -> None:
        """`run` in a thread of its own, where nobody would see an error; closes what is ``opened``."""
        try:
            with opened:
                self.run()
        except Exception as error:
            refusal = no_room.refusal_of(error)
            if refusal is None:
                # Its row stays, and says after a while that it was not read to its end.
                logger.exception("draft %s: an archive was not read to its end", self.draft.pk)
            else:
                self._end(self._row("problem", drafts.LEFT_OUT, f"{refusal.message} Then choose this ZIP again."))
        finally:
            connection.close()

    def run(self) -> None:
        """Add each picture, then put what was left out in the place of the row."""
        added = set(self._rows().values_list("key", flat=True))
        problem: DraftItem | None = None
        try:
            for number, member in enumerate(self.archive, 1):
                key = f"{self.key}/{number}"
                if key in added:
                    continue
                if not draft_items.has_room(self.draft):
                    problem = self._over_limit(number)
                    break
                if not self._add(member, key):
                    return
        except PublicError as error:
            # In the middle: what was read until then is good.
            problem = self._row("problem", drafts.LEFT_OUT, error.message)
        self._end(problem)

    def _add(self, member: Member, key: str) -> bool:
        """Add one picture; False where nobody wants the archive any more."""
        while True:
            if not self._beat():
                return False
            try:
                draft_items.add_picture(
                    self.draft, member.file, key=key, name=member.name, folder=member.folder, origin=self.name
                )
            except DraftOrderedBefore:
                # What was not read yet goes on in the next draft, where the archive's row is too.
                self.draft = drafts.begin(self.draft.team, self.draft.created_by)
            except Batch.DoesNotExist:
                return False
            except PublicError as error:
                if error.permanent:
                    raise
                time.sleep(BUSY_PAUSE)
            else:
                return True

    def _beat(self) -> bool:
        """Say that it is read on; False where somebody took the row out."""
        now = timezone.now()
        row = DraftItem.objects.filter(batch=self.draft, key=self.key)
        if now - self.beaten_at < BEAT:
            return row.exists()
        self.beaten_at = now
        return bool(row.update(created_at=now))

    def _end(self, problem: DraftItem | None) -> None:
        rows = [
            self._row(left.kind, drafts.LEFT_OUT, _in_words(left.reason, left.count, left.names))
            for left in self.archive.left_out
            if left.kind != "system"
        ]
        rows += [problem] if problem is not None else []
        with drafts.changing(self.draft) as locked:
            locked.items.filter(key=self.key).delete()
        draft_items.add_many(self.draft, rows)

    def _over_limit(self, number: int) -> DraftItem:
        count = len(self.archive) - number + 1
        message = (
            f"{count:,} of its {len(self.archive):,} pictures found no room: a batch takes at most "
            f"{settings.MAX_BATCH:,}. Send these first, then choose the ZIP again."
        )
        return self._row("over", drafts.LEFT_OUT, message)

    def _row(self, kind: str, problem: str, message: str) -> DraftItem:
        return DraftItem(
            batch=self.draft,
            key=f"{self.key}/{kind}",
            source=DraftItem.Source.UPLOAD,
            name=self.name,
            problem=problem,
            problem_message=message,
        )

    def _rows(self) -> QuerySet[DraftItem]:
        return self.draft.items.filter(key__startswith=f"{self.key}/")


def _in_words(reason: str, count: int, names: list[str]) -> str:
    shown = ", ".join(f"“{name}”" for name in names)
    more = f" and {count - len(names):,} more" if count > len(names) else ""
    return f"{count:,} left out: {shown}{more}. {reason}"


def _own(file: IO[bytes]) -> IO[bytes]:
    """The same content for a reader that lives longer than the request: its temporary file ends with it."""
    try:
        number = file.fileno()
    except (AttributeError, io.UnsupportedOperation):
        file.seek(0)
        return io.BytesIO(file.read())
    return os.fdopen(os.dup(number), "rb")
