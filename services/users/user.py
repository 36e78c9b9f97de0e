"""The rules of an account, as its owner meets them.

Another person's account is NotFound, with the words of one that does not exist.
"""

from __future__ import annotations

import hashlib
import unicodedata

from llmchat.events.v1.events_pb2 import UserCreated
from llmchat.users.stored.v1.user_pb2 import UsernameRecord, UserRecord
from llmchat.users.v1.user_pb2 import (
    USER_ROLE_ADMIN,
    USER_ROLE_USER,
    USER_STATUS_ACTIVE,
    USER_STATUS_DELETED,
    User,
    UserSettings,
)
from llmchat.users.v1.users_service_pb2 import CreateUserRequest, UpdateUserRequest

from libs.common.access.live_config import LiveConfig
from libs.common.audit import audit
from libs.common.clock import timestamp
from libs.common.context import Caller
from libs.common.documents.documents import Documents
from libs.common.documents.masks import apply_mask
from libs.common.documents.unit import Unit, new_id, require_etag
from libs.common.errors import AlreadyExists, Invalid, NotFound, Precondition
from libs.common.events.changes import Changes
from libs.common.events.outbox import Outbox
from libs.common.events.remembered import SETTINGS
from services.users.collections import USAGES, USERNAMES, USERS
from services.users.default_model import keep_in_use
from services.users.stored_keys import status_of, stored_keys

ME = "me"
_CHANGEABLE = ("display_name", "settings")


async def create_user(
    unit: Unit, outbox: Outbox, config: LiveConfig, request: CreateUserRequest, password_hash: str
) -> User:
    """Stages an account and the record that makes its name unique.

    Raises:
        AlreadyExists: the username is taken, in whatever case (reason USERNAME_TAKEN).
    """
    name_id = username_id(request.username)
    if await unit.find(USERNAMES, name_id) is not None:
        raise AlreadyExists("the username is taken", reason="USERNAME_TAKEN", metadata={"field": "username"})
    record = UserRecord(
        id=new_id(USERS),
        username=request.username,
        display_name=request.display_name,
        password_hash=password_hash,
        created_at=timestamp(unit.now),
        updated_at=timestamp(unit.now),
        settings=request.settings,
        status=USER_STATUS_ACTIVE,
    )
    await keep_in_use(unit, record.settings)
    unit.create(USERS, record)
    unit.create(USERNAMES, UsernameRecord(id=name_id, user_id=record.id))
    audit(unit, outbox, "user.create", "user", record.id, user_id=record.id)
    created = UserCreated(user_id=record.id, created_at=record.created_at)
    outbox.emit(unit, "user.created", "", created)
    return view(config, record)


def require_registration(config: LiveConfig, caller: Caller) -> None:
    """Refuses a new account where people may not open one by themselves; an administrator may all the same.

    Raises:
        Precondition: so it is (reason REGISTRATION_CLOSED).
    """
    if not (config.current.features.user_registration or caller.is_admin):
        raise Precondition("an administrator has to open the account", reason="REGISTRATION_CLOSED")


async def read_user(documents: Documents, config: LiveConfig, caller: Caller, id: str) -> User:
    """The caller's account, by its id or as `me`; for an administrator anyone's.

    Raises:
        NotFound: there is none, or it is another person's.
    """
    return await show(documents, config, await reachable_record(documents, caller, id))


async def update_user(
    unit: Unit, changes: Changes, config: LiveConfig, caller: Caller, request: UpdateUserRequest
) -> User:
    """Stages the fields that the mask names, and has those told who remember the settings; a setting that it names
    without a value is the person's no more: the system's default holds.

    Raises:
        NotFound: there is no such account of the caller's.
        Stale: the account has moved since the given etag.
        Invalid: the mask names what cannot be changed, or the new display name is empty.
    """
    record = await own_record(unit, caller, request.user.id)
    require_etag(record, request.user.etag)
    apply_mask(request.update_mask, request.user, record, _CHANGEABLE)
    if not record.display_name:
        raise Invalid.field("user.display_name", "must be at least 1 character")
    await keep_in_use(unit, record.settings)
    record.updated_at.CopyFrom(timestamp(unit.now))
    changes.tell(unit, SETTINGS, record.id)
    return await show(unit, config, unit.put(USERS, record))


async def read_settings(documents: Documents, caller: Caller) -> UserSettings:
    """What the caller has set themselves; nothing where they have no account."""
    record = await documents.find(USERS, caller.user_id)
    return UserSettings() if record is None else record.settings


def username_id(username: str) -> str:
    """The id under which a username is unique: the SHA-256 of its form without case (NFKC, case-folded)."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", username).casefold())
    return hashlib.sha256(folded.encode()).hexdigest()


def view(config: LiveConfig, record: UserRecord) -> User:
    """What the API shows of an account: all but the password's hash and the provider keys themselves; see `show`.

    A setting that the person has not set is shown as the system's default.
    """
    user = User(
        id=record.id,
        username=record.username,
        display_name=record.display_name,
        created_at=record.created_at,
        updated_at=record.updated_at,
        settings=_with_defaults(config, record.settings),
        status=record.status,
        suspension_reason=record.suspension_reason,
        role=USER_ROLE_ADMIN if record.is_admin else USER_ROLE_USER,
        etag=record.etag,
    )
    if record.HasField("last_login_at"):
        user.last_login_at.CopyFrom(record.last_login_at)
    user.provider_keys.extend(status_of(provider, key) for provider, key in stored_keys(record))
    return user


async def show(documents: Documents | Unit, config: LiveConfig, record: UserRecord) -> User:
    """As `view`, with what the person has used."""
    user = view(config, record)
    used = await documents.find(USAGES, record.id)
    if used is not None:
        user.usage.CopyFrom(used.usage)
    return user


async def own_record(documents: Documents | Unit, caller: Caller, id: str) -> UserRecord:
    """The caller's account as it is stored.

    Raises:
        NotFound: there is none, it is deleted, or it is another person's.
    """
    record = await documents.find(USERS, caller.user_id) if id in (ME, caller.user_id) else None
    if record is None or record.status == USER_STATUS_DELETED:
        raise NotFound("user", id)
    return record


async def reachable_record(documents: Documents | Unit, caller: Caller, id: str) -> UserRecord:
    """The account as it is stored: the caller's own, or for an administrator anyone's.

    Raises:
        NotFound: there is none, it is deleted, or it is another person's.
    """
    if not caller.is_admin or id in (ME, caller.user_id):
        return await own_record(documents, caller, id)
    record = await documents.find(USERS, id)
    if record is None or record.status == USER_STATUS_DELETED:
        raise NotFound("user", id)
    return record


def _with_defaults(config: LiveConfig, given: UserSettings) -> UserSettings:
    defaults = config.current.defaults
    settings = UserSettings(
        default_model=defaults.model,
        default_temperature=defaults.temperature,
        system_prompt=defaults.system_prompt,
        streaming_enabled=True,
    )
    settings.MergeFrom(given)
    return settings
