"""The submit page as browsers without scripts send it: files go into the draft, and what is ready is ordered."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from upscaler import no_room
from upscaler.batches import draft_intake, draft_items, draft_order, draft_review, drafts
from upscaler.batches.draft_review import Choice
from upscaler.errors import PublicError
from upscaler.imaging.decoding import Patience
from upscaler.models import Batch, DraftItem, Upscale
from upscaler.ordering.forms import SOURCES_IN_WORDS, ChoiceForm
from upscaler.ordering.new_batches import DraftOrderedBefore
from upscaler.ordering.submission import Known
from upscaler.views.access import TeamRequest

logger = logging.getLogger(__name__)

STORAGE_TROUBLE = (
    "The desk could not store the pictures just now. Nothing was charged. Try again in a while; "
    "if it stays so, tell an admin."
)


@dataclass
class Outcome:
    """What came of a submit: it may be some of each."""

    sent: list[Upscale] = field(default_factory=list)
    known: list[Known] = field(default_factory=list)
    problems: list[dict[str, str]] = field(default_factory=list)

    def refuse(self, message: str, *, name: str = "") -> None:
        """Add a problem, once; ``name`` is the picture's where it is about one."""
        problem = {"name": name, "message": message}
        if problem not in self.problems:
            self.problems.append(problem)


def waiting(request: TeamRequest) -> int:
    """How many pictures wait in the person's draft; 0 where the page was shown when there were others."""
    draft = drafts.find_draft(request.team, request.user)
    count = drafts.items_of(draft).count() if draft is not None else 0
    return count if request.POST.get("waiting", "") == str(count) else 0


def names_source(request: TeamRequest) -> bool:
    """Whether the form names a picture that is no file."""
    return bool(request.POST.get("image_url", "").strip() or request.POST.get("generation_result_id", "").strip())


def send(request: TeamRequest, outcome: Outcome) -> None:
    """Put the files into the draft, and order what is ready: of the files alone, or of all that the page has shown."""
    uploads = request.FILES.getlist("image")
    choice = _choice(request, outcome)
    if len(uploads) > settings.MAX_FILES:
        outcome.refuse(f"These are {len(uploads)} pictures; send at most {settings.MAX_FILES} at once.")
    if uploads and names_source(request):
        outcome.refuse(f"Give one picture, not 2: {SOURCES_IN_WORDS}.")
    if choice is None or outcome.problems:
        return
    takes_all = bool(waiting(request))
    patience = Patience()
    rows = []
    for upload in uploads:
        rows += _put_in(request, upload, outcome, patience)
    if any(row.problem == drafts.READING for row in rows):
        outcome.refuse("The ZIP is still being read. Its pictures wait on the desk: reload this page after a while.")
        return
    try:
        _order(request, choice, None if takes_all else rows, outcome)
    except (draft_order.Changed, PublicError) as error:
        outcome.problems.insert(0, {"name": "", "message": error.message})
    except OSError as error:
        said = no_room.sentence(error, STORAGE_TROUBLE, logger=logger, doing="an order could not be stored")
        outcome.problems.insert(0, {"name": "", "message": said})


def _put_in(request: TeamRequest, upload: Any, outcome: Outcome, patience: Patience) -> list[DraftItem]:
    key, name, host = draft_items.new_key(), upload.name or "picture", request.get_host()
    while True:
        draft = drafts.begin(request.team, request.user)
        try:
            added = draft_intake.add_file(draft, upload, key=key, name=name, host=host, patience=patience)
        except DraftOrderedBefore:
            continue  # In another tab, meanwhile: the file waits in the next draft.
        except PublicError as error:
            outcome.refuse(error.message, name=name)
            return []
        except OSError as error:
            said = no_room.sentence(error, STORAGE_TROUBLE, logger=logger, doing="an upload could not be stored")
            outcome.refuse(said)
            return []
        return [*added.items, *added.left_out]


def _order(request: TeamRequest, choice: Choice, only: list[DraftItem] | None, outcome: Outcome) -> None:
    """Order what is ready, and let go of the rest, which is told. Raises as `draft_order.order` does."""
    was_given = bool(only)
    while True:
        draft = drafts.begin(request.team, request.user)
        if only is not None:
            # Where the draft was ordered meanwhile, they wait in the next one, or were ordered with it.
            taken_by = {row.batch_id for row in only}
            only = list(draft.items.filter(pk__in=[row.pk for row in only]))
            if was_given and not only:
                outcome.sent += Upscale.objects.filter(team=request.team, batch__in=taken_by).order_by("pk")
                return
        review = draft_review.review(draft, choice, only=only)
        try:
            if review.orders:
                sent, review = draft_order.order(draft, choice, user=request.user, only=only, request=request)
                outcome.sent += sent
        except DraftOrderedBefore as before:
            # By a second click, or by this one where the answer to its COMMIT was lost: it is the same batch.
            if only is None:
                outcome.sent += before.batch.upscales.order_by("pk")
                return
            continue
        except Batch.DoesNotExist:
            continue
        except draft_order.Changed as changed:
            if any(row.problem == drafts.READING for row in changed.review.left_out):
                raise
            continue
        except PublicError:
            _tell(draft, review, outcome)
            raise
        _tell(draft, review, outcome)
        return


def _tell(draft: Batch, review: draft_review.Review, outcome: Outcome) -> None:
    """Say what was not sent, and offer what the team has made already; with that the list is done with them."""
    for judged in review.items:
        if judged.state == draft_review.MADE and judged.known is not None:
            outcome.known.append(Known(judged.known, judged.item.name, review.choice.model.credits))
        elif not draft_order.is_sent(judged):
            outcome.refuse(judged.message, name=judged.item.name)
    for row in review.left_out:
        outcome.refuse(row.problem_message, name=row.name)
    told = [judged.item for judged in review.items if not draft_order.is_sent(judged)] + review.left_out
    with suppress(DraftOrderedBefore, Batch.DoesNotExist):
        drafts.remove(draft, [row.pk for row in told])


def _choice(request: TeamRequest, outcome: Outcome) -> Choice | None:
    form = ChoiceForm(request.POST, team=request.team)
    if form.is_valid():
        return draft_review.chosen(form)
    for errors in form.errors.values():
        for message in errors:
            outcome.refuse(str(message))
    return None
