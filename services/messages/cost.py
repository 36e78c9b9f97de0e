"""What an answer cost, by the catalog's prices at its end."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from llmchat.catalog.v1.model_config_pb2 import ModelConfig

_NANOS = 10**9
# What prices are per.
_TOKENS = 1000


def cost_nanos(model: ModelConfig, input_tokens: int, output_tokens: int) -> int | None:
    """Billionths of a US dollar; None where the model has no price, or has it in another currency."""
    specs = model.specs
    if specs.currency not in ("", "USD") or not (
        specs.HasField("input_token_cost") or specs.HasField("output_token_cost")
    ):
        return None
    # By the decimal digits that a price is written with: 0.1 is a tenth.
    dollars = (
        Decimal(str(specs.input_token_cost)) * input_tokens + Decimal(str(specs.output_token_cost)) * output_tokens
    )
    return int((dollars * _NANOS / _TOKENS).to_integral_value(ROUND_HALF_UP))
