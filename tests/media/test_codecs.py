"""The codec table of the core, one codec at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.media import kernels

PCMU, PCMA, OPAQUE = 0, 1, 7
L16 = (3, 4, 5)


@pytest.mark.parametrize("which", [PCMU, PCMA])
def test_g711_in_the_table_is_the_g711_kernel(which: int) -> None:
    codec = kernels.Codec(which)
    pcm = np.arange(-32_768, 32_768, 512, dtype="<i2").tobytes()
    assert codec.encode(pcm) == kernels.encode(which, pcm)
    assert codec.decode(codec.encode(pcm)) == kernels.decode(which, codec.encode(pcm))
    assert (codec.rate, codec.clock, codec.frame, codec.ticks, codec.lasts(b"123")) == (8000, 8000, 160, 160, 3)


def test_an_opaque_codec_cannot_be_heard() -> None:
    with pytest.raises(ValueError, match="codec 7 is not in the core"):
        kernels.Codec(OPAQUE)


@given(st.sampled_from(L16), st.binary(max_size=2000))
def test_l16_is_samples_in_network_order(which: int, payload: bytes) -> None:
    codec = kernels.Codec(which)
    whole = payload[: len(payload) // 2 * 2]  # half a sample is none
    pcm = np.frombuffer(whole, dtype=">i2").astype("<i2").tobytes()
    assert codec.decode(payload) == pcm
    assert codec.encode(pcm) == whole
    assert codec.lasts(payload) == len(whole) // 2


def test_l16_has_the_rate_of_its_clock() -> None:
    assert [(c.rate, c.clock, c.frame) for c in map(kernels.Codec, L16)] == [
        (8000, 8000, 160),
        (16_000, 16_000, 320),
        (48_000, 48_000, 960),
    ]
