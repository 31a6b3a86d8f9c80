"""The small languages inside strings: what each reads, what it refuses, and that it does one of the two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.config import values
from softswitch.config.settings import Listener
from softswitch.config.values import Wrong
from softswitch.config.words import reason

anything = st.one_of(st.text(max_size=80), st.text(alphabet='0123456789smhd.-:[]abcdef/" ', max_size=40))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("20s", 20.0),
        ("5m", 300.0),
        ("2h", 7200.0),
        ("180d", 15_552_000.0),
        ("1h30m", 5400.0),
        ("0.5s", 0.5),
    ],
)
def test_a_time_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert values.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "20", "20 s", "-5s", "30m1h", "5m5m", "1e3s", "١s", "20S", "5m\n", "1.2.3s"])
def test_anything_else_is_no_time(text: str) -> None:
    assert isinstance(values.duration(text), Wrong)


@given(st.integers(0, 10**12))
def test_a_shown_time_is_read_back(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert values.duration(values.show_duration(seconds)) == pytest.approx(seconds, abs=1e-6)


def test_a_time_has_bounds_that_belong_to_it() -> None:
    ring = values.within(2.0, 600.0)
    assert (ring("2s"), ring("10m")) == (2.0, 600.0)
    assert ring("1s") == Wrong("too_small", {"hint": "between", "low": '"2s"', "high": '"10m"'})
    assert ring("11m") == Wrong("too_large", {"hint": "between", "low": '"2s"', "high": '"10m"'})


def test_ports_are_both_ends_of_a_range() -> None:
    assert values.ports("20000-29999") == (20000, 29999)
    assert values.ports(" 1024 - 65535 ") == (1024, 65535)


@given(st.integers(1, 65535), st.integers(1, 65535))
def test_a_range_is_read_as_it_is_written_when_it_is_one(low: int, high: int) -> None:
    found = values.ports(f"{low}-{high}")
    assert found == (low, high) if high - low >= 7 else isinstance(found, Wrong)


@pytest.mark.parametrize(
    ("text", "listener"),
    [
        ("udp:0.0.0.0:5060", Listener("udp", "0.0.0.0", 5060)),
        ("tcp:192.0.2.1", Listener("tcp", "192.0.2.1", 5060)),
        ("udp:[::]:5070", Listener("udp", "::", 5070)),
        ("UDP:[2001:DB8:0::1]", Listener("udp", "2001:db8::1", 5060)),
        ("udp:127.0.0.1:0", Listener("udp", "127.0.0.1", 0)),
    ],
)
def test_a_listener_is_transport_address_and_port(text: str, listener: Listener) -> None:
    assert values.listener(text) == listener


@given(
    st.sampled_from(["udp", "tcp"]),
    st.ip_addresses(),
    st.integers(0, 65535),
)
def test_a_shown_listener_is_read_back(transport: str, address: object, port: int) -> None:
    host = f"[{address}]" if ":" in str(address) else str(address)
    found = values.listener(f"{transport}:{host}:{port}")
    assert isinstance(found, Listener)
    assert values.listener(str(found)) == found


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("sip.provider.example", ("sip.provider.example", None)),
        ("SIP.Provider.Example.:5070", ("sip.provider.example", 5070)),
        ("203.0.113.5:5060", ("203.0.113.5", 5060)),
        ("2001:db8::5", ("2001:db8::5", None)),
        ("[2001:db8::5]:5061", ("2001:db8::5", 5061)),
    ],
)
def test_a_server_is_a_host_and_perhaps_a_port(text: str, server: tuple[str, int | None]) -> None:
    assert values.server(text) == server


@pytest.mark.parametrize("text", ["", "a b", "a..b", "-a.example", "1.2.3", "a" * 64, "host:0", "host:port", "a@b"])
def test_anything_else_is_no_server(text: str) -> None:
    assert isinstance(values.server(text), Wrong)


@given(anything)
def test_no_text_makes_a_parser_raise_and_every_refusal_has_words(text: str) -> None:
    for parse in (values.duration, values.ports, values.listener, values.server, values.within(1, 2)):
        found = parse(text)
        if isinstance(found, Wrong):
            assert reason(found.code, {"found": "x", **found.values}, "en")
