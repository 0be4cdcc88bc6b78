"""The server's log: lines for people, or JSON for programs. Neither holds a token or what a request asked for."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

FORMATS = ("text", "json")
REQUEST_FIELDS = ("method", "route", "status", "ms", "client")


class LineFormatter(logging.Formatter):
    """Formats each record as one line, whatever its message holds. `log_format`: text or json."""

    def __init__(self, log_format: str) -> None:
        super().__init__()
        self._json = log_format == "json"

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; in text, a traceback follows it."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields = {"at": at, "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        fields |= {name: getattr(record, name) for name in REQUEST_FIELDS if hasattr(record, name)}
        if record.exc_info:
            fields["trace"] = self.formatException(record.exc_info)
        if self._json:
            return json.dumps(fields)
        trace = "\n" + fields["trace"] if record.exc_info else ""
        return f"{at} {fields['level']} {fields['message'].encode('unicode_escape').decode()}{trace}"


def configure_logging(log_format: str) -> None:
    """Send the server's log to standard error, in that format."""
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter(log_format))
    for name, level in (("nearkin", logging.INFO), ("uvicorn.error", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers[:], logger.propagate = [handler], False
        logger.setLevel(level)
