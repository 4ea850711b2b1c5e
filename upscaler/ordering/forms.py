"""Every rule about what may be ordered, once, for the page and the API alike.

Each refusal has a code, the same on both ways in: Pydantic's names (``missing``, ``enum``, ``extra_forbidden`` ...)
where there is one, because the contract's API speaks that way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError

from upscaler import fetching, file_names, picture_formats, upscaling_models
from upscaler.channels import table
from upscaler.channels.table import Channel
from upscaler.engines import offer
from upscaler.engines.base import KnownResult
from upscaler.errors import PublicError
from upscaler.form_fields import WholeNumberField
from upscaler.imaging import intake
from upscaler.imaging.decoding import Patience
from upscaler.models import MAX_ID, Team, Upscale
from upscaler.ordering import for_channels, results
from upscaler.ordering.lookup import Lookup
from upscaler.ordering.submission import NewUpscale, Upload
from upscaler.processing import source_reference
from upscaler.storage import pictures, signed_links
from upscaler.storage.pictures import StoredPicture
from upscaler.text import format_datetime

SOURCES_IN_WORDS = "upload a file, give the address of a picture, or choose an earlier result"
MAX_SETTINGS = 30
"""More than any model has, and few enough to answer for each."""
MAX_SKU_LENGTH = 100
"""Characters of a product's name in the shop."""
MAX_REFERENCE_LENGTH = 100
"""Characters of what a program calls its order."""
TOO_LONG = "This {what} has %(show_value)d characters; the limit is %(limit_value)d. Shorten it."


class SettingsWidget(forms.Widget):
    """Reads ``generation_settings`` as the API sends it, or gathers it from the page's own controls.

    The page always sends the controls of every model; only those of the chosen model count, since the others
    were not in sight.
    """

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        if name in data:
            return data[name]
        model = upscaling_models.MODELS.get(data.get("model_name", ""))
        if model is None:
            return None
        given = {setting.key: data[setting.key] for setting in model.settings if setting.key in data}
        if not given.get(upscaling_models.FACTOR_KEY, True):
            # "As much as the shops need".
            del given[upscaling_models.FACTOR_KEY]
        return given


class SettingsField(forms.Field):
    """The raw settings as a map; `UpscaleForm.clean` checks them, because the rules depend on the model."""

    widget = SettingsWidget

    def to_python(self, value: Any) -> dict[str, Any]:
        if value is None or value == "":
            return {}
        if not isinstance(value, dict):
            raise ValidationError("generation_settings must be a map of names to values.", code="dict_type")
        return value


class ChannelsWidget(forms.Widget):
    """Reads ``channels`` as a list of the API's, or as the page's ticked boxes."""

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        return data.getlist(name) if hasattr(data, "getlist") else data.get(name)


class ChannelsField(forms.Field):
    """Ids of channels, each once; `ChoiceForm` knows which ones there are."""

    widget = ChannelsWidget

    def to_python(self, value: Any) -> list[str]:
        if value is None or value == "":
            return []
        if not isinstance(value, list) or not all(isinstance(id_, str) for id_ in value):
            raise ValidationError("channels must be a list of ids of channels, such as zalando.", code="list_type")
        return list(dict.fromkeys(id_ for id_ in value if id_))


class ChoiceForm(forms.Form):
    """What is to be made of pictures: a model, its settings, the result's format, and the shops that it goes to.

    After ``is_valid()``, ``chosen_channels`` are these, and ``is_factor_given`` says whether a factor was chosen.
    """

    model_name = forms.CharField()
    generation_settings = SettingsField(required=False)
    result_format = forms.CharField(required=False, empty_value="")
    channels = ChannelsField(required=False)

    def __init__(self, *args: Any, team: Team, lookup: Lookup | None = None, **kwargs: Any) -> None:
        """``lookup``: what knows the team's channels, and the sources of many orders, already."""
        super().__init__(*args, **kwargs)
        self.fields["model_name"].error_messages["required"] = f"Choose a model: {offer.in_words()}."
        self.team = team
        self.lookup = lookup or Lookup(team=team)
        self.chosen_channels: tuple[Channel, ...] = ()
        self.is_factor_given = False

    def clean_channels(self) -> list[str]:
        ids: list[str] = self.cleaned_data["channels"]
        known = self.lookup.channels if ids else {}
        try:
            self.chosen_channels = tuple(table.channel(id_, known) for id_ in ids)
        except PublicError as error:
            raise ValidationError(error.message, code=error.code) from None
        return ids

    def clean_model_name(self) -> str:
        name: str = self.cleaned_data["model_name"]
        try:
            return offer.find(name).name
        except PublicError as error:
            raise ValidationError(error.message, code=error.code) from None

    def clean_result_format(self) -> str:
        name = self.cleaned_data["result_format"]
        if name and name not in picture_formats.RESULT_FORMATS:
            raise ValidationError(
                f"Results are saved as {', '.join(picture_formats.RESULT_FORMATS)}, not as "
                f"“{upscaling_models.shortened(name)}”. Leave result_format empty to keep the picture's own format.",
                code="enum",
            )
        return name

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        model = upscaling_models.MODELS.get(data.get("model_name", ""))
        if model is not None and "generation_settings" in data:
            data["generation_settings"] = self._complete_settings(model, data["generation_settings"])
        return data

    def _complete_settings(self, model: upscaling_models.UpscalingModel, given: dict[str, Any]) -> dict[str, Any]:
        complete = model.defaults
        if len(given) > MAX_SETTINGS:
            message = f"{len(given):,} settings were given; {model.name} has {len(model.settings)}."
            self.add_error("generation_settings", ValidationError(message, code="too_long"))
            return complete
        self.is_factor_given = upscaling_models.FACTOR_KEY in given
        for key, raw in given.items():
            try:
                complete[key] = model.clean(key, raw)
            except PublicError as error:
                # Django puts the params into the message: a % that somebody typed must stay one.
                message = error.message.replace("%", "%%")
                refusal = ValidationError(message, code=error.code, params={"setting": key})
                self.add_error("generation_settings", refusal)
        return complete


