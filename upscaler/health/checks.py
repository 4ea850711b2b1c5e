"""System checks: what would go wrong later, said at the start with what to do about it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.db import connection

from upscaler import connection_pool, search
from upscaler.accounts.lockout import ADDRESS_FACTOR
from upscaler.engines import get_engine
from upscaler.engines.base import EngineError, RemoteEngine
from upscaler.imaging.credentials import BadKey
from upscaler.mail import outbox
from upscaler.processing import source_reference
from upscaler.storage import signing

OPEN_TO_ALL = ("accounts.google.com", "gitlab.com", "appleid.apple.com", "www.facebook.com")
"""Providers whose issuer is the same for every company."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@checks.register(checks.Tags.compatibility)
def engine_is_there(**kwargs: Any) -> list[checks.CheckMessage]:
    """The chosen engine can be loaded."""
    engine = get_engine(settings.ENGINE)
    try:
        engine.check()
    except EngineError as error:
        # Of a device that is not there, the message itself says what to do.
        hint = None if error.code == "engine_device" else engine.setup_hint
        return [checks.Error(error.message, hint=hint, id="upscaler.E001")]
    return []


@checks.register(checks.Tags.compatibility)
def content_credentials_can_be_signed(**kwargs: Any) -> list[checks.CheckMessage]:
    """A key that can't sign is said at the start; results would be kept without credentials."""
    if not signing.is_on():
        return []
    try:
        signing.signer().try_out()
    except BadKey as error:
        return [
            checks.Error(
                f"Content Credentials can't be signed: {error}.",
                hint="Set C2PA_CERTIFICATE to a PEM file with the whole chain, the signer's own certificate first, and "
                "C2PA_PRIVATE_KEY to its key in PEM (PKCS 8, without a password); or leave both empty.",
                id="upscaler.E003",
            )
        ]
    return []


@checks.register(checks.Tags.database, deploy=True)
def database_suits_workers_on_several_machines(**kwargs: Any) -> list[checks.CheckMessage]:
    """The cluster queue runs workers on several machines, which a SQLite file can't serve."""
    if settings.TASK_BACKEND == "cluster" and settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        return [
            checks.Error(
                "TASK_BACKEND=cluster needs a database server, but the database is a SQLite file.",
                hint="Set DATABASE_URL to a PostgreSQL address, or use TASK_BACKEND=embedded.",
                id="upscaler.E002",
            )
        ]
    return []


