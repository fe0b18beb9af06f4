"""Log lines say what happened and never a secret."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING

import pytest

from bot.log import set_up_logging

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "123456:AAE-very-secret"


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, as it was before when the test ends."""
    logger = logging.getLogger()
    before, level = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:] = before
    logger.setLevel(level)


def logged(form: str, root: logging.Logger) -> str:
    stream = io.StringIO()
    set_up_logging(form, [TOKEN], stream=stream)
    fault = RuntimeError(f"https://api.telegram.org/bot{TOKEN}/sendMessage")
    root.error("delivery failed", exc_info=fault, extra={"chat": 7, "reason": f"at bot{TOKEN}"})
    return stream.getvalue()


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_token_is_masked_in_fields_and_tracebacks(form: str, root: logging.Logger) -> None:
    text = logged(form, root)
    assert TOKEN not in text
    assert "bot***/sendMessage" in text


def test_json_lines_carry_event_and_fields(root: logging.Logger) -> None:
    value = json.loads(logged("json", root))
    assert value["event"] == "delivery failed"
    assert (value["chat"], value["level"]) == (7, "ERROR")
    assert "RuntimeError" in value["traceback"]


def test_text_lines_quote_fields_with_spaces(root: logging.Logger) -> None:
    first = logged("text", root).splitlines()[0]
    assert 'delivery failed chat=7 reason="at bot***"' in first


def test_http_libraries_do_not_log_addresses(root: logging.Logger) -> None:
    stream = io.StringIO()
    set_up_logging("text", stream=stream)
    logging.getLogger("httpx").info("HTTP Request: POST https://api.telegram.org/bot1:x/getMe")
    assert stream.getvalue() == ""
