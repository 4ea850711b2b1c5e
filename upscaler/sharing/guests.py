"""What people without an account decide about results, by a link that lets them."""

from __future__ import annotations

from django import forms
from django.http import HttpRequest

from upscaler.errors import PublicError
from upscaler.models import ShareLink, Upscale
from upscaler.queue import dispatch
from upscaler.review import decisions

MAX_NAME_LENGTH = 80
DECIDED = "This picture was decided already, so yours was not taken. Tell who sent the link if you see it differently."


class DecisionForm(forms.Form):
    """Who decides, what, and why."""

    name = forms.CharField(
        max_length=MAX_NAME_LENGTH,
        error_messages={
            "required": "Give your name, so that whoever sent the link knows who decided.",
            "max_length": f"Your name may have {MAX_NAME_LENGTH} letters at most.",
        },
    )
    decision = forms.ChoiceField(
        choices=[("approve", "Approve"), ("reject", "Reject")],
        error_messages={
            "required": "Choose “Approve” or “Reject”.",
            "invalid_choice": "Choose “Approve” or “Reject”.",
        },
    )
    note = forms.CharField(
        required=False,
        max_length=decisions.MAX_NOTE_LENGTH,
        error_messages={"max_length": f"The note may have {decisions.MAX_NOTE_LENGTH} letters at most."},
    )


def may_decide(link: ShareLink) -> bool:
    """Whether the link's holder may approve and reject: as long as whoever made it may."""
    return link.may_decide and link.made_by is not None and decisions.may_review(link.team, link.made_by)


def decide(link: ShareLink, upscale: Upscale, form: DecisionForm, *, request: HttpRequest) -> None:
    """Approve or reject as the valid ``form`` says. Raises PublicError, whose words name nobody of the team.

    The link is one that may decide; that it still works is asked by whoever opened it.
    """
    try:
        decisions.decide(
            upscale=upscale,
            approve=form.cleaned_data["decision"] == "approve",
            note=form.cleaned_data["note"],
            guest_name=_signed(form.cleaned_data["name"], link),
            request=request,
        )
    except PublicError as refusal:
        if refusal.code == "decided_before":
            # The reviews' own words name who did.
            raise PublicError(DECIDED, code=refusal.code) from None
        raise
    dispatch.reviews()


def _signed(name: str, link: ShareLink) -> str:
    """The guest's name with the link's, as much of that as there is room for."""
    label = f", “{link.label}”"
    room = decisions.MAX_GUEST_NAME - len(name)
    return name + (label if len(label) <= room else f"{label[: room - 2]}…”")
