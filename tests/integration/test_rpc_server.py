"""How a server starts, tells its health and its protos, and stops."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any
from unittest.mock import Mock

import pytest
from google.protobuf.descriptor import ServiceDescriptor
from grpc import ChannelConnectivity, StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from llmchat.messages.v1 import messages_service_pb2 as messages_pb2
from llmchat.threads.v1 import threads_service_pb2 as threads_pb2

from libs.common import errors
from libs.common.context import Call
from tests.standins.rpc import THREADS, Served, Threads, echo, new_server, serving, signed_in, two_events

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
HEALTH: ServiceDescriptor = health_pb2.DESCRIPTOR.services_by_name["Health"]


async def listed_services(served: Served) -> set[str]:
    stub = reflection_pb2_grpc.ServerReflectionStub(served.channel)
    asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    answers = [answer async for answer in stub.ServerReflectionInfo(asked)]
    return {service.name for answer in answers for service in answer.list_services_response.service}


async def test_a_taken_port_is_refused() -> None:
    async with serving() as served:
        second = new_server(served.target)
        with pytest.raises(errors.Unavailable, match="address already in use") as caught:
            await second.start()

    assert caught.value.reason == "ADDRESS_IN_USE"


@pytest.mark.parametrize("service", ["", THREADS.full_name])
async def test_health_is_told_of_the_server_and_of_each_service(service: str) -> None:
    async with serving() as served:
        stub = health_pb2_grpc.HealthStub(served.channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))

    assert answer.status == SERVING


async def test_those_who_watch_health_are_told_of_the_stop_before_calls_are_cut() -> None:
    async with serving() as served:
        watch = health_pb2_grpc.HealthStub(served.channel).Watch(health_pb2.HealthCheckRequest(service=""))
        assert (await watch.read()).status == SERVING

        stopping = asyncio.create_task(served.server.stop(grace=0.2))

        assert (await watch.read()).status == NOT_SERVING
        await stopping


async def test_streams_are_told_to_end_before_they_are_cut() -> None:
    leave = asyncio.Event()

    async def stream(request: Any, call: Call) -> AsyncGenerator[messages_pb2.StreamEvent, None]:
        yield messages_pb2.StreamEvent(seq=1)
        await leave.wait()
        raise errors.Unavailable("resume elsewhere", reason="STOPPING")

    async def tell() -> None:
        leave.set()

    async with serving(stream=stream) as served:
        served.server.on_stopping.append(tell)
        events = served.messages.StreamTokens(
            messages_pb2.StreamTokensRequest(message_id="message_1"), metadata=signed_in()
        )
        await anext(aiter(events))

        await served.server.stop(grace=10)

        with pytest.raises(aio.AioRpcError) as caught:
            await anext(aiter(events))

    assert caught.value.details() == "resume elsewhere"


async def test_a_server_that_stops_serves_on_while_it_gives_notice() -> None:
    request = threads_pb2.GetThreadRequest(id="thread_1")
    async with serving(notice=0.3) as served:
        watch = health_pb2_grpc.HealthStub(served.channel).Watch(health_pb2.HealthCheckRequest(service=""))
        await watch.read()

        stopping = asyncio.create_task(served.server.stop(grace=0))
        assert (await watch.read()).status == NOT_SERVING
        answer = await served.threads.GetThread(request, metadata=signed_in())
        await stopping

    assert answer.id == "thread_1"


async def test_a_connection_of_a_certain_age_is_renewed_and_calls_over_it_are_not_cut() -> None:
    request = messages_pb2.StreamTokensRequest(message_id="message_1")
    renewed = asyncio.Event()

    async def stream(request: Any, call: Call) -> AsyncGenerator[messages_pb2.StreamEvent, None]:
        yield messages_pb2.StreamEvent(seq=1)
        await renewed.wait()
        yield messages_pb2.StreamEvent(seq=2)

    async with serving(stream=stream, connection_age=0.2) as served:
        events = aiter(served.messages.StreamTokens(request, metadata=signed_in()))
        await anext(events)
        async with asyncio.timeout(10):
            await served.channel.wait_for_state_change(ChannelConnectivity.READY)
        other = await served.threads.GetThread(threads_pb2.GetThreadRequest(id="thread_1"), metadata=signed_in())
        renewed.set()

        assert other.id == "thread_1"
        assert [event.seq async for event in events] == [2]


async def test_a_callback_that_fails_does_not_keep_the_server_from_stopping() -> None:
    async def fail() -> None:
        raise ValueError

    async with serving() as served:
        served.server.on_stopping.append(fail)
        await served.server.stop(grace=0)

        with pytest.raises(aio.AioRpcError) as caught:
            await served.threads.GetThread(threads_pb2.GetThreadRequest(id="thread_1"), metadata=signed_in())

    assert caught.value.code() is StatusCode.UNAVAILABLE


async def test_reflection_lists_the_services_where_it_is_on() -> None:
    async with serving(reflection=True) as served:
        services = await listed_services(served)

    assert {"llmchat.threads.v1.ThreadsService", "llmchat.messages.v1.MessagesService"} <= services


async def test_reflection_is_not_served_where_it_is_off() -> None:
    async with serving(reflection=False) as served:
        with pytest.raises(aio.AioRpcError) as caught:
            await listed_services(served)

    assert caught.value.code() is StatusCode.UNIMPLEMENTED


async def test_too_much_metadata_is_refused_with_a_clear_status() -> None:
    request = threads_pb2.GetThreadRequest(id="thread_1")
    async with serving() as served:
        with pytest.raises(aio.AioRpcError) as caught:
            await served.threads.GetThread(request, metadata=signed_in(more=(("x-long", "l" * 40_000),)))

    assert caught.value.code() is StatusCode.RESOURCE_EXHAUSTED


async def test_a_request_beyond_4_mib_is_refused_with_a_clear_status() -> None:
    request = threads_pb2.CreateThreadRequest(title="t" * (4 * 1024 * 1024 + 1))
    async with serving() as served:
        with pytest.raises(aio.AioRpcError) as caught:
            await served.threads.CreateThread(request, metadata=signed_in())

    assert caught.value.code() is StatusCode.RESOURCE_EXHAUSTED


def test_a_service_with_a_method_that_declares_no_policy_is_refused() -> None:
    with pytest.raises(TypeError, match=r"/grpc.health.v1.Health/Check declares no policy"):
        new_server().add(HEALTH, object())


def test_a_servicer_that_lacks_a_method_is_refused() -> None:
    with pytest.raises(TypeError, match=r"object.CreateThread must be an async function"):
        new_server().add(THREADS, object())


def test_a_servicer_with_a_method_of_the_wrong_form_is_refused() -> None:
    servicer = Mock(Threads(echo), ListThreads=two_events)

    with pytest.raises(TypeError, match=r"ListThreads must be an async function"):
        new_server().add(THREADS, servicer)
