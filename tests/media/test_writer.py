"""The writer: what it leaves on disk when all is well, when the disk is not, and when the process is killed."""

from __future__ import annotations

import fcntl
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.media import wav
from softswitch.media.writer import Finished, Writer

SECOND = bytes(range(256)) * 125
"""32,000 bytes: one second."""


def samples(path: Path) -> bytes:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        return bytes(file.readframes(file.getnframes()))


def wait(writer: Writer, count: int = 1) -> list[Finished]:
    """Return the next ``count`` results, which must come within ten seconds each."""
    found: list[Finished] = []
    while len(found) < count:
        ready, _, _ = select.select([writer], [], [], 10.0)
        assert ready, f"only {found} finished"
        found += writer.results()
    return found


def drain(writer: Writer, folder: Path) -> None:
    """Wait until everything queued so far is on disk: jobs are done in order, so an empty recording comes last."""
    writer.open(-1, folder / "last.wav")
    writer.close(-1)
    wait(writer)
    (folder / "last.wav").unlink()


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let the system refuse what would make any file larger, as a full disk does: a part first, then an error."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def writer() -> Iterator[Writer]:
    with Writer() as writer:
        yield writer


class TestWriting:
    def test_a_closed_recording_is_a_whole_file(self, writer: Writer, tmp_path: Path) -> None:
        path = tmp_path / "call.wav"
        writer.open(7, path)
        writer.write(7, SECOND)
        writer.write(7, SECOND[:16_000])
        writer.close(7)
        assert wait(writer) == [Finished(7, path, 1.5)]
        assert path.read_bytes() == wav.header(48_000) + SECOND + SECOND[:16_000]
        assert os.listdir(tmp_path) == ["call.wav"]

    def test_the_header_is_on_the_disk_before_any_sample(
        self, writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        synced: list[bytes] = []
        sync = os.fdatasync

        def watch(descriptor: int) -> None:
            synced.append(os.pread(descriptor, 1000, 0))
            sync(descriptor)

        monkeypatch.setattr(os, "fdatasync", watch)
        form = wav.Form(3, 16_000)
        writer.open(1, tmp_path / "call.wav", form)
        writer.write(1, bytes(600))
        writer.close(1)
        wait(writer)
        assert synced == [wav.header(0, form), wav.header(600, form) + bytes(600)]

    def test_a_running_recording_is_playable_after_every_block(self, writer: Writer, tmp_path: Path) -> None:
        writer.open(1, tmp_path / "call.wav")
        for seconds in range(3):
            drain(writer, tmp_path)
            assert samples(tmp_path / "call.wav.part") == SECOND * seconds
            writer.write(1, SECOND)

    def test_recordings_do_not_mix(self, writer: Writer, tmp_path: Path) -> None:
        for number in range(20):
            writer.open(number, tmp_path / f"{number}.wav")
        for second in range(3):
            for number in range(20):
                writer.write(number, bytes([number, second]) * 16_000)
        for number in range(20):
            writer.close(number)
        assert [finished.recording_id for finished in wait(writer, 20)] == list(range(20))
        for number in range(20):
            expected = b"".join(bytes([number, second]) * 16_000 for second in range(3))
            assert samples(tmp_path / f"{number}.wav") == expected

    def test_a_recording_without_a_block_is_an_empty_file(self, writer: Writer, tmp_path: Path) -> None:
        writer.open(1, tmp_path / "call.wav")
        writer.close(1)
        assert wait(writer) == [Finished(1, tmp_path / "call.wav", 0.0)]
        assert samples(tmp_path / "call.wav") == b""

    def test_a_number_may_be_used_again(self, writer: Writer, tmp_path: Path) -> None:
        for name in ("a.wav", "b.wav"):
            writer.open(1, tmp_path / name)
            writer.write(1, SECOND)
            writer.close(1)
        assert wait(writer, 2) == [Finished(1, tmp_path / "a.wav", 1.0), Finished(1, tmp_path / "b.wav", 1.0)]

    def test_a_finished_file_is_never_overwritten(self, writer: Writer, tmp_path: Path) -> None:
        (tmp_path / "call.wav").write_bytes(b"kept")
        writer.open(1, tmp_path / "call.wav")
        writer.close(1)
        assert wait(writer)[0].path == tmp_path / "call (2).wav"
        assert (tmp_path / "call.wav").read_bytes() == b"kept"

    def test_a_running_recording_is_not_for_others_to_repair(self, writer: Writer, tmp_path: Path) -> None:
        writer.open(1, tmp_path / "call.wav")
        writer.write(1, SECOND)
        drain(writer, tmp_path)
        assert wav.repair_all(tmp_path) == []

    def test_recordings_are_not_readable_by_everybody(self, writer: Writer, tmp_path: Path) -> None:
        writer.open(1, tmp_path / "call.wav")
        writer.close(1)
        wait(writer)
        assert (tmp_path / "call.wav").stat().st_mode & 0o007 == 0

    def test_stopping_finishes_what_is_open(self, tmp_path: Path) -> None:
        writer = Writer()
        for number in range(3):
            writer.open(number, tmp_path / f"{number}.wav")
            writer.write(number, SECOND)
        writer.stop()
        assert [(finished.duration, finished.error) for finished in writer.results()] == [(1.0, None)] * 3

    def test_a_second_stop_does_nothing(self) -> None:
        writer = Writer()
        writer.stop()
        writer.stop()
        assert writer.results() == []

    def test_blocks_and_ends_of_unknown_recordings_are_ignored(self, writer: Writer, tmp_path: Path) -> None:
        assert writer.write(5, SECOND)
        writer.close(5)
        drain(writer, tmp_path)
        assert writer.results() == []

    def test_it_says_how_it_is(self, writer: Writer, tmp_path: Path) -> None:
        writer.open(1, tmp_path / "call.wav")
        writer.write(1, SECOND)
        drain(writer, tmp_path)
        assert str(writer) == "1 recordings open, 0 bytes waiting, 1 blocks written, 0 bytes dropped, 0 failed"


class TestFeeding:
    def test_a_ring_is_emptied_by_the_writers_thread(self, writer: Writer, tmp_path: Path) -> None:
        ring = [bytes([number]) * 32_000 for number in range(5)]
        ready = os.eventfd(0, os.EFD_NONBLOCK)
        by: set[str] = set()

        def feed() -> None:
            os.eventfd_read(ready)
            by.add(threading.current_thread().name)
            while ring:
                writer.write(1, ring.pop(0))
            writer.close(1)

        writer.open(1, tmp_path / "call.wav")
        writer.attach(ready, feed)
        os.eventfd_write(ready, 1)
        assert wait(writer) == [Finished(1, tmp_path / "call.wav", 5.0)]
        assert by == {"recordings"}
        writer.detach(ready)
        os.close(ready)

    def test_what_is_in_the_ring_when_it_stops_is_written(self, tmp_path: Path) -> None:
        writer = Writer()
        ready = os.eventfd(0, os.EFD_NONBLOCK)

        def feed() -> None:
            os.eventfd_read(ready)
            writer.write(1, SECOND)

        writer.open(1, tmp_path / "call.wav")
        writer.attach(ready, feed)
        os.eventfd_write(ready, 1)
        writer.stop()
        assert writer.results()[0].duration == 1.0
        os.close(ready)

    def test_a_detached_ring_is_not_being_emptied_any_more(self, writer: Writer) -> None:
        ready = os.eventfd(1, os.EFD_NONBLOCK)
        inside, go_on, detached = threading.Event(), threading.Event(), threading.Event()

        def feed() -> None:
            os.eventfd_read(ready)
            inside.set()
            assert go_on.wait(10.0)

        def detach() -> None:
            writer.detach(ready)
            detached.set()

        writer.attach(ready, feed)
        assert inside.wait(10.0)
        other = threading.Thread(target=detach)
        other.start()
        assert not detached.wait(0.05)
        go_on.set()
        assert detached.wait(10.0)
        other.join()
        os.close(ready)

    def test_a_ring_may_be_detached_after_the_stop(self) -> None:
        writer = Writer()
        ready = os.eventfd(0, os.EFD_NONBLOCK)
        writer.attach(ready, lambda: None)
        writer.stop()
        writer.detach(ready)
        os.close(ready)

    def test_a_ring_that_was_closed_is_forgotten(self, writer: Writer, tmp_path: Path) -> None:
        ready = os.eventfd(0, os.EFD_NONBLOCK)
        writer.attach(ready, lambda: None)
        os.close(ready)
        drain(writer, tmp_path)
        drain(writer, tmp_path)

    def test_a_detached_ring_is_left_alone(self, writer: Writer, tmp_path: Path) -> None:
        ready = os.eventfd(1, os.EFD_NONBLOCK)
        called = threading.Event()

        def feed() -> None:
            os.eventfd_read(ready)
            called.set()

        writer.attach(ready, feed)
        assert called.wait(10.0)
        called.clear()
        writer.detach(ready)
        drain(writer, tmp_path)
        os.eventfd_write(ready, 1)
        drain(writer, tmp_path)
        assert not called.is_set()
        os.close(ready)


class TestFullQueue:
    def test_what_does_not_fit_is_silence_of_the_same_length(self, tmp_path: Path) -> None:
        with Writer(limit=32_000) as writer:
            writer.open(1, tmp_path / "call.wav")
            assert not writer.write(1, SECOND * 2)
            assert writer.write(1, SECOND)
            assert not writer.write(1, SECOND * 3)
            assert writer.dropped == 5 * 32_000
            writer.close(1)
            finished = wait(writer)[0]
        assert finished.duration == 6.0
        assert finished.error == "5.0 s are silence: the disk was too slow"
        assert samples(tmp_path / "call.wav") == bytes(64_000) + SECOND + bytes(96_000)

    def test_other_recordings_lose_nothing(self, tmp_path: Path) -> None:
        with Writer(limit=32_000) as writer:
            for number in (1, 2):
                writer.open(number, tmp_path / f"{number}.wav")
            writer.write(1, SECOND * 2)
            writer.write(2, SECOND)
            for number in (1, 2):
                writer.close(number)
            assert [finished.error is None for finished in wait(writer, 2)] == [False, True]


class TestRefusedByTheDisk:
    @pytest.mark.parametrize("name", ["none/none/call.wav", "file/call.wav", "x" * 300 + ".wav", "a\0b.wav"])
    def test_a_recording_that_cannot_begin_ends_with_its_reason(
        self, writer: Writer, tmp_path: Path, name: str
    ) -> None:
        (tmp_path / "file").touch()
        writer.open(1, tmp_path / name)
        writer.write(1, SECOND)
        writer.close(1)
        finished = wait(writer)[0]
        assert (finished.path, finished.duration) == (tmp_path / name, 0.0)
        assert finished.error

    def test_an_unfinished_file_of_that_name_is_not_touched(self, writer: Writer, tmp_path: Path) -> None:
        (tmp_path / "call.wav.part").write_bytes(b"kept")
        writer.open(1, tmp_path / "call.wav")
        assert wait(writer) == [Finished(1, tmp_path / "call.wav", 0.0, "File exists")]
        assert (tmp_path / "call.wav.part").read_bytes() == b"kept"

    def test_a_full_disk_ends_the_recording_with_its_playable_part(self, writer: Writer, tmp_path: Path) -> None:
        writer.open(1, tmp_path / "call.wav")
        with file_size_limit(44 + 32_000 + 10_002):
            writer.write(1, SECOND)
            writer.write(1, SECOND)
            # 10,002 bytes of the second block fit: 2,500 whole frames.
            assert wait(writer) == [Finished(1, tmp_path / "call.wav", 1.3125, "File too large")]
        assert samples(tmp_path / "call.wav") == SECOND + SECOND[:10_000]

    def test_it_ends_once(self, writer: Writer, tmp_path: Path) -> None:
        writer.open(1, tmp_path / "call.wav")
        with file_size_limit(1000):
            writer.write(1, SECOND)
            wait(writer)
        writer.write(1, SECOND)
        writer.close(1)
        drain(writer, tmp_path)
        assert writer.results() == []
        assert writer.waiting == 0

    def test_the_others_and_the_next_ones_go_on(self, writer: Writer, tmp_path: Path) -> None:
        writer.open(1, tmp_path / "long.wav")
        writer.open(2, tmp_path / "short.wav")
        writer.write(1, SECOND * 2)
        with file_size_limit(44 + 64_000):
            writer.write(1, SECOND)
            writer.write(2, SECOND)
            assert wait(writer)[0].recording_id == 1
            writer.close(2)
            assert wait(writer) == [Finished(2, tmp_path / "short.wav", 1.0)]
        writer.open(3, tmp_path / "next.wav")
        writer.write(3, SECOND * 3)
        writer.close(3)
        assert wait(writer) == [Finished(3, tmp_path / "next.wav", 3.0)]

    def test_a_directory_that_vanishes_leaves_no_exception(self, writer: Writer, tmp_path: Path) -> None:
        folder = tmp_path / "day"
        folder.mkdir()
        writer.open(1, folder / "call.wav")
        drain(writer, tmp_path)
        (folder / "call.wav.part").unlink()
        folder.rmdir()
        writer.write(1, SECOND)
        writer.close(1)
        assert wait(writer)[0].error == "No such file or directory"

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
    def test_a_small_disk_fills_up_and_is_used_again_when_there_is_room(self, writer: Writer, tmp_path: Path) -> None:
        disk = tmp_path / "disk"
        disk.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], check=False).returncode:
            pytest.skip("mounting is not possible here")
        try:
            writer.open(1, disk / "a.wav")
            for _ in range(40):
                writer.write(1, SECOND)
            full = wait(writer)[0]
            assert full.error == "No space left on device"
            # 1 MiB less the header is 262,133 frames.
            assert round(full.duration * 8000) == 262_133
            assert len(samples(full.path)) == 4 * 262_133
            full.path.unlink()
            writer.open(2, disk / "b.wav")
            writer.write(2, SECOND)
            writer.close(2)
            assert wait(writer) == [Finished(2, disk / "b.wav", 1.0)]
        finally:
            subprocess.run(["umount", "-l", disk], check=True)


