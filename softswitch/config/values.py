"""The small languages inside strings of the file: times, port ranges, listening addresses, servers."""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from softswitch.config.settings import Listener

__all__ = [
    "Wrong",
    "duration",
    "hostname",
    "listener",
    "numeric",
    "origin",
    "ports",
    "server",
    "show_duration",
    "web_listener",
    "within",
]

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,3})?(?:ms|s|m|h|d))+")
_PART = re.compile(r"([0-9.]+)(ms|s|m|h|d)")
_PORTS = re.compile(r"([0-9]{1,5})\s*-\s*([0-9]{1,5})")
_LISTEN = re.compile(r"([A-Za-z]+):(\[[^\]]*\]|[^\[\]:]+)(?::([0-9]{1,5}))?")
_SERVER = re.compile(r"(\[[^\]]*\]|[^\[\]:]+)(?::([0-9]{1,5}))?")
_ORIGIN = re.compile(r"(https?)://(\[[^\]]*\]|[^\[\]:/]+)(?::([0-9]{1,5}))?/?")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")

LATER_TRANSPORTS = frozenset({"tls", "ws", "wss", "sctp"})


@dataclass(frozen=True, slots=True)
class Wrong:
    """A value was not understood: ``code`` is a key of ``config.words.REASONS``, ``values`` fill its text.

    ``at`` is the path of the part at fault below the value.
    """

    code: str
    values: dict[str, object] = field(default_factory=dict)
    at: tuple[str | int, ...] = ()


def duration(text: str) -> float | Wrong:
    """Return the seconds of "20s", "1h30m", "0.5s" or "250ms"; units go from large to small, each once."""
    if not _DURATION.fullmatch(text):
        if re.fullmatch(r"[0-9]{1,9}", text):
            return Wrong("no_unit", {"nearest": f'"{text}s"'})
        return Wrong("not_a", {"noun": "time"})
    parts = _PART.findall(text)
    sizes = [_UNITS[unit] for _, unit in parts]
    if any(second >= first for first, second in itertools.pairwise(sizes)):
        return Wrong("not_a", {"noun": "time"})
    # Rounded to the millisecond, the smallest unit: sums of floats would show as 5400.000000001.
    return round(sum(float(number) * _UNITS[unit] for number, unit in parts), 3)


def within(shortest: float, longest: float) -> Callable[[str], float | Wrong]:
    """Return a parser of times between two bounds, inclusive."""

    def parse(text: str) -> float | Wrong:
        seconds = duration(text)
        if isinstance(seconds, Wrong) or shortest <= seconds <= longest:
            return seconds
        bounds = {"low": f'"{show_duration(shortest)}"', "high": f'"{show_duration(longest)}"'}
        return Wrong("too_small" if seconds < shortest else "too_large", {"hint": "between", **bounds})

    return parse


def show_duration(seconds: float) -> str:
    """Return the shortest text that ``duration`` reads back: 5400.0 gives "1h30m"."""
    left, parts = round(seconds * 1000), []
    for unit in ("d", "h", "m", "s", "ms"):
        count, left = divmod(left, round(_UNITS[unit] * 1000))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def ports(text: str) -> tuple[int, int] | Wrong:
    """Return both ends of "20000-29999", inclusive."""
    found = _PORTS.fullmatch(text.strip())
    if found is None:
        return Wrong("not_a", {"noun": "ports"})
    low, high = int(found[1]), int(found[2])
    if not (1 <= low <= 65535 and 1 <= high <= 65535):
        return Wrong("port_range", {"port": high if 1 <= low <= 65535 else low})
    if low > high:
        return Wrong("ports_backwards", {"nearest": f'"{high}-{low}"'})
    if high - low + 1 < 8:
        return Wrong("ports_few", {"count": high - low + 1})
    return low, high


def listener(text: str) -> Listener | Wrong:
    """Return what "udp:0.0.0.0:5060" or "tcp:[::]:5060" says; the port may be left out (5060)."""
    found = _LISTEN.fullmatch(text.strip())
    if found is None:
        return Wrong("not_a", {"noun": "listener"})
    transport, host, port = found[1].lower(), numeric(found[2].strip("[]")), int(found[3] or 5060)
    if transport in LATER_TRANSPORTS:
        return Wrong("transport_later", {"transport": transport, "noun": "listener"})
    if transport not in ("udp", "tcp"):
        return Wrong("not_a", {"noun": "listener"})
    if host is None:
        return Wrong("not_numeric", {"part": found[2], "noun": "listener"})
    if port > 65535:
        return Wrong("port_range", {"port": port})
    return Listener("udp" if transport == "udp" else "tcp", host, port)


def server(text: str) -> tuple[str, int | None] | Wrong:
    """Return host and port of "sip.provider.example", "203.0.113.5:5070" or "[2001:db8::5]:5060"."""
    bare = numeric(text)
    if bare is not None:
        return bare, None
    found = _SERVER.fullmatch(text.strip())
    host = hostname(found[1].strip("[]")) if found else None
    if found is None or host is None:
        return Wrong("not_a", {"noun": "server"})
    port = int(found[2]) if found[2] else None
    if port is not None and not 1 <= port <= 65535:
        return Wrong("port_range", {"port": port})
    return host, port


def web_listener(text: str) -> tuple[str, int] | Wrong:
    """Return address and port of "127.0.0.1:8080" or "[::1]:8080"; port 0 lets the system choose."""
    found = _SERVER.fullmatch(text.strip())
    if found is None or found[2] is None:
        return Wrong("not_a", {"noun": "web_listener"})
    host = numeric(found[1].strip("[]"))
    if host is None:
        return Wrong("not_numeric", {"part": found[1], "noun": "web_listener"})
    port = int(found[2])
    return (host, port) if port <= 65535 else Wrong("port_range", {"port": port})


def origin(text: str) -> str | Wrong:
    """Return "https://pbx.example" as browsers send it (RFC 6454 section 7): lower case, no default port, no path."""
    found = _ORIGIN.fullmatch(text.strip().lower())
    host = hostname(found[2].strip("[]")) if found else None
    if found is None or host is None:
        return Wrong("not_a", {"noun": "origin"})
    port = int(found[3]) if found[3] else None
    if port is not None and not 1 <= port <= 65535:
        return Wrong("port_range", {"port": port})
    shown = f"[{host}]" if ":" in host else host
    usual = {"http": 80, "https": 443}[found[1]]
    return f"{found[1]}://{shown}" + (f":{port}" if port not in (None, usual) else "")


def hostname(text: str) -> str | None:
    """Return a host name in lower case or a numeric address in its canonical form; None if it is neither."""
    address = numeric(text)
    if address is not None:
        return address
    name = text.lower().rstrip(".")
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        return None
    return name


def numeric(text: str) -> str | None:
    """Return a numeric IP address in its canonical form, or None."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
