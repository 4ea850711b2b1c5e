"""`manage.py make_demo`: something to sign in with, on an empty desk in development."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.db import transaction

from upscaler import credits
from upscaler.models import Membership, Team

PASSWORD = "upscale-demo"


class Command(BaseCommand):
    help = "On an empty database in development: the team demo with 100 credits, and the users demo and demo-admin."

    def handle(self, *args: Any, **options: Any) -> None:
        User = get_user_model()
        if not settings.DEBUG or User.objects.exists() or Team.objects.exists():
            return
        with transaction.atomic():
            team = Team.objects.create(name="Demo", slug="demo")
            person = User.objects.create_user("demo", "demo@example.com", PASSWORD)
            admin = User.objects.create_superuser("demo-admin", "demo-admin@example.com", PASSWORD)
            Membership.objects.create(team=team, user=person)
            Membership.objects.create(team=team, user=admin, role=Membership.Role.ADMIN)
            credits.grant(team=team, amount=100, note="To try the desk", by=admin)
        self.stdout.write(
            "This desk was empty, so it has a team “demo” with 100 credits now. Sign in as\n"
            f"    demo        (merchandiser)           password {PASSWORD}\n"
            f"    demo-admin  (team admin and staff)   password {PASSWORD}"
        )
