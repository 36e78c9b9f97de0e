"""Signing in by the word of an issuer: the first time it opens an account, later it opens a session of that account."""

from __future__ import annotations

import re
import secrets
from urllib.parse import urlsplit

from llmchat.users.stored.v1.session_pb2 import IdentityRecord
from llmchat.users.stored.v1.user_pb2 import UserRecord
from llmchat.users.v1.users_service_pb2 import CreateUserRequest, LoginResponse, SignInWithIdTokenRequest

from libs.common.access.live_config import LiveConfig
from libs.common.audit import audit
from libs.common.clock import timestamp
from libs.common.context import NOBODY
from libs.common.crypto.passwords import Passwords
from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from libs.common.errors import AlreadyExists, Denied, Invalid
from libs.common.events.outbox import Outbox
from libs.common.rpc.interceptors.text import without_forbidden
from libs.common.rpc.interceptors.validation import Validation
from services.users.collections import IDENTITIES, USERNAMES, USERS
from services.users.openid_tokens import IdTokens, Person
from services.users.sessions import Sessions
from services.users.user import create_user, require_registration, username_id

_LONGEST_NAME = 100
# What the rule of `display_name` forbids.
_unfit = re.compile(r'[\x00-\x1f\x7f<>"`\\]')


class OpenIdSignIn:
    """Sessions and accounts of people whom an issuer vouches for.

    An account belongs to a person by issuer and subject alone. One that has the same e-mail address for a username is
    never taken for theirs: whoever opened it need not own the address.
    """

    def __init__(
        self,
        documents: Documents,
        outbox: Outbox,
        config: LiveConfig,
        passwords: Passwords,
        sessions: Sessions,
        id_tokens: IdTokens,
    ) -> None:
        self._documents = documents
        self._outbox = outbox
        self._config = config
        self._passwords = passwords
        self._sessions = sessions
        self._id_tokens = id_tokens
        self._validation = Validation()

    async def sign_in(self, request: SignInWithIdTokenRequest) -> LoginResponse:
        """The tokens of a new session.

        Raises:
            Unauthenticated: the ID token is not valid (reason INVALID_ID_TOKEN).
            Unavailable: the issuer's keys cannot be had (reason ISSUER_UNAVAILABLE).
            Precondition: it is the first time, and people may not open accounts (reason REGISTRATION_CLOSED).
            AlreadyExists: it is the first time, and another account has the username (reason USERNAME_TAKEN).
            Denied: the account is suspended or deleted (reason ACCOUNT_SUSPENDED, ACCOUNT_DELETED).
        """
        person = await self._id_tokens.verify(request.id_token, request.nonce)
        try:
            return await self._known(person, request.client_name) or await self._first(person, request.client_name)
        except Denied as error:
            reason = error.reason
            await self._documents.unit(lambda unit: self._audit_refusal(unit, person, reason))
            raise

    async def _known(self, person: Person, client_name: str) -> LoginResponse | None:
        async def enter(unit: Unit) -> LoginResponse | None:
            record = await _account(unit, person)
            return await self._open(unit, record, client_name) if record else None

        return await self._documents.unit(enter)

    async def _first(self, person: Person, client_name: str) -> LoginResponse:
        require_registration(self._config, NOBODY)
        account = self._registration(person)
        # Of a password that nobody knows: a login with any takes as long as elsewhere, and fails.
        password_hash = await self._passwords.hash(secrets.token_urlsafe())

        async def enter(unit: Unit) -> LoginResponse:
            # Read before the identity: else the same person's other sign-in, at the same moment, would look like
            # another person's account.
            await unit.find(USERNAMES, username_id(account.username))
            record = await _account(unit, person) or await self._create(unit, person, account, password_hash)
            return await self._open(unit, record, client_name)

        return await self._documents.unit(enter)

    async def _create(self, unit: Unit, person: Person, account: CreateUserRequest, password_hash: str) -> UserRecord:
        try:
            user = await create_user(unit, self._outbox, self._config, account, password_hash)
        except AlreadyExists as error:
            text = "an account with this username is there already: sign in to it with its password"
            raise AlreadyExists(text, reason=error.reason, metadata=error.metadata) from None
        identity = IdentityRecord(id=person.id, user_id=user.id, issuer=person.issuer, created_at=timestamp(unit.now))
        unit.put(IDENTITIES, identity)
        return await unit.get(USERS, user.id)

    async def _open(self, unit: Unit, record: UserRecord, client_name: str) -> LoginResponse:
        session = await self._sessions.open(unit, record, client_name)
        return self._sessions.answer(record, session)

    async def _audit_refusal(self, unit: Unit, person: Person, reason: str) -> None:
        record = await _account(unit, person)
        id = record.id if record else ""
        audit(unit, self._outbox, "user.login", "user", id, user_id=id, failure=reason)

    def _registration(self, person: Person) -> CreateUserRequest:
        nameless = f"{person.id[:32]}@{_host(person.issuer)}"
        username = person.email if self._is_username(person.email) else nameless
        candidates = (*person.names, username.partition("@")[0], person.id[:32])
        display_name = next(name for name in map(_display_name, candidates) if name)
        return CreateUserRequest(username=username, display_name=display_name)

    def _is_username(self, text: str) -> bool:
        try:
            self._validation.check(CreateUserRequest(username=text, display_name="-", password="-" * 8))
        except Invalid:
            return False
        return True


async def _account(unit: Unit, person: Person) -> UserRecord | None:
    identity = await unit.find(IDENTITIES, person.id)
    return await unit.find(USERS, identity.user_id) if identity else None


def _host(issuer: str) -> str:
    host = urlsplit(issuer).hostname or ""
    # Of addresses there can only be one of this machine.
    return "localhost" if ":" in host else host


def _display_name(text: str) -> str:
    """What the rule of the field allows of `text`; may be empty."""
    line = _unfit.sub("", without_forbidden(" ".join(text.split())))
    return " ".join(line.split())[:_LONGEST_NAME].rstrip()
