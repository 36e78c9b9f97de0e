"""Keys, passwords, digests, and what may be shown of a message that holds a secret."""

import base64
import hmac
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bcrypt
import pytest
from llmchat.users.v1 import users_service_pb2 as users_pb2

from libs.common import errors
from libs.common.crypto.envelopes import Unreadable, open_envelope, seal
from libs.common.crypto.keys import KeyRing, SecretKey
from libs.common.crypto.passwords import Passwords
from libs.common.crypto.requests import RequestSeal
from libs.common.redaction import redacted

KEY = SecretKey(bytes(range(32)))
OTHER = SecretKey(bytes(32))


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    # bcrypt's lowest cost; the rules do not depend on it.
    made = Passwords(cost=4)
    yield made
    made.close()


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secret.key"

    made = KeyRing.load_or_create(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KeyRing.load_or_create(path) == made
    assert [file.name for file in path.parent.iterdir()] == ["secret.key"]


def test_processes_that_start_together_get_the_same_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(KeyRing.load_or_create, [tmp_path / "secret.key"] * 32))

    assert len(keys) == 1


def test_a_key_is_read_from_a_setting() -> None:
    assert KeyRing.parse(f" {base64.b64encode(bytes(range(32))).decode()}\n") == KeyRing((KEY,))


@pytest.mark.parametrize(
    "setting", ["", "hunter2hunter2", "c2hvcnQ=", "ü" * 44, base64.b64encode(b"l" * 33).decode(), "*" * 44]
)
def test_a_malformed_key_is_refused_and_not_shown(setting: str) -> None:
    with pytest.raises(errors.Invalid, match="the secret key must be base64 of 32 bytes") as caught:
        KeyRing.parse(setting)

    assert not setting or setting not in caught.value.text


def test_a_malformed_key_is_told_by_the_name_of_its_setting() -> None:
    for setting in ("hunter2", f"{KEY.encoded},hunter2", f"{KEY.encoded},{KEY.encoded}"):
        with pytest.raises(errors.Invalid, match=r"^LLMCHAT_SECRET_KEY"):
            KeyRing.parse(setting, "LLMCHAT_SECRET_KEY")


def test_a_malformed_key_file_is_refused_by_its_name_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    path.write_bytes(b"\xffnot a key")

    with pytest.raises(errors.Invalid, match=r"secret\.key must be base64 of 32 bytes"):
        KeyRing.load_or_create(path)
    assert path.read_bytes() == b"\xffnot a key"


def test_a_key_is_derived_as_rfc_5869_says() -> None:
    extracted = hmac.digest(bytes(32), KEY.secret, "sha256")

    assert KEY.derive("tokens") == hmac.digest(extracted, b"tokens\x01", "sha256")


def test_each_purpose_has_a_key_of_its_own_and_the_secret_is_never_shown() -> None:
    assert len({KEY.secret, KEY.derive("tokens"), KEY.derive("pages")}) == 3
    assert repr(KeyRing((KEY,))) == "KeyRing(keys=(SecretKey(),))"


async def test_a_password_is_known_again_and_another_is_not(passwords: Passwords) -> None:
    hashed = await passwords.hash("correct horse")

    assert await passwords.verify("correct horse", hashed)
    assert not await passwords.verify("correct horsf", hashed)
    assert await passwords.hash("correct horse") != hashed


@pytest.mark.parametrize(
    ("password", "other"),
    [("x" * 72 + "a", "x" * 72 + "b"), ("a\0b", "a\0c"), ("pässwörd 🙂", "pässwörd 🙃"), ("é", "e\u0301")],
    ids=["beyond 72 bytes", "behind a NUL", "beyond ASCII", "another form of a letter"],
)
async def test_every_character_of_a_password_counts(passwords: Passwords, password: str, other: str) -> None:
    hashed = await passwords.hash(password)

    assert await passwords.verify(password, hashed)
    assert not await passwords.verify(other, hashed)


async def test_an_unknown_user_costs_what_a_wrong_password_costs() -> None:
    passwords = Passwords(cost=10)
    hashed = await passwords.hash("right")

    # Processor time of this process: what else the machine does is not in it.
    async def cost(known: bool) -> float:
        start = time.process_time()
        await passwords.verify("wrong", hashed if known else "")
        return time.process_time() - start

    known = min([await cost(known=True) for _ in range(5)])
    unknown = min([await cost(known=False) for _ in range(5)])
    passwords.close()

    assert 0.5 < unknown / known < 2


