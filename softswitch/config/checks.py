"""What one key cannot know: clashes between keys, rules that are never reached, and things worth a warning."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from softswitch.config.faults import Complaints
from softswitch.config.positions import Path
from softswitch.config.schema import (
    CodesTable,
    GroupTable,
    InboundTable,
    OutboundTable,
    PersonTable,
    RtpTable,
    SipTable,
    SkillTable,
    TrunkTable,
    WebTable,
)
from softswitch.config.settings import Listener, Network
from softswitch.config.values import numeric, show_duration
from softswitch.config.words import shown
from softswitch.dialplan import patterns
from softswitch.directory.people import Role

__all__ = [
    "addresses",
    "check_codes",
    "check_heads",
    "check_numbers",
    "check_skills",
    "check_sockets",
    "check_trunks",
    "check_web",
]

PORTS_PER_CALL = 4
"""RTP and RTCP of two legs."""


def check_sockets(sip: SipTable | None, rtp: RtpTable | None, to: Complaints) -> None:
    """Find addresses that cannot be bound together and times that contradict each other."""
    listen = sip.listen if sip is not None else ()
    for index, one in enumerate(listen):
        path: Path = ("sip", "listen", index)
        other = next((earlier for earlier in listen[:index] if _overlap(earlier, one)), None)
        if other is not None:
            to.add(path, "listen_overlap", str(one), other=shown(str(other)))
        if rtp is not None and one.transport == "udp" and rtp.ports[0] <= one.port <= rtp.ports[1]:
            to.add(path, "listen_in_rtp", str(one), ports=shown("{}-{}".format(*rtp.ports)))
        if 0 < one.port < 1024:
            to.warn(path, "privileged", str(one), port=one.port)
    if sip is not None and sip.expires_min > sip.expires:
        found = show_duration(sip.expires_min)
        to.add(("sip", "expires_min"), "expires_order", found, other=shown(show_duration(sip.expires)))
    if rtp is not None:
        if rtp.ports[0] < 1024:
            to.warn(("rtp", "ports"), "privileged", port=rtp.ports[0])
        calls = (rtp.ports[1] - rtp.ports[0] + 1) // PORTS_PER_CALL
        if calls < 10:
            to.warn(("rtp", "ports"), "few_calls", calls=calls)


def check_web(web: WebTable | None, sip: SipTable | None, to: Complaints) -> None:
    """Find an API that takes another's port, or that passwords would reach in clear."""
    if web is None:
        return
    one = Listener("tcp", *web.listen)
    other = next((listener for listener in (sip.listen if sip is not None else ()) if _overlap(listener, one)), None)
    found = str(one).removeprefix("tcp:")
    if other is not None:
        to.add(("web", "listen"), "listen_overlap", found, other=shown(str(other)))
    if 0 < one.port < 1024:
        to.warn(("web", "listen"), "privileged", found, port=one.port)
    if not ipaddress.ip_address(one.host).is_loopback and not (web.origin or "").startswith("https:"):
        to.warn(("web", "listen"), "web_clear", found)


def check_codes(codes: CodesTable | None, outbound: Mapping[int, OutboundTable], to: Complaints) -> None:
    """Find feature codes that cannot be told apart, from each other or from numbers that people dial."""
    if codes is None:
        return
    known: dict[str, str] = {}
    # What the file says is what is wrong, not our defaults that it clashes with.
    words = ("listen", "whisper", "barge", "help", "mask", "skill", "review")
    for name in sorted(words, key=lambda one: one in codes.model_fields_set):
        code = getattr(codes, name)
        if not code:
            continue
        other = next((one for one, said in known.items() if code.startswith(said) or said.startswith(code)), None)
        if other is not None:
            to.add(("codes", name), "same_code", code, other=other, taken=shown(known[other]))
        known[name] = code
        taken = next((at for at, rule in outbound.items() if rule.number.startswith(code)), None)
        if taken is not None:
            line = to.line(("outbound", taken))
            to.add(("codes", name), "code_taken", code, number=shown(outbound[taken].number), line=line)


