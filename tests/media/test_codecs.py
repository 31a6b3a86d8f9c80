"""The codec table of the core, one codec at a time."""

from __future__ import annotations

import numpy as np
import pytest

from softswitch.media import kernels

PCMU, PCMA, OPAQUE = 0, 1, 7


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
