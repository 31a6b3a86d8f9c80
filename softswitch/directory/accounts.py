"""Credentials: what is kept of a person's password, and what answers a provider's challenge."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["Account", "ha1"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What answers the digest challenges of one trunk, only for ``realm`` if that is set.

    The password itself is needed: RFC 7616 lets the challenger choose realm and algorithm.
    """

    trunk: str
    user: str
    password: str = field(repr=False)
    realm: str | None = None


def ha1(user: str, realm: str, password: str) -> Mapping[str, str]:
    """Return H(user:realm:password) in lower-case hex by algorithm name (RFC 7616 section 3.4.2).

    The digest is as good as the password within its realm, but it does not give
    away a password that is used elsewhere too.
    """
    secret = f"{user}:{realm}:{password}".encode()
    md5 = hashlib.md5(secret, usedforsecurity=False).hexdigest()
    return MappingProxyType({"MD5": md5, "SHA-256": hashlib.sha256(secret).hexdigest()})
