"""What the desk remembers."""

from upscaler.models.append_only import AppendOnlyError
from upscaler.models.audit import AuditEvent
from upscaler.models.engines import EngineState
from upscaler.models.ledger import CreditEntry, MonthlySpend, Notice
from upscaler.models.teams import ApiToken, Invitation, Membership, Team
from upscaler.models.upscales import MAX_ID, Upscale, media_storage, result_hours
from upscaler.models.usage import UsageDay, UsageTime

__all__ = [
    "MAX_ID",
    "ApiToken",
    "AppendOnlyError",
    "AuditEvent",
    "CreditEntry",
    "EngineState",
    "Invitation",
    "Membership",
    "MonthlySpend",
    "Notice",
    "Team",
    "Upscale",
    "UsageDay",
    "UsageTime",
    "media_storage",
    "result_hours",
]
