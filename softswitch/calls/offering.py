"""What a device or a trunk is told when a call is offered to it: target, and who calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from softswitch.calls.modes import Mode
from softswitch.calls.office import Office
from softswitch.dialplan.routes import Trunk
from softswitch.directory.people import Person
from softswitch.media import peer
from softswitch.media.engine import Codec, MediaSession
from softswitch.media.formats import Format
from softswitch.sip.events import Binding, Destination, Incoming, Invite
from softswitch.sip.identity import ANONYMOUS
from softswitch.sip.sdp import SessionDescription
from softswitch.sip.uri import Uri

__all__ = ["codecs", "foreign", "to_device", "to_supervisor", "to_trunk"]

DEVICE_PATIENCE = 8.0
"""Seconds without any response after which a device counts as not there: five tries over UDP, a dead stream."""


def to_device(incoming: Incoming, number: str, binding: Binding, person: Person, domain: str) -> Invite:
    """Ring one device of a colleague. He is inside: the caller's identity is asserted to him (RFC 3325).

    ``number`` is the caller's as recorded; under our domain it can be called back, whoever provided it.
    """
    caller = (
        ANONYMOUS if incoming.withheld else (incoming.caller[0], Uri(scheme="sip", user=number or None, host=domain))
    )
    return Invite(
        target=binding.contact,
        to=binding.flow,
        caller=caller,
        callee=(person.name, Uri(scheme="sip", user=person.extension, host=domain)),
        offer=None,
        asserted=None if incoming.withheld else caller,
        patience=DEVICE_PATIENCE,
        max_forwards=_hops(incoming),
        headers=tuple(("Route", hop) for hop in binding.path),
    )


def codecs(offer: SessionDescription | None, ours: Sequence[Codec]) -> Sequence[Codec]:
    """Our codecs with the caller's choice first, so that both legs meet in one codec and nothing is transcoded.

    None of ours for a caller who speaks none of them: what he speaks must be passed on.
    """
    if offer is None:
        return ours
    spoken = peer.common(offer, ours)
    if not spoken and peer.foreign(offer):
        return ()
    return [*spoken, *(codec for codec in ours if codec not in spoken)]


def foreign(offer: SessionDescription | None, settled: MediaSession | None) -> tuple[tuple[Format, int], ...]:
    """The caller's codecs that we cannot hear: whom he calls may know them.

    ``settled`` is what has been agreed with the caller already, by early media or by a program that answered.
    """
    offered = peer.foreign(offer) if offer is not None else ()
    return tuple((form, number) for form, number in offered if settled is None or form.identity == settled.format)


def to_trunk(incoming: Incoming, trunk: Trunk, number: str, shown: tuple[str, Uri]) -> Invite:
    """Call a number outside. Who asked for privacy is asserted to the provider alone (RFC 3325 section 9.3)."""
    return Invite(
        target=Uri(scheme="sip", user=number, host=trunk.host, port=trunk.port),
        to=Destination(trunk.transport, trunk.host, trunk.port),
        caller=ANONYMOUS if incoming.withheld else shown,
        callee=("", Uri(scheme="sip", user=number, host=trunk.host)),
        offer=None,
        asserted=shown,
        privacy=incoming.withheld,
        account=trunk.name if trunk.user else None,
        patience=trunk.timeout,
        max_forwards=_hops(incoming),
    )


def _hops(incoming: Incoming) -> int:
    # The count goes on across the two sides, or a loop through the switch would never end (RFC 3261 section 16.3).
    hops = incoming.request.max_forwards
    return max(0, (70 if hops is None else hops) - 1)


def to_supervisor(mode: Mode, employee: Person, binding: Binding, person: Person, office: Office) -> Invite:
    """Ring the telephone of somebody who is to stand beside a conversation; its display says which and how.

    Alert-Info lets it ring in another way: an indication of our own (RFC 7462 section 8), and the text
    in ``info`` that most telephones compare.
    """
    shown = (
        f"{_SHOWN[mode][office.language == 'ru']}: {employee.name}",
        Uri(scheme="sip", user=employee.extension, host=office.domain),
    )
    kind = "prompter" if mode is Mode.PROMPT else "supervision"
    return Invite(
        target=binding.contact,
        to=binding.flow,
        caller=shown,
        callee=(person.name, Uri(scheme="sip", user=person.extension, host=office.domain)),
        offer=None,
        asserted=shown,
        headers=(("Alert-Info", f"<urn:alert:service:{kind}@{office.domain}>;info={kind}"),),
    )


_SHOWN: Mapping[Mode, tuple[str, str]] = {
    Mode.LISTEN: ("Listen", "Прослушать"),
    Mode.WHISPER: ("Whisper", "Подсказать"),
    Mode.WHISPER_TO_CUSTOMER: ("Whisper to customer", "Подсказать клиенту"),
    Mode.BARGE: ("Join", "Вмешаться"),
    Mode.PROMPT: ("Prompter request", "Просьба о подсказке"),
}
"""What the display of a telephone says, in English and Russian."""
