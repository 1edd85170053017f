"""How Greenroom logs: one line an effect, for people on a terminal, as JSON elsewhere, never a secret."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import structlog
from structlog.types import EventDict, Processor

# What must not get out, whatever the mistake that put it into a line: tokens, keys, ways in.
_SECRET = re.compile(
    r"(gh[a-z]_[A-Za-z0-9_.-]{8,}|sfp_app_[\w-]+|force://\S+|eyJ[\w-]+\.[\w-]+\.[\w-]+"
    r"|-----BEGIN [A-Z ]+-----.*|\b(?:sid|otp|oauth_token|access_token)=[^&\s]+|://[^/\s:@]+:[^/\s@]+@)",
    re.DOTALL,
)


def configure(log_format: str | None, level: str) -> None:
    """Every logger of this process writes to stderr; `log_format` None chooses text on a terminal, else JSON."""
    text = log_format == "text" or (log_format is None and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
        if text
        else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("httpx", "httpcore", "rq.worker", "githubkit", "alembic"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level)))


def redact(_logger: Any, _method: str, line: EventDict) -> EventDict:
    """The last guard: whatever looks like a secret is replaced, in every value of a line."""
    return {key: _SECRET.sub("[redacted]", value) if isinstance(value, str) else value for key, value in line.items()}
