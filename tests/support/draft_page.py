"""The submit page's scripts, as the desk sees them."""

from __future__ import annotations

import io
import zipfile
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from tests.conftest import Person


class DraftPage:
    """The submit page's scripts, with a person's browser."""

    def __init__(self, person: Person) -> None:
        self.person, self.client = person, person.client
        self.pk = self.client.post("/drafts/", {"of_team": person.team.pk}).json()["draft"]

    def post(self, path: str = "", **data: Any) -> Any:
        return self.client.post(f"/drafts/{self.pk}/{path}", data)

    def add(self, file: SimpleUploadedFile, key: str = "", folder: str = "") -> Any:
        return self.post("files/", file=file, key=key or f"key-{file.name}-{file.size}", folder=folder)

    def item(self, file: SimpleUploadedFile, key: str = "", folder: str = "") -> dict[str, Any]:
        answer = self.add(file, key, folder)
        assert answer.status_code == 200, answer.content
        [item] = answer.json()["items"]
        return dict(item)

    def get(self, **choice: str) -> dict[str, Any]:
        return dict(self.client.get(f"/drafts/{self.pk}/", {"model_name": "recraft", **choice}).json())

    def states(self, **choice: str) -> dict[str, str]:
        return {item["name"]: item["state"] for item in self.get(**choice)["items"]}

    def order(self, **data: Any) -> Any:
        return self.post("order/", **{"model_name": "recraft", **data})


def zipped(files: dict[str, bytes]) -> SimpleUploadedFile:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return SimpleUploadedFile("monday.zip", target.getvalue())
