"""Whose account at the company's provider is whose here."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone


class OidcIdentity(models.Model):
    """One account at an OpenID Connect provider, and the account here that it signs in to.

    Known by issuer and subject, which a provider never gives to anybody else; an e-mail address may change hands.
    Only ``accounts.oidc`` writes them.
    """

    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="oidc_identities")
    email = models.CharField(max_length=254, blank=True, help_text="As the provider said last, proved or not.")
    joined_by_claim = models.JSONField(
        default=list, blank=True, help_text="Teams that a claim has put the person into: never again after leaving."
    )
    waiting_since = models.DateTimeField(
        null=True, blank=True, help_text="Signed in without a team, and waits for an admin."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_sign_in_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        verbose_name = "company account"
        constraints = (
            models.UniqueConstraint(fields=("issuer", "subject"), name="oidc_identity_once"),
            models.UniqueConstraint(fields=("issuer", "user"), name="oidc_identity_of_user_once"),
        )
        indexes = (
            models.Index(
                fields=("-waiting_since",),
                condition=models.Q(waiting_since__isnull=False),
                name="oidc_identity_waiting",
            ),
        )

    def __str__(self) -> str:
        return f"{self.user}: {self.subject} at {self.issuer}"