STEPS = st.lists(
    st.tuples(st.sampled_from(["open", "write", "write", "write", "close"]), st.integers(0, 3), st.integers(0, 200)),
    max_size=40,
)


@given(STEPS)
def test_every_recording_holds_exactly_what_it_was_given(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("steps")
    running: dict[int, tuple[Path, bytes]] = {}
    expected: list[tuple[Path, bytes]] = []
    with Writer() as writer:
        for count, (step, number, frames) in enumerate(steps):
            if step == "open" and number not in running:
                running[number] = folder / f"{count}.wav", b""
                writer.open(number, running[number][0])
            elif step == "write":
                block = bytes([count]) * 4 * frames
                writer.write(number, block)
                if number in running:
                    running[number] = running[number][0], running[number][1] + block
            elif step == "close":
                writer.close(number)
                if number in running:
                    expected.append(running.pop(number))
    expected += running.values()
    finished = {done.path: done for done in writer.results()}
    assert len(finished) == len(expected)
    for path, content in expected:
        assert samples(path) == content
        assert finished[path].duration == len(content) / 32_000


RECORD_FOREVER = """
import itertools, sys
from pathlib import Path
from softswitch.media.writer import Writer

folder, count = Path(sys.argv[1]), int(sys.argv[2])
writer = Writer()
for number in range(count):
    writer.open(number, folder / f"{number}.wav")
for second in itertools.count():
    for number in range(count):
        writer.write(number, bytes([second % 256, number]) * 16_000)
    while writer.waiting:
        pass
    print(second + 1, flush=True)
"""


@pytest.mark.parametrize("seconds", [0, 1, 2, 5, 9])
def test_a_killed_process_leaves_all_that_was_written(tmp_path: Path, seconds: int) -> None:
    count = 8
    with subprocess.Popen(
        [sys.executable, "-c", RECORD_FOREVER, tmp_path, str(count)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        for _ in range(seconds):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait()
        # What it still managed to say was on disk too.
        said = seconds + len(process.stdout.readlines())
    for part in tmp_path.glob("*.part"):
        # Before any repair: the file is right up to the last block whose size was written.
        assert not part.stat().st_size or len(samples(part)) >= said * 32_000
    repaired = wav.repair_all(tmp_path)
    assert len(repaired) == count or not said
    for done in repaired:
        assert done.error is None
        assert done.duration >= said
        number = int(done.path.stem)
        content = samples(done.path)
        written = b"".join(bytes([second % 256, number]) * 16_000 for second in range(len(content) // 32_000 + 1))
        assert content == written[: len(content)]


def test_a_claim_is_given_up_when_the_file_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    first, second = (os.open(path, os.O_RDWR) for _ in range(2))
    assert wav.claim(first)
    assert not wav.claim(second)
    os.close(first)
    assert wav.claim(second)
    fcntl.flock(second, fcntl.LOCK_UN)
    os.close(second)
