"""Log lines: one each, for people or for programs."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from retrieval.server.logs import LineFormatter, configure_logging


@pytest.fixture
def restored_loggers() -> Iterator[None]:
    """Put the loggers back as they were."""
    loggers = [logging.getLogger(name) for name in ("nearkin", "uvicorn.error")]
    before = [(logger, logger.handlers[:], logger.propagate, logger.level) for logger in loggers]
    yield
    for logger, handlers, propagate, level in before:
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)


def test_log_lines_are_one_line_each() -> None:
    record = logging.makeLogRecord(
        {"msg": "a\nb\x1b[31m", "name": "nearkin.access", "levelname": "INFO", "status": 200}
    )
    assert "\n" not in LineFormatter("text").format(record)
    fields = json.loads(LineFormatter("json").format(record))
    assert (fields["message"], fields["status"], fields["level"]) == ("a\nb\x1b[31m", 200, "info")


def test_a_traceback_follows_its_line_and_is_a_field_in_json() -> None:
    try:
        raise ValueError("why")
    except ValueError as error:
        record = logging.makeLogRecord({"msg": "it broke", "exc_info": (ValueError, error, error.__traceback__)})
    first, *rest = LineFormatter("text").format(record).splitlines()
    assert first.endswith("it broke")
    assert rest[-1] == "ValueError: why"
    line = LineFormatter("json").format(record)
    assert "\n" not in line
    assert json.loads(line)["trace"].endswith("ValueError: why")


@pytest.mark.usefixtures("restored_loggers")
def test_the_log_goes_to_standard_error_and_nowhere_else(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json")
    logging.getLogger("nearkin.access").info("asked")
    logging.getLogger("uvicorn.error").info("not of interest")
    output = capsys.readouterr()
    assert output.out == ""
    assert [json.loads(line)["message"] for line in output.err.splitlines()] == ["asked"]
