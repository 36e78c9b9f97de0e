"""Every log line names the request it was written for."""

import json
import logging
from collections.abc import Iterator

import pytest

from libs.common.context import Call, enter_call
from libs.common.logs import configure_logging


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


async def test_a_text_line_has_its_request_id(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", "text")
    enter_call(Call(request_id="call-7"))

    logging.getLogger("llmchat").info("a thread was %s", "made")
    logging.getLogger("llmchat").debug("not shown")

    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("INFO llmchat [call-7] a thread was made")


async def test_a_json_line_is_one_object_whatever_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("WARNING", "json")

    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("llmchat").exception("failed", extra={"request_id": "call-8"})

    (line,) = capsys.readouterr().err.splitlines()
    entry = json.loads(line)
    assert (entry["level"], entry["request_id"], entry["message"]) == ("ERROR", "call-8", "failed")
    assert "two\nlines" in entry["exception"]


async def test_a_json_line_leads_to_the_trace_of_its_request(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", "json")
    enter_call(Call(traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"))

    logging.getLogger("llmchat").info("done")

    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
