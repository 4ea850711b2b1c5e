"""Teams, their people, who is asked to join, and the keys of their programs."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from upscaler import result_names


class Team(models.Model):
    """People who share a history and a balance of credits."""

    class Reviews(models.TextChoices):
        NOBODY = "nobody", "Nothing"
        DOUBTS = "doubts", "What the check doubts"
        EVERYTHING = "everything", "Everything"

    class Reviewers(models.TextChoices):
        MEMBERS = "members", "Everybody in the team"
        ADMINS = "admins", "Admins"

    name = models.CharField(max_length=100)
    slug = models.SlugField(unique=True)
    balance = models.IntegerField(default=0, editable=False)
    monthly_budget = models.PositiveIntegerField(
        null=True, blank=True, help_text="Credits that the team may spend in a calendar month; empty for no limit."
    )
    low_balance = models.PositiveIntegerField(
        default=20, help_text="The team's admins get an e-mail when fewer credits than this are left."
    )
    result_template = models.CharField(
        max_length=result_names.MAX_TEMPLATE_LENGTH,
        default=result_names.DEFAULT,
        editable=False,
        help_text="How the files of results are called.",
    )
    reviews = models.CharField(
        max_length=10,
        choices=Reviews.choices,
        default=Reviews.NOBODY,
        db_default=Reviews.NOBODY,
        editable=False,
        help_text="Which results wait until somebody approves them.",
    )
    reviewers = models.CharField(
        max_length=10,
        choices=Reviewers.choices,
        default=Reviewers.MEMBERS,
        db_default=Reviewers.MEMBERS,
        editable=False,
        help_text="Who may approve and reject.",
    )
    keep_days = models.PositiveIntegerField(
        null=True,
        blank=True,
        editable=False,
        help_text="Days after their end that the files of upscales are kept; empty for good.",
    )
    storage_quota_mb = models.PositiveIntegerField(
        null=True,
        blank=True,
        verbose_name="storage quota in MB",
        help_text="Of files that the team may keep; empty for the desk's DEFAULT_STORAGE_QUOTA_MB, 0 for no limit.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    members = models.ManyToManyField(settings.AUTH_USER_MODEL, through="Membership", related_name="teams")

    class Meta:
        ordering = ("name",)
        constraints = (models.CheckConstraint(condition=Q(balance__gte=0), name="team_balance_not_negative"),)

    def __str__(self) -> str:
        return self.name

    def admins(self) -> list[Any]:
        """The people who answer for the team and can be asked, by name."""
        admins = self.memberships.filter(role=Membership.Role.ADMIN, user__is_active=True).select_related("user")
        return [membership.user for membership in admins.order_by("user__username")]


class Membership(models.Model):
    """One person in one team."""

    class Role(models.TextChoices):
        MERCHANDISER = "merchandiser", "Merchandiser"
        ADMIN = "admin", "Admin"

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role.choices, default=Role.MERCHANDISER)
    monthly_budget = models.PositiveIntegerField(
        null=True, blank=True, help_text="Credits that the person may spend in a calendar month; empty for no limit."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("team", "user")
        constraints = (models.UniqueConstraint(fields=("team", "user"), name="membership_once"),)

    def __str__(self) -> str:
        return f"{self.user} in {self.team}"

    @property
    def is_admin(self) -> bool:
        """Whether the person answers for the team: invites, grants, sees the usage."""
        return self.role == self.Role.ADMIN


class Invitation(models.Model):
    """A link that lets its holder join a team. Only a hash of its secret part is stored."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=20, choices=Membership.Role.choices, default=Membership.Role.MERCHANDISER)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    invited_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_email = models.ForeignKey(
        "upscaler.Email",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="The e-mail with the link that works.",
    )

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.email} to {self.team}"


class ApiToken(models.Model):
    """A program's key to one team, acting for one person. Only a hash of it is stored."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="tokens")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty for a token that never runs out.")
    revoked_at = models.DateTimeField(null=True, blank=True)
    read_only = models.BooleanField(default=False, help_text="It may look, and neither upload nor submit.")
    form_key = models.UUIDField(
        null=True, blank=True, editable=False, help_text="Of the form that it was made with, which makes one token."
    )

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("user", "form_key"), condition=Q(form_key__isnull=False), name="token_once_per_form"
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.team})"
