"""How Greenroom logs: one line an effect, for people on a terminal, as JSON elsewhere, never a secret."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import structlog
from structlog.types import EventDict, Processor

# What must not get out, whatever the mistake that put it into a line: tokens, keys, ways in. What names it stays.
_SECRET = re.compile(
    r"gh[a-z]_[\w.-]{8,}|github_pat_\w+|sfp_app_[\w-]+|eyJ[\w-]+\.[\w-]+\.[\w-]+|force://\S+|-----BEGIN [A-Z ]+-----.*"
    r"|(?P<named>\b(?:sid|otp|password|[\w-]*token|[\w-]*secret)(?:=|[\"']\s*:\s*[\"']))[^\s&\"',;]+"
    r"|(?P<scheme>://)[^/\s:@]*:[^/\s@]+(?=@)|(?P<bearer>\bBearer\s+)\S+",
    re.DOTALL | re.IGNORECASE,
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
    """The last guard: whatever looks like a secret is replaced, in every value of a line and in what is in it."""
    # structlog's own keys, which it takes out again, begin with an underscore.
    return {key: value if key.startswith("_") else _clean(value) for key, value in line.items()}


def _clean(value: Any) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case dict():
            return {str(_clean(key)): _clean(inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_clean(inner) for inner in value]
        case bytes():
            return _clean(value.decode(errors="replace"))
    return _SECRET.sub(lambda found: f"{found[found.lastgroup] if found.lastgroup else ''}[redacted]", str(value))
