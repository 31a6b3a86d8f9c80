"""Calls between telephones of unlike codecs: what is agreed, and what each one hears."""

from __future__ import annotations

import pytest

from softswitch.media.engine import Codec
from tests.sim.office import VirtualOffice
from tests.sim.phone import Phone

ALL = (Codec.OPUS, Codec.G722, Codec.PCMA, Codec.PCMU)


def office(sound: bool = True) -> VirtualOffice:
    return VirtualOffice(sound=sound, codecs=ALL)


def call(
    office: VirtualOffice, ours: tuple[str, ...], theirs: tuple[str, ...], **options: object
) -> tuple[Phone, Phone]:
    """Anna, whose tone is 440 Hz, calls Boris with 1000 Hz."""
    anna = office.phone("101", tone=440.0, codecs=ours, **options)
    boris = office.phone("102", tone=1000.0, codecs=theirs)
    anna.call("102")
    office.run(4)
    return anna, boris


def assert_both_hear(anna: Phone, boris: Phone) -> None:
    assert anna.hears(1000.0) == pytest.approx(-16, abs=1.5)
    assert boris.hears(440.0) == pytest.approx(-16, abs=1.5)
    assert anna.hears(440.0) < -45
    assert boris.hears(1000.0) < -45


@pytest.mark.parametrize("ours", ["opus", "G722", "PCMA", "PCMU"])
@pytest.mark.parametrize("theirs", ["opus", "G722", "PCMA", "PCMU"])
def test_any_telephone_talks_to_any_other(ours: str, theirs: str):
    anna, boris = call(office(), (ours,), (theirs,))
    assert (anna.codec, boris.codec) == (ours, theirs)
    assert_both_hear(anna, boris)


def test_opus_passes_between_two_telephones():
    anna, boris = call(office(), ("opus",), ("opus", "PCMA"))
    assert anna.codec == boris.codec == "opus"
    assert_both_hear(anna, boris)


def test_both_meet_in_the_callers_codec_when_they_can():
    here = office()
    anna, boris = call(here, ("G722", "PCMA"), ("PCMU", "PCMA", "G722"))
    assert anna.codec == boris.codec == "G722"
    assert_both_hear(anna, boris)


def test_the_caller_is_answered_in_what_the_callee_chose():
    anna, boris = call(office(), ("opus", "PCMU"), ("PCMU",))
    assert anna.codec == boris.codec == "PCMU"
    assert_both_hear(anna, boris)


def test_a_codec_that_only_the_telephones_know_passes_between_them():
    anna, boris = call(office(), ("G729",), ("G729", "PCMA"))
    assert anna.codec == boris.codec == "G729"
    assert_both_hear(anna, boris)
    # G.729 Annex B: what the callee said of it reaches the caller.
    assert b"a=fmtp:18 annexb=no" in anna.last("INVITE").body


def test_a_codec_that_we_know_is_preferred_to_one_that_we_do_not():
    anna, boris = call(office(), ("G729", "PCMA"), ("PCMA", "G729"))
    assert anna.codec == boris.codec == "PCMA"


def test_a_caller_whose_codec_the_callee_does_not_know_is_told_so():
    here = office()
    anna = here.phone("101", codecs=("G729",))
    here.phone("102", codecs=("PCMU",), refuse=488)
    anna.call("102")
    here.run(3)
    assert anna.status == 488


def test_a_hold_does_not_end_the_passage_of_an_unknown_codec():
    here = office()
    anna, boris = call(here, ("G729",), ("G729",))
    boris.hold()
    here.run(1)
    boris.resume()
    here.run(2)
    assert anna.codec == boris.codec == "G729"
    assert_both_hear(anna, boris)


def test_nobody_is_let_out_of_the_one_codec_that_the_other_has():
    here = office()
    anna, boris = call(here, ("G729",), ("G729", "PCMA"))
    boris.codecs = ("PCMA",)
    boris.resume()
    here.run(3)
    assert boris.last("INVITE").status == 488
    boris.codecs = ("G729", "PCMA")
    boris.resume()
    here.run(3)
    assert anna.codec == boris.codec == "G729"
    assert_both_hear(anna, boris)


def test_who_leaves_an_unknown_codec_takes_the_other_along():
    here = office()
    anna, boris = call(here, ("G729", "PCMU"), ("G729",))
    assert anna.codec == boris.codec == "G729"
    boris.codecs = ("PCMU",)
    boris.resume()  # a re-INVITE that offers PCMU alone
    here.run(3)
    assert anna.codec == boris.codec == "PCMU"
    assert_both_hear(anna, boris)


@pytest.mark.parametrize(("before", "after"), [("PCMA", "G722"), ("opus", "PCMU"), ("G722", "opus")])
def test_a_telephone_changes_its_codec_in_the_middle_of_a_call(before: str, after: str):
    here = office()
    anna, boris = call(here, (before,), ("PCMA",))
    anna.codecs = (after,)
    anna.resume()
    here.run(2)
    assert anna.codec == after
    assert_both_hear(anna, boris)


def test_a_late_offer_has_all_our_codecs_the_callees_first():
    here = office()
    anna, boris = call(here, ("G722",), ("PCMU",), late_offer=True)
    assert anna.talking
    assert (anna.codec, boris.codec) == ("G722", "PCMU")
    offered = anna.last("INVITE").body.decode()
    assert "RTP/AVP 0 111 9 8 13 101 110" in offered
    assert_both_hear(anna, boris)


@pytest.mark.parametrize(
    ("anna_clock", "boris_clock"), [(8000, 8000), (48_000, 48_000), (48_000, 8000), (8000, 48_000)]
)
def test_digits_pass_between_telephones_whose_event_clocks_differ(anna_clock: int, boris_clock: int):
    here = office()
    anna = here.phone("101", tone=440.0, codecs=("opus",), event_clock=anna_clock)
    boris = here.phone("102", tone=1000.0, codecs=("opus",), event_clock=boris_clock)
    anna.call("102")
    here.run(3)
    anna.press("5")
    here.run(1)
    boris.press("7")
    here.run(1)
    assert boris.digits_heard == ["5"]
    assert anna.digits_heard == ["7"]
    assert_both_hear(anna, boris)
