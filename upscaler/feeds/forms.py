"""What people say about a feed: where it is, and which channels its pictures are for."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError

from upscaler.errors import PublicError
from upscaler.feeds import limits
from upscaler.fetching import addresses
from upscaler.models import Team

MAX_TEXT = 1_000_000
"""Characters of a pasted list; a file may have any number."""
MAX_NAME = 100
ONE_SOURCE = "Give one of the three: a file, the feed’s address, or a list of addresses."


class SourceForm(forms.Form):
    """A file, an address or a pasted list; with ``is_needed=False`` also none of them, for what is known already."""

    file = forms.FileField(required=False, allow_empty_file=True)
    address = forms.CharField(required=False, max_length=addresses.MAX_SIGNED_URL_LENGTH)
    text = forms.CharField(required=False, max_length=MAX_TEXT, strip=False)
    channels = forms.MultipleChoiceField(required=False)
    is_needed = False

    def __init__(self, *args: Any, team: Team, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(channel.id, channel.title) for channel in limits.known(team).values()]
        self.fields["channels"].choices = choices  # type: ignore[attr-defined]

    def clean_file(self) -> Any:
        """Refuse a file that is empty or larger than is read."""
        file = self.cleaned_data["file"]
        if file is None:
            return None
        if file.size > settings.FEED_MAX_BYTES:
            raise ValidationError(
                f"The feed has {file.size / 1e6:,.0f} MB; the limit is {settings.FEED_MAX_BYTES / 1e6:,.0f} MB. Pack "
                "it as .gz, or split it into several.",
                code="too_large",
            )
        if not file.size:
            raise ValidationError("The feed is empty: it has 0 bytes. Export it again.", code="feed_empty")
        return file

    def clean_address(self) -> str:
        """Refuse what is no address, or leads inside the operator's network."""
        address: str = self.cleaned_data["address"].strip()
        if address:
            try:
                addresses.checked(address, max_length=addresses.MAX_SIGNED_URL_LENGTH)
            except PublicError as error:
                message = error.message.replace("the address of a picture on the web", "the address of a feed")
                raise ValidationError(message.replace("shirt.jpg", "feed.xml"), code=error.code) from None
        return address

    def clean(self) -> dict[str, Any]:
        """Of the three there may be one."""
        values = self.cleaned_data
        given = [bool(values.get(name)) for name in ("file", "address")] + [bool(values.get("text", "").strip())]
        if not self.errors and (sum(given) > 1 or (self.is_needed and not any(given))):
            raise ValidationError(ONE_SOURCE, code="one_source")
        return values


class NewFeedForm(SourceForm):
    """A new feed."""

    is_needed = True
    name = forms.CharField(required=False, max_length=MAX_NAME)

    def clean_channels(self) -> list[str]:
        """Google's where none is chosen: against nothing there is nothing to check."""
        return self.cleaned_data["channels"] or list(limits.DEFAULT)
