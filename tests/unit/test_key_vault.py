"""The vault of provider keys: what is sealed opens for its person and provider alone, and only as it was stored."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from llmchat.users.stored.v1.user_pb2 import ProviderKey

from libs.common import errors
from libs.common.crypto.envelopes import Unreadable
from libs.common.crypto.keys import KeyRing, SecretKey
from services.users.key_vault import KeyVault, master_ring

OLD, NEW = SecretKey(bytes(range(32))), SecretKey(bytes(range(1, 33)))
API_KEY = "sk-ant-api03-" + "x" * 95


def sealed(vault: KeyVault, user_id: str = "user_ada", provider: str = "claude", api_key: str = API_KEY) -> ProviderKey:
    stored = ProviderKey()
    vault.seal(user_id, provider, api_key, stored)
    return stored


def test_a_key_opens_for_whom_it_was_sealed() -> None:
    vault = KeyVault(KeyRing((NEW,)))
    stored = sealed(vault)
    assert vault.open("user_ada", "claude", stored) == API_KEY
    assert stored.key_id == vault.current_id == NEW.id
    assert API_KEY not in str(stored)


def test_the_same_key_is_sealed_otherwise_each_time_and_hashed_the_same() -> None:
    vault = KeyVault(KeyRing((NEW,)))
    one, other = sealed(vault), sealed(vault)
    assert one.encrypted_key != other.encrypted_key
    assert one.key_hash == other.key_hash
    assert one.key_hash != sealed(vault, api_key=API_KEY + "x").key_hash
    assert one.key_hash != sealed(KeyVault(KeyRing((OLD,)))).key_hash, "the hash is keyed"


@pytest.mark.parametrize(
    ("user_id", "provider"),
    [("user_eve", "claude"), ("user_ada", "openai"), ("user_ada\0claude", ""), ("user_a", "daclaude")],
)
def test_a_key_that_was_moved_stays_closed(user_id: str, provider: str) -> None:
    vault = KeyVault(KeyRing((NEW,)))
    stored = sealed(vault)
    with pytest.raises(Unreadable):
        vault.open(user_id, provider, stored)


def test_a_key_under_another_masters_id_stays_closed() -> None:
    vault = KeyVault(KeyRing((NEW, OLD)))
    stored = sealed(vault)
    stored.key_id = OLD.id
    with pytest.raises(Unreadable):
        vault.open("user_ada", "claude", stored)


def test_a_key_with_any_byte_changed_missing_or_doubled_stays_closed() -> None:
    vault = KeyVault(KeyRing((NEW,)))
    stored = sealed(vault)
    whole = stored.encrypted_key
    changes: tuple[Callable[[int], str], ...] = (
        *(lambda at, bit=bit: whole[:at] + chr(ord(whole[at]) ^ 1 << bit) + whole[at + 1 :] for bit in range(8)),
        lambda at: whole[:at] + whole[at + 1 :],
        lambda at: whole[:at] + whole[at] + whole[at:],
        lambda at: whole[:at],
    )
    for at in range(len(whole)):
        for change in changes:
            stored.encrypted_key = change(at)
            with pytest.raises(Unreadable):
                vault.open("user_ada", "claude", stored)


def test_a_key_of_each_length_has_one_spelling() -> None:
    """Base64 leaves bits unused at its end: these count, too."""
    vault = KeyVault(KeyRing((NEW,)))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
    for length in (20, 21, 22):
        stored = sealed(vault, api_key="k" * length)
        whole = stored.encrypted_key
        for at in range(len(whole) - 4, len(whole)):
            for letter in alphabet.replace(whole[at], ""):
                stored.encrypted_key = whole[:at] + letter + whole[at + 1 :]
                with pytest.raises(Unreadable):
                    vault.open("user_ada", "claude", stored)


def test_an_older_master_key_opens_until_it_is_removed() -> None:
    stored = sealed(KeyVault(KeyRing((OLD,))))
    assert KeyVault(KeyRing((NEW, OLD))).open("user_ada", "claude", stored) == API_KEY
    with pytest.raises(Unreadable):
        KeyVault(KeyRing((NEW,))).open("user_ada", "claude", stored)


def test_master_keys_that_are_set_come_before_those_that_are_derived() -> None:
    derived = KeyRing((OLD,))
    assert master_ring(None, derived) == derived
    assert master_ring(NEW.encoded, derived) == KeyRing((NEW, OLD))


@pytest.mark.parametrize("setting", ["", "hunter2", f"{NEW.encoded},hunter2", f"{NEW.encoded},{NEW.encoded}"])
def test_malformed_master_keys_are_refused_by_the_settings_name(setting: str) -> None:
    with pytest.raises(errors.Invalid, match=r"^LLMCHAT_MASTER_KEYS") as caught:
        master_ring(setting, KeyRing((OLD,)))
    assert "hunter2" not in caught.value.text
    assert NEW.encoded not in caught.value.text
