"""Whole SIP messages and their pieces for Hypothesis: everything that we may write, and damage to it."""

from __future__ import annotations

import string

from hypothesis import strategies as st

from softswitch.sip.headers import CSeq, Headers, NameAddr, Via
from softswitch.sip.message import Request, Response
from softswitch.sip.parser import METHODS
from softswitch.sip.uri import Uri

tokens = st.text(string.ascii_letters + string.digits + "-.!%*_+`'~", min_size=1, max_size=12)
names = tokens.map(str.lower)
ports = st.none() | st.integers(0, 65535)
domains = st.lists(
    st.text(string.ascii_lowercase + string.digits + "-_", min_size=1, max_size=8), min_size=1, max_size=3
).map(".".join)
hosts = domains | st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(str)

# What a text may hold when it stands in a quoted string or, escaped, in a URI.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
quotable = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=12)
# What may stand as the value of any header field that nobody parses.
values = quotable.map(lambda text: text.strip(" \t"))

params = st.lists(st.tuples(names, st.none() | quotable), max_size=2, unique_by=lambda param: param[0]).map(tuple)
uri_params = st.lists(
    st.tuples(texts.filter(bool).map(str.lower), st.none() | texts), max_size=2, unique_by=lambda param: param[0]
).map(tuple)


@st.composite
def uris(draw: st.DrawFn, headers: bool = True) -> Uri:
    user = draw(st.none() | texts.filter(bool))
    return Uri(
        scheme=draw(st.sampled_from(["sip", "sips"])),
        user=user,
        password=None if user is None else draw(st.none() | texts),
        host=draw(hosts),
        port=draw(ports),
        params=draw(uri_params),
        headers=draw(st.lists(st.tuples(texts, texts), max_size=2).map(tuple)) if headers else (),
    )


tel_uris = st.builds(Uri, st.just("tel"), st.text("0123456789-.()+*#", min_size=1, max_size=15), params=uri_params)
other_uris = st.builds(
    Uri,
    st.sampled_from(["http", "isbn", "soap.beep", "urn"]),
    opaque=st.text(string.ascii_letters + "/:?@;=%", min_size=1, max_size=20),
)
name_addrs = st.builds(NameAddr, st.none() | quotable.filter(bool), uris() | tel_uris | other_uris, params)
hops = st.builds(NameAddr, st.none(), uris(headers=False), st.just(()))
vias = st.builds(Via, tokens.map(str.upper), hosts, ports, params).filter(lambda via: via.branch != "z9hG4bK")
branches = tokens.map("z9hG4bK{}".format)


@st.composite
def header_fields(draw: st.DrawFn, method: str) -> Headers:
    headers = Headers()
    for via in draw(st.lists(vias, min_size=1, max_size=2)):
        headers.add("Via", via)
    headers.set("From", draw(name_addrs))
    headers.set("To", draw(name_addrs))
    headers.set("Call-ID", draw(st.text(string.ascii_letters + string.digits + "-.@", min_size=1, max_size=20)))
    headers.set("CSeq", CSeq(draw(st.integers(0, 2**32 - 1)), method))
    if draw(st.booleans()):
        headers.set("Max-Forwards", draw(st.integers(0, 255)))
        headers.set("Expires", draw(st.integers(0, 2**32 - 1)))
    for name, one in (("Contact", name_addrs), ("Route", hops), ("Record-Route", hops)):
        for value in draw(st.lists(one, max_size=1)):
            if value.param("expires") is None:
                headers.add(name, value)
    for name, text in draw(st.lists(st.tuples(tokens, values), max_size=2)):
        headers.add(f"X-{name}", text)
    return headers


@st.composite
def requests(draw: st.DrawFn) -> Request:
    method = draw(st.sampled_from(sorted(METHODS)) | tokens)
    return Request(method, draw(uris(headers=False) | tel_uris | other_uris), draw(header_fields(method)), draw(bodies))


@st.composite
def responses(draw: st.DrawFn) -> Response:
    return Response(draw(st.integers(100, 699)), draw(quotable), draw(header_fields(draw(tokens))), draw(bodies))


bodies = st.binary(max_size=40) | st.just(b"v=0\r\n\r\nSIP/2.0 200 OK\r\n\r\n")
messages = requests() | responses()

# What breaks parsers when it comes where it should not.
marks = st.sampled_from([bytes((mark,)) for mark in b'\r\n\0\t \\"<>;,:=%@?*\xff'])
lumps = st.sampled_from(
    [b"\r\n ", b"\r\n\r\n", b"\xc0\xbc", b"Content-Length: 5\r\n", b"l:-1\r\n", b"SIP/2.0", b"sip:", b"[::", b"9" * 30]
)
splinters = marks | lumps | st.binary(max_size=3)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A message with a few of its bytes replaced."""
    data = bytearray(draw(messages).encode())
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(splinters)
    return bytes(data)
