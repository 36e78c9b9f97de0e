"""What an answer cost, by the catalog's prices at its end."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal

from llmchat.catalog.v1.model_config_pb2 import ModelConfig

_NANOS = 10**9
# What prices are per.
_TOKENS = 1000
# A million dollars: a price by which an answer is dearer is a mistake, and sums have to hold what is added up.
_MOST = 10**6 * _NANOS


def cost_nanos(model: ModelConfig, input_tokens: int, output_tokens: int) -> int | None:
    """Billionths of a US dollar; None where the model has no price in dollars, or one that cannot be."""
    specs = model.specs
    has_price = specs.HasField("input_token_cost") or specs.HasField("output_token_cost")
    prices = (specs.input_token_cost, specs.output_token_cost)
    if not has_price or specs.currency not in ("", "USD") or not all(map(math.isfinite, prices)):
        return None
    # By the decimal digits that a price is written with: 0.1 is a tenth.
    price_in, price_out = (Decimal(str(price)) for price in prices)
    nanos = (price_in * input_tokens + price_out * output_tokens) * _NANOS / _TOKENS
    return int(nanos.to_integral_value(ROUND_HALF_UP)) if nanos <= _MOST else None
