"""Digest as telephones and providers do it (RFC 7616, MD5 with qop=auth), apart from the code under test."""

from __future__ import annotations

import hashlib
import re

from tests.sim.message import Message


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def _params(line: str) -> dict[str, str]:
    return dict(re.findall(r'(\w+)="?([^",]*)"?', line.partition(" ")[2]))


def answer(challenge: str, user: str, password: str, method: str, uri: str, cnonce: str) -> str:
    """The credentials that answer a challenge."""
    asked = _params(challenge)
    ha1 = _md5(f"{user}:{asked['realm']}:{password}")
    response = _md5(f"{ha1}:{asked['nonce']}:00000001:{cnonce}:auth:{_md5(f'{method}:{uri}')}")
    return (
        f'Digest username="{user}", realm="{asked["realm"]}", nonce="{asked["nonce"]}", uri="{uri}", '
        f'response="{response}", algorithm=MD5, qop=auth, nc=00000001, cnonce="{cnonce}"'
    )


def proves(invite: Message, realm: str, password: str = "trunk-secret") -> bool:
    """Whether an INVITE answers the challenge of a provider."""
    said = _params(invite["authorization"] or invite["proxy-authorization"])
    if not said:
        return False
    ha1 = _md5(f"{said['username']}:{realm}:{password}")
    proof = f"{ha1}:{said['nonce']}:{said['nc']}:{said['cnonce']}:auth:" + _md5(f"INVITE:{said['uri']}")
    return said["response"] == _md5(proof)
