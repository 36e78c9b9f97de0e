"""TLS between processes: certificates of one authority that name services, not hosts.

A process shows a certificate with the DNS name `<service>.llmchat` for each service that it serves, and whoever calls a
service asks for that name. So addresses may be lists, numbers, or names that move.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import grpc
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from libs.common.errors import Invalid, Unauthenticated

_log = logging.getLogger(__name__)

CERTIFICATE = "LLMCHAT_TLS_CERTIFICATE"
KEY = "LLMCHAT_TLS_KEY"
CA = "LLMCHAT_TLS_CA"


def name_of(service: str) -> str:
    """The DNS name of a service in certificates."""
    return f"{service}.llmchat"


def require_certificate(peer: Mapping[str, Iterable[bytes]], service: str) -> None:
    """Returns where the certificate of the other end names the service.

    Args:
        peer: gRPC's auth context of the connection.
        service: whose token came over it.

    Raises:
        Unauthenticated: it does not (reason WRONG_CERTIFICATE).
    """
    if name_of(service).encode() not in peer.get("peer_dns", ()):
        text = f"a token of {service} came over a connection whose certificate does not name {name_of(service)}"
        raise Unauthenticated(text, reason="WRONG_CERTIFICATE")


class Tls:
    """What this process shows to others and whom it believes, from PEM files.

    The files are read again when they change. While they do not fit together, what they held before is kept.
    """

    def __init__(self, certificate: str, key: str, ca: str) -> None:
        """Args:
        certificate: the file with the certificate, and behind it what leads to the authority; empty: none is shown.
        key: the file with its key.
        ca: the file with the certificates of the authorities; empty: only what shows the same certificate is believed.

        Raises:
            Invalid: one of the pair is missing, a file cannot be read or holds something else, the key is not that of
                the certificate, or the certificate has expired.
        """
        for one, other, name in ((certificate, key, KEY), (key, certificate, CERTIFICATE)):
            if one and not other:
                raise Invalid(f"{name} is not set: a certificate and its key go together")
        self._files = _Files(certificate, key, ca)
        self._state = self._files.state()
        self._material = self._shown = self._files.read()
        self._used = self._material
        self._channel_credentials = _credentials(self._used)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Tls | None:
        """As a client has it by the settings in `environment`; None where they name no file.

        Raises:
            Invalid: as the constructor.
        """
        files = [environment.get(name, "") for name in (CERTIFICATE, KEY, CA)]
        return cls(*files) if any(files) else None

    @property
    def is_mutual(self) -> bool:
        """Whether a server demands a certificate of whoever connects."""
        return bool(self._files.ca)

    @property
    def names(self) -> frozenset[str]:
        """The DNS names in the certificate that this process shows; none where it shows none."""
        return self._material.names

    def require_naming(self, services: Collection[str]) -> None:
        """Returns where there is a certificate that a server of these services can show.

        Raises:
            Invalid: there is none, or it does not name all of them.
        """
        if not self._files.certificate:
            raise Invalid(f"{CERTIFICATE} is not set: {CA} alone is for who serves nothing")
        if missing := sorted({name_of(service) for service in services} - self._material.names):
            raise Invalid(f"{CERTIFICATE}: the certificate in {self._files.certificate} lacks {', '.join(missing)}")

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """For connections to others: the same until the files hold something else."""
        self._look()
        if self._used is not self._material:
            self._used = self._material
            self._channel_credentials = _credentials(self._used)
        return self._channel_credentials

    def server_credentials(self) -> grpc.ServerCredentials:
        """For connections from others: each gets what the files hold when it begins."""
        # gRPC takes None for an answer, unlike its stubs.
        changed = cast("Callable[[], grpc.ServerCertificateConfiguration]", self._changed)
        return grpc.dynamic_ssl_server_credentials(self._configuration(), changed, self.is_mutual)

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        self._shown = self._material
        roots = self._shown.believed if self.is_mutual else None
        return grpc.ssl_server_certificate_configuration([(self._shown.key, self._shown.chain)], roots)

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        """None where nothing has; gRPC calls it in a thread of its own."""
        self._look()
        return None if self._shown is self._material else self._configuration()

    def _look(self) -> None:
        try:
            state = self._files.state()
            if state == self._state:
                return
            # Of files that are replaced one by one, the last makes them fit together, and changes the state again.
            self._state = state
            self._material = self._files.read()
        except Invalid as error:
            _log.warning("the former certificate is kept: %s", error.text)
        else:
            _log.info("the files for TLS hold something else, which is used from now on")


@dataclass(frozen=True, slots=True)
class _Material:
    """PEM bytes, and what the certificate says. Empty where there is none."""

    chain: bytes
    key: bytes
    believed: bytes
    names: frozenset[str]


def _credentials(material: _Material) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(material.believed, material.key or None, material.chain or None)


@dataclass(frozen=True, slots=True)
class _Files:
    certificate: str
    key: str
    ca: str

    def state(self) -> tuple[tuple[int, int, int], ...]:
        """Another one after each change of a file."""
        return tuple(_state(path) for _, path in self._given())

    def read(self) -> _Material:
        """What the files hold, found to fit together."""
        held = {setting: _read(setting, path) for setting, path in self._given()}
        chain, key, ca = (held.get(setting, b"") for setting in (CERTIFICATE, KEY, CA))
        if ca:
            _certificates(CA, self.ca, ca)
        if not chain:
            return _Material(b"", b"", ca, frozenset())
        certificate = _certificates(CERTIFICATE, self.certificate, chain)[0]
        expires = certificate.not_valid_after_utc
        if expires <= datetime.now(UTC):
            raise Invalid(f"{CERTIFICATE}: the certificate in {self.certificate} expired at {expires.isoformat()}")
        if _public_part(self.key, key) != certificate.public_key().public_bytes(*_PUBLIC):
            raise Invalid(f"{KEY}: {self.key} is not the key of the certificate in {self.certificate}")
        return _Material(chain, key, ca or chain, _names(certificate))

    def _given(self) -> list[tuple[str, str]]:
        return [
            (setting, path)
            for setting, path in ((CERTIFICATE, self.certificate), (KEY, self.key), (CA, self.ca))
            if path
        ]


_PUBLIC = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _state(path: str) -> tuple[int, int, int]:
    try:
        stat = os.stat(path)
    except OSError:
        # Why not, is said where it is read.
        return (0, 0, 0)
    return (stat.st_mtime_ns, stat.st_ino, stat.st_size)


def _read(setting: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise Invalid(f"{setting}: {path} cannot be read: {error.strerror}") from error


def _certificates(setting: str, path: str, pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise Invalid(f"{setting}: {path} holds no certificate in PEM form") from None


def _public_part(path: str, pem: bytes) -> bytes:
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise Invalid(f"{KEY}: {path} is encrypted: the key must be readable without a password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise Invalid(f"{KEY}: {path} holds no private key in PEM form") from None
    # Others pass for keys here and fail at every connection.
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise Invalid(f"{KEY}: the key in {path} is neither an RSA nor an EC key")
    return key.public_key().public_bytes(*_PUBLIC)


def _names(certificate: x509.Certificate) -> frozenset[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return frozenset()
    return frozenset(names.get_values_for_type(x509.DNSName))
