"""One walk through the tone matrix: a call in which a third person takes part in every way, one way after the other.

Before, during and after each way every telephone is listened to for a fifth of a second, and afterwards all that the
two who talk heard is looked at for steps of level, slips and clicks, and the numbers of their packets for jumps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations, product
from pathlib import Path

from softswitch.calls.modes import Mode
from softswitch.events import RecordingStarted
from softswitch.media.engine import Codec, Tone, Track
from tests.sim.phone import Phone
from tests.stories.centre import CUSTOMER, EMPLOYEE, MUSIC, SENT, SUPERVISOR, Centre, requests_of
from tests.stories.ears import ANNOUNCED, FAR, TONES, Ear, Tones, Window, levels_of, torn

CODECS = ("PCMU", "PCMA", "G722", "opus")
SWITCH_CODECS = (Codec.OPUS, Codec.G722, Codec.PCMA, Codec.PCMU)
SETTLED, WINDOW, KEY = 0.3, 0.2, 0.15
"""Seconds in which a change must have taken effect, over which a level is taken, and for which a key is pressed."""

HEARD_BY: dict[Mode | None, frozenset[str]] = {
    None: frozenset(),
    Mode.LISTEN: frozenset(),
    Mode.WHISPER: frozenset({"employee"}),
    Mode.WHISPER_TO_CUSTOMER: frozenset({"customer"}),
    Mode.BARGE: frozenset({"customer", "employee"}),
    Mode.PROMPT: frozenset({"employee"}),
}
L, W, B, C = Mode.LISTEN, Mode.WHISPER, Mode.BARGE, Mode.WHISPER_TO_CUSTOMER
ROUND = (W, L, B, L, C, W, B, W, C, B, C, L)
"""Beginning with a listener, each way after each other one, once."""


class State(StrEnum):
    """What goes on in the call meanwhile."""

    PLAIN = "plain"
    CUSTOMER_WAITS = "customer held"
    EMPLOYEE_WAITS = "employee held"
    ASIDE = "aside"
    ANNOUNCEMENT = "announcement"
    DIGITS = "digits"


@dataclass(frozen=True, slots=True)
class Walk:
    """``codecs`` are the customer's, the employee's and the third's."""

    codecs: tuple[str, str, str]
    state: State
    recorded: bool

    def __str__(self) -> str:
        return f"{'-'.join(self.codecs)}-{self.state}-{'' if self.recorded else 'not '}recorded".replace(" ", "_")

    @property
    def factors(self) -> tuple[str, str, str, str, str]:
        return (*self.codecs, str(self.state), str(self.recorded))


def every_walk() -> list[Walk]:
    return [
        Walk(codecs, state, recorded)
        for codecs in product(CODECS, repeat=3)
        for state in State
        for recorded in (True, False)
    ]


def covering(walks: Sequence[Walk], strength: int = 3) -> list[Walk]:
    """Choose some such that every ``strength`` factors are met in all their combinations; the same ones each time."""
    places = list(combinations(range(5), strength))
    met = [{(place, *(walk.factors[i] for i in place)) for place in places} for walk in walks]
    left = set().union(*met)
    chosen = []
    while left:
        best = max(range(len(walks)), key=lambda n: len(met[n] & left))
        left -= met[best]
        chosen.append(best)
    return [walks[n] for n in sorted(chosen)]


class Office(Centre):
    """The scene of a walk: ``olga`` (111) may whisper to customers, ``expert`` (105) is asked for help."""

    glance = 0.01

    def __init__(self, walk: Walk, recordings: Path = Path("/nonexistent")) -> None:
        super().__init__(codecs=SWITCH_CODECS, recordings=recordings)
        self.reload(record_all=walk.recorded)
        self.olga = self.phone("111", tone=SUPERVISOR, answer=0.05)
        self.expert = self.phone("105", tone=SUPERVISOR, answer=0.05)
        self.anna.answer = 0.05
        for phone, codec in zip((self.customer, self.anna, self.olga), walk.codecs, strict=True):
            phone.codecs = (codec,)
        self.expert.codecs = self.olga.codecs
        self.walk = walk

    def begin(self, state: State) -> None:
        """Let begin what goes on in the call meanwhile."""
        match state:
            case State.CUSTOMER_WAITS:
                self.anna.hold("sendonly")
            case State.EMPLOYEE_WAITS:
                self.customer.hold("sendonly")
            case State.ANNOUNCEMENT:
                (call,) = self.control.calls
                call.hearing.notify(call.sides, Tone((ANNOUNCED,), level=SENT - 3.01))


