"""What a call leaves behind in memory when it is over."""

from __future__ import annotations

import gc
import weakref

import pytest

from tests.sim.office import VirtualOffice


@pytest.mark.parametrize("ending", ["hung up by the caller", "hung up by the callee", "given up", "held"])
def test_a_call_that_is_over_is_gone_without_the_garbage_collector(ending):
    office = VirtualOffice()
    answer = None if ending == "given up" else 1.0
    anna, boris = office.phone("101"), office.phone("102", answer=answer)
    gc.collect()
    gc.disable()
    try:
        anna.call("102")
        office.run(3)
        (call,) = office.control.calls
        known = weakref.ref(call)
        del call
        if ending == "held":
            boris.hold()
            office.run(2)
        (boris if ending == "hung up by the callee" else anna).hang_up()
        office.run(6)
        assert not office.control.calls
        assert known() is None
    finally:
        gc.enable()
