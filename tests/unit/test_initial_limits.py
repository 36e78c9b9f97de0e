"""The limits of a new installation, as `LLMCHAT_LIMITS` says them."""

import pytest
from llmchat.operations.v1.system_config_pb2 import SystemLimits

from libs.common.access.initial_limits import SEEDS, parse_limits
from libs.common.errors import Invalid


def test_what_is_left_out_is_as_it_is_shipped() -> None:
    limits = parse_limits('{"requests_per_minute": 0, "max_open_streams": 3}')

    assert limits == SystemLimits(**{**SEEDS, "requests_per_minute": 0, "max_open_streams": 3})
    assert parse_limits("") == SystemLimits(**SEEDS)


def test_every_limit_has_a_value_that_is_shipped() -> None:
    assert set(SEEDS) == set(SystemLimits.DESCRIPTOR.fields_by_name)


def test_off_is_no_limit_at_all() -> None:
    assert parse_limits("off") == SystemLimits()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("none", "LLMCHAT_LIMITS is neither a JSON object of limits nor `off`"),
        ("[60]", "LLMCHAT_LIMITS is neither a JSON object of limits nor `off`"),
        ('{"requests_per_second": 1}', "LLMCHAT_LIMITS: there is no limit 'requests_per_second'"),
        ('{"requests_per_hour": -1}', "LLMCHAT_LIMITS: requests_per_hour is not a whole number from 0 on"),
        ('{"requests_per_hour": true}', "LLMCHAT_LIMITS: requests_per_hour is not a whole number from 0 on"),
        ('{"requests_per_hour": 1e3}', "LLMCHAT_LIMITS: requests_per_hour is not a whole number from 0 on"),
        (
            '{"requests_per_hour": 9223372036854775808}',
            "LLMCHAT_LIMITS: requests_per_hour is not a whole number from 0 on",
        ),
    ],
)
def test_a_wrong_limit_is_refused_by_name(text: str, fault: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_limits(text)

    assert refused.value.text == fault
