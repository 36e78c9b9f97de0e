"""The bus and the counts over TLS: a real Redis behind a stand-in that ends the TLS in front of it."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import uuid
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from libs.common.access.redis_counts import open_redis_counts
from libs.common.events.bus import Delivery
from libs.common.events.open import open_bus
from tests.conformance.listening import Listener
from tests.standins.wire import Wire


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """One for 127.0.0.1, signed by itself, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "redis")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = tmp_path / "redis.pem"
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(serialization.Encoding.PEM, *plain)
    )
    return file


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    """What the server's end shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def test_a_bus_over_tls_trusts_the_authority_of_its_url(
    redis_url: str, certificate: Path, tls: ssl.SSLContext
) -> None:
    listener = Listener()
    async with (
        Wire(int(redis_url.rpartition(":")[2]), tls=tls) as wire,
        open_bus(f"rediss://127.0.0.1:{wire.port}?ssl_ca_certs={certificate}") as bus,
        bus.subscribe(listener, "over.tls"),
    ):
        bus.publish("over.tls", bytes(100_000))
        await listener.count(1)
    assert listener.items == [Delivery("over.tls", bytes(100_000))]


async def test_counts_over_tls_are_those_of_every_process(
    redis_url: str, certificate: Path, tls: ssl.SSLContext
) -> None:
    who = f"user_{uuid.uuid4().hex}"
    async with (
        Wire(int(redis_url.rpartition(":")[2]), tls=tls) as wire,
        open_redis_counts(f"rediss://127.0.0.1:{wire.port}?ssl_ca_certs={certificate}", patience=30) as over_tls,
        open_redis_counts(redis_url, patience=30) as plain,
    ):
        assert await over_tls.take(who, 1, 0) == 0
        assert await plain.take(who, 1, 0) > 0


async def test_a_server_that_nobody_vouches_for_is_one_that_is_away(
    redis_url: str, tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    listener = Listener()
    async with (
        Wire(int(redis_url.rpartition(":")[2]), tls=tls) as wire,
        open_bus(f"rediss://127.0.0.1:{wire.port}") as bus,
        bus.subscribe(listener, "over.tls"),
    ):
        bus.publish("over.tls", b"lost")
    assert listener.items == []
    assert "certificate verify failed" in caplog.text
