"""``python -m bench.scale_facts``: what `bench.scale` asks a desk with, as JSON; the environment names its database.

A browser's cookie and a token of one person of the largest team, the pages' addresses, and how many queries each takes.
"""

from __future__ import annotations

import json
import os
import warnings
from typing import Any
from urllib.parse import quote

BATCH = 50
"""Pictures of the batch that is opened, the same at each size of the desk."""
ITEMS = 100
"""Rows of a page of the API."""


def main() -> None:
    warnings.filterwarnings("ignore", "No directory at")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()

    from django.conf import settings
    from django.contrib.auth import get_user_model
    from django.test import Client

    from upscaler.accounts import tokens
    from upscaler.models import Upscale

    person = get_user_model().objects.get(username="history-1-0")
    team = person.teams.get()
    _, token = tokens.issue(team=team, user=person, name="bench")
    client = Client()
    client.force_login(person)
    api = Client(headers={"Authorization": f"Bearer {token}"})
    upscales = Upscale.objects.filter(team=team)
    of_team = upscales.count()
    middle = upscales.order_by("-pk")[of_team // 2]
    batch = _batch(team, person)
    pages = {
        "history": "/history/",
        "history, half-way back": f"/history/?before={middle.pk}",
        "history, failed ones": "/history/?status=Error",
        "history, one SKU": f"/history/?q={quote(middle.sku)}",
        "history, by SKU": "/history/?group=sku",
        "history, by batch": "/history/?group=batch",
        f"a batch of {BATCH}": batch.get_absolute_url(),
        "one upscale": middle.get_absolute_url(),
    }
    last = -(-of_team // ITEMS)
    lists = {
        name: f"/api/v1/generations?items_per_page={ITEMS}&page={number}"
        for name, number in {"first": 1, "middle": max(1, last // 2), "last": last}.items()
    }
    queries = {name: _queries(client, path) for name, path in pages.items()}
    queries |= {name: _queries(api, path) for name, path in lists.items()}
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    facts = {"token": token, "cookie": cookie, "pages": pages, "lists": lists, "queries": queries, "of team": of_team}
    print(json.dumps(facts))


def _batch(team: Any, person: Any) -> Any:
    """A batch of the newest single orders: a thousand upscales may lack one of that size."""
    from django.utils import timezone

    from upscaler.models import Upscale

    newest = Upscale.objects.filter(team=team, batch=None).order_by("-pk").values_list("pk", flat=True)[:BATCH]
    batch, is_new = team.batches.get_or_create(
        name="For the bench",
        created_by=person,
        defaults={"ordered_at": timezone.now(), "ended_at": timezone.now(), "total": BATCH, "model_name": "recraft"},
    )
    if is_new:
        Upscale.objects.filter(pk__in=list(newest)).update(batch=batch)
    return batch


def _queries(client: Any, path: str) -> int:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    # As a process that has had the page before.
    client.get(path)
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(path)
    assert answer.status_code == 200, f"{path} answers {answer.status_code}"
    return len(queries)


if __name__ == "__main__":
    main()
