"""The spool after power cuts: what was durable is there, what was not is there or not, and nothing else ever."""

from __future__ import annotations

from pathlib import Path

from hypothesis import event, given
from hypothesis import strategies as st

from softswitch.store.spool import Spool
from tests.store.memory_disk import MemoryDisk

FOLDER = Path("/journal")


@given(st.data())
def test_every_synced_record_survives_every_power_cut_and_no_lost_one_comes_back(data: st.DataObject) -> None:
    disk = MemoryDisk()
    known: dict[int, bytes] = {}
    released = 0
    for owner in range(data.draw(st.integers(1, 4))):
        spool = Spool(FOLDER, segment=512, spares=1, files=disk)
        found = dict(spool.read(0, 1000))
        assert {number: known.get(number) for number in found} == found
        known = found
        assert spool.last >= max(found, default=0)
        synced = spool.last
        for step in data.draw(st.lists(st.sampled_from("aaaaasmr"), max_size=40)):
            match step:
                case "a":
                    body = b'{"owner":%d,"x":"%s"}' % (owner, b"x" * data.draw(st.integers(0, 60)))
                    known[spool.last + 1] = body
                    spool.append(spool.last + 1, body)
                case "s" if (sync := spool.unsynced()) is not None:
                    sync.run()
                    spool.synced_through(sync)
                    synced = spool.synced
                case "m" if spool.spares_missing:
                    spool.make_spare()
                case "r" if spool.releasable(synced):
                    spool.release(synced)
                    released = max(released, min((number for number, _ in spool.read(0, 1000)), default=0) - 1)
        assert dict(spool.read(released, 1000)) == {n: body for n, body in known.items() if n > released}
        disk = disk.after_power_cut(lambda count: data.draw(st.integers(0, count - 1)))
        survived = dict(Spool(FOLDER, segment=512, spares=1, files=disk).read(released, 1000))
        assert {n: body for n, body in known.items() if released < n <= synced}.items() <= survived.items()
        event(f"lost {min(len(known) - len(survived), 5)}")
