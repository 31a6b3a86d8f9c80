from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from softswitch.media import kernels
from softswitch.rtp.plc import conceal

samples = st.integers(-32_768, 32_767)


def test_the_last_frame_fades_out_in_three() -> None:
    loud = [10_000] * 160
    assert [conceal(loud, run)[-1] for run in (1, 2, 3, 4)] == [7000, 3500, 0, 0]
    assert conceal(loud, 1)[0] > 9900


@given(st.lists(samples, min_size=160, max_size=160), st.integers(-1, 6))
def test_kernel_and_twin_conceal_alike(last: list[int], run: int) -> None:
    found = kernels.conceal(np.array(last, dtype="<i2").tobytes(), run)
    assert np.frombuffer(found, dtype="<i2").tolist() == conceal(last, run)