@checks.register(checks.Tags.database)
def searches_are_quick(databases: Any = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Searches read an index, not every row. Looked at where the database is, as in `migrate`."""
    if databases and (reason := search.why_slow()):
        return [
            checks.Warning(
                f"Searches in the history read every upscale, because {reason}. They find the same, slowly.",
                hint="Let an admin of the database run CREATE EXTENSION pg_trgm (or use a newer SQLite), then migrate.",
                id="upscaler.W007",
            )
        ]
    return []


@checks.register(checks.Tags.database)
def transaction_pooling_is_known(databases: Any = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Cursors and prepared statements are gone in the next transaction behind some pools. Looked at as in `migrate`."""
    if not databases or connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
        return []
    if connection_pool.is_transaction_pooled():
        return [
            checks.Warning(
                "The pool in front of PostgreSQL gives each transaction another connection, and the desk does not know "
                "it: /metrics, downloads of data and checks fail now and then.",
                hint="End DATABASE_URL in ?disable_server_side_cursors=true.",
                id="upscaler.W012",
            )
        ]
    return []


@checks.register(checks.Tags.urls, deploy=True)
def public_url_is_known(**kwargs: Any) -> list[checks.CheckMessage]:
    """Links that leave the desk need its public address."""
    if not settings.PUBLIC_URL:
        return [
            checks.Warning(
                "PUBLIC_URL is not set, so links to pictures use whatever host name a request came with.",
                hint="Set PUBLIC_URL to the address that people type, like https://upscaler.example.com.",
                id="upscaler.W001",
            )
        ]
    return []


@checks.register(checks.Tags.security, deploy=True)
def clients_are_told_apart(**kwargs: Any) -> list[checks.CheckMessage]:
    """Behind a proxy everybody has the proxy's address unless its header is read, and one lock holds for all."""
    # No TLS ends in the web process itself, so with HTTPS there is a proxy.
    if settings.SECURE_SSL_REDIRECT and not settings.TRUSTED_PROXIES:
        return [
            checks.Warning(
                "TRUSTED_PROXIES is 0, so behind the proxy that ends TLS everybody has the proxy's address: "
                f"{ADDRESS_FACTOR * settings.LOGIN_FAILURES} wrong passwords of anybody lock everybody out.",
                hint="Set TRUSTED_PROXIES to the number of proxies in front that add to X-Forwarded-For, mostly 1.",
                id="upscaler.W004",
            )
        ]
    return []


@checks.register(checks.Tags.compatibility, deploy=True)
def e_mails_leave_the_desk(**kwargs: Any) -> list[checks.CheckMessage]:
    """Invitations and links for a new password go out by e-mail."""
    if not outbox.leaves_the_desk():
        return [
            checks.Warning(
                "EMAIL_URL is not set, so e-mails are printed on the workers' console: nobody gets an invitation or a "
                "link for a new password, and the console's log holds those links.",
                hint="Set EMAIL_URL, like smtp+tls://USER:PASSWORD@mail.example.com:587.",
                id="upscaler.W005",
            )
        ]
    return []


@checks.register(checks.Tags.security, deploy=True)
def staff_need_a_second_factor(**kwargs: Any) -> list[checks.CheckMessage]:
    """Staff reach every team's money and people, so a password alone should not do."""
    if not settings.STAFF_SECOND_FACTOR:
        return [
            checks.Warning(
                "STAFF_SECOND_FACTOR is off, so a password alone opens /admin/ with every team's credits and people.",
                hint="Set STAFF_SECOND_FACTOR=true. At the next sign-in staff are led to setting theirs up.",
                id="upscaler.W006",
            )
        ]
    return []


@checks.register(checks.Tags.security)
def company_sign_in_is_whole(**kwargs: Any) -> list[checks.CheckMessage]:
    """Signing in with the company's account has all that it needs, or is off altogether."""
    oidc = settings.OIDC
    if oidc.missing:
        return [
            checks.Error(
                f"Signing in with the company's account is set up by half: {' and '.join(oidc.missing)} "
                f"{'is' if len(oidc.missing) == 1 else 'are'} not set, so nobody can.",
                hint="Set OIDC_ISSUER, OIDC_CLIENT_ID and OIDC_CLIENT_SECRET, or none of them.",
                id="upscaler.E010",
            )
        ]
    if oidc.only and not oidc.enabled:
        return [
            checks.Error(
                "OIDC_ONLY is on, so passwords sign in staff alone, and nobody else can sign in at all.",
                hint="Set OIDC_ISSUER, OIDC_CLIENT_ID and OIDC_CLIENT_SECRET, or leave OIDC_ONLY out.",
                id="upscaler.E011",
            )
        ]
    return []


@checks.register(checks.Tags.security)
def company_sign_in_is_safe(**kwargs: Any) -> list[checks.CheckMessage]:
    """The company's provider is asked over TLS, and lets in the company's people alone."""
    oidc = settings.OIDC
    if not oidc.enabled:
        return []
    address = urlsplit(oidc.issuer)
    found: list[checks.CheckMessage] = []
    if address.scheme == "http" and address.hostname not in LOOPBACK:
        found.append(
            checks.Warning(
                "OIDC_ISSUER starts with http://, so anybody on the way can sign in as anybody.",
                hint="Use the https:// address.",
                id="upscaler.W010",
            )
        )
    if address.hostname in OPEN_TO_ALL and not oidc.email_domains:
        found.append(
            checks.Warning(
                f"Everybody in the world can have an account at {address.hostname}, and gets one here.",
                hint="Set OIDC_EMAIL_DOMAINS to the company's own, like example.com.",
                id="upscaler.W011",
            )
        )
    return found


@checks.register(checks.Tags.compatibility)
def remote_engine_can_fetch_uploads(**kwargs: Any) -> list[checks.CheckMessage]:
    """A remote engine fetches uploads from the desk's public address or from S3."""
    if refusal := source_reference.why_no_uploads():
        hint = f"Set PUBLIC_URL, or MEDIA_URL_S3. Of a picture on the web: {source_reference.address_caveat()}"
        return [checks.Warning(refusal, hint=hint, id="upscaler.W002")]
    return []


@checks.register(checks.Tags.security)
def key_is_not_sent_in_clear(**kwargs: Any) -> list[checks.CheckMessage]:
    """The key of a remote engine travels over TLS, except on this machine."""
    engine = get_engine(settings.ENGINE)
    if not isinstance(engine, RemoteEngine):
        return []
    address = urlsplit(engine.address)
    if address.scheme == "http" and address.hostname not in LOOPBACK:
        return [
            checks.Warning(
                f"{engine.address_setting} starts with http://, so the key is sent in clear.",
                hint="Use the https:// address.",
                id="upscaler.W003",
            )
        ]
    return []
