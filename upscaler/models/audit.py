"""Who did what."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from upscaler.models.append_only import AppendOnly
from upscaler.models.teams import ApiToken, Team
from upscaler.models.upscales import Upscale


class AuditEvent(AppendOnly):
    """One thing that somebody did in a team. Only ``accounts.audit_log`` adds them; none is ever changed."""

    REDACTABLE = ("user_name", "about", "address")

    class Action(models.TextChoices):
        SIGNED_IN = "signed_in", "Signed in"
        LOCKED_OUT = "locked_out", "Was locked out"
        PASSWORD_CHANGED = "password_changed", "Changed the password"
        SECOND_FACTOR_ON = "second_factor_on", "Turned the second factor on"
        SECOND_FACTOR_OFF = "second_factor_off", "Turned the second factor off"
        OIDC_LINKED = "oidc_linked", "Linked the company’s account"
        OIDC_UNLINKED = "oidc_unlinked", "Unlinked the company’s account"
        RECOVERY_CODES = "recovery_codes", "Made new recovery codes"
        INVITED = "invited", "Invited"
        INVITATION_REVOKED = "invitation_revoked", "Withdrew an invitation"
        JOINED = "joined", "Joined"
        ROLE_CHANGED = "role_changed", "Changed a role"
        REMOVED = "removed", "Removed"
        GRANTED = "granted", "Granted credits"
        CORRECTED = "corrected", "Corrected the balance"
        BUDGET_CHANGED = "budget_changed", "Changed a budget"
        TOKEN_ISSUED = "token_issued", "Made a token"
        TOKEN_REVOKED = "token_revoked", "Revoked a token"
        RETRIED = "retried", "Tried again"
        REFUNDED = "refunded", "Refunded by hand"
        DOWNLOADED = "downloaded", "Downloaded"
        CANCELLED = "cancelled", "Cancelled"
        ARCHIVED = "archived", "Archived"
        UNARCHIVED = "unarchived", "Took out of the archive"
        DELETED = "deleted", "Deleted"
        KEEPING_CHANGED = "keeping_changed", "Changed how long files are kept"
        DELETED_BY_RULE = "deleted_by_rule", "Deleted by the rule"
        DATA_TAKEN = "data_taken", "Took a copy of their data"
        PERSON_FORGOTTEN = "person_forgotten", "Forgot a person"
        RESULTS_NAMED = "results_named", "Named the files of results"
        WEBHOOK_ADDED = "webhook_added", "Added a webhook"
        WEBHOOK_CHANGED = "webhook_changed", "Changed a webhook"
        WEBHOOK_REMOVED = "webhook_removed", "Removed a webhook"
        WATCH_ADDED = "watch_added", "Added a watched folder"
        WATCH_CHANGED = "watch_changed", "Changed a watched folder"
        WATCH_REMOVED = "watch_removed", "Removed a watched folder"
        REVIEWS_CHANGED = "reviews_changed", "Changed what waits for approval"
        APPROVED = "approved", "Approved"
        REJECTED = "rejected", "Rejected"
        DECISION_TAKEN_BACK = "decision_taken_back", "Took a decision back"
        WRONG_RESULT = "wrong_result", "Marked a wrong result"
        SHARE_LINK_MADE = "share_link_made", "Made a share link"
        SHARE_LINK_REVOKED = "share_link_revoked", "Revoked a share link"

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="events")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    user_name = models.CharField(max_length=200, blank=True, help_text="What the person was called at that time.")
    token = models.ForeignKey(ApiToken, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    action = models.CharField(max_length=20, choices=Action.choices)
    about = models.CharField(max_length=500, blank=True, help_text="The rest of the sentence.")
    upscale = models.ForeignKey(Upscale, on_delete=models.SET_NULL, null=True, blank=True, related_name="events")
    address = models.GenericIPAddressField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("-id",)
        indexes = (
            models.Index(fields=("team", "-id"), name="event_team_newest"),
            models.Index(fields=("team", "action", "-id"), name="event_team_action"),
            models.Index(fields=("team", "user", "-id"), name="event_team_person"),
        )

    def __str__(self) -> str:
        return f"{self.user_name}: {self.get_action_display()} {self.about}".strip()
