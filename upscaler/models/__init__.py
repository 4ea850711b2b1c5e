"""What the desk remembers."""

from upscaler.models.append_only import AppendOnlyError
from upscaler.models.audit import AuditEvent
from upscaler.models.batches import Batch, DraftItem
from upscaler.models.channels import ChannelFile, ProductCode, TeamChannel
from upscaler.models.engines import EngineState, NetworkSpeed
from upscaler.models.feeds import Feed, FeedCheck, FeedPicture
from upscaler.models.handovers import Handover
from upscaler.models.identity import DeskIdentity, desk_identity
from upscaler.models.ledger import CreditEntry, MonthlySpend
from upscaler.models.mail import Email
from upscaler.models.search_text import search_text
from upscaler.models.teams import ApiToken, Invitation, Membership, Team
from upscaler.models.turns import Lane, Turn
from upscaler.models.uploads import UnorderedUpload
from upscaler.models.upscale_queries import CANCELLED_CODE
from upscaler.models.upscales import DELETED, MAX_ID, WITHDRAWN, Upscale, media_storage, result_hours
from upscaler.models.usage import UsageDay, UsageTime

__all__ = [
    "CANCELLED_CODE",
    "DELETED",
    "MAX_ID",
    "WITHDRAWN",
    "ApiToken",
    "AppendOnlyError",
    "AuditEvent",
    "Batch",
    "ChannelFile",
    "CreditEntry",
    "DeskIdentity",
    "DraftItem",
    "Email",
    "EngineState",
    "Feed",
    "FeedCheck",
    "FeedPicture",
    "Handover",
    "Invitation",
    "Lane",
    "Membership",
    "MonthlySpend",
    "NetworkSpeed",
    "ProductCode",
    "Team",
    "TeamChannel",
    "Turn",
    "UnorderedUpload",
    "Upscale",
    "UsageDay",
    "UsageTime",
    "desk_identity",
    "media_storage",
    "result_hours",
    "search_text",
]
