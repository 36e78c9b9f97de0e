"""A stand-in certificate authority, and the files that it gives to processes."""

from __future__ import annotations

import datetime
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from libs.common.rpc.tls import Tls

DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Files:
    """A certificate, its key and the authority that is to be believed, as the settings name them."""

    certificate: str
    key: str
    ca: str

    @property
    def settings(self) -> dict[str, Any]:
        """For `Settings` and `open_house`."""
        return {"tls_certificate": self.certificate, "tls_key": self.key, "tls_ca": self.ca}

    @property
    def environment(self) -> dict[str, str]:
        """For processes."""
        return {f"LLMCHAT_{name.upper()}": value for name, value in self.settings.items()}

    @property
    def pair(self) -> tuple[bytes, bytes]:
        """Key and certificate, as gRPC takes them."""
        return Path(self.key).read_bytes(), Path(self.certificate).read_bytes()

    @property
    def authorities(self) -> bytes:
        """The certificates of those that are to be believed."""
        return Path(self.ca).read_bytes()

    @property
    def tls(self) -> Tls:
        """As a client has it."""
        return Tls(**{name.removeprefix("tls_"): value for name, value in self.settings.items()})


class StandInAuthority:
    """Signs certificates, and keeps them with their keys in files of `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"authority {uuid.uuid4().hex}")])
        own = self._builder(self._name, self._key.public_key(), DAY).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self.ca = self._write("ca", own.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))

    def issue(self, *services: str, life: datetime.timedelta = DAY) -> Files:
        """A certificate that names the services; with a negative life, one that has expired."""
        return Files(*self._pair([f"{service}.llmchat" for service in services], life), self.ca)

    def renew(self, files: Files, *services: str, with_certificate: bool = True) -> None:
        """Puts another key and its certificate in the place of those, or half of that."""
        new = self.issue(*services)
        Path(new.key).replace(files.key)
        if with_certificate:
            Path(new.certificate).replace(files.certificate)

    def _pair(self, names: list[str], life: datetime.timedelta) -> tuple[str, str]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a process")])
        signed = (
            self._builder(subject, key.public_key(), life)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return self._write("certificate", signed.public_bytes(Encoding.PEM)), self._write("key", plain)

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, life: datetime.timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(self._name, subject, key, x509.random_serial_number())
        return builder.not_valid_before(now - 2 * DAY).not_valid_after(now + life)

    def _write(self, kind: str, pem: bytes) -> str:
        file = self._folder / f"{kind}-{uuid.uuid4().hex}.pem"
        file.write_bytes(pem)
        return str(file)
