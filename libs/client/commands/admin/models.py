"""`llmchat admin model show`, `put`, `deprecate` and `remove`: the catalog."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf.json_format import MessageToJson, Parse, ParseError
from llmchat.catalog.v1.model_config_pb2 import ModelConfig
from rich.console import Console

from libs.client.commands.connection import DEFAULT_ADDRESS, Address
from libs.client.commands.operating import DEFAULT_DATA, Data, open_operator
from libs.client.operator import Operator
from libs.client.printing import print_note
from libs.common.errors import Invalid

Id = Annotated[str, typer.Argument(metavar="MODEL", help="A model's id.")]


def show(model: Id, data: Data = DEFAULT_DATA, address: Address = DEFAULT_ADDRESS) -> None:
    """Print a model as JSON, to be changed and put again."""
    found = _ask(address, data, lambda operator: operator.get_model(model))
    typer.echo(MessageToJson(found, preserving_proto_field_name=True))


def put(
    file: Annotated[typer.FileText, typer.Argument(metavar="FILE.json", help="The whole model; - for standard input.")],
    data: Data = DEFAULT_DATA,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Put a model into the catalog, or in place of the one with its id. With an etag, only if that is current."""
    try:
        model = Parse(file.read(), ModelConfig())
    except (ParseError, UnicodeDecodeError) as error:
        raise Invalid(f"{file.name} holds no model: {error}") from error
    stored = _ask(address, data, lambda operator: operator.put_model(model))
    print_note(Console(), f"{stored.id} is in the catalog, at etag {stored.etag}")


def deprecate(
    model: Id,
    replacement: Annotated[str, typer.Option(metavar="MODEL", help="What its users move to.")] = "",
    data: Data = DEFAULT_DATA,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Take a model out of use. What was said with it stays; it cannot be taken back."""
    ended = _ask(address, data, lambda operator: operator.deprecate_model(model, replacement))
    successor = f": {ended.replacement_id} replaces it" if ended.replacement_id else ""
    print_note(Console(), f"{ended.id} is deprecated{successor}")


def remove(model: Id, data: Data = DEFAULT_DATA, address: Address = DEFAULT_ADDRESS) -> None:
    """Take a deprecated model out of the lists."""
    removed = _ask(address, data, lambda operator: operator.remove_model(model))
    print_note(Console(), f"{removed.id} is in no list any more")


def _ask(address: str, data: Path, ask: Callable[[Operator], Awaitable[ModelConfig]]) -> ModelConfig:
    async def run() -> ModelConfig:
        async with open_operator(address, data) as operator:
            return await ask(operator)

    return asyncio.run(run())
