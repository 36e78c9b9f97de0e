"""One request's trace through all the services that it goes through, as an OTLP collector gets it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from grpc import aio
from llmchat.messages.v1.messages_service_pb2 import SendMessageRequest
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, GetThreadRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from libs.common.errors import Invalid
from tests.integration.calling import eventually
from tests.integration.conftest import House, Person, open_house
from tests.integration.watching import watch

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


class StandInCollector(TraceServiceServicer):
    """A stand-in for an OTLP collector: it keeps the spans that come."""

    def __init__(self) -> None:
        self.address = ""
        self.spans: list[Span] = []

    async def Export(  # noqa: N802
        self, request: ExportTraceServiceRequest, context: object
    ) -> ExportTraceServiceResponse:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans += scope.spans
        return ExportTraceServiceResponse()

    def of(self, trace: str) -> dict[str, Span]:
        """By name, the spans of one trace."""
        return {span.name: span for span in self.spans if span.trace_id.hex() == trace}

    def path(self, trace: str, name: str) -> list[str]:
        """The names from a span up to where its trace came in."""
        spans = {span.span_id: span for span in self.spans if span.trace_id.hex() == trace}
        return list(_upwards(spans, self.of(trace)[name]))


def _upwards(spans: dict[bytes, Span], span: Span | None) -> Iterator[str]:
    while span is not None:
        yield span.name
        span = spans.get(span.parent_span_id)


@pytest.fixture
async def collector() -> AsyncIterator[StandInCollector]:
    collector = StandInCollector()
    server = aio.server()
    add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    collector.address = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    yield collector
    await server.stop(None)


@asynccontextmanager
async def traced_house(folder: Path, collector: StandInCollector) -> AsyncIterator[tuple[House, Person]]:
    """What it has seen is at the collector when the context is left."""
    async with open_house(folder, otlp_endpoint=collector.address) as house:
        yield house, await house.person()


async def test_a_callers_trace_goes_on_through_services_store_and_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, collector: StandInCollector
) -> None:
    monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "0")
    sent = (("traceparent", f"00-{TRACE}-{PARENT}-01"),)
    async with traced_house(tmp_path, collector) as (_, anna):
        thread = await anna.threads.CreateThread(CreateThreadRequest())
        request = SendMessageRequest(thread_id=thread.id, model_id="echo", content="Hello")
        await watch(anna.messages.SendMessage(request, metadata=sent))
        read = GetThreadRequest(id=thread.id)
        await eventually(lambda: anna.threads.GetThread(read), lambda thread: thread.has_title)

    send = "llmchat.messages.v1.MessagesService/SendMessage"
    get = "llmchat.threads.v1.ThreadsService/GetThread"
    assert collector.of(TRACE)[send].parent_span_id.hex() == PARENT
    kinds = {span.kind for span in collector.spans if span.trace_id.hex() == TRACE and span.name == get}
    assert kinds == {Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_SERVER}
    assert collector.path(TRACE, "store get threads")[-1] == send
    assert collector.path(TRACE, "event thread.title_wanted")[-2:] == ["event generation.finished", send]
    assert any(name.startswith("store commit") and "messages" in name for name in collector.of(TRACE))


async def test_a_trace_without_a_caller_begins_with_the_call(tmp_path: Path, collector: StandInCollector) -> None:
    async with traced_house(tmp_path, collector) as (_, anna):
        await anna.threads.CreateThread(CreateThreadRequest(title="Lisbon"))

    create = next(span for span in collector.spans if span.name.endswith("CreateThread"))
    assert create.parent_span_id == b""
    assert create.status.code == Status.STATUS_CODE_UNSET


async def test_a_failure_is_seen_by_its_status_and_tells_nothing_of_whom(
    tmp_path: Path, collector: StandInCollector
) -> None:
    async with traced_house(tmp_path, collector) as (_, anna):
        with pytest.raises(aio.AioRpcError):
            await anna.threads.GetThread(GetThreadRequest(id="thread_of_nobody"))

    get = next(span for span in collector.spans if span.name.endswith("GetThread"))
    assert (get.status.code, get.status.message) == (Status.STATUS_CODE_ERROR, "NOT_FOUND")
    assert "thread_of_nobody" not in str(collector.spans)
    assert anna.user_id not in str(collector.spans)


async def test_without_the_extra_the_start_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(Invalid, match=r"llmchat\[traces\]"):
        async with open_house(tmp_path, otlp_endpoint="http://127.0.0.1:1"):
            pass