async def test_a_hash_of_a_lower_cost_takes_as_long_and_is_known_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    before, now = Passwords(cost=5), Passwords(cost=8)
    hashed = await before.hash("right")
    rounds: list[int] = []
    check = bcrypt.checkpw

    def counted(password: bytes, hashed: bytes) -> bool:
        rounds.append(2 ** int(hashed.split(b"$")[2]))
        return check(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", counted)

    assert await now.verify("right", hashed)
    assert sum(rounds) == 2**8
    assert now.is_cheap(hashed)
    assert not before.is_cheap(hashed)
    before.close()
    now.close()


def test_a_ring_is_read_with_its_current_key_first() -> None:
    ring = KeyRing.parse(f"{KEY.encoded}, {OTHER.encoded}")

    assert ring.keys == (KEY, OTHER)
    assert ring.current == KEY
    assert ring.find(OTHER.id) == OTHER
    assert ring.find("another") is None
    assert KeyRing.parse(f"{KEY.encoded}\n{OTHER.encoded}\n") == ring


def test_a_key_that_is_there_twice_is_refused() -> None:
    with pytest.raises(errors.Invalid, match="twice"):
        KeyRing.parse(f"{KEY.encoded},{KEY.encoded}")


def test_what_is_sealed_opens_under_its_key_at_its_place() -> None:
    envelope = seal(KEY.secret, b"hello", b"here")

    assert open_envelope(KEY.secret, envelope, b"here") == b"hello"
    assert seal(KEY.secret, b"hello", b"here") != envelope
    for key, place in ((OTHER.secret, b"here"), (KEY.secret, b"there")):
        with pytest.raises(Unreadable):
            open_envelope(key, envelope, place)


def test_an_envelope_with_any_bit_changed_or_any_byte_missing_stays_closed() -> None:
    envelope = seal(KEY.secret, b"hello", b"here")
    changed = [
        envelope[:place] + bytes((envelope[place] ^ 1 << bit,)) + envelope[place + 1 :]
        for place in range(len(envelope))
        for bit in range(8)
    ]

    for other in (*changed, *(envelope[:length] for length in range(len(envelope)))):
        with pytest.raises(Unreadable):
            open_envelope(KEY.secret, other, b"here")


def test_a_digest_tells_requests_apart_but_not_by_their_request_id() -> None:
    seal = RequestSeal([KEY.derive("requests")])
    request = users_pb2.CreateUserRequest(username="ada@example.org", request_id="1")
    repeated = users_pb2.CreateUserRequest(username="ada@example.org", request_id="2")
    another = users_pb2.CreateUserRequest(username="eve@example.org", request_id="1")
    digest = seal.digest("Create", request)

    assert seal.matches(digest, "Create", repeated)
    assert not seal.matches(digest, "Create", another)
    assert not seal.matches(digest, "Update", request)
    assert not RequestSeal([KEY.derive("others")]).matches(digest, "Create", request)
    assert request.request_id == "1"


def test_an_answer_is_kept_so_that_only_its_keys_read_it() -> None:
    envelope = RequestSeal([KEY.secret]).seal("record_1", b"an answer")

    assert b"an answer" not in envelope
    assert RequestSeal([OTHER.secret, KEY.secret]).open("record_1", envelope) == b"an answer"
    assert RequestSeal([OTHER.secret]).open("record_1", envelope) is None
    assert RequestSeal([KEY.secret]).open("record_2", envelope) is None


def test_what_is_shown_of_a_message_lacks_its_secrets_at_any_depth() -> None:
    login = users_pb2.LoginRequest(username="ada@example.org", password="hunter2")
    answer = users_pb2.LoginResponse(access_token="a token")
    answer.user.display_name = "Ada"

    assert redacted(login) == users_pb2.LoginRequest(username="ada@example.org")
    assert "a token" not in str(redacted(answer))
    assert redacted(answer).user.display_name == "Ada"
    assert login.password == "hunter2"
