"""Addresses as settings hold them, and the gRPC targets that they stand for."""

import pytest

from libs.common.errors import Invalid, Unavailable
from libs.common.rpc.targets import target_of


@pytest.mark.parametrize(
    "target", ["dns:///threads.llmchat:50051", "ipv4:127.0.0.1:7080,127.0.0.1:7081", "unix:/run/llmchat/threads.sock"]
)
def test_a_grpc_target_is_taken_as_it_is(target: str) -> None:
    assert target_of(target) == target


@pytest.mark.parametrize("address", ["threads.llmchat:50051", "127.0.0.1:7080", "[::1]:7080"])
def test_one_address_is_looked_up_by_grpc_itself(address: str) -> None:
    assert target_of(f" {address} ") == address


def test_several_addresses_are_one_target() -> None:
    assert target_of("127.0.0.1:7080, 127.0.0.1:7081") == "ipv4:127.0.0.1:7080,127.0.0.1:7081"
    assert target_of("[::1]:7080,[::1]:7081") == "ipv6:[::1]:7080,[::1]:7081"


def test_both_families_go_together() -> None:
    assert target_of("127.0.0.1:7080,[::1]:7081") == "ipv6:[::ffff:127.0.0.1]:7080,[::1]:7081"


def test_a_host_of_a_list_is_looked_up() -> None:
    both = target_of("localhost:7080,127.0.0.1:7081")

    assert "127.0.0.1]:7080" in both or "127.0.0.1:7080" in both
    assert "127.0.0.1]:7081" in both or "127.0.0.1:7081" in both


@pytest.mark.parametrize("address", ["", "threads", "threads:", ":7080", "threads:70800", "threads:http", "::1:7080"])
def test_what_is_no_address_is_refused_alone_and_in_a_list(address: str) -> None:
    for addresses in (address, f"127.0.0.1:7080,{address}"):
        with pytest.raises(Invalid, match="HOST:PORT"):
            target_of(addresses)


def test_a_host_of_a_list_that_nobody_knows_is_unavailable() -> None:
    with pytest.raises(Unavailable, match=r"nobody\.invalid"):
        target_of("127.0.0.1:7080,nobody.invalid:7080")
