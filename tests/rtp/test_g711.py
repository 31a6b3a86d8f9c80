"""ITU-T G.711: single values by its tables, and every sample and code of the kernel against the twin."""

from __future__ import annotations

import numpy as np
import pytest

from softswitch.media import kernels
from softswitch.rtp import g711

LAWS = [(0, "PCMU"), (1, "PCMA")]


def test_mu_law_has_the_values_of_table_2() -> None:
    # 14-bit decision and output values: 0 is 11111111, the largest is 8031 (32124 in 16 bits), code 10000000.
    assert g711.ulaw_decode(0xFF) == 0
    assert g711.ulaw_decode(0x80) == 8031 * 4
    assert g711.ulaw_decode(0x00) == -8031 * 4
    assert [g711.ulaw_encode(value * 4) for value in (0, 1, 3, 31, 35, 8158)] == [0xFF, 0xFE, 0xFD, 0xEF, 0xEE, 0x80]


def test_a_law_has_the_values_of_table_1() -> None:
    # 13-bit output values: 1 (16-bit 8) is 11010101 with its even bits inverted, the largest 4032 (16-bit 32256).
    assert g711.alaw_decode(0xD5) == 8
    assert g711.alaw_decode(0x55) == -8
    assert g711.alaw_decode(0xAA) == 4032 * 8
    assert g711.alaw_encode(0) == 0xD5
    assert g711.alaw_encode(32_767) == 0xAA
    assert g711.alaw_encode(-32_768) == 0x2A


@pytest.mark.parametrize(("law", "name"), LAWS)
def test_the_kernel_encodes_every_sample_like_its_twin(law: int, name: str) -> None:
    samples = np.arange(-32_768, 32_768, dtype="<i2")
    assert kernels.encode(law, samples.tobytes()) == g711.encode(name, samples.tolist())


@pytest.mark.parametrize(("law", "name"), LAWS)
def test_the_kernel_decodes_every_code_like_its_twin(law: int, name: str) -> None:
    codes = bytes(range(256))
    assert np.frombuffer(kernels.decode(law, codes), dtype="<i2").tolist() == g711.decode(name, codes)


@pytest.mark.parametrize("name", ["PCMU", "PCMA"])
def test_a_code_survives_decoding_and_encoding(name: str) -> None:
    codes = bytes(code for code in range(256) if (name, code) != ("PCMU", 0x7F))  # minus zero becomes plus zero
    assert g711.encode(name, g711.decode(name, codes)) == codes
