"""The server's log: lines for people, or JSON for programs. Neither holds a token, nor what was asked for."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

FORMATS = ("text", "json")
FIELDS = ("method", "route", "status", "ms", "client")
"""Of a request."""


class Lines(logging.Formatter):
    """A line for each record, whatever its message holds."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._json = kind == "json"

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        said = {"at": at, "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        said |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info:
            said["trace"] = self.formatException(record.exc_info)
        if self._json:
            return json.dumps(said)
        trace = "\n" + said["trace"] if record.exc_info else ""
        return f"{at} {said['level']} {said['message'].encode('unicode_escape').decode()}{trace}"


def configure(kind: str) -> None:
    """Let what the server says go to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(Lines(kind))
    for name, level in (("nearkin", logging.INFO), ("uvicorn.error", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers[:], logger.propagate = [handler], False
        logger.setLevel(level)
