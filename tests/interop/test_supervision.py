"""Real telephones: two talk, the third listens, whispers, joins and takes over, and what each heard is measured.

The customer says 443 Hz, the employee 1013 Hz, the supervisor 1297 Hz: no two of them make the third by the
odd-order products of G.711. SIPp gives back what it hears, so that it is heard of whom it heard.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.interop import sound
from tests.interop.baresip import Baresip, Telephone
from tests.interop.running import RunningSwitch, until
from tests.interop.sipp import Sipp
from tests.interop.test_baresip import for_a_while, talk

CUSTOMER, EMPLOYEE, SUPERVISOR = 443.0, 1013.0, 1297.0
SAID, NEAR = -12.0, 3.0
FAR, CODED_FAR = -57.0, -45.0
"""dBov: what is said, and not heard; Opus makes more of a sum of tones than others."""
CODECS = {"PCMU": "PCMU/8000/1", "PCMA": "PCMA/8000/1", "G722": "G722/16000/1", "opus": "opus/48000/2"}
TRIPLES = (("PCMU", "PCMA", "PCMU"), ("G722", "PCMU", "opus"), ("opus", "G722", "PCMA"))
MODES = ("whisper", "barge", "listen")
"""baresip 1.0.0 takes packets, but plays none, from the moment it may not send: the supervisor listens last."""
LONG = 2.2
"""Seconds in a mode; the middle one is measured."""


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSwitch]:
    people, heads = [*range(101, 107), *range(201, 207)], [*range(110, 116)]
    running = RunningSwitch(tmp_path_factory.mktemp("switch"), people=(*people, *heads), directors=heads)
    try:
        running.start()
        yield running
    finally:
        running.end()


@dataclass
class Three:
    """A customer, an employee and a supervisor, and when each mode began."""

    office: RunningSwitch
    customer: Telephone
    employee: Telephone
    supervisor: Telephone

    def supervise(self, mode: str) -> None:
        self.office.tell(
            "supervise", employee=str(self.employee.extension), supervisor=str(self.supervisor.extension), mode=mode
        )

    def invites(self) -> tuple[int, int]:
        return self.customer.log.count("INVITE sip:"), self.employee.log.count("INVITE sip:")


def three(baresip: Baresip, office: RunningSwitch, codecs: tuple[str, str, str], number: int = 1) -> Three:
    names = [CODECS[codec] for codec in codecs]
    return Three(
        office,
        baresip.telephone(200 + number, office.port, tone=CUSTOMER, codecs=names[0]),
        baresip.telephone(100 + number, office.port, tone=EMPLOYEE, codecs=names[1]),
        baresip.telephone(109 + number, office.port, tone=SUPERVISOR, codecs=names[2]),
    )


def middle(phone: Telephone, before_end: float) -> sound.Samples:
    """The second in the middle of a mode that began so long before the end of the call."""
    heard, start = phone.ears[0], before_end - (LONG - 1.0) / 2
    return heard[-int(start * sound.RATE) : -int((start - 1.0) * sound.RATE)]


def hears(samples: sound.Samples, *frequencies: float, far: float = FAR) -> list[str]:
    """What is wrong: each of these is as loud as it was said, and no other is heard."""
    levels = {tone: sound.goertzel(samples, tone) for tone in (CUSTOMER, EMPLOYEE, SUPERVISOR)}
    return [
        f"{tone:g} Hz at {level:.1f} dBov"
        for tone, level in levels.items()
        if not (abs(level - SAID) <= NEAR if tone in frequencies else level <= far)
    ]


def test_in_three_calls_at_once_of_all_codecs_each_hears_whom_the_mode_says(
    office: RunningSwitch, baresip: Baresip
) -> None:
    calls = [three(baresip, office, codecs, 1 + n) for n, codecs in enumerate(TRIPLES)]
    for call in calls:
        talk(office, call.customer, call.employee)
    invites = [call.invites() for call in calls]
    began = {}
    for mode in MODES:
        for call in calls:
            call.supervise(mode)
        for call in calls:
            call.supervisor.talks()
        began[mode] = time.monotonic()
        for_a_while(LONG)
    assert [call.invites() for call in calls] == invites
    running = office.open_calls()
    end = time.monotonic()
    for call in calls:
        call.customer.hang_up()
    for call in calls:
        for phone in (call.customer, call.employee, call.supervisor):
            phone.released()
    wrong = []
    for codecs, call in zip(TRIPLES, calls, strict=True):
        assert "a=sendonly" in call.supervisor.log
        far = CODED_FAR if "opus" in codecs else FAR
        for mode in MODES:
            for phone, tones in (
                (call.customer, (EMPLOYEE, SUPERVISOR) if mode == "barge" else (EMPLOYEE,)),
                (call.employee, (CUSTOMER,) if mode == "listen" else (CUSTOMER, SUPERVISOR)),
                (call.supervisor, (CUSTOMER, EMPLOYEE)),
            ):
                if phone is call.supervisor and mode == "listen":
                    continue
                deaf_from = began["listen"] if phone is call.supervisor else end
                faults = hears(middle(phone, deaf_from - began[mode]), *tones, far=far)
                wrong += [f"{'-'.join(codecs)} {mode}: {phone.extension} hears {fault}" for fault in faults]
    assert not wrong, "\n".join(wrong)
    until(lambda: not office.open_calls(), "the conversations are closed", 8.0)
    told = str(office.ask("show", running[0]["id"]))
    for event in ("SupervisionStarted", "SupervisionChanged", "SupervisionEnded"):
        assert event in told


def test_a_code_from_the_telephone_and_a_take_over(office: RunningSwitch, baresip: Baresip) -> None:
    call = three(baresip, office, ("PCMU", "PCMA", "PCMA"))
    talk(office, call.customer, call.employee)
    for_a_while(0.5)
    call.supervisor.command("dial", f"sip:*42101@127.0.0.1:{office.port}")
    call.supervisor.talks()
    for_a_while(1.0)
    call.supervisor.press("7")
    call.employee.released()
    for_a_while(2.5)
    call.customer.hang_up()
    call.customer.released()
    call.supervisor.released()
    assert hears(last(call.customer.heard, 1.2), SUPERVISOR) == []
    assert call.customer.digits == ""
    until(lambda: not office.open_calls(), "the conversation is closed", 8.0)
    left, right = (last(channel, 1.0) for channel in sound.read(office.recordings()[-1]).channels[:2])
    assert hears(left, CUSTOMER) == []
    assert hears(right, SUPERVISOR) == []


def last(heard: sound.Samples, seconds: float) -> sound.Samples:
    """What was heard in the last seconds but for the very end, where the call was torn down."""
    return heard[-int((seconds + 0.3) * sound.RATE) : -int(0.3 * sound.RATE)]


# SIPp, which says what it hears -------------------------------------------------------------------------------------

ECHO = ("-rtp_echo",)


def test_sipp_as_the_head_hears_both_and_is_heard_by_the_employee_alone(
    office: RunningSwitch, baresip: Baresip, sipp: Sipp
) -> None:
    customer = baresip.telephone(204, office.port, tone=CUSTOMER)
    employee = baresip.telephone(104, office.port, tone=EMPLOYEE)
    talk(office, customer, employee)
    for_a_while(0.5)
    sipp.play("call", office.port, caller="113", called="*42104", talk=2.5, extra=ECHO).succeeds()
    customer.hang_up()
    employee.released()
    customer.released()
    # Only SIPp can have given the employee's own voice back.
    assert sound.goertzel(sound.steady(employee.heard, EMPLOYEE), EMPLOYEE) > SAID - NEAR
    assert sound.goertzel(sound.steady(employee.heard, CUSTOMER), CUSTOMER) > SAID - NEAR
    assert sound.difference(customer.heard, wanted=EMPLOYEE, unwanted=CUSTOMER) >= SAID - FAR


def test_sipp_as_the_customer_hears_the_head_when_he_joins_and_not_when_he_whispers(
    office: RunningSwitch, baresip: Baresip, sipp: Sipp
) -> None:
    employee = baresip.telephone(105, office.port, tone=EMPLOYEE)
    head = baresip.telephone(114, office.port, tone=SUPERVISOR)
    customer = sipp.play("call", office.port, caller="205", called="105", talk=6.0, extra=ECHO)
    employee.talks()
    office.tell("supervise", employee="105", supervisor="114", mode="whisper")
    head.talks()
    for_a_while(LONG)
    office.tell("supervise", employee="105", supervisor="114", mode="barge")
    customer.succeeds()
    head.released()
    half = len(head.heard) // 2
    whispering, joining = head.heard[: int(1.8 * sound.RATE)], head.heard[half:]
    assert sound.difference(whispering, wanted=EMPLOYEE, unwanted=SUPERVISOR) >= SAID - FAR
    assert sound.goertzel(sound.steady(joining, SUPERVISOR, seconds=0.5), SUPERVISOR) > SAID - NEAR


def test_sipp_as_the_employee_hears_a_whisper_and_nothing_of_who_only_listens(
    office: RunningSwitch, baresip: Baresip, sipp: Sipp
) -> None:
    registered = sipp.play("register", office.port, caller="106")
    registered.succeeds()
    employee = sipp.play("answer", office.port, port=registered.port, extra=ECHO)
    customer = baresip.telephone(206, office.port, tone=CUSTOMER)
    head = baresip.telephone(115, office.port, tone=SUPERVISOR)
    customer.dial(106, office.port)
    customer.talks()
    office.tell("supervise", employee="106", supervisor="115", mode="whisper")
    head.talks()
    for_a_while(LONG)
    office.tell("supervise", employee="106", supervisor="115", mode="listen")
    for_a_while(LONG)
    customer.hang_up()
    customer.released()
    employee.succeeds()
    assert sound.goertzel(sound.steady(customer.heard, SUPERVISOR), SUPERVISOR) > SAID - NEAR
    assert hears(last(customer.heard, 1.2), CUSTOMER) == []
