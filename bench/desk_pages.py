"""``python -m bench.desk_pages PAGES``: times pages of the desk whose database the environment names, as JSON."""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
import warnings
from datetime import timedelta
from typing import Any

from bench.web_servers import drawn_anew

ROUNDS = 15
WARM_UP = 2


def main() -> None:
    warnings.filterwarnings("ignore", "No directory at")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django
    from django.conf import settings

    # The hashed names of static files would have to be collected first.
    settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
    django.setup()

    from django.contrib.auth import get_user_model
    from django.test import Client
    from django.utils import timezone

    person = get_user_model().objects.get(username="history-1-0")
    get_user_model().objects.filter(pk=person.pk).update(is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(person)
    known: dict[str, Any] = {
        "person": person.pk,
        "team": person.teams.get().pk,
        "week": f"{timezone.localdate() - timedelta(days=7)}",
    }
    pages = json.loads(sys.argv[1])
    print(json.dumps({name: _timed(client, path.format(**known)) for name, path in pages.items()}))


def _timed(client: Any, path: str) -> dict[str, Any]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    status = client.get(path).status_code
    if status != 200:
        return {"missing": f"{path} answers {status}"}
    with CaptureQueriesContext(connection) as queries:
        client.get(path, headers=drawn_anew())
    number_of_queries = len(queries)
    times = []
    for number in range(WARM_UP + ROUNDS):
        began = time.perf_counter()
        client.get(path, headers=drawn_anew())
        if number >= WARM_UP:
            times.append(time.perf_counter() - began)
    return {"ms": 1000 * statistics.median(times), "queries": number_of_queries}


if __name__ == "__main__":
    main()
