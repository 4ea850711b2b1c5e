"""The rules of a new share link, for page and API."""

from __future__ import annotations

from typing import Any

from django import forms

from upscaler.models import Batch, Upscale
from upscaler.sharing import links

NOT_COMPARABLE = (
    "Only a finished result that can be compared with its original can be shared, and this is none: it may still be "
    "under way, deleted, refunded or in the archive."
)
CHOICES = [(str(days), "1 day" if days == 1 else f"{days} days") for days in links.DAYS]


class ShareForm(forms.Form):
    """What people see above the pictures, how long, and what they may do."""

    label = forms.CharField(
        max_length=links.MAX_LABEL_LENGTH,
        error_messages={
            "required": "Give the link a name. Whoever opens it reads it above the pictures.",
            "max_length": f"The name may have {links.MAX_LABEL_LENGTH} letters at most.",
        },
    )
    days = forms.ChoiceField(
        choices=CHOICES,
        initial=str(links.USUAL_DAYS),
        error_messages={
            "required": "Choose how long the link works.",
            "invalid_choice": f"A link works for {', '.join(map(str, links.DAYS[:-1]))} or {links.DAYS[-1]} days.",
        },
    )
    may_decide = forms.BooleanField(required=False)
    may_download = forms.BooleanField(required=False)

    def __init__(self, *args: Any, shows: Upscale | Batch, **kwargs: Any) -> None:
        self.shows = shows
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any] | None:
        if isinstance(self.shows, Upscale) and not self.can_share(self.shows):
            raise forms.ValidationError(NOT_COMPARABLE, code="not_comparable")
        return super().clean()

    @staticmethod
    def can_share(upscale: Upscale) -> bool:
        """Whether a link could show it."""
        return upscale.can_compare and upscale.archived_at is None

    @property
    def options(self) -> dict[str, Any]:
        """What `links.make` takes of it, once it is valid."""
        return {**self.cleaned_data, "days": int(self.cleaned_data["days"])}
