"""Random requests that know the structure of what they imitate."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from libs.common.redaction import is_secret
from libs.common.rpc.method import Method
from libs.common.settings import SERVICES
from tests.fuzz import values
from tests.fuzz.pool import Pool, kind_of, resources_of
from tests.fuzz.values import Rules, rules_of

# What would end the run or make it another one: always one of these.
_FIXED: dict[str, Sequence[str | int]] = {
    "llmchat.catalog.v1.DeprecateModelRequest.id": ("gpt-5.1", "o3", "claude-3.5-sonnet", "no-such-model"),
    "llmchat.catalog.v1.RemoveModelRequest.id": ("gpt-5.1", "o3", "claude-3.5-sonnet", "no-such-model"),
    "llmchat.catalog.v1.ModelConfig.id": ("made-1", "made-2", "made-3", "Made up", ""),
    "llmchat.operations.v1.SystemFeatures.user_registration": (1,),
    **{
        f"llmchat.operations.v1.SystemLimits.{limit}": (0, -1, 10**6, 2**62)
        for limit in (
            "max_threads_per_user", "max_messages_per_thread", "max_tokens_per_message", "max_open_streams",
            "requests_per_minute", "requests_per_hour",
        )
    },
    # Services are trusted with these: an event that one of them says it handled is never delivered again.
    "llmchat.store.v1.Acknowledgement.event_id": ("event_0.users", "", "event", "\n"),
    "llmchat.operations.v1.TrackUserDeletionRequest.operation_id": ("", "op_deletion", "x" * 201),
}  # fmt: skip
_PATHS = (
    "title", "display_name", "settings", "settings.tags", "settings.is_pinned", "settings.theme", "settings.color",
    "settings.default_temperature", "settings.system_prompt", "limits", "limits.max_open_streams", "id", "etag",
    "models", "settings.temperature", "expires_at", "features.streaming", "features.summarization", "defaults",
    "defaults.model", "defaults.temperature",
)  # fmt: skip
# How the makers' keys begin.
_KEY_FORMS = ("sk-ant-", "sk-proj-", "AQ.")
_DEEPEST = 6
# Of everybody in a run, so that some logins succeed.
PASSWORD = f"{values.CANARY}-password"


@dataclass(slots=True)
class Draw:
    """What a request is drawn from. `oddness`: how probably a field gets what may break its rules."""

    chance: random.Random
    pool: Pool
    caller: str
    resources: Sequence[str]
    oddness: float
    depth: int = 0


_Put = Callable[[Message, Draw], None]


class Requests:
    """Draws requests; how a message type is filled is learnt once from its descriptor."""

    def __init__(self, methods: Sequence[Method]) -> None:
        kinds = sorted({method.resource for method in methods} | {"event", "thread", "user", "message"})
        self._resources = {method.path: resources_of(method.name, kinds) or [method.resource] for method in methods}
        self._fillers: dict[str, list[tuple[float, _Put]]] = {}

    def draw(self, method: Method, chance: random.Random, pool: Pool, caller: str) -> bytes:
        """A request in bytes: mostly one that keeps the rules, sometimes one that does not, sometimes no message."""
        oddness = chance.choice((0.0, 0.0, 0.0, 0.0, 0.1, 0.3, 1.0))
        draw = Draw(chance, pool, caller, self._resources[method.path], oddness)
        request = method.request()
        self._fill(request, draw)
        body = request.SerializeToString()
        return mutated(body, chance) if chance.random() < 0.08 else body

    def _fill(self, message: Message, draw: Draw) -> None:
        if draw.depth > _DEEPEST:
            return
        draw.depth += 1
        name = message.DESCRIPTOR.full_name
        fillers = self._fillers.get(name) or self._learn(message)
        for presence, put in fillers:
            if (presence == 1 and draw.oddness < 1) or draw.chance.random() < presence:
                put(message, draw)
        draw.depth -= 1

    def _learn(self, message: Message) -> list[tuple[float, _Put]]:
        descriptor: Descriptor = message.DESCRIPTOR  # type: ignore[assignment]
        fillers = []
        for field in descriptor.fields:
            rules = rules_of(field)
            fillers.append((1.0 if rules.needed else 0.4, self._put(field, rules)))
        self._fillers[descriptor.full_name] = fillers
        return fillers

    def _put(self, field: FieldDescriptor, rules: Rules) -> _Put:
        name = field.name
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            return self._put_entries(field)
        if field.message_type is not None:
            fill = self._filler(field.message_type)
            if field.is_repeated:
                return lambda message, draw: _times(field, draw, lambda: fill(getattr(message, name).add(), draw))
            return lambda message, draw: _present(getattr(message, name), lambda within: fill(within, draw))
        scalar = _scalar(field, rules)
        if field.is_repeated:
            return lambda message, draw: _times(field, draw, lambda: getattr(message, name).append(scalar(draw)))
        return lambda message, draw: setattr(message, name, scalar(draw))

    def _filler(self, type: Descriptor) -> Callable[[Message, Draw], None]:
        return {
            "google.protobuf.Timestamp": _fill_timestamp,
            "google.protobuf.FieldMask": _fill_mask,
        }.get(type.full_name, self._fill)

    def _put_entries(self, field: FieldDescriptor) -> _Put:
        assert field.message_type is not None
        value = field.message_type.fields_by_name["value"]
        scalar = None if value.message_type else _scalar(value, rules_of(value))

        def put(message: Message, draw: Draw) -> None:
            entries = getattr(message, field.name)
            for _ in range(draw.chance.randint(0, 3)):
                key = draw.pool.pick(draw.chance, draw.caller, "model") or draw.chance.choice(("echo", "", "\x07", '"'))
                if scalar is None:
                    self._fill(entries[key], draw)
                else:
                    entries[key] = scalar(draw)

        return put


def mutated(body: bytes, chance: random.Random) -> bytes:
    """Bytes that once were a message."""
    data = bytearray(body or b"\x0a\x01a")
    place = chance.randrange(len(data))
    match chance.randrange(9):
        case 0:
            del data[place:]
        case 1:
            data[place] ^= 1 << chance.randrange(8)
        case 2:
            data[place:place] = chance.randbytes(chance.randint(1, 20))
        case 3:
            # No UTF-8 any more, in whatever string it falls.
            data[place] = chance.choice((0x80, 0xC0, 0xFE, 0xFF))
        case 4:
            data += data[place:]
        case 5:
            # A field that nobody declared.
            data += b"\xc2\x3e\x05extra" + chance.randbytes(0)
        case 6:
            # Groups within groups.
            data += b"\x0b" * chance.choice((1, 99, 101, 5000))
        case 7:
            data += b"\x0a\xff\xff\xff\xff" + bytes((chance.randrange(16),))
        case _:
            data = bytearray(chance.randbytes(chance.randrange(200)))
    return bytes(data)


def _times(field: FieldDescriptor, draw: Draw, put: Callable[[], None]) -> None:
    for _ in range(values.repetitions(field, draw.chance, odd=_odd(draw))):
        put()


def _present(message: Message, fill: Callable[[Message], None]) -> None:
    message.SetInParent()
    fill(message)


def _odd(draw: Draw) -> bool:
    return draw.oddness > 0 and draw.chance.random() < draw.oddness


def _scalar(field: FieldDescriptor, rules: Rules) -> Callable[[Draw], str | int | float | bytes | bool]:
    """What gives a value for one scalar field."""
    types = FieldDescriptor
    if fixed := _FIXED.get(field.full_name):
        return lambda draw: draw.chance.choice(fixed)
    if field.type == types.TYPE_STRING:
        return _string(field, rules)
    if field.type == types.TYPE_ENUM:
        return lambda draw: values.member(draw.chance, field, rules, odd=_odd(draw))
    if field.type == types.TYPE_BOOL:
        return lambda draw: draw.chance.random() < 0.5
    if field.type == types.TYPE_BYTES:
        return lambda draw: values.octets(draw.chance)
    if field.type in (types.TYPE_DOUBLE, types.TYPE_FLOAT):
        return lambda draw: values.fraction(draw.chance, odd=_odd(draw))
    return lambda draw: values.number(draw.chance, field, rules, odd=_odd(draw))


def _string(field: FieldDescriptor, rules: Rules) -> Callable[[Draw], str]:
    secret = is_secret(field)
    kinds = {"request_id": None, "page_token": None, "content": None, "title": None}
    kind = kinds.get(field.name, kind_of(field))

    def string(draw: Draw) -> str:
        odd = _odd(draw)
        if not odd and field.name in ("service", "services", "owner", "consumer"):
            return draw.caller.removeprefix("service:") if field.name == "consumer" else draw.chance.choice(SERVICES)
        if not odd and field.name == "api_key":
            return draw.chance.choice(_KEY_FORMS) + values.text(draw.chance, rules, odd=False, secret=True)
        if not odd and field.name == "request_id":
            # Few, so that they meet again with other bodies.
            return f"request-{draw.chance.randrange(200)}"
        if not odd and field.name == "username":
            return f"fuzz{draw.chance.randrange(2000)}@fuzz.example"
        if not odd and field.name.endswith("password") and draw.chance.random() < 0.8:
            return PASSWORD
        if not odd and field.name == "model_id" and draw.chance.random() < 0.9:
            return "echo"
        wanted = kind or (draw.chance.choice(draw.resources) if field.name in ("id", "ids") else "")
        if not odd and wanted and draw.chance.random() < 0.95:
            if field.name in ("id", "user_id") and wanted == "user" and draw.chance.random() < 0.3:
                return "me"
            known = draw.pool.pick(draw.chance, draw.caller, wanted)
            if known is not None:
                return known
        return values.text(draw.chance, rules, odd=odd, secret=secret)

    return string


def _fill_timestamp(message: Message, draw: Draw) -> None:
    message.seconds, message.nanos = values.moment(draw.chance, odd=_odd(draw))  # type: ignore[attr-defined]


def _fill_mask(message: Message, draw: Draw) -> None:
    for _ in range(draw.chance.choice((1, 1, 2, 3))):
        accepted = None if _odd(draw) else draw.pool.pick(draw.chance, draw.caller, f"mask.{draw.resources[0]}")
        message.paths.append(accepted or _path(draw))  # type: ignore[attr-defined]


def _path(draw: Draw) -> str:
    if _odd(draw):
        return values.text(draw.chance, Rules(0, 50, False, (), frozenset()), odd=True, secret=False)
    return draw.chance.choice(_PATHS)
