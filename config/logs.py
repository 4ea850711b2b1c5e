"""Where log lines go and how they are written: the desk's own and those of its servers."""

from __future__ import annotations

from typing import Any

from config.environment import env, one_of
from upscaler.logs.lines import FORMATS

LOG_FORMAT = one_of("LOG_FORMAT", "text", FORMATS)


def logging_settings() -> dict[str, Any]:
    """As `logging.config.dictConfig` takes them."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": "upscaler.logs.lines.line_formatter", "kind": LOG_FORMAT}},
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": "line"},
            "troubles": {"class": "logging.StreamHandler", "formatter": "line", "level": "WARNING"},
        },
        "root": {"handlers": ["console"], "level": "WARNING"},
        "loggers": {
            # Without the framework's own handlers, which would write each line once more, and as it comes.
            "django": {"handlers": []},
            "upscaler": {"level": env.str("LOG_LEVEL", default="INFO")},
            # Two lines for each message would drown the rest; the desk logs each upscale itself. By their handler,
            # since the library's worker sets the loggers' own level.
            "django_tasks": {"handlers": ["troubles"], "propagate": False},
            "django_tasks_db": {"handlers": ["troubles"], "propagate": False},
        },
    }


def web_server_logging() -> dict[str, Any]:
    """gunicorn's own lines, in the same form."""
    line = {"()": "upscaler.logs.lines.line_formatter", "kind": LOG_FORMAT}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": line, "generic": line},
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": "line"},
            "error_console": {"class": "logging.StreamHandler", "formatter": "line"},
        },
        "root": {"level": "WARNING", "handlers": ["console"]},
        "loggers": {
            "gunicorn.error": {"level": "INFO", "handlers": ["console"], "propagate": False},
            "gunicorn.access": {"level": "WARNING", "handlers": ["console"], "propagate": False},
        },
    }
