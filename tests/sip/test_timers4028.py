"""Session timers by themselves (RFC 4028)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from softswitch.sip.message import Request, Response
from softswitch.sip.timers4028 import SessionTimer
from tests.sip.network import BOB, Network, Script


def update(**more: str) -> Request:
    script = Script(Network(), BOB)
    return script.request("UPDATE", script, **more)


def accepted(**more: str) -> Response:
    script = Script(Network(), BOB)
    return script.reply(update(), 200, **more)


def test_nothing_runs_before_the_first_agreement() -> None:
    timer = SessionTimer(1800, 90)
    assert (timer.refresh_at, timer.expires_at, timer.deadline) == (None, None, None)


def test_the_refresher_acts_at_half_the_interval_and_expires_at_its_end() -> None:
    timer = SessionTimer(1800, 90)
    timer.agreed(accepted(Session_Expires="600;refresher=uac"), 1000.0)
    assert (timer.refresh_at, timer.expires_at) == (1300.0, 1600.0)


def test_the_other_side_waits_until_32_s_before_the_end_or_two_thirds() -> None:
    timer = SessionTimer(1800, 90)
    timer.agreed(accepted(Session_Expires="600;refresher=uas"), 1000.0)
    assert (timer.refresh_at, timer.expires_at) == (None, 1568.0)
    timer.agreed(accepted(Session_Expires="90;refresher=uas"), 1000.0)
    assert timer.expires_at == 1060.0


def test_roles_are_kept_in_a_refresh() -> None:
    timer = SessionTimer(1800, 90)
    assert dict(timer.request_headers())["Session-Expires"] == "1800"
    timer.answer(update(Session_Expires="600;refresher=uac", Supported="timer"), 0.0)
    assert dict(timer.request_headers())["Session-Expires"] == "600;refresher=uas"


def test_an_answer_never_lengthens_the_interval_but_to_the_least_that_is_asked() -> None:
    timer = SessionTimer(1800, 90)
    headers = dict(timer.answer(update(Session_Expires="200", Min_SE="300", Supported="timer"), 0.0))
    assert headers["Session-Expires"] == "300;refresher=uac"


def test_a_422_is_followed_once() -> None:
    timer = SessionTimer(90, 90)
    script = Script(Network(), BOB)
    assert timer.raise_to(script.reply(update(), 422, Min_SE="500"))
    assert timer.request_headers() == [("Session-Expires", "500"), ("Min-SE", "500")]
    assert not timer.raise_to(script.reply(update(), 422, Min_SE="500"))


NUMBERS = st.sampled_from(
    ["0", "1", "89", "90", "1800", "4294967295", "-1", "x", "", "90;refresher=", "90;refresher=UAS"]
)


@given(interval=NUMBERS, least=NUMBERS, supported=st.sampled_from(["", "timer", "timer, 100rel"]))
def test_whatever_the_peer_says_the_interval_is_sane(interval: str, least: str, supported: str) -> None:
    timer = SessionTimer(1800, 90)
    timer.answer(update(Session_Expires=interval, Min_SE=least, Supported=supported), 0.0)
    assert timer.expires_at is not None
    assert timer.expires_at >= 60
    timer.agreed(accepted(Session_Expires=interval, Min_SE=least), 0.0)
    assert timer.expires_at is not None
    assert 60 <= timer.expires_at <= 4294967295
