"""A small sales group under virtual time, with a head, a director and a colleague to ask: the scene of these stories.

The customer says 443 Hz, the employee 1013 Hz, the supervisor 1297 Hz, hold music is 300 Hz: no two of them make
the third by the odd-order products of a symmetrical quantiser such as G.711. "Hears" is within
3 dB of the level sent, "does not hear" at least 60 dB below it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from softswitch.calls.modes import Mode
from softswitch.calls.supervision import Wish
from softswitch.directory.people import Group, Person, Role
from softswitch.errors import SwitchError
from softswitch.ids import ConversationId
from tests.sim.office import VirtualOffice, person
from tests.sim.phone import Phone

CUSTOMER, EMPLOYEE, SUPERVISOR, SECOND, MUSIC = 443.0, 1013.0, 1297.0, 1601.0, 300.0
SENT = -16.0
NUMBER = "+74951234567"

PEOPLE: tuple[Person, ...] = (
    person("101", groups=("sales",)),
    person("102", groups=("sales",)),
    person("103", groups=("support",)),
    person("105", groups=("sales", "experts")),
    person("110", role=Role.HEAD, groups=("sales",)),
    person("111", role=Role.HEAD, groups=("sales",), whisper_customer=True),
    person("120", role=Role.HEAD, groups=("support",)),
    person("100", role=Role.DIRECTOR),
    person("104", groups=("sales",), monitored=False),
)
GROUPS: Mapping[str, Group] = {
    "sales": Group(key="sales", name="Sales", heads=("110", "111")),
    "support": Group(key="support", name="Support", heads=("120",)),
    "experts": Group(key="experts", name="Experts"),
}


class Centre(VirtualOffice):
    """A customer calls the sales number; Anna (101) answers. ``boris`` is the head, whose telephone rings."""

    def __init__(self, *, sound: bool = True, **options: object) -> None:
        options.setdefault("people", PEOPLE)
        options.setdefault("groups", GROUPS)
        super().__init__(sound=sound, **options)  # type: ignore[arg-type]
        self.anna = self.phone("101", tone=EMPLOYEE)
        self.boris = self.phone("110", tone=SUPERVISOR)
        self.customer = self.provider(tone=CUSTOMER)

    def converse(self) -> None:
        """Let the customer talk with Anna."""
        self.customer.call(NUMBER)
        self.run_until(lambda: self.customer.talking and self.anna.talking, 10)
        self.run(0.5)

    def supervise(
        self,
        mode: Mode = Mode.LISTEN,
        *,
        by: str = "110",
        whom: str = "101",
        follow: bool = False,
        conversation: ConversationId | None = None,
    ) -> str | None:
        """Ask for it as the command line does; return why it was refused, None if it was not."""
        wish = Wish(supervisor=by, employee=whom, mode=mode, via="cli", follow=follow, conversation=conversation)
        return self.attempt(lambda: self._put(self.control.supervise(wish, self.now)))

    def take_over(self, *, by: str = "110", whom: str = "101", park: bool = False) -> str | None:
        return self.attempt(lambda: self._put(self.control.take_over(by, whom, self.now, park=park)))

    def ask_help(self, whom: str, *, employee: str = "101") -> str | None:
        return self.attempt(lambda: self._put(self.control.ask_help(employee, whom, "api", self.now)))

    def end_help(self, employee: str = "101") -> str | None:
        return self.attempt(lambda: self._put(self.control.end_help(employee, self.now)))

    def attempt(self, command: object) -> str | None:
        try:
            command()  # type: ignore[operator]
        except SwitchError as error:
            return str(error)
        return None

    def listen_for(self, seconds: float = 0.6) -> None:
        """Forget what was heard, and listen anew."""
        for phone in self.phones.values():
            phone.heard.clear()
        self.run(seconds)

    def names(self) -> list[str]:
        """The kinds of events told so far."""
        return [type(event).__name__ for event in self.events]


def hears(phone: Phone, frequency: float, level: float = SENT) -> bool:
    return abs(phone.hears(frequency) - level) <= 3.0


def deaf_to(phone: Phone, *frequencies: float) -> bool:
    return all(phone.hears(frequency) <= SENT - 60.0 for frequency in frequencies)


def hears_music(phone: Phone) -> bool:
    return phone.hears(MUSIC) > -40.0


def undisturbed(phone: Phone, requests: int) -> bool:
    """Whether a telephone got no further request, and one SSRC without a jump of sequence or timestamp.

    Where a relay of packets becomes a mix, one frame may be left out: the mix waits for its own millisecond of twenty.
    """
    ssrcs = {ssrc for ssrc, _, _ in phone.wire}
    pairs = list(zip(phone.wire, phone.wire[1:], strict=False))
    sequences = {(b[1] - a[1]) & 0xFFFF for a, b in pairs}
    times = {(b[2] - a[2]) & 0xFFFFFFFF for a, b in pairs}
    return (
        len(requests_of(phone)) == requests
        and len(ssrcs) == 1
        and sequences == {1}
        and times <= {phone.ticks, 2 * phone.ticks}
    )


def requests_of(phone: Phone) -> list[str]:
    """The requests that a telephone got in dialogs; keep-alive is none of them."""
    return [message.request for message in phone.inbox if message.request and message.request != "OPTIONS"]


def steady(phone: Phone, frequency: float, frames: int = 10) -> bool:
    """Whether the level of a tone stayed within 0.5 dB, in windows of 200 ms one after another."""
    from tests.sim import audio

    samples = np.concatenate(phone.heard)
    width = frames * audio.FRAME
    levels = [
        audio.level_of(samples[at : at + width], frequency) for at in range(0, len(samples) - width + 1, audio.FRAME)
    ]
    return max(levels) - min(levels) <= 0.5
