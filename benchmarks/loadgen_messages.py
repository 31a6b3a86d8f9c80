"""Pieces of SIP messages, as many as a measuring instrument needs: found by pattern, written by template."""

from __future__ import annotations

import hashlib
import re

from benchmarks.loadgen_media import PAYLOAD_TYPES

CALL_ID = re.compile(rb"\r\n(?:Call-ID|i): *([^\r]+)", re.I)
CSEQ = re.compile(rb"\r\nCSeq: *(\d+) +(\w+)", re.I)
TO_TAG = re.compile(rb"\r\n(?:To|t):[^\r]*;tag=([^;\r]+)", re.I)
CONTACT = re.compile(rb"\r\n(?:Contact|m):[^\r<]*<([^>]+)>", re.I)
FROM_NUMBER = re.compile(rb"\r\n(?:From|f):[^\r]*?sip:\+?(\d+)@", re.I)
_COPIED = re.compile(rb"\r\n((?:Via|v|From|f|Call-ID|i|CSeq):[^\r]*)", re.I)
_TO = re.compile(rb"\r\n((?:To|t):[^\r]*)", re.I)
_NONCE = re.compile(rb'nonce="([^"]+)"')
_REALM = re.compile(rb'realm="([^"]*)"')
_MD5_CHALLENGE = re.compile(rb"\r\nWWW-Authenticate: *(Digest(?![^\r]*algorithm=\"?SHA)[^\r]*)", re.I)
SDP_HOST = re.compile(rb"\nc=IN IP4 ([0-9.]+)")
SDP_PORT = re.compile(rb"\nm=audio (\d+) ")


def sdp(host: str, port: int, codec: str) -> bytes:
    payload_type = PAYLOAD_TYPES[codec]
    return (
        f"v=0\r\no=load 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP {payload_type} 101\r\na=rtpmap:{payload_type} {codec}/8000\r\n"
        f"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n"
    ).encode()


def response(request: bytes, status: bytes, extra: bytes, body: bytes) -> bytes:
    to = _TO.search(request)
    line = to[1] if to else b"To: <sip:nobody>"
    if b";tag=" not in line:
        line += b";tag=callee"
    head = b"SIP/2.0 " + status + b"\r\n" + b"\r\n".join(_COPIED.findall(request)) + b"\r\n" + line + b"\r\n" + extra
    if body:
        head += b"Content-Type: application/sdp\r\n"
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def authorization(challenge: bytes, user: str, secret: str, method: str, uri: str) -> bytes:
    """Answer the first challenge that is for MD5 (RFC 7616 section 3.4.1, qop=auth)."""
    found = _MD5_CHALLENGE.search(challenge)
    nonce, realm = (_NONCE.search(found[1]), _REALM.search(found[1])) if found else (None, None)
    if nonce is None or realm is None:
        return b""
    first = _md5(f"{user}:{realm[1].decode()}:{secret}")
    answer = _md5(f"{first}:{nonce[1].decode()}:00000001:load:auth:{_md5(f'{method}:{uri}')}")
    return (
        f'Authorization: Digest username="{user}", realm="{realm[1].decode()}", nonce="{nonce[1].decode()}", '
        f'uri="{uri}", response="{answer}", algorithm=MD5, qop=auth, nc=00000001, cnonce="load"\r\n'
    ).encode()


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
