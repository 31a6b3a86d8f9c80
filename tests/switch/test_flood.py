"""More calls than the machine can set up, on real sockets: those that are up go on and end well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.loadgen import Telephones
from benchmarks.loadgen_calls import Caller
from tests.interop.running import DOMAIN, HOST, INBOUND, INBOUND_ALL, PROVIDER, RunningSwitch

UP = 10
FLOOD = 1500


def callers(count: int, number: str) -> Iterator[tuple[Caller, str]]:
    return ((Caller(number=f"+7916{n:07d}"), number) for n in range(count))


def test_a_flood_is_refused_and_the_calls_that_are_up_do_not_notice(tmp_path: Path) -> None:
    running = RunningSwitch(tmp_path, people=[101, 110], record=False)
    running.start()
    try:
        office = Telephones((HOST, running.port), caller_host=PROVIDER, domain=DOMAIN)
        assert office.register([("101", "secret-101")], window=1, callees=True).completed == 1
        # Where other programs take the machine away, even one of these may find the switch late.
        up = office.place(callers(UP, INBOUND), rate=5, hold=None).answered
        assert up > 0
        flood = Telephones((HOST, running.port), caller_host=PROVIDER, domain=DOMAIN)
        assert flood.register([("110", "secret-110")], window=1, callees=True).completed == 1
        # Unpaced: as fast as the generator can, which is several times what one core sets up.
        tally = flood.place(callers(FLOOD, INBOUND_ALL), rate=1e6, hold=0.1)
        assert tally.completed + tally.failed == FLOOD
        assert set(tally.codes) <= {503}
        assert tally.timeouts == tally.early_ends == 0
        assert tally.codes[503] > 0
        status = running.ask("status")
        assert status["counters"]["calls refused in overload"] >= tally.codes[503]
        office.hang_up()
        assert (office.running, office.tally.failed) == (0, UP - up)
        assert "more calls come than can be set up" in running.log
    finally:
        running.end()
