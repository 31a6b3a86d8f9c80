"""What is kept of a password."""

from __future__ import annotations

from softswitch.directory.accounts import Account, ha1


def test_the_digests_are_those_of_the_standard() -> None:
    # RFC 7616 section 3.9.1 and RFC 2617 section 3.5: A1 of their examples, hashed by hand (md5sum, sha256sum).
    kept = ha1("Mufasa", "http-auth@example.org", "Circle of Life")
    assert kept["MD5"] == "3d78807defe7de2157e2b0b6573a855f"
    assert kept["SHA-256"] == "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232"


def test_a_password_is_not_in_what_is_printed() -> None:
    assert "secret" not in repr(Account(trunk="provider", user="u", password="secret"))
