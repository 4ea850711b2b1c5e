"""What people say of a watched folder: where it is, and what becomes of its pictures and results."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from upscaler import fetching, result_names, upscaling_models
from upscaler.batches import draft_skus, sku
from upscaler.errors import PublicError
from upscaler.models import Team, WatchedFolder
from upscaler.ordering.forms import ChoiceForm
from upscaler.watching import places, roots

Kind = WatchedFolder.Kind
WHERE = ("root", "path", "bucket", "endpoint")
"""Fields that stay as they were when the folder was made."""
NO_ENDPOINT = "This is no address of a server. It looks like https://s3.example.com, without anything after the host."


class FolderForm(ChoiceForm):
    """A watched folder, with the fields of every order beside its own.

    After ``is_valid()``, `fill` writes them into the row. ``folder``: the one that is changed; None for a new one.
    """

    name = forms.CharField(
        label="Name",
        max_length=100,
        error_messages={"required": "Give the folder a name that your team knows it by."},
    )
    root = forms.CharField(label="Root", required=False)
    path = forms.CharField(
        label="Folder", required=False, max_length=500, help_text="Under the root, like shop/incoming."
    )
    bucket = forms.CharField(label="Bucket", required=False, max_length=100)
    endpoint = forms.CharField(
        label="Server", required=False, max_length=500, help_text="Like https://s3.example.com; empty for Amazon’s."
    )
    region = forms.CharField(label="Region", required=False, max_length=50, help_text="Like eu-central-1.")
    access_key_id = forms.CharField(label="Access key", required=False, max_length=200)
    secret_key = forms.CharField(
        label="Secret",
        required=False,
        max_length=500,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
    )
    sku_pattern = forms.CharField(
        label="SKU in the names",
        required=False,
        help_text="Like {sku}_{view}, or the word folder for the name of its folder. Empty for none.",
    )
    put_to = forms.CharField(
        label="Results go to",
        max_length=500,
        initial="done",
        help_text="A folder in the watched one, like done. Begun with /, like /finished, it is looked for from the "
        "root or the bucket’s beginning on.",
        error_messages={"required": "Say where results go, like done."},
    )
    template = forms.CharField(
        label="Results are called",
        max_length=result_names.MAX_TEMPLATE_LENGTH,
        help_text="Made of " + ", ".join(f"{{{word}}}" for word in result_names.WORDS) + ".",
        error_messages={"required": "Say how results are called, like {name}."},
    )
    daily_credits = forms.IntegerField(
        label="Credits a day", required=False, min_value=1, max_value=10**9, help_text="At most; empty for no limit."
    )

    def __init__(self, *args: Any, team: Team, kind: str, folder: WatchedFolder | None = None, **kwargs: Any) -> None:
        super().__init__(*args, team=team, **kwargs)
        self.kind, self.folder = kind, folder
        if kind == Kind.S3:
            del self.fields["root"]
            self.fields["path"].label, self.fields["path"].help_text = "Prefix", "In the bucket, like shop/incoming."
            for name in ("bucket", "access_key_id"):
                self.fields[name].required = True
            self.fields["bucket"].error_messages["required"] = "Give the bucket’s name."
            self.fields["access_key_id"].error_messages["required"] = "Give the access key."
            if folder is not None:
                self.fields["secret_key"].help_text = "Empty keeps the one that is there."
        else:
            for name in ("bucket", "endpoint", "region", "access_key_id", "secret_key"):
                del self.fields[name]
        if folder is not None:
            for name in WHERE:
                self.fields.pop(name, None)

    def clean_root(self) -> str:
        name: str = self.cleaned_data["root"]
        if name not in roots.names():
            raise ValidationError(f"Choose a root: {', '.join(roots.names()) or 'this desk has none'}.", code="enum")
        return name

    def clean_path(self) -> str:
        return "/".join(self._parts("path"))

    def clean_put_to(self) -> str:
        given: str = self.cleaned_data["put_to"].strip()
        parts = self._parts("put_to")
        return f"/{'/'.join(parts)}" if given.startswith("/") else "/".join(parts)

    def _parts(self, name: str) -> list[str]:
        try:
            return places.parts_of(self.cleaned_data[name])
        except PublicError as error:
            raise ValidationError(error.message.replace("%", "%%"), code=error.code) from None

    def clean_bucket(self) -> str:
        name: str = self.cleaned_data["bucket"].strip()
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{1,99}", name):
            raise ValidationError(
                "This is no bucket’s name: it has letters, digits, dots and dashes alone.", code="bucket"
            )
        return name

    def clean_endpoint(self) -> str:
        given: str = self.cleaned_data["endpoint"].strip().rstrip("/")
        if not given:
            return ""
        if not re.fullmatch(r"https?://[^/?#@\s]+", given, re.IGNORECASE):
            raise ValidationError(NO_ENDPOINT, code="url_parsing")
        try:
            fetching.check_url(given)
        except PublicError as error:
            reasons = {
                "url_private": "This address is inside a private network, which the desk does not open. Give a public "
                "one, or ask those who run this desk to allow it.",
                "url_port": "The desk opens the ports 80 and 443 alone. Give an address with one of these, or ask "
                "those who run this desk to allow it.",
            }
            raise ValidationError(reasons.get(error.code, NO_ENDPOINT), code=error.code) from None
        return given

    def clean_region(self) -> str:
        name: str = self.cleaned_data["region"].strip()
        if not re.fullmatch(r"[a-z0-9-]*", name):
            raise ValidationError("This is no region. It looks like eu-central-1.", code="region")
        return name

    def clean_access_key_id(self) -> str:
        return self._plain("access_key_id")

    def clean_secret_key(self) -> str:
        secret = self._plain("secret_key")
        if not secret and self.folder is None:
            raise ValidationError("Give the secret of the access key.", code="required")
        return secret

    def _plain(self, name: str) -> str:
        given: str = self.cleaned_data[name].strip()
        if not re.fullmatch(r"[!-~]*", given):
            raise ValidationError("It holds blanks or letters that no key has. Copy it again.", code="key")
        return given

    def clean_sku_pattern(self) -> str:
        pattern: str = self.cleaned_data["sku_pattern"].strip()
        if pattern not in ("", draft_skus.FOLDER):
            self._checked(lambda: sku.compile(pattern))
        return pattern

    def clean_template(self) -> str:
        template: str = self.cleaned_data["template"].strip()
        self._checked(lambda: result_names.compile(template))
        return template

    def _checked(self, read: Any) -> None:
        try:
            read()
        except PublicError as error:
            raise ValidationError(error.message.replace("%", "%%"), code=error.code) from None

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        limit, model = data.get("daily_credits"), upscaling_models.MODELS.get(data.get("model_name", ""))
        if limit is not None and model is not None and limit < model.credits:
            self.add_error(
                "daily_credits", f"One picture costs {model.credits} credits, so nothing could be ordered. Give more."
            )
        return data

    def fill(self, folder: WatchedFolder) -> None:
        """Write what was said into the row. Of the settings the factor only where one was chosen."""
        data = self.cleaned_data
        for name in ("name", *WHERE, "region", "access_key_id", "sku_pattern", "put_to", "template", "daily_credits"):
            if name in data and name in self.fields:
                setattr(folder, name, data[name])
        if data.get("secret_key"):
            folder.secret_key = data["secret_key"]
        folder.model_name, folder.result_format = data["model_name"], data["result_format"]
        folder.channels = [channel.id for channel in self.chosen_channels]
        folder.settings = dict(data["generation_settings"])
        if self.chosen_channels and not self.is_factor_given:
            folder.settings.pop(upscaling_models.FACTOR_KEY, None)
