"""What the desk remembers."""

from upscaler.models.append_only import AppendOnlyError
from upscaler.models.audit import AuditEvent
from upscaler.models.batches import Batch, DraftItem
from upscaler.models.channels import ChannelFile, ProductCode, TeamChannel
from upscaler.models.engines import EngineState, NetworkSpeed
from upscaler.models.evidence import FileMark
from upscaler.models.feeds import Feed, FeedCheck, FeedHost, FeedPicture
from upscaler.models.fidelity import FidelityCheck
from upscaler.models.handovers import Handover
from upscaler.models.identity import DeskIdentity, desk_identity
from upscaler.models.keeping import DELETED, Erasure, gone_by_rule
from upscaler.models.ledger import CreditEntry, MonthlySpend
from upscaler.models.mail import Email
from upscaler.models.oidc import OidcIdentity
from upscaler.models.reviews import WITHDRAWN, WITHHELD, Reason, ReviewDecision, WrongResult
from upscaler.models.search_text import search_text
from upscaler.models.sharing import ShareLink
from upscaler.models.storage import StoredFile, TeamStorage
from upscaler.models.teams import ApiToken, Invitation, Membership, Team
from upscaler.models.turns import Lane, Turn
from upscaler.models.uploads import UnorderedUpload
from upscaler.models.upscale_queries import CANCELLED_CODE, MAX_ID, result_hours
from upscaler.models.upscales import Upscale, media_storage
from upscaler.models.usage import UsageDay, UsageTime
from upscaler.models.watching import WatchedFile, WatchedFolder, WatchedResult
from upscaler.models.webhooks import WebhookDelivery, WebhookEndpoint
from upscaler.models.workers import WorkerProcess

__all__ = [
    "CANCELLED_CODE",
    "DELETED",
    "MAX_ID",
    "WITHDRAWN",
    "WITHHELD",
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
    "Erasure",
    "Feed",
    "FeedCheck",
    "FeedHost",
    "FeedPicture",
    "FidelityCheck",
    "FileMark",
    "Handover",
    "Invitation",
    "Lane",
    "Membership",
    "MonthlySpend",
    "NetworkSpeed",
    "OidcIdentity",
    "ProductCode",
    "Reason",
    "ReviewDecision",
    "ShareLink",
    "StoredFile",
    "Team",
    "TeamChannel",
    "TeamStorage",
    "Turn",
    "UnorderedUpload",
    "Upscale",
    "UsageDay",
    "UsageTime",
    "WatchedFile",
    "WatchedFolder",
    "WatchedResult",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WorkerProcess",
    "WrongResult",
    "desk_identity",
    "gone_by_rule",
    "media_storage",
    "result_hours",
    "search_text",
]
