"""Every setting of the desk, read from the environment or a `.env` file.

With no environment at all the desk runs embedded: SQLite, the queue in the database, pictures under
`media/`, the local engine. `.env.example` lists each variable with its meaning.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

import upscaler
from config import postgres
from config.email import *  # noqa: F403
from config.environment import (
    BASE_DIR,
    cache_folder,
    env,
    networks,
    one_of,
    ports,
    s3_options,
    switch,
    watched_roots,
    whole,
)
from config.logs import LOG_FORMAT as LOG_FORMAT
from config.logs import logging_settings
from config.oidc import oidc_settings
from config.private_files import keep_private
from config.secret_key import kept_key
from config.uwear import *  # noqa: F403
from config.uwear import UWEAR_API_KEY
from upscaler.logs.redaction import hide

DEBUG = switch("DEBUG", True)
SECRET_KEY = env.str("SECRET_KEY", default="")
if not SECRET_KEY.strip():
    if not DEBUG:
        raise ImproperlyConfigured(
            "SECRET_KEY is not set. Outside development (DEBUG=false) it must be a long random text; "
            "`python -c 'import secrets; print(secrets.token_urlsafe(50))'` makes one."
        )
    SECRET_KEY = kept_key(BASE_DIR / ".secret_key")

ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
# What an operator calls this state of the code; seen on the System page, in logs and in error reports.
RELEASE = env.str("RELEASE", default="").strip() or upscaler.__version__
PUBLIC_URL = env.str("PUBLIC_URL", default="").strip().rstrip("/")
if PUBLIC_URL and urlsplit(PUBLIC_URL).scheme not in ("http", "https"):
    raise ImproperlyConfigured(f"PUBLIC_URL is {PUBLIC_URL!r}. It must start with https:// or http://.")
if PUBLIC_URL and not ALLOWED_HOSTS:
    ALLOWED_HOSTS = [urlsplit(PUBLIC_URL).hostname, "localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []

INSTALLED_APPS = [
    "upscaler",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "axes",
    "csp",
    "django_htmx",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "django_tasks",
    "ninja",
]

# Those of `page_middleware` are Django's and libraries' own, which programs' calls go past.
MIDDLEWARE = [
    # Around all others, so that each line about a request carries its number.
    "upscaler.middleware.RequestNumberMiddleware",
    # Around all that a repeated answer has gone through before.
    "upscaler.api.polled.PollMiddleware",
    "upscaler.views.page_cache.PageCacheMiddleware",
    "upscaler.middleware.JsonErrorsMiddleware",
    "upscaler.middleware.ShareLinkMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    # After the static files, which are named by their content and kept for good.
    "upscaler.middleware.NoStoreMiddleware",
    "upscaler.page_middleware.SessionMiddleware",
    "upscaler.page_middleware.CommonMiddleware",
    # Before anything that reads a form.
    "upscaler.uploads.UploadNamesMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "upscaler.page_middleware.AuthenticationMiddleware",
    "upscaler.page_middleware.OTPMiddleware",
    "upscaler.middleware.IdleSessionMiddleware",
    "upscaler.middleware.PageLoginMiddleware",
    "upscaler.middleware.StaffSecondFactorMiddleware",
    "upscaler.page_middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "upscaler.page_middleware.CSPMiddleware",
    "upscaler.page_middleware.HtmxMiddleware",
    "upscaler.middleware.TeamMiddleware",
    # Before anything that reads a body, and where its own page can be shown.
    "upscaler.request_limits.RequestLimitsMiddleware",
    "upscaler.middleware.AdminBadLookupMiddleware",
    "upscaler.middleware.StorageTroubleMiddleware",
    # The last, because it puts its own page in the place of what a refused sign-in answers.
    "axes.middleware.AxesMiddleware",
]

# Programs in browsers may call the API from pages of these origins; with a token, never with a cookie.
CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=[])
if any(not re.fullmatch(r"https?://[^/?#*@\s]+", origin) for origin in CORS_ALLOWED_ORIGINS):
    raise ImproperlyConfigured(
        f"CORS_ALLOWED_ORIGINS is {','.join(CORS_ALLOWED_ORIGINS)!r}. It must list origins with commas between them, "
        "like https://tools.example.com, without a path and without *."
    )
CORS_ALLOW_CREDENTIALS = False
CORS_URLS_REGEX = r"^/(?:(?:api/v1|files)/|generations?(?:/|$)|generation-results?(?:/|$))"
CORS_ALLOW_HEADERS = ["accept", "authorization", "content-type", "idempotency-key", "if-none-match", "prefer", "range"]
CORS_EXPOSE_HEADERS = [
    *("Content-Disposition", "ETag", "Preference-Applied", "Retry-After"),
    *("RateLimit", "RateLimit-Policy", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
]
if CORS_ALLOWED_ORIGINS:
    INSTALLED_APPS.append("corsheaders")
    # Before all that answers by itself, errors too.
    MIDDLEWARE.insert(0, "corsheaders.middleware.CorsMiddleware")

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "upscaler.context_processors.engine",
                "upscaler.context_processors.workers",
                "upscaler.context_processors.channels",
                "upscaler.context_processors.review",
                "upscaler.context_processors.storage",
                "upscaler.context_processors.sign_in",
            ],
        },
    },
]

# --- Database -------------------------------------------------------------------------------------

DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'db.sqlite3'}")}
DATABASES["default"].setdefault("OPTIONS", {})
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # IMMEDIATE takes the write lock at the start of a transaction. In the default mode a read that turns into a
    # write fails at once with "database is locked", whatever the timeout.
    DATABASES["default"]["OPTIONS"] |= {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
    # Every process of the desk reads this module before it writes anything.
    _name = str(DATABASES["default"]["NAME"])
    keep_private(None if _name == ":memory:" else Path(_name))
else:
    keep_private(None)
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    DATABASES["default"]["OPTIONS"] = postgres.options(DATABASES["default"]["OPTIONS"])
# To open one takes longer than most answers, on SQLite too: the last one to close writes all that is in the WAL.
DATABASES["default"]["CONN_MAX_AGE"] = 60
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Cache ----------------------------------------------------------------------------------------

CACHE_URL = env.str("CACHE_URL", default="").strip()
if CACHE_URL:
    try:
        is_redis = urlsplit(CACHE_URL).scheme in ("redis", "rediss") and bool(urlsplit(CACHE_URL).hostname)
    except ValueError:
        is_redis = False
    if not is_redis:
        # Not repeated: it may hold a password.
        raise ImproperlyConfigured(
            "CACHE_URL is no address of a Redis. It must look like redis://127.0.0.1:6379/1 (rediss:// for TLS), or be "
            "left out."
        )
    CACHES: dict[str, dict[str, Any]] = {
        "default": {
            **env.cache_url_config(CACHE_URL),
            # It only counts calls and remembers checks for a moment, so nothing may wait for it.
            "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 1},
        }
    }

# --- Queue ----------------------------------------------------------------------------------------

TASK_BACKEND = one_of("TASK_BACKEND", "embedded", ("embedded", "cluster"))
BROKER_URL = env.str("BROKER_URL", default="amqp://guest:guest@127.0.0.1:5672//")
CPU_SLOTS = whole("CPU_SLOTS", 1, minimum=1)
# Of each kind of workers, the queues that they take messages from: one for each thing to be done, since a broker tells
# only how many messages stand in a queue, and none may wait for another kind's.
QUEUES = {
    "cpu": ["cpu", "checks", "files"],
    "io": ["io", "feeds", "folders", "marks", "webhooks", "mail", "chores", "counts"],
}
_queues = [queue for queues in QUEUES.values() for queue in queues]
if TASK_BACKEND == "embedded":
    INSTALLED_APPS.append("django_tasks_db")
    TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": _queues}}
else:
    INSTALLED_APPS.append("django_tasks_fennel")
    TASKS = {"default": {"BACKEND": "config.celery.Backend", "QUEUES": _queues}}
CELERY_APP = "config.celery.app"

LEASE_SECONDS = whole("LEASE_SECONDS", 30, minimum=3)
MAX_FAILURES = whole("MAX_FAILURES", 4, minimum=1)
FIDELITY_CHECKS = switch("FIDELITY_CHECKS", True)
C2PA_CERTIFICATE = env.str("C2PA_CERTIFICATE", default="").strip()
C2PA_PRIVATE_KEY = env.str("C2PA_PRIVATE_KEY", default="").strip()
SWEEP_SECONDS = whole("SWEEP_SECONDS", 10, minimum=1)
# A web process that no worker stands behind still takes orders, which wait.
READY_WITHOUT_WORKERS = switch("READY_WITHOUT_WORKERS", False)

# --- The desk's own rules -------------------------------------------------------------------------

ENGINE = one_of("ENGINE", "local", ("local", "uwear"))
if ENGINE == "uwear" and not UWEAR_API_KEY:
    raise ImproperlyConfigured("UWEAR_API_KEY is not set. ENGINE=uwear needs the key of your Uwear account.")
LOCAL_PRECISION = one_of("LOCAL_PRECISION", "auto", ("auto", "f32", "bf16"))
LOCAL_DEVICE = one_of("LOCAL_DEVICE", "CPU", ("CPU", "GPU"))
if LOCAL_DEVICE == "GPU" and LOCAL_PRECISION == "bf16":
    raise ImproperlyConfigured(
        "LOCAL_PRECISION is 'bf16', which no GPU works in here. With LOCAL_DEVICE=GPU leave it out (f16), or take f32."
    )
LOCAL_CACHE_DIR = cache_folder("LOCAL_CACHE_DIR")
TILE_CACHE_DIR = cache_folder("TILE_CACHE_DIR")
TILE_CACHE_BYTES = whole("TILE_CACHE_MB", 2_000, minimum=1) * 1_000_000
# Of one slot; 0 shares the cores out among the slots.
LOCAL_THREADS = whole("LOCAL_THREADS", 0)
LOCAL_TIME_LIMIT: float = whole("LOCAL_TIME_LIMIT", 1500, minimum=1)
# For looking into the pictures of one request, so that their time can be told; 0 looks into none.
LOOK_SECONDS: float = whole("LOOK_SECONDS", 8)
RESULT_LIFETIME = whole("RESULT_LIFETIME", 4 * 60 * 60, minimum=1)
MAX_UPLOAD_BYTES = whole("MAX_UPLOAD_MB", 50, minimum=1) * 1_000_000
# No smaller than one picture, or nothing could be uploaded at all.
_one_picture = MAX_UPLOAD_BYTES // 1_000_000
UPLOAD_QUOTA_BYTES = whole("UPLOAD_QUOTA_MB", max(25_000, _one_picture), minimum=_one_picture) * 1_000_000
# Of all that is kept for a team, unless the team has a quota of its own; 0 is no limit.
DEFAULT_STORAGE_QUOTA_MB = whole("DEFAULT_STORAGE_QUOTA_MB", 0)
MAX_SOURCE_PIXELS = whole("MAX_SOURCE_MEGAPIXELS", 64, minimum=1) * 1_000_000
MAX_RESULT_PIXELS = whole("MAX_RESULT_MEGAPIXELS", 256, minimum=1) * 1_000_000
# In each process; a picture near the limit takes 300 to 600 MB to look at (docs/engines.md).
MAX_LARGE_DECODES = whole("MAX_LARGE_DECODES", 2, minimum=1)
MAX_FILES = whole("MAX_FILES", 20, minimum=1)
# Of one order. Its pictures wait in a draft, so they count as uploads that nobody has ordered.
MAX_BATCH = whole("MAX_BATCH", 5000, minimum=1)
MAX_ARCHIVE_BYTES = whole("MAX_ARCHIVE_MB", max(2_000, MAX_UPLOAD_BYTES // 1_000_000), minimum=1) * 1_000_000
FETCH_ALLOW_HOSTS = env.list("FETCH_ALLOW_HOSTS", default=[])
FETCH_ALLOW_PORTS = ports("FETCH_ALLOW_PORTS", (80, 443))
FETCH_TIME_LIMIT = whole("FETCH_TIME_LIMIT", 120, minimum=1)
FETCHES_PER_TEAM = whole("FETCHES_PER_TEAM", 2, minimum=1)
# Of a catalogue check: the largest feed, how its pictures' hosts are asked, and what is kept of a team's.
FEED_MAX_BYTES = whole("FEED_MAX_MB", 2_000, minimum=1) * 1_000_000
FEED_PER_HOST = whole("FEED_PER_HOST", 4, minimum=1)
FEED_PICTURE_SECONDS = whole("FEED_PICTURE_SECONDS", 20, minimum=1)
FEEDS_PER_TEAM = whole("FEEDS_PER_TEAM", 100, minimum=1)
_one_feed = FEED_MAX_BYTES // 1_000_000
FEED_QUOTA_BYTES = whole("FEED_QUOTA_MB", max(10_000, _one_feed), minimum=_one_feed) * 1_000_000
FEED_QUOTA_PICTURES = whole("FEED_QUOTA_PICTURES", 10_000_000, minimum=1)
FEED_KEEP_DAYS = whole("FEED_KEEP_DAYS", 180, minimum=1)
# Links of a team that are open at the same time.
SHARE_LINKS_PER_TEAM = whole("SHARE_LINKS_PER_TEAM", 200, minimum=1)
API_RATE = env.str("API_RATE", default="600/min")
if not re.fullmatch(r"[1-9][0-9]*/(s|sec|m|min|h|hour|d|day)", API_RATE):
    raise ImproperlyConfigured(f"API_RATE is {API_RATE!r}. It must be a number per time, like 600/min or 10/s.")
# Calls that wait for an end: how long one may, and how many of each web process, which has a thread for each beside
# those for all else. 0 lets none wait.
API_WAIT_SECONDS = whole("API_WAIT_SECONDS", 60, minimum=1)
API_MAX_WAITING = whole("API_MAX_WAITING", 8)
UPLOAD_LINK_LIFETIME = 24 * 60 * 60

# --- Pictures and static files --------------------------------------------------------------------

MEDIA_ROOT = env.path("MEDIA_ROOT", default=str(BASE_DIR / "media"))()
MEDIA_URL_S3 = env.str("MEDIA_URL_S3", default="").strip()
# What teams may have watched: {team} in a path stands for the team's slug.
WATCHED_ROOTS = watched_roots("WATCHED_ROOTS", apart_from=Path(MEDIA_ROOT).absolute())
WATCH_SECONDS = whole("WATCH_SECONDS", 30, minimum=1)
STORAGES: dict[str, dict[str, Any]] = {
    "default": (
        {"BACKEND": "upscaler.storage.s3.S3Storage", "OPTIONS": s3_options(MEDIA_URL_S3)}
        if MEDIA_URL_S3
        else {"BACKEND": "upscaler.storage.folder.FolderStorage"}
    ),
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if DEBUG
            else "upscaler.static_files.StaticFilesStorage"
        )
    },
}
STATIC_URL = "/static/"
STATIC_ROOT = env.path("STATIC_ROOT", default=str(BASE_DIR / "staticfiles"))()
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = DEBUG
FILE_UPLOAD_HANDLERS = [
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "upscaler.uploads.TemporaryUploadHandler",
]
FILE_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
# For the desk's own user and group: people get pictures through the desk alone.
FILE_UPLOAD_PERMISSIONS = 0o640
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o750
# More than the form takes, so that the form can say how many it takes.
DATA_UPLOAD_MAX_NUMBER_FILES = 10 * MAX_FILES

# --- People and sessions --------------------------------------------------------------------------

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "submit"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    # Of new ones: a shorter one from before is good until it is changed.
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

PASSWORD_RESET_TIMEOUT = 24 * 60 * 60
# The first only refuses, while a name or an address is locked.
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
SESSION_IDLE_MINUTES = whole("SESSION_IDLE_MINUTES", 0)
STAFF_SECOND_FACTOR = switch("STAFF_SECOND_FACTOR", False)
OTP_TOTP_ISSUER = "Upscaler"
OIDC = oidc_settings()
LOGIN_FAILURES = whole("LOGIN_FAILURES", 5, minimum=1)
TRUSTED_PROXIES = whole("TRUSTED_PROXIES", 0)
AXES_HANDLER = "upscaler.accounts.lockout.Handler"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"], "ip_address"]
AXES_FAILURE_LIMIT = LOGIN_FAILURES
# How long a failure counts. How long a lock holds is shorter and grows: see upscaler/accounts/lockout.py.
AXES_COOLOFF_TIME = timedelta(days=1)
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_USERNAME_CALLABLE = "upscaler.accounts.lockout.tried_name"
AXES_CLIENT_IP_CALLABLE = "upscaler.accounts.client_ip.origin"
AXES_LOCKOUT_CALLABLE = "upscaler.views.accounts.locked_out"
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False

LANGUAGE_CODE = "en-gb"
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_I18N = True
USE_TZ = True

# --- E-mail ---------------------------------------------------------------------------------------

DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="").strip() or (
    f"Upscaler <upscaler@{urlsplit(PUBLIC_URL).hostname or 'localhost'}>"
)
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# --- Security -------------------------------------------------------------------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
METRICS_TOKEN = env.str("METRICS_TOKEN", default="").strip()
# Behind a proxy that is not counted in TRUSTED_PROXIES everybody comes from this machine, so in production nobody's
# address opens it unless that is said.
METRICS_ADDRESSES = networks("METRICS_ADDRESSES", "127.0.0.1,::1" if DEBUG else "")
CSRF_FAILURE_VIEW = "upscaler.views.csrf.failure"
SECURE_REFERRER_POLICY = "same-origin"
if not DEBUG:
    # TLS ends at the proxy in front, which must set this header itself and drop a client's own.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    HTTPS = switch("HTTPS", True)
    SECURE_SSL_REDIRECT = HTTPS
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
    SESSION_COOKIE_SECURE = HTTPS
    CSRF_COOKIE_SECURE = HTTPS
    SECURE_HSTS_SECONDS = whole("HSTS_SECONDS", 31_536_000) if HTTPS else 0
    SECURE_HSTS_INCLUDE_SUBDOMAINS = switch("HSTS_INCLUDE_SUBDOMAINS", False)
    SECURE_HSTS_PRELOAD = switch("HSTS_PRELOAD", False)
    if SECURE_HSTS_PRELOAD and not (SECURE_HSTS_INCLUDE_SUBDOMAINS and SECURE_HSTS_SECONDS >= 31_536_000):
        raise ImproperlyConfigured(
            "HSTS_PRELOAD=true needs HTTPS=true, HSTS_INCLUDE_SUBDOMAINS=true and HSTS_SECONDS of at least 31536000: "
            "the browsers' lists take no other host."
        )
# Whoever runs `check --deploy` would be told to switch both on. They bind hosts that are not the desk's, and a browser
# forgets neither for a year, so their being off is nothing to warn of.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

# --- Logging --------------------------------------------------------------------------------------

LOGGING = logging_settings()
# Wherever they come from: a library's message, an address, a traceback.
hide(
    SECRET_KEY,
    METRICS_TOKEN,
    UWEAR_API_KEY,
    EMAIL_HOST_PASSWORD,  # noqa: F405
    OIDC.client_secret,
    DATABASES["default"].get("PASSWORD"),
    STORAGES["default"].get("OPTIONS", {}).get("secret_key"),
    *(unquote(urlsplit(address).password or "") for address in (BROKER_URL, CACHE_URL)),
)
SENTRY_DSN = env.str("SENTRY_DSN", default="").strip()
if SENTRY_DSN:
    from config.error_reports import report_errors

    report_errors(SENTRY_DSN, release=RELEASE)