def check_trunks(trunks: Mapping[str, TrunkTable], to: Complaints) -> None:
    """Find trunks whose calls could not be told apart."""
    taken: list[tuple[Network, str]] = []
    for name, trunk in trunks.items():
        for index, address in enumerate(addresses(trunk)):
            network = ipaddress.ip_network(address)
            other = next((owner for net, owner in taken if owner != name and _share(net, network)), None)
            if other is not None:
                place: Path = ("trunks", name, "addresses", index) if trunk.addresses else ("trunks", name, "server")
                to.add(place, "same_address", address, other=other)
            taken.append((network, name))


def check_heads(people: Mapping[str, PersonTable], groups: Mapping[str, GroupTable], to: Complaints) -> None:
    """Find people who are named as a group's head but whose role gives them no right to it."""
    for key, group in groups.items():
        for extension in group.head:
            person = people.get(extension)
            if person is not None and person.role is Role.EMPLOYEE:
                to.warn(("groups", key, "head"), "head_role", extension, extension=extension)


def check_skills(people: Mapping[str, PersonTable], skills: Mapping[str, SkillTable], to: Complaints) -> None:
    """Find skills that nobody has, and numbers that mean two of them."""
    numbers: dict[str, str] = {}
    for key, skill in skills.items():
        if not any(key in person.skills for person in people.values()):
            to.warn(("skills", key), "no_skilled", at_key=True, skill=key)
        if skill.number is None:
            continue
        if skill.number in numbers:
            to.add(("skills", key, "number"), "same_number", skill.number, other=numbers[skill.number])
        numbers[skill.number] = key


def check_numbers(
    people: Mapping[str, PersonTable],
    inbound: Mapping[int, InboundTable],
    outbound: Mapping[int, OutboundTable],
    to: Complaints,
) -> None:
    """Find rules that an earlier one makes useless, and numbers that nobody can dial or show."""
    for index, rule in inbound.items():
        before = [at for at, one in inbound.items() if at < index and one.trunk in (None, rule.trunk)]
        first = next((at for at in before if covers(inbound[at].number, rule.number)), None)
        if first is not None:
            line = to.line(("inbound", first))
            to.warn(("inbound", index, "number"), "never_reached", rule.number, line=line)
    for index, out in outbound.items():
        first = next((at for at in outbound if at < index and covers(outbound[at].number, out.number)), None)
        if first is not None:
            line = to.line(("outbound", first))
            to.warn(("outbound", index, "number"), "never_reached", out.number, line=line)
        if out.caller is None and any(person.outside is None for person in people.values()):
            to.warn(("outbound", index), "no_caller", at_key=True)
        pattern = patterns.parse(out.number)
        for extension in people:
            if isinstance(pattern, patterns.Pattern) and not pattern.international and pattern.matches(extension):
                to.warn(("outbound", index, "number"), "hidden", out.number, extension=extension, number=out.number)


def covers(first: str, second: str) -> bool:
    """Tell whether every number of pattern ``second`` fits ``first``, as far as that is plain to see."""
    if first == second:
        return True
    pattern = patterns.parse(first)
    # A number without wildcards is its own only member.
    return isinstance(pattern, patterns.Pattern) and not set(second) & set("XZN[.") and pattern.matches(second)


def addresses(trunk: TrunkTable) -> tuple[str, ...]:
    """Return where the trunk's calls come from: what is written, and a numeric server."""
    host = numeric(trunk.server[0])
    return trunk.addresses if host is None or host in trunk.addresses else (*trunk.addresses, host)


def _share(first: Network, second: Network) -> bool:
    return first.version == second.version and first.overlaps(second)


def _overlap(first: Listener, second: Listener) -> bool:
    if (first.transport, first.port) != (second.transport, second.port) or first.port == 0:
        return False
    hosts = {first.host, second.host}
    # Our own sockets set IPV6_V6ONLY, so "::" and "0.0.0.0" live side by side.
    same_family = (":" in first.host) == (":" in second.host)
    return len(hosts) == 1 or (same_family and bool(hosts & {"0.0.0.0", "::"}))
