"""The form for a channel of a team's own."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

from django import forms
from django.utils import timezone

from upscaler.channels import names
from upscaler.channels.encode import WRITTEN
from upscaler.channels.table import LIGHT_GREY, WHITE, Channel, rules
from upscaler.errors import PublicError
from upscaler.form_fields import WholeNumberField
from upscaler.picture_formats import FORMATS

MAX_SIDE, MAX_MB = 20_000, 100
READ = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP")
BY_FORMAT = {f"max_mb_{name.lower()}": name for name in READ}
"""The field of each format's own limit."""


def _side(label: str, *, required: bool = False) -> Any:
    wrong = f"{label}: a whole number of pixels, at most {MAX_SIDE:,}, or nothing."
    return WholeNumberField(
        label=label,
        required=required,
        min_value=1,
        max_value=MAX_SIDE,
        error_messages={"invalid": wrong, "min_value": wrong, "max_value": wrong},
    )


def _megabytes(label: str) -> forms.DecimalField:
    return forms.DecimalField(required=False, label=label, min_value=0, max_value=MAX_MB, decimal_places=6)


class ChannelForm(forms.Form):
    """A row of the table as people fill it in. An empty field is a limit that the shop does not name."""

    title = forms.CharField(max_length=60, label="Name", error_messages={"required": "Give the channel a name."})
    ratio_width = _side("Ratio, width")
    ratio_height = _side("Ratio, height")
    min_width = _side("Least width")
    min_height = _side("Least height")
    best_width = _side("Best width")
    best_height = _side("Best height")
    shrink_to_best = forms.BooleanField(required=False, label="Shrink larger pictures to the best size")
    max_width = _side("Largest width")
    max_height = _side("Largest height")
    max_megapixels = forms.DecimalField(
        required=False, label="Most megapixels", min_value=0.001, max_value=400, decimal_places=3
    )
    max_mb = _megabytes("Most MB")
    max_mb_jpeg = _megabytes("Most MB of a JPEG, if not the same")
    max_mb_png = _megabytes("Most MB of a PNG, if not the same")
    max_mb_webp = _megabytes("Most MB of a WebP, if not the same")
    max_mb_tiff = _megabytes("Most MB of a TIFF, if not the same")
    max_mb_gif = _megabytes("Most MB of a GIF, if not the same")
    max_mb_bmp = _megabytes("Most MB of a BMP, if not the same")
    min_kb = forms.DecimalField(required=False, label="Least KB", min_value=0, max_value=100_000, decimal_places=3)
    formats = forms.MultipleChoiceField(
        choices=[(name, FORMATS[name].title) for name in READ],
        widget=forms.CheckboxSelectMultiple,
        label="Formats",
        error_messages={"required": "Choose the formats that the shop takes."},
    )
    background = forms.ChoiceField(
        choices=[("", "Any"), (WHITE, "White (255, 255, 255)"), (LIGHT_GREY, "Light grey")],
        required=False,
        label="Background",
    )
    transparency = forms.BooleanField(required=False, label="Transparent pictures are taken")
    srgb = forms.BooleanField(required=False, label="Colours must be in sRGB")
    fill = WholeNumberField(required=False, min_value=1, max_value=100, label="Product fills at least, in %")
    dpi = WholeNumberField(required=False, min_value=1, max_value=2400, label="Resolution in dpi")
    size_without_margin = forms.BooleanField(required=False, label="The shop judges sizes without the margin")
    name_rule = forms.CharField(max_length=100, label="Rule for names")
    max_number = WholeNumberField(
        required=False, min_value=1, max_value=10_000, label="Most pictures of a product that have a name"
    )
    source = forms.URLField(
        max_length=300, assume_scheme="https", label="Where to check with the shop", widget=forms.TextInput
    )
    read_on = forms.DateField(
        label="Numbers as of",
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        error_messages={"invalid": "This is no date. Write it like 2027-01-31."},
    )
    notes = forms.CharField(max_length=500, required=False, label="Notes")

    def clean_name_rule(self) -> str:
        rule: str = self.cleaned_data["name_rule"]
        try:
            names.check_rule(rule)
        except PublicError as error:
            raise forms.ValidationError(error.message) from None
        return rule

    def clean_read_on(self) -> Any:
        day = self.cleaned_data["read_on"]
        if day > timezone.localdate():
            raise forms.ValidationError("This day is still to come. Give the day as of which the numbers hold.")
        return day

    def clean_formats(self) -> list[str]:
        chosen: list[str] = self.cleaned_data["formats"]
        if not set(chosen) & set(WRITTEN):
            raise forms.ValidationError("The desk writes no GIF and no BMP. Choose one more format.")
        return [name for name in READ if name in chosen]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        for first, second, what in (
            ("ratio_width", "ratio_height", "ratio"),
            ("min_width", "min_height", "least size"),
            ("best_width", "best_height", "best size"),
            ("max_width", "max_height", "largest size"),
        ):
            if bool(given.get(first)) != bool(given.get(second)) and not {first, second} & set(self.errors):
                self.add_error(second, f"The {what} needs width and height. Fill in both or none.")
        for small, large in (("min", "best"), ("best", "max"), ("min", "max")):
            for side in ("width", "height"):
                low, high = given.get(f"{small}_{side}"), given.get(f"{large}_{side}")
                if low and high and low > high:
                    self.add_error(f"{large}_{side}", f"{high:,} is less than {low:,} above. Change one of the two.")
        least = given.get("min_kb")
        for name in ("max_mb", *BY_FORMAT):
            most = given.get(name)
            if most and least and least * 1000 >= most * 1_000_000:
                self.add_error(name, "The file's largest size is below its smallest. Change one of the two.")
        return given

    def changed(self, channel: Channel) -> Channel:
        """The channel as the form has it. Once the form is valid."""
        given = self.cleaned_data
        ratio = (given["ratio_width"], given["ratio_height"]) if given["ratio_width"] else None
        colour = {WHITE: (255, 255, 255), LIGHT_GREY: (240, 240, 240)}.get(given["background"])
        if given["background"] == channel.background:
            colour = channel.background_colour
        by_format = {format_: _bytes(given[name]) for name, format_ in BY_FORMAT.items() if given[name]}
        fill = given["fill"] and given["fill"] / 100
        made = dataclasses.replace(
            channel,
            title=" ".join(given["title"].split()),
            ratio=ratio,
            min_width=given["min_width"] or 0,
            min_height=given["min_height"] or 0,
            best_width=given["best_width"],
            best_height=given["best_height"],
            shrink_to_best=given["shrink_to_best"],
            max_width=given["max_width"],
            max_height=given["max_height"],
            max_megapixels=_number(given["max_megapixels"]),
            max_bytes=_bytes(given["max_mb"]) if given["max_mb"] else None,
            max_bytes_by_format=by_format,
            min_bytes=int(given["min_kb"] * 1000) if given["min_kb"] else None,
            # The first one is preferred.
            formats=tuple(sorted(given["formats"], key=[*channel.formats, *READ].index)),
            background=given["background"],
            background_colour=colour,
            transparency=given["transparency"],
            colour_space="sRGB" if given["srgb"] else "",
            # In whole per cent it may have been rounded.
            fill=channel.fill if given["fill"] == _percent(channel.fill) else fill,
            dpi=given["dpi"],
            size_without_margin=given["size_without_margin"],
            name_rule=given["name_rule"],
            max_number=given["max_number"],
            source=given["source"],
            read_on=given["read_on"],
            notes=given["notes"],
        )
        # What the team has changed, nobody has compared.
        return made if rules(made) == rules(channel) else dataclasses.replace(made, compared_on=None)


