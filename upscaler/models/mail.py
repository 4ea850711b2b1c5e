"""E-mails: those to be sent, and those that were."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from upscaler.models.teams import Team


class Email(models.Model):
    """One e-mail on its way out. Only ``mail.outbox`` writes it.

    It goes to ``to``; or to ``user`` as a member of ``team``; or, with ``to_admins``, to the team's admins but
    ``user``. People are looked up when it leaves: who is gone by then gets nothing, and ``to`` tells who got it.

    ``text`` of the kinds in ``SECRET_KINDS`` holds a secret of which else only a hash is stored. It is blanked as soon
    as the e-mail is sent, cancelled or given up, and shown nowhere. A link for a new password is never in it: it is
    made from ``facts`` while the e-mail leaves.
    """

    class Kind(models.TextChoices):
        TEAM_BUDGET = "team_budget", "80 % of the team's budget"
        PERSON_BUDGET = "person_budget", "80 % of a person's budget"
        LOW_BALANCE = "low_balance", "Low balance"
        INVITATION = "invitation", "Invitation"
        PASSWORD = "password", "Link for a new password"
        BATCH = "batch", "End of a batch"
        WEBHOOK = "webhook", "A webhook was switched off"

    SECRET_KINDS = (Kind.INVITATION, Kind.PASSWORD)

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="emails", null=True, blank=True)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    about = models.CharField(
        max_length=320,
        null=True,
        blank=True,
        help_text="What it is about: a team is told once of each. Empty for one that may be repeated.",
    )
    to = models.JSONField(default=list, blank=True, help_text="Addresses.")
    to_admins = models.BooleanField(default=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    subject = models.CharField(max_length=300)
    text = models.TextField(blank=True)
    facts = models.JSONField(default=dict, blank=True, help_text="What a text is made from that is not stored.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    due_at = models.DateTimeField(default=timezone.now, editable=False, help_text="The next attempt is due then.")
    expires_at = models.DateTimeField(help_text="It is given up then.")
    sent_at = models.DateTimeField(null=True, blank=True)
    failure = models.CharField(max_length=200, blank=True, help_text="Why the last attempt failed, for people.")

    class Meta:
        ordering = ("-id",)
        verbose_name = "e-mail"
        constraints = (models.UniqueConstraint(fields=("team", "kind", "about"), name="email_once"),)
        indexes = (
            models.Index(fields=("created_at",), condition=Q(sent_at__isnull=True), name="email_unsent"),
            models.Index(fields=("kind", "about"), condition=Q(team__isnull=True), name="email_about"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} ({self.team or 'no team'}, {timezone.localtime(self.created_at):%Y-%m-%d})"
