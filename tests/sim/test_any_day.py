"""Any day in the office: people do what they like on a network that does what it likes, and nothing is left behind.

One rule-based machine of Hypothesis. After every step the books must agree;
at its end everybody hangs up, time passes, and no trace of any call is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from softswitch.events import CallArrived, ConversationEnded, LegAnswered, LegEnded, LegOffered
from tests.sim.media import SilentEngine
from tests.sim.network import Link
from tests.sim.office import BACKUP, VirtualOffice
from tests.sim.phone import Phone

PHONES = 5
NUMBERS = ("101", "102", "102", "103", "+79161234567")
WHO = st.integers(0, PHONES - 1)


class AnyDay(RuleBasedStateMachine):
    """101 has one telephone, 102 two, 103 one; the provider is the fifth, with two lines; its backup never answers."""

    @initialize(
        seed=st.integers(0, 2**16), loss=st.sampled_from([0.0, 0.0, 0.1, 0.3]), jitter=st.sampled_from([0, 0.3])
    )
    def open_the_office(self, seed: int, loss: float, jitter: float) -> None:
        self.office = VirtualOffice(seed=seed, trunk_calls=2, media_timeout=20.0)
        make = self.office.phone
        self.phones = [make(name, answer=None) for name in ("101", "102", "102", "103")]
        self.phones.append(self.office.provider(answer=None))
        self.office.provider(host=BACKUP, refuse=503)
        self.office.network.link = Link(loss=loss, delay=0.01, jitter=jitter, duplicate=loss)

    def anybody(self, who: int, fits: Callable[[Phone], bool]) -> Phone | None:
        """One of those whom it fits, so that a rule seldom comes to nothing."""
        fit = [phone for phone in self.phones if fits(phone)]
        return fit[who % len(fit)] if fit else None

    @rule(who=WHO, number=st.sampled_from(["101", "102", "103", "777", "+79161234567", "+74951234567"]))
    def call(self, who: int, number: str) -> None:
        if phone := self.anybody(who, lambda phone: phone.idle):
            phone.call(number)
            self.office.run(0.2)

    @rule(pair=st.permutations(range(PHONES)).map(lambda order: order[:2]), seconds=st.sampled_from([0.03, 0.5, 3.0]))
    def talk(self, pair: list[int], seconds: float) -> None:
        """What people do most: one calls, the other answers."""
        caller, callee = (self.phones[who] for who in pair)
        if caller.idle and callee.idle:
            caller.call(NUMBERS[pair[1]] if pair[0] < 4 else "+74951234567")
            self.office.run(1.0)
            self.pick_up(pair[1])
            self.office.run(seconds)

    @rule(who=WHO)
    def pick_up(self, who: int) -> None:
        if phone := self.anybody(who, lambda phone: phone.ringing):
            phone.pick_up()

    @rule(who=WHO, status=st.sampled_from([486, 603, 480, 500]))
    def refuse(self, who: int, status: int) -> None:
        if phone := self.anybody(who, lambda phone: phone.ringing):
            phone.refuse_now(status)

    @rule(who=WHO)
    def hang_up(self, who: int) -> None:
        if phone := self.anybody(who, _can_hang_up):
            phone.hang_up()

    @rule(who=WHO, how=st.sampled_from(["INVITE", "UPDATE"]), direction=st.sampled_from(["sendonly", "inactive"]))
    def hold(self, who: int, how: str, direction: str) -> None:
        if phone := self.anybody(who, lambda phone: phone.talking):
            phone.hold(direction, how=how)

    @rule(who=WHO, how=st.sampled_from(["INVITE", "UPDATE"]))
    def resume(self, who: int, how: str) -> None:
        if phone := self.anybody(who, lambda phone: phone.talking and phone.direction != "sendrecv"):
            phone.resume(how=how)

    @rule(who=WHO, seconds=st.sampled_from([0.05, 3.0, 40.0]))
    def vanish(self, who: int, seconds: float) -> None:
        self.phones[who].vanish()
        self.office.run(seconds)
        self.phones[who].come_back()

    @rule(which=st.integers(0, 5))
    def fall_silent(self, which: int) -> None:
        engine = self.engine
        if which < len(engine.open_ports):
            engine.lose(list(engine.open_ports)[which])

    @rule(which=st.integers(0, 5), digit=st.sampled_from("0#"))
    def press(self, which: int, digit: str) -> None:
        engine = self.engine
        if which < len(engine.open_ports):
            engine.digit(list(engine.open_ports)[which], digit)

    @rule(seconds=st.sampled_from([0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 70.0]))
    def time_passes(self, seconds: float) -> None:
        self.office.run(seconds)

    @property
    def engine(self) -> SilentEngine:
        assert isinstance(self.office.engine, SilentEngine)
        return self.office.engine

    @invariant()
    def everybody_hears_only_who_talks_with_him(self) -> None:
        # That nobody hears a closed port is asserted by the engine itself.
        if not hasattr(self, "office"):
            return
        for listener, row in self.engine.rows.items():
            assert len(row) <= 2, "one partner, and the music"
            assert listener not in row

    @invariant()
    def the_journal_agrees_with_itself(self) -> None:
        if not hasattr(self, "office"):
            return
        told = self.office.told
        arrived = Counter(e.conversation for e in told(CallArrived))
        ended = Counter(e.conversation for e in told(ConversationEnded))
        assert all(count == 1 for count in (arrived | ended).values())
        assert ended <= arrived
        legs = Counter(e.leg for e in (*told(CallArrived), *told(LegOffered)))  # type: ignore[attr-defined]
        over = Counter(e.leg for e in told(LegEnded))  # type: ignore[attr-defined]
        assert all(count == 1 for count in (legs | over).values())
        assert over <= legs
        answered = Counter(e.conversation for e in told(LegAnswered))
        assert all(count <= 2 for count in answered.values()), "a caller and one who answered"
        last = {e.conversation: e for e in self.office.events if e.conversation}
        assert all(isinstance(last[conversation], ConversationEnded) for conversation in ended)

    def teardown(self) -> None:
        if not hasattr(self, "office"):
            return
        office = self.office
        office.network.link = Link()
        office.network.dead.clear()
        for phone in self.phones:
            if _can_hang_up(phone):
                phone.hang_up()
        # The longest to come: a telephone rings for 60 s, a trunk for 180 s, 64*T1 = 32 s each for its INVITE, its
        # CANCEL and its BYE, 5 s for the recording; a peer that lost our BYE is out of reach of any of these.
        office.run(400)
        for port in list(self.engine.open_ports):
            self.engine.lose(port)  # who still talks to nobody is found out by silence
        office.run(100)
        for conversation in office.control.calls:
            office._put(office.control.hang_up(conversation.id, office.now))
        office.run(100)
        assert office.settled(), office.timeline()
        assert office.forgotten, office.endpoint.describe()
        assert len(office.told(CallArrived)) == len(office.told(ConversationEnded))
        trunk = office.office.plan.trunks["provider"]
        assert office.control.free_lines(trunk)
        for phone in self.phones:
            _gone(phone)
        self.everybody_hears_only_who_talks_with_him()
        self.the_journal_agrees_with_itself()


def _can_hang_up(phone: Phone) -> bool:
    return phone.dialog is not None and phone.dialog.state in ("inviting", "ringing", "talking")


def _gone(phone: Phone) -> None:
    assert phone.dialog is None or phone.dialog.state != "inviting", phone.log


TestAnyDay = AnyDay.TestCase
TestAnyDay.settings = settings(
    max_examples=settings.default.max_examples // 3,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
