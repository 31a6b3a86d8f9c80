"""Three baresips: two talk, the third listens, whispers, joins and takes over, and what each heard is measured.

The customer says 443 Hz, the employee 1013 Hz, the supervisor 1297 Hz: no two of them make the third by the
odd-order products of G.711.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop import sound
from tests.interop.baresip import Baresip, Telephone
from tests.interop.running import RunningSwitch, until
from tests.interop.test_baresip import for_a_while, talk

CUSTOMER, EMPLOYEE, SUPERVISOR = 443.0, 1013.0, 1297.0
APART = 45.0
"""dB between a tone that is heard and one that is not; the part after a change of mode is left out."""


@pytest.fixture
def office(tmp_path: Path) -> Iterator[RunningSwitch]:
    running = RunningSwitch(tmp_path / "switch", people=(101, 102, 110), directors=(110,))
    try:
        running.start()
        yield running
    finally:
        running.end()


def phones(baresip: Baresip, switch: RunningSwitch) -> tuple[Telephone, Telephone, Telephone]:
    return (
        baresip.telephone(102, switch.port, tone=CUSTOMER, codecs="PCMU/8000/1"),
        baresip.telephone(101, switch.port, tone=EMPLOYEE),
        baresip.telephone(110, switch.port, tone=SUPERVISOR),
    )


def last(heard: sound.Samples, seconds: float) -> sound.Samples:
    """What was heard in the last seconds but for the very end, where the call was torn down."""
    return heard[-int((seconds + 0.3) * sound.RATE) : -int(0.3 * sound.RATE)]


@pytest.mark.parametrize("how", ["listen", "whisper", "barge"])
def test_each_hears_whom_the_mode_says_and_nobody_else(office: RunningSwitch, baresip: Baresip, how: str) -> None:
    customer, employee, supervisor = phones(baresip, office)
    talk(office, customer, employee)
    for_a_while(1.0)
    invites = customer.log.count("INVITE sip:"), employee.log.count("INVITE sip:")
    # baresip 1.0.0 takes packets, but plays none, in a session that begins receive-only: it begins with a whisper.
    office.ask("whisper", "101", "--as", "110")
    supervisor.talks()
    if how != "whisper":
        office.ask(how, "101", "--as", "110")
        assert ("a=sendonly" in supervisor.log) is (how == "listen")
    (running,) = office.open_calls()
    for_a_while(3.5)
    assert (customer.log.count("INVITE sip:"), employee.log.count("INVITE sip:")) == invites
    customer.hang_up()
    for phone in (customer, employee, supervisor):
        phone.released()

    heard = last(supervisor.heard, 1.5)
    assert sound.difference(heard, wanted=CUSTOMER, unwanted=SUPERVISOR) >= APART
    assert sound.difference(heard, wanted=EMPLOYEE, unwanted=SUPERVISOR) >= APART
    for phone, other, hears in ((customer, EMPLOYEE, how == "barge"), (employee, CUSTOMER, how != "listen")):
        heard = last(phone.heard, 1.5)
        apart = sound.difference(heard, wanted=other, unwanted=SUPERVISOR)
        assert abs(apart) <= 3.0 if hears else apart >= APART
    if how != "barge":
        # Never, from the first packet to the last.
        assert sound.difference(customer.heard, wanted=EMPLOYEE, unwanted=SUPERVISOR) >= APART
    until(lambda: not office.open_calls(), "the conversation is closed", 8.0)
    told = str(office.ask("show", running["id"]))
    assert "SupervisionStarted" in told
    assert "SupervisionEnded" in told
    assert ("SupervisionChanged" in told) is (how != "whisper")


def test_a_code_from_the_telephone_and_a_take_over(office: RunningSwitch, baresip: Baresip) -> None:
    customer, employee, supervisor = phones(baresip, office)
    talk(office, customer, employee)
    for_a_while(0.5)
    supervisor.command("dial", f"sip:*42101@127.0.0.1:{office.port}")
    supervisor.talks()
    for_a_while(1.0)
    supervisor.press("7")
    employee.released()
    for_a_while(3.0)
    customer.hang_up()
    customer.released()
    supervisor.released()
    heard = last(customer.heard, 1.5)
    assert sound.difference(heard, wanted=SUPERVISOR, unwanted=EMPLOYEE) >= APART
    assert customer.digits == ""
    until(lambda: not office.open_calls(), "the conversation is closed", 8.0)
    (path,) = office.recordings()
    left, right = (last(channel, 1.0) for channel in sound.read(path).channels)
    assert sound.difference(left, wanted=CUSTOMER, unwanted=SUPERVISOR) >= APART
    assert sound.difference(right, wanted=SUPERVISOR, unwanted=CUSTOMER) >= APART
