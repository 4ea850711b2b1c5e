"""``python -m bench.load_facts``: what `bench.load` asks a desk with, as JSON; the environment names its database.

A token and a browser's cookie of one person of the largest team, and numbers of some of its results.
"""

from __future__ import annotations

import json
import os
import warnings

RESULTS = 500


def main() -> None:
    warnings.filterwarnings("ignore", "No directory at")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()

    from django.conf import settings
    from django.contrib.auth import get_user_model
    from django.test import Client

    from upscaler import credits
    from upscaler.accounts import tokens
    from upscaler.models import Upscale

    person = get_user_model().objects.get(username="history-1-0")
    team = person.teams.get()
    credits.grant(team=team, amount=1_000_000, note="For the bench")
    _, token = tokens.issue(team=team, user=person, name="bench")
    client = Client()
    client.force_login(person)
    done = Upscale.objects.filter(team=team).with_result()
    facts = {
        "token": token,
        "cookie": f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}",
        "results": list(done.order_by("-pk").values_list("pk", flat=True)[:RESULTS]),
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
