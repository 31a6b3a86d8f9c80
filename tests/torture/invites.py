"""Malformed INVITEs from a grammar, in the manner of PROTOS c07-sip: each element of a good one, broken in each way.

The cases are written anew from what the classes of that suite are known to be
(overflow, format strings, integers, addresses, UTF-8, line ends, nesting); each
is one good INVITE in which one element was replaced.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

__all__ = ["Case", "cases", "good"]

ELEMENTS: Final[dict[str, str]] = {
    "method": "INVITE",
    "uri scheme": "sip",
    "uri user": "101",
    "uri host": "office.example",
    "uri port": "5060",
    "uri parameter": "transport=udp",
    "version": "SIP/2.0",
    "via version": "SIP/2.0/UDP",
    "via host": "192.0.2.2",
    "via port": "5060",
    "via branch": "z9hG4bK@",
    "via parameter": "rport",
    "from name": '"Bob"',
    "from scheme": "sip",
    "from user": "bob",
    "from host": "there.example",
    "from port": "5060",
    "from tag": "f@",
    "to name": '"Anna"',
    "to scheme": "sip",
    "to user": "101",
    "to host": "office.example",
    "to parameter": "x=y",
    "call-id": "c@",
    "cseq number": "1",
    "cseq method": "INVITE",
    "max-forwards": "70",
    "contact name": '"Bob"',
    "contact user": "bob",
    "contact host": "192.0.2.2",
    "contact port": "5060",
    "contact parameter": "q=0.5",
    "expires": "120",
    "content-type": "application/sdp",
    "content-length": "#",
    "session-expires": "1800",
    "min-se": "90",
    "supported": "timer",
    "allow": "INVITE, ACK, BYE, CANCEL",
    "accept": "application/sdp",
    "date": "Mon, 23 Nov 2026 09:00:00 GMT",
    "privacy": "none",
    "identity": "<sip:+79161234567@there.example>",
    "route": "<sip:office.example;lr>",
    "record-route": "<sip:192.0.2.2;lr>",
    "reason": 'SIP;cause=200;text="x"',
    "authorization": 'Digest username="101", realm="office.example", nonce="n", uri="sip:x", response="r"',
    "unknown field": "value",
    "sdp version": "0",
    "sdp origin user": "bob",
    "sdp origin id": "1",
    "sdp origin address": "192.0.2.2",
    "sdp connection": "IN IP4 192.0.2.2",
    "sdp time": "0 0",
    "sdp media": "audio",
    "sdp port": "4000",
    "sdp protocol": "RTP/AVP",
    "sdp formats": "8 0",
    "sdp attribute": "rtpmap:8 PCMA/8000",
    "sdp direction": "sendrecv",
}
"""Element by element: what stands there in the good INVITE. "@" becomes the number of the case, "#" the length."""

LINES: Final = (
    "{method} {uri scheme}:{uri user}@{uri host}:{uri port};{uri parameter} {version}",
    "Via: {via version} {via host}:{via port};branch={via branch};{via parameter}",
    "From: {from name} <{from scheme}:{from user}@{from host}:{from port}>;tag={from tag}",
    "To: {to name} <{to scheme}:{to user}@{to host}>;{to parameter}",
    "Call-ID: {call-id}",
    "CSeq: {cseq number} {cseq method}",
    "Max-Forwards: {max-forwards}",
    "Contact: {contact name} <sip:{contact user}@{contact host}:{contact port}>;{contact parameter}",
    "Expires: {expires}",
    "Session-Expires: {session-expires}",
    "Min-SE: {min-se}",
    "Supported: {supported}",
    "Allow: {allow}",
    "Accept: {accept}",
    "Date: {date}",
    "Privacy: {privacy}",
    "P-Asserted-Identity: {identity}",
    "Route: {route}",
    "Record-Route: {record-route}",
    "Reason: {reason}",
    "Authorization: {authorization}",
    "X-Unknown: {unknown field}",
    "Content-Type: {content-type}",
    "Content-Length: {content-length}",
)
BODY: Final = (
    "v={sdp version}",
    "o={sdp origin user} {sdp origin id} 1 IN IP4 {sdp origin address}",
    "s=-",
    "c={sdp connection}",
    "t={sdp time}",
    "m={sdp media} {sdp port} {sdp protocol} {sdp formats}",
    "a={sdp attribute}",
    "a={sdp direction}",
)

ANOMALIES: Final[dict[str, bytes]] = {
    "nothing": b"",
    "space": b" ",
    "overflow 128": b"a" * 128,
    "overflow 4096": b"a" * 4096,
    "overflow 32000": b"a" * 32000,
    "dots": b"." * 512,
    "slashes": b"/" * 512,
    "brackets": b"<" * 512,
    "parentheses": b"(" * 512,
    "quotes": b'"' * 511,
    "backslashes": b'"' + b"\\" * 511,
    "semicolons": b";" * 512,
    "commas": b"," * 512,
    "at signs": b"@" * 64,
    "colons": b":" * 64,
    "percents": b"%25" * 256,
    "broken percent": b"%",
    "formats": b"%s%n%x%d" * 16,
    "minus one": b"-1",
    "two to 31": b"2147483648",
    "two to 32": b"4294967296",
    "two to 64": b"18446744073709551616",
    "many digits": b"9" * 1000,
    "leading zeros": b"0" * 500 + b"1",
    "hexadecimal": b"0x10",
    "plus": b"+5",
    "arabic digits": "٥٠٦٠".encode(),
    "address of parts": b"1.2.3.4.5",
    "large address": b"999.999.999.999",
    "broadcast": b"255.255.255.255",
    "open bracket address": b"[::1",
    "long address": b"[" + b"1:" * 200 + b"1]",
    "utf-8": "Анна 日本".encode(),
    "overlong utf-8": b"\xc0\xaf\xe0\x80\xaf",
    "cut utf-8": b"\xe2\x82",
    "bytes above": bytes(range(0x80, 0x100)),
    "nul": b"a\0b",
    "control": bytes(range(1, 9)),
    "carriage return": b"a\rb",
    "line feed": b"a\nb",
    "folded": b"a\r\n b",
    "smuggled field": b"a\r\nVia: SIP/2.0/UDP 203.0.113.9;branch=z9hG4bKx",
    "end of head": b"a\r\n\r\nb",
    "tabs": b"\t" * 200,
}


class Case(NamedTuple):
    element: str
    anomaly: str
    data: bytes


def good(number: int) -> bytes:
    return _message({name: value.encode() for name, value in ELEMENTS.items()}, number)


def cases(element: str) -> Iterator[Case]:
    """Yield the good INVITE with this element broken in every way."""
    for number, (anomaly, value) in enumerate(ANOMALIES.items(), 1):
        elements = {name: text.encode() for name, text in ELEMENTS.items()}
        elements[element] = value
        yield Case(element, anomaly, _message(elements, number, element))


def _message(elements: dict[str, bytes], number: int, broken: str = "") -> bytes:
    unique = b"%d" % number
    filled = {
        name: value if name == broken else value.replace(b"@", unique) if name in _NUMBERED else value
        for name, value in elements.items()
    }
    body = b"".join(_fill(line, filled) + b"\r\n" for line in BODY)
    if broken != "content-length":
        filled["content-length"] = b"%d" % len(body)
    return b"".join(_fill(line, filled) + b"\r\n" for line in LINES) + b"\r\n" + body


_NUMBERED: Final = ("via branch", "from tag", "call-id")


def _fill(line: str, elements: dict[str, bytes]) -> bytes:
    out, rest = b"", line
    while "{" in rest:
        before, _, rest = rest.partition("{")
        name, _, rest = rest.partition("}")
        out += before.encode() + elements[name]
    return out + rest.encode()
