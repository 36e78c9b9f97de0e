"""Log lines on the standard error stream, each with the id of the request it was written for, and of its trace."""

from __future__ import annotations

import json
import logging
import time
from typing import Literal

from libs.common.context import current_call

_TEXT = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s [%(request_id)s] %(message)s"
_TIME = "%Y-%m-%dT%H:%M:%S"


def configure_logging(level: str, format: Literal["text", "json"]) -> None:
    """Sends what is logged at `level` (`DEBUG`, `INFO`, …) and above to the standard error stream.

    Replaces what was configured before. The one place that changes the process's logging; only a `__main__` calls it.
    """
    handler = logging.StreamHandler()
    handler.addFilter(_mark_request)
    handler.setFormatter(JsonLines() if format == "json" else _text())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # gRPC's own debugging says several lines per call of what is not ours.
    logging.getLogger("grpc").setLevel(logging.WARNING)
    # urllib3 warns of each attempt that it repeats, with the whole URL, which names documents.
    logging.getLogger("urllib3").setLevel(logging.ERROR)


class JsonLines(logging.Formatter):
    """A JSON object per line: `time`, `level`, `logger`, `message`, `request_id`; where there is one, `trace_id` and
    `exception`.
    """

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": f"{time.strftime(_TIME, time.gmtime(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": getattr(record, "request_id", ""),
        }
        if trace_id := getattr(record, "trace_id", ""):
            entry["trace_id"] = trace_id
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def _text() -> logging.Formatter:
    formatter = logging.Formatter(_TEXT, _TIME)
    formatter.converter = time.gmtime
    return formatter


def _mark_request(record: logging.LogRecord) -> bool:
    call = current_call()
    if not hasattr(record, "request_id"):
        record.request_id = call.request_id
    # `00-TRACE-SPAN-FLAGS`, as W3C has it.
    record.trace_id = call.traceparent.split("-")[1] if call.traceparent else ""
    return True