class UpscaleForm(ChoiceForm):
    """One order: exactly one source, a model and its settings.

    After ``is_valid()``, ``order`` is what `submission.submit` takes. The data may be a request's POST or a plain dict
    with the API's fields. ``kept`` is a source that is in the desk's storage already, in place of one in the data.
    """

    image = forms.FileField(required=False, allow_empty_file=True, max_length=None)
    image_url = forms.CharField(required=False, empty_value="")
    generation_result_id = WholeNumberField(
        required=False,
        min_value=0,
        max_value=MAX_ID,
        error_messages={"invalid": "generation_result_id must be a whole number."},
    )
    name = forms.CharField(
        required=False,
        empty_value="",
        max_length=file_names.MAX_LENGTH,
        error_messages={"max_length": TOO_LONG.format(what="name")},
    )
    sku = forms.CharField(
        required=False,
        empty_value="",
        max_length=MAX_SKU_LENGTH,
        error_messages={"max_length": TOO_LONG.format(what="SKU")},
    )
    reference = forms.CharField(
        required=False,
        empty_value="",
        strip=False,
        max_length=MAX_REFERENCE_LENGTH,
        error_messages={"max_length": TOO_LONG.format(what="reference")},
    )
    field_order = ("image", "image_url", "generation_result_id")

    def __init__(
        self,
        *args: Any,
        team: Team,
        kept: StoredPicture | None = None,
        host: str = "",
        lookup: Lookup | None = None,
        patience: Patience | None = None,
        before: Upscale | None = None,
        **kwargs: Any,
    ) -> None:
        """``host``: as the request calls this desk, with its port; empty where there is none.

        ``lookup``: what knows the sources of many orders already. ``patience``: what all orders of a request share.
        ``before``: the upscale that is ordered once more, which says whether it is enlarged at all, and who tells by
        how much.
        """
        super().__init__(*args, team=team, lookup=lookup or Lookup(team=team, host=host), **kwargs)
        self.kept = kept
        self.patience = patience
        self.before = before
        self.order: NewUpscale | None = None

    def clean_image(self) -> Any:
        upload = self.cleaned_data.get("image")
        if upload is None:
            return None
        self._check_reach()
        try:
            self.examined = intake.examine_source(upload, name=upload.name, patience=self.patience)
        except PublicError as error:
            raise ValidationError(error.message, code=error.code) from None
        return upload

    def clean_image_url(self) -> str:
        url = self.cleaned_data["image_url"].strip()
        self.link = self.lookup.link(url)
        if self.link is not None:
            return self._check_own_link(url, self.link)
        if url:
            try:
                fetching.check_url(url)
            except PublicError as error:
                raise ValidationError(error.message, code=error.code) from None
        return url

    def _check_reach(self) -> None:
        """A remote engine fetches our files itself, so it must be able to."""
        if refusal := source_reference.why_no_uploads():
            raise ValidationError(refusal, code="public_url_missing")

    def _check_own_link(self, url: str, link: signed_links.Link) -> str:
        self._check_reach()
        if len(url) > fetching.MAX_URL_LENGTH:
            raise ValidationError("The address of this upload is too long. Rename the file.", code="url_too_long")
        if link.team_id != self.team.pk:
            raise ValidationError("This link belongs to another team. Upload the picture again.", code="not_found")
        if why := self.lookup.why_closed(link):
            refusal = results.closed(why)
            raise ValidationError(refusal.message, code=refusal.code)
        if not link.is_alive:
            raise ValidationError(
                f"This link ran out on {format_datetime(link.expires_at)}. Upload the picture again.", code="expired"
            )
        return url

    def clean_generation_result_id(self) -> Upscale | KnownResult | None:
        result_id = self.cleaned_data.get("generation_result_id")
        if not result_id:
            return None
        try:
            return self.lookup.result(result_id)
        except PublicError as refusal:
            raise ValidationError(refusal.message, code=refusal.code) from None

    def clean_name(self) -> str:
        return file_names.cleaned(self.cleaned_data["name"], fallback="")

    def clean_sku(self) -> str:
        return file_names.without_spoofing(self.cleaned_data["sku"]).strip()

    def clean(self) -> dict[str, Any]:
        self._check_one_source()
        data = super().clean()
        model = upscaling_models.MODELS.get(data.get("model_name", ""))
        if not self.errors and model is not None:
            order = self._order(model)
            planned = for_channels.planned(order, self.chosen_channels, is_factor_given=self.is_factor_given)
            self.order = planned.order
            if (before := self.before) is not None:
                self.order = replace(
                    self.order, is_only_fitted=before.is_only_fitted, is_factor_open=before.is_factor_open
                )
            for error in size_errors(self.order, is_kept=self.kept is not None):
                self.add_error(None, ValidationError(error.message, code=error.code))
        return data

    def _check_one_source(self) -> None:
        fields = ("image", "image_url", "generation_result_id")
        # A source that was refused counts as given: one message about it is enough.
        given = [name for name in fields if name in self.errors or self.cleaned_data.get(name)]
        given += ["kept"] if self.kept is not None else []
        if not given:
            self.add_error(
                None, ValidationError(f"There is no picture yet: {SOURCES_IN_WORDS}.", code="source_missing")
            )
        elif len(given) > 1:
            message = f"Give one picture, not {len(given)}: {SOURCES_IN_WORDS}."
            self.add_error(None, ValidationError(message, code="source_ambiguous"))

    def _order(self, model: upscaling_models.UpscalingModel) -> NewUpscale:
        order = self._order_of_source(model)
        name = self.cleaned_data["name"]
        return replace(order, source_name=name) if name else order

    def _order_of_source(self, model: upscaling_models.UpscalingModel) -> NewUpscale:
        data = self.cleaned_data
        common: dict[str, Any] = {
            "model_name": model.name,
            "settings": data["generation_settings"],
            "requested_format": data["result_format"],
            "sku": data["sku"],
            "reference": data["reference"],
        }
        if self.kept is not None:
            return NewUpscale(source=Upscale.Source.UPLOAD, source_name="", stored=self.kept, **common)
        if data["image"]:
            return NewUpscale(
                source=Upscale.Source.UPLOAD,
                source_name=data["image"].name,
                upload=Upload(data["image"], self.examined),
                **common,
            )
        if isinstance(result := data["generation_result_id"], KnownResult):
            return NewUpscale(
                source=Upscale.Source.RESULT,
                source_name=fetching.file_name(result.url),
                source_url=result.url,
                source_result_number=result.result_id,
                **common,
            )
        if result:
            return NewUpscale(
                source=Upscale.Source.RESULT,
                source_name=result.source_name,
                source_result=result,
                stored=pictures.result_of(result),
                **common,
            )
        if self.link is not None:
            return NewUpscale(
                source=Upscale.Source.UPLOAD,
                source_name=self.link.name,
                source_url=data["image_url"],
                stored=self.link.picture,
                **common,
            )
        return NewUpscale(
            source=Upscale.Source.URL,
            source_name=fetching.file_name(data["image_url"]),
            source_url=data["image_url"],
            **common,
        )


def size_errors(order: NewUpscale, *, is_kept: bool) -> list[PublicError]:
    """The limits of pixels that the order breaks. What ``is_kept`` may be from a time of other limits."""
    if order.source_size is None:
        return []  # A web address: checked once it is fetched.
    width, height = order.source_size
    errors = []
    if is_kept and width * height > settings.MAX_SOURCE_PIXELS:
        message = (
            f"The picture has {width:,} × {height:,} pixels; the limit is {settings.MAX_SOURCE_PIXELS / 1e6:.0f} "
            "megapixels. Make it smaller, and upload that."
        )
        errors.append(PublicError(message, code="too_many_pixels"))
    if order.is_factor_open:
        return errors  # It may well be only fitted; whoever tells the factor asks again.
    try:
        most = settings.MAX_RESULT_PIXELS
        intake.check_result_size(width, height, order.factor, max_pixels=most, models=offer.models())
    except PublicError as error:
        errors.append(error)
    return errors
