"""Digits in INFO bodies, as telephones write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.sip.info import Key, body_of, key_in

RELAY, PLAIN = "application/dtmf-relay", "application/dtmf"


@pytest.mark.parametrize(
    ("content_type", "body", "key"),
    [
        (RELAY, b"Signal=5\r\nDuration=160\r\n", Key("5", 0.16)),
        (RELAY, b"Signal= #\r\nDuration= 250", Key("#", 0.25)),
        (RELAY, b"signal=*\nduration=10\n", Key("*", 0.04)),
        (RELAY, b"Signal=10\r\nDuration=100\r\n", Key("*", 0.1)),
        (RELAY, b"Signal=16\r\n", Key("!", 0.16)),
        (RELAY, b"Signal=hf\r\n", Key("!", 0.16)),
        (RELAY, b"Signal=d\r\nDuration=999999\r\n", Key("D", 5.0)),
        (RELAY, b"Duration=160\r\n", None),
        (RELAY, b"Signal=55\r\n", None),
        (RELAY, b"5", None),
        (PLAIN, b"5", Key("5", 0.16)),
        (PLAIN, b" #\r\n", Key("#", 0.16)),
        (PLAIN, b"Signal=7\r\nDuration=200\r\n", Key("7", 0.2)),
        (PLAIN, b"", None),
        ("text/plain", b"5", None),
    ],
)
def test_a_body_names_a_key_or_none(content_type: str, body: bytes, key: Key | None) -> None:
    assert key_in(content_type, body) == key


@given(st.sampled_from([RELAY, PLAIN]), st.sampled_from("0123456789*#ABCD"))
def test_what_is_written_is_read_again(content_type: str, digit: str) -> None:
    assert key_in(content_type, body_of(digit, content_type)) == Key(digit, 0.16)


@given(st.sampled_from([RELAY, PLAIN]), st.binary(max_size=600))
def test_any_body_is_a_key_or_none(content_type: str, body: bytes) -> None:
    found = key_in(content_type, body)
    assert found is None or (len(found.digit) == 1 and 0.04 <= found.duration <= 5.0)
