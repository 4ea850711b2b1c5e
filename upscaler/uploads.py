"""Reading uploads with the names that people gave their files; Django's own reader changes and cuts them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http import HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParser

from upscaler import file_names

# What browsers write in place of what would end the name in a form's body (WHATWG, "multipart form data").
_ESCAPES = (("%22", '"'), ("%0D", "\r"), ("%0A", "\n"))


class UploadNamesMiddleware:
    """Sets the reader of every request's form, before anything reads it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.parse_file_upload = partial(_parse, request)  # type: ignore[method-assign]
        return self.get_response(request)


class TemporaryUploadHandler(TemporaryFileUploadHandler):
    """Large uploads wait in temporary files that are not called after the person's own: its ending may be too long."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """As in Django, under a name of the desk's."""
        super(TemporaryFileUploadHandler, self).new_file(*args, **kwargs)
        self.file = TemporaryUploadedFile("picture", self.content_type, 0, self.charset, self.content_type_extra)

    def file_complete(self, file_size: int) -> UploadedFile | None:
        """As in Django, with the person's own name."""
        file = super().file_complete(file_size)
        if file is not None:
            file.name = self.file_name
        return file


class _Parser(MultiPartParser):
    def sanitize_file_name(self, file_name: str) -> str:
        for written, meant in _ESCAPES:
            file_name = file_name.replace(written, meant)
        return file_names.cleaned(file_name)


def _parse(request: HttpRequest, META: Any, post_data: Any) -> Any:
    return _Parser(META, post_data, request.upload_handlers, request.encoding).parse()
