"""Under which address those who are not signed in are counted."""

import pytest

from libs.common.rpc.interceptors.address import client_address


@pytest.mark.parametrize(
    ("peer", "counted"),
    [
        ("ipv4:192.0.2.1:50100", "192.0.2.1"),
        ("ipv6:[2001:db8:1:2:3:4:5:6]:50100", "2001:db8:1:2::/64"),
        ("ipv6:%5B2001:db8:1:2:ffff::1%5D:50100", "2001:db8:1:2::/64"),
        ("ipv6:[fe80::1%25eth0]:50100", "fe80::/64"),
        ("ipv6:[::ffff:192.0.2.1]:50100", "192.0.2.1"),
        ("unix:/run/llmchat.sock", "unix:/run/llmchat.sock"),
    ],
)
def test_a_client_is_its_address_without_the_port_and_of_ipv6_its_network(peer: str, counted: str) -> None:
    assert client_address(peer, {}, 0) == counted


@pytest.mark.parametrize(
    ("header", "trusted_proxies", "counted"),
    [
        ("198.51.100.7", 1, "198.51.100.7"),
        ("203.0.113.9, 198.51.100.7", 1, "198.51.100.7"),
        ("203.0.113.9, 198.51.100.7, 10.0.0.1", 2, "198.51.100.7"),
        ("2001:db8:1:2::7", 1, "2001:db8:1:2::/64"),
        ("unknown", 1, "unknown"),
        ("x" * 5000, 1, "x" * 100),
    ],
)
def test_behind_proxies_it_is_whom_the_outermost_of_them_was_called_by(
    header: str, trusted_proxies: int, counted: str
) -> None:
    assert client_address("ipv4:10.0.0.2:50100", {"x-forwarded-for": header}, trusted_proxies) == counted


@pytest.mark.parametrize(("header", "trusted_proxies"), [("198.51.100.7", 0), ("198.51.100.7", 2), ("", 1)])
def test_a_header_that_no_proxy_of_ours_wrote_is_not_believed(header: str, trusted_proxies: int) -> None:
    assert client_address("ipv4:10.0.0.2:50100", {"x-forwarded-for": header}, trusted_proxies) == "10.0.0.2"