class Walker:
    """Takes one walk; ``faults`` says what was not as it should be."""

    def __init__(self, walk: Walk, recordings: Path = Path("/nonexistent")) -> None:
        self.walk = walk
        self.office = office = Office(walk, recordings)
        self.customer, self.employee = Ear("customer", office.customer), Ear("employee", office.anna)
        self.third = Ear("third", office.olga)
        self.customer.seamless = self.employee.seamless = walk.state not in (State.ASIDE, State.DIGITS)
        self.faults: list[str] = []

    def go(self) -> list[str]:
        office, talkers = self.office, (self.customer, self.employee)
        office.converse()
        office.run(0.3)  # till the telephones' buffers have found their length
        self._enter()
        before = [(ear, len(requests_of(ear.phone)), len(ear.phone.packets)) for ear in talkers]
        self._expect(None)
        self._listen("before", None)
        for mode in (Mode.LISTEN, Mode.WHISPER, Mode.WHISPER_TO_CUSTOMER, Mode.BARGE, Mode.PROMPT):
            if mode is Mode.LISTEN and self.walk.state is State.ASIDE:
                continue  # who only listens cannot talk aside
            self._take_part(mode)
        for ear in talkers:
            self.faults += [*ear.unevenness(), *ear.bursts()]
        for ear, requests, packets in before:
            self._undisturbed(ear.phone, requests, packets)
        if self.walk.recorded:
            self._recorded()
        self._take_over()
        for ear in (*talkers, self.third):
            self.faults += ear.misheard()
        return self.faults

    def change(self) -> list[str]:
        """Go from each way to each other one without leaving, and listen 300 ms after each command."""
        office = self.office
        office.converse()
        office.run(0.3)
        self._enter()
        before = [(ear, len(requests_of(ear.phone)), len(ear.phone.packets)) for ear in (self.customer, self.employee)]
        assert office.supervise(Mode.LISTEN, by="111") is None
        office.run_until(lambda: office.olga.talking, 1)
        office.run(SETTLED)
        for mode in ROUND:
            assert office.supervise(mode, by="111") is None
            self._press_digits()
            office.run(SETTLED)
            self._listen(f"change to {mode}", mode)
        for ear, requests, packets in before:
            self._undisturbed(ear.phone, requests, packets)
        for ear in (self.customer, self.employee, self.third):
            self.faults += ear.misheard()
        return self.faults

    # The story -------------------------------------------------------------------------------------------------------

    def _enter(self) -> None:
        self.office.begin(self.walk.state)
        self.office.run(0.3)

    def _take_part(self, mode: Mode) -> None:
        office = self.office
        phone = office.expert if mode is Mode.PROMPT else office.olga
        self.third.phone = phone
        self._expect(mode, beside=False)
        refused = office.ask_help("105") if mode is Mode.PROMPT else office.supervise(mode, by="111")
        assert refused is None, refused
        office.run_until(lambda: phone.talking, 1)
        if self.walk.state is State.ASIDE:
            office.run(0.1)
            self._expect(mode, broken=True)
            phone.press("0")
            office.run(KEY)
            self._expect(mode, broken=True)
        self._press_digits()
        office.run(SETTLED)
        self._listen(str(mode), mode)
        self._expect(None)
        phone.hang_up()
        self._press_digits()
        office.run(SETTLED)
        self._listen(f"after {mode}", None)

    def _take_over(self) -> None:
        office, state = self.office, self.walk.state
        self.third.phone = office.olga
        assert office.supervise(Mode.WHISPER, by="111") is None
        office.run_until(lambda: office.olga.talking, 1)
        office.run(0.1)
        requests, packets = len(requests_of(office.customer)), len(office.customer.packets)
        refused = office.take_over(by="111")
        assert refused is None, refused
        self._press_digits()
        office.run(SETTLED)
        customer, third = {SUPERVISOR}, {CUSTOMER}
        if state is State.EMPLOYEE_WAITS:  # it is the head who waits now
            customer, third = set(), {MUSIC}
        elif state is State.ANNOUNCEMENT:
            customer.add(ANNOUNCED)
        self._listen_to({self.customer: frozenset(customer), self.third: frozenset(third)}, "take over")
        if not office.anna.idle:
            self.faults.append("take over: the employee still has a leg")
        self._undisturbed(office.customer, requests, packets)

    def _recorded(self) -> None:
        """Whatever was said by whom and heard by whom: the customer is left, the employee right, and nobody else."""
        (recording,) = self.office.engine.recordings  # type: ignore[union-attr]
        tracks = self.office.engine.recorded(recording)  # type: ignore[union-attr]
        # A tone that stops for a key has, where it begins, something of every other one.
        far = FAR + 10.0 if self.walk.state is State.DIGITS else FAR
        (started,) = self.office.told(RecordingStarted)
        lasts = (self.office.clock.utc() - started.at).total_seconds()
        for track, own in ((Track.LEFT, CUSTOMER), (Track.RIGHT, EMPLOYEE)):
            sound = tracks[track]
            sound = sound[:: round(len(sound) / lasts / 8000)][4000:]
            levels = levels_of(sound[: len(sound) // 1600 * 1600].reshape(-1, 1600)).max(axis=0)
            for tone, level in zip(TONES[:3], levels.tolist(), strict=False):
                if (level > far) != (tone == own):
                    self.faults.append(f"{tone:g} Hz is at {level:.1f} dBov on the {track.name} track")

    def _press_digits(self) -> None:
        if self.walk.state is State.DIGITS:
            self.office.customer.press("1")
            if self.office.anna.talking:
                self.office.anna.press("2")
            self.office.run(KEY)

    def _undisturbed(self, phone: Phone, requests: int, packets: int) -> None:
        """It got no further request, one SSRC, and no jump of sequence numbers or timestamps."""
        got = requests_of(phone)[requests:]
        if got:
            self.faults.append(f"{phone.name} got {got}")
        pauses = self.walk.state in (State.DIGITS, State.ASIDE)
        self.faults += [f"{phone.name}: {fault}" for fault in torn(phone.packets[packets:], phone, pauses=pauses)]

    # What each is to hear --------------------------------------------------------------------------------------------

    def _tones(self, mode: Mode | None, *, beside: bool = True) -> tuple[Tones, Tones, Tones]:
        """What the customer, the employee and the third hear: appendix A1 of the mission.

        ``beside``: where the state is a talk beside the customer, that it has begun.
        """
        customer, employee, third = {EMPLOYEE}, {CUSTOMER}, {CUSTOMER, EMPLOYEE}
        if "customer" in HEARD_BY[mode]:
            customer.add(SUPERVISOR)
        if "employee" in HEARD_BY[mode]:
            employee.add(SUPERVISOR)
        match self.walk.state:
            case State.CUSTOMER_WAITS:  # by the employee's telephone, to which nothing is sent
                customer = customer - {EMPLOYEE} | {MUSIC}
                employee, third = set(), {CUSTOMER}
            case State.EMPLOYEE_WAITS:
                customer, third = set(), {EMPLOYEE}
                employee = employee - {CUSTOMER} | {MUSIC}
            case State.ASIDE if mode is not None and beside:
                customer, third = {MUSIC}, {EMPLOYEE}
                employee = employee - {CUSTOMER}
            case State.ANNOUNCEMENT:
                customer.add(ANNOUNCED)
                employee.add(ANNOUNCED)
        return frozenset(customer), frozenset(employee), frozenset(third)

    def _expect(self, mode: Mode | None, *, beside: bool = True, broken: bool = False) -> None:
        """``broken``: the course of what is heard may break now, though its tones stay the same."""
        digits = self.walk.state is State.DIGITS
        for ear, tones in zip((self.customer, self.employee), self._tones(mode, beside=beside), strict=False):
            ear.from_now_on(tones, broken=broken or digits)

    def _listen(self, when: str, mode: Mode | None) -> None:
        ears = (self.customer, self.employee, self.third)[: 2 if mode is None else 3]
        self._listen_to(dict(zip(ears, self._tones(mode), strict=False)), when)

    def _listen_to(self, wanted: dict[Ear, Tones], when: str) -> None:
        starts = {ear: ear.position for ear in wanted}
        self.office.run(WINDOW)
        codecs = dict(zip((CUSTOMER, EMPLOYEE, SUPERVISOR), self.walk.codecs, strict=True))
        for ear, tones in wanted.items():
            coded = "opus" in (ear.phone.codec, *(codecs.get(tone) for tone in tones))
            ear.windows.append(Window(ear.phone, starts[ear], ear.position, when, tones, coded))