def _bytes(megabytes: Decimal) -> int:
    return int(megabytes * 1_000_000)


def _megabytes_of(channel: Channel, format_: str) -> str | None:
    limit = channel.max_bytes_by_format.get(format_)
    return str(Decimal(limit) / 1_000_000) if limit else None


def _percent(share: float | None) -> int | None:
    return round(share * 100) if share else None


def _number(given: Decimal | None) -> int | float | None:
    if given is None:
        return None
    return int(given) if given == int(given) else float(given)


def initial(channel: Channel) -> dict[str, Any]:
    """What the form shows of a channel."""
    shown = {name: getattr(channel, name) or None for name in ChannelForm.base_fields if hasattr(channel, name)}
    return shown | {
        "ratio_width": channel.ratio and channel.ratio[0],
        "ratio_height": channel.ratio and channel.ratio[1],
        "formats": list(channel.formats),
        "max_mb": channel.max_bytes and str(Decimal(channel.max_bytes) / 1_000_000),
        **{name: _megabytes_of(channel, format_) for name, format_ in BY_FORMAT.items()},
        "min_kb": channel.min_bytes and str(Decimal(channel.min_bytes) / 1_000),
        "srgb": bool(channel.colour_space),
        "fill": _percent(channel.fill),
        "background": channel.background,
    }
