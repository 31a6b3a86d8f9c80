"""The switch as an office runs it, one process pinned to one core, measured from outside from the other.

Every figure is of the whole process, user and system, by its own CPU clock. A
bare C relay that forwards the same packets, with no SIP and no understanding, is
measured in the same run: what the kernel's UDP path costs on this machine in
this hour, so that ratios mean something elsewhere.
"""

from __future__ import annotations

import gc
import itertools
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.loadgen import Telephones
from benchmarks.loadgen_calls import Caller, Tally
from benchmarks.loadgen_media import Heard, Media
from tests.interop.running import DOMAIN, HOST, INBOUND, PROVIDER, RunningSwitch

SWITCH_CPU, LOAD_CPU = 0, 1
LATE = 0.02
"""Seconds by which a tick of the media core may be late before it is worth a word: one packet."""

STALLED = 50.0
"""Milliseconds by which the generator may be late before the window says more about the machine than the switch."""

PEOPLE = range(2000, 2200)
ANSWERING = 101
"""The person whose number the outside calls; the one telephone of theirs takes any number of calls at once."""

COLLEAGUE = 110
"""The person whom colleagues call: on another telephone, or each call would ring two."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure what; times in seconds, rates in calls a second."""

    bridged: Sequence[int] = (50, 200, 500)
    recorded: Sequence[int] = (50, 200, 500)
    transcoded: Sequence[int] = (200,)
    relay: Sequence[int] = (200, 500)
    window: float = 6.0
    windows: int = 3
    rates: Sequence[int] = (50, 100, 150, 200, 250, 300, 400)
    rate_seconds: float = 10.0
    sustained: float = 60.0
    sustained_rate: int = 150
    hold: float = 2.0
    register_seconds: float = 10.0


QUICK = Plan(
    bridged=(50, 200),
    recorded=(50,),
    transcoded=(),
    relay=(200,),
    window=3.0,
    windows=1,
    rates=(100, 150),
    rate_seconds=4.0,
    sustained=8.0,
    register_seconds=3.0,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridged:
    """Calls with sound. ``cpu`` in milliseconds per call and second, delays in ms, ``kilobytes`` of memory per call.

    ``loop`` is how fast the machine was just then, see ``loop_time``.
    """

    what: str
    calls: int
    up: int
    cpu: float
    cpu_all: tuple[float, ...]
    lost_all: tuple[int, ...]
    late_all: tuple[float, ...]
    loop: float
    delay_p50: float
    delay_p99: float
    lost: int
    expected: int
    setup_p50: float
    setup_p99: float
    kilobytes: float
    generator_late_p99: float
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signalling:
    """Complete calls without sound; ``cpu`` in milliseconds per call, set-up in ms, memory in megabytes."""

    loop: float

    what: str
    rate: float
    seconds: float
    attempted: int
    completed: int
    failed: int
    repeats: int
    codes: dict[int, int]
    cores: float
    cpu: float
    setup_p50: float
    setup_p99: float
    rss_before: float
    rss_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Registering:
    """Registrations with digest, 16 in flight; ``cpu`` in milliseconds per registration (both of its requests)."""

    per_second: float
    failed: int
    cpu: float
    p50: float
    p99: float
    rss_before: float
    rss_after: float


@dataclass(slots=True)
class Results:
    machine: dict[str, str]
    bridged: list[Bridged] = field(default_factory=list)
    signalling: list[Signalling] = field(default_factory=list)
    registering: list[Registering] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        return asdict(self)


# What a process used --------------------------------------------------------------------------------------------------


def cpu_of(pid: int) -> float:
    """Return the CPU seconds, user and system, of a process and its descendants, dead threads included."""
    seconds = 0.0
    for one in (pid, *_descendants(pid)):
        try:
            # The CPU clock of another process: CPUCLOCK_SCHED of include/linux/posix-timers.h.
            seconds += time.clock_gettime((~one << 3) | 2)
        except OSError:
            continue
    return seconds


def _descendants(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            yield child
            yield from _descendants(child)


def loop_time() -> float:
    """Return the CPU milliseconds of a million empty turns of a Python loop: the machine's speed at this moment.

    Shared machines change their speed by a factor of three within minutes; figures of different ``loop`` do not
    compare.
    """
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        for _ in range(1_000_000):
            pass
        best = min(best, time.process_time() - began)
    return best * 1000


def rss_of(pid: int) -> float:
    """Return the resident memory of a process in megabytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def keep_others_away() -> None:
    """Give this process and all that it starts real-time priority, the lowest of them. Raises PermissionError."""
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


def machine() -> dict[str, str]:
    cpu = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False, cwd=Path(__file__).parent
    ).stdout.strip()
    return {
        "cpu": f"{cpu}, {os.cpu_count()} cores",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "commit": commit or "unknown",
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "scheduling": "real-time" if os.sched_getscheduler(0) == os.SCHED_RR else "normal",
        "load average at start": f"{os.getloadavg()[0]:.2f}",
    }


# The switch under test ------------------------------------------------------------------------------------------------


@contextmanager
def switch(*, record: bool, codecs: Sequence[str] = ("PCMU", "PCMA")) -> Iterator[RunningSwitch]:
    """A fresh switch on its own core, with a folder that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="softswitch-bench-"))
    before = ("taskset", "-c", str(SWITCH_CPU)) if shutil.which("taskset") else ()
    running = RunningSwitch(
        folder, people=[ANSWERING, COLLEAGUE, *PEOPLE], record=record, codecs=codecs, before=before, rtp=(20000, 29998)
    )
    try:
        running.start()
        yield running
    finally:
        running.end()
        shutil.rmtree(folder, ignore_errors=True)


def pid_of(running: RunningSwitch) -> int:
    assert running.process is not None
    return running.process.pid


def telephones(
    running: RunningSwitch, media: Media | None = None, codecs: tuple[str, str] = ("PCMU", "PCMU")
) -> Telephones:
    """Callers at the trunk's address, and the answering person's telephone, registered."""
    made = Telephones(
        (HOST, running.port),
        caller_host=PROVIDER,
        domain=DOMAIN,
        media=media,
        caller_codec=codecs[0],
        callee_codec=codecs[1],
    )
    tally = made.register([(str(ANSWERING), f"secret-{ANSWERING}")], window=1, callees=True)
    if tally.completed != 1:
        raise SystemExit(f"the answering telephone could not register: {dict(tally.codes)}\n{running.log[-3000:]}")
    return made


def from_outside() -> Iterator[tuple[Caller, str]]:
    for number in itertools.count():
        yield Caller(number=f"+7916{number % 10_000_000:07d}"), INBOUND


def colleagues() -> Iterator[tuple[Caller, str]]:
    for number in itertools.cycle(PEOPLE):
        yield Caller(number=str(number), secret=f"secret-{number}"), str(COLLEAGUE)


# Measurements ---------------------------------------------------------------------------------------------------------


def relay(calls: int, plan: Plan) -> Bridged:
    """Measure the C relay with the packets of so many calls."""
    with (
        Media(2 * calls, cpu=LOAD_CPU) as phones,
        Media(2 * calls, cpu=SWITCH_CPU, kind="relay") as bare,
    ):
        for leg in range(2 * calls):
            bare.peer(leg, HOST, phones.ports[leg])
            phones.peer(leg, HOST, bare.ports[leg], partner=leg ^ 1)
        time.sleep(1.0)
        windows: list[tuple[float, Heard]] = []
        for _ in range(plan.windows):
            before, began = cpu_of(bare.pid), time.monotonic()
            phones.begin(plan.window)
            time.sleep(plan.window)
            used = (cpu_of(bare.pid) - before) / (time.monotonic() - began)
            windows.append((used * 1000 / calls, phones.result(5.0)))
    return _bridged("C relay, no SIP", calls, up=calls, windows=windows)


def bridged(
    what: str,
    calls: int,
    plan: Plan,
    *,
    record: bool = False,
    codecs: tuple[str, str] = ("PCMU", "PCMU"),
) -> Bridged:
    """Measure so many calls that talk at once."""
    faults: list[str] = []
    with switch(record=record) as running, Media(2 * calls, cpu=LOAD_CPU) as media:
        phones = telephones(running, media, codecs)
        pid = pid_of(running)
        idle = rss_of(pid)
        tally = phones.place(itertools.islice(from_outside(), calls), rate=50, hold=None)
        phones.idle(2.0)
        peak = rss_of(pid)
        windows: list[tuple[float, Heard]] = []
        for _ in range(plan.windows):
            before, began = cpu_of(pid), time.monotonic()
            media.begin(plan.window)
            phones.idle(plan.window)
            used = (cpu_of(pid) - before) / (time.monotonic() - began)
            windows.append((used * 1000 / calls, media.result(5.0)))
        media_view = running.ask("status")["media"]
        if media_view["late_max"] > LATE:
            faults.append(f"media tick late by up to {media_view['late_max'] * 1000:.0f} ms")
        up = phones.running
        phones.hang_up()
        if tally.failed or up != calls:
            faults.append(f"{calls - up} of {calls} calls not up, answers {dict(tally.codes)}")
        if phones.running:
            faults.append(f"{phones.running} calls could not be hung up")
        phones.close()
    return _bridged(
        what,
        calls,
        up=up,
        windows=windows,
        setup=tally.setup,
        kilobytes=(peak - idle) * 1024 / calls,
        faults=faults,
    )


def _bridged(
    what: str,
    calls: int,
    *,
    up: int,
    windows: Sequence[tuple[float, Heard]],
    setup: Sequence[float] = (),
    kilobytes: float = 0.0,
    faults: Iterable[str] = (),
) -> Bridged:
    heard = [one for _, one in windows]
    found = list(faults)
    if any((one.late_max or 0.0) > STALLED for one in heard):
        found.append(f"load generator stalled for {max(one.late_max or 0.0 for one in heard):.0f} ms")
    for name in ("deaf", "misrouted", "unmarked", "duplicates", "overflowed", "send_errors"):
        total = sum(getattr(one, name) for one in heard)
        if total:
            found.append(f"{name} {total}")
    return Bridged(
        what=what,
        calls=calls,
        up=up,
        cpu=statistics.median(cpu for cpu, _ in windows),
        cpu_all=tuple(round(cpu, 4) for cpu, _ in windows),
        lost_all=tuple(one.lost for one in heard),
        late_all=tuple(one.late_p99 or 0.0 for one in heard),
        loop=loop_time(),
        delay_p50=statistics.median(one.delay_p50 or float("nan") for one in heard),
        delay_p99=statistics.median(one.delay_p99 or float("nan") for one in heard),
        lost=sum(one.lost for one in heard),
        expected=sum(one.expected for one in heard),
        setup_p50=quantile(setup, 0.5) * 1000,
        setup_p99=quantile(setup, 0.99) * 1000,
        kilobytes=kilobytes,
        generator_late_p99=statistics.median(one.late_p99 or 0.0 for one in heard),
        faults=tuple(found),
    )


def signalling(
    running: RunningSwitch, phones: Telephones, what: str, *, rate: float, seconds: float, hold: float
) -> Signalling:
    """Measure complete calls at an even rate: INVITE, 180, 200, ACK, a while, BYE, 200, on both legs."""
    pid = pid_of(running)
    callers = colleagues() if what == "person to person" else from_outside()
    rss_before, before, began = rss_of(pid), cpu_of(pid), time.monotonic()
    tally = phones.place(callers, rate=rate, seconds=seconds, hold=hold)
    took, used = time.monotonic() - began, cpu_of(pid) - before
    return Signalling(
        loop=loop_time(),
        what=what,
        rate=rate,
        seconds=round(took, 1),
        attempted=tally.attempted,
        completed=tally.completed,
        failed=tally.failed,
        repeats=tally.repeats + tally.server_repeats,
        codes=dict(tally.codes),
        cores=used / took,
        cpu=used * 1000 / max(1, tally.completed),
        setup_p50=quantile(tally.setup, 0.5) * 1000,
        setup_p99=quantile(tally.setup, 0.99) * 1000,
        rss_before=rss_before,
        rss_after=rss_of(pid),
    )


def registering(running: RunningSwitch, seconds: float) -> Registering:
    """Measure registrations, each challenged anew, as fast as 16 in flight allow."""
    pid = pid_of(running)
    phones = Telephones((HOST, running.port), domain=DOMAIN)
    people = ((str(number), f"secret-{number}") for number in itertools.cycle(PEOPLE))
    rss_before, before, began = rss_of(pid), cpu_of(pid), time.monotonic()
    tally: Tally = phones.register(people, window=16, seconds=seconds)
    took, used = time.monotonic() - began, cpu_of(pid) - before
    phones.close()
    return Registering(
        per_second=tally.completed / took,
        failed=tally.failed,
        cpu=used * 1000 / max(1, tally.completed),
        p50=quantile(tally.setup, 0.5) * 1000,
        p99=quantile(tally.setup, 0.99) * 1000,
        rss_before=rss_before,
        rss_after=rss_of(pid),
    )


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[round(share * (len(ordered) - 1))] if ordered else float("nan")


def run(plan: Plan, only: set[str], say: object = print) -> Results:
    """Run what the plan says; ``only`` names parts: relay, plain, recorded, transcoded, calls, sustained, register."""
    assert callable(say)
    os.sched_setaffinity(0, {LOAD_CPU} if (os.cpu_count() or 1) > 1 else {0})
    gc.freeze()
    results = Results(machine())
    for calls in plan.relay if "relay" in only else ():
        say(f"C relay, {calls} calls")
        results.bridged.append(relay(calls, plan))
    for calls in plan.bridged if "plain" in only else ():
        say(f"plain calls, {calls} at once")
        results.bridged.append(bridged("plain", calls, plan))
    for calls in plan.recorded if "recorded" in only else ():
        say(f"recorded calls, {calls} at once")
        results.bridged.append(bridged("recorded", calls, plan, record=True))
    for calls in plan.transcoded if "transcoded" in only else ():
        say(f"transcoded calls, {calls} at once")
        results.bridged.append(bridged("PCMU to PCMA", calls, plan, codecs=("PCMU", "PCMA")))
    if only & {"calls", "sustained", "register"}:
        with switch(record=False) as running:
            outside = telephones(running)
            inside = Telephones((HOST, running.port), domain=DOMAIN)
            inside.register([(str(COLLEAGUE), f"secret-{COLLEAGUE}")], window=1, callees=True)
            if "register" in only:
                say("registrations")
                results.registering.append(registering(running, plan.register_seconds))
            if "sustained" in only:
                say(f"{plan.sustained_rate} calls a second for {plan.sustained:g} s")
                results.signalling.append(
                    signalling(
                        running, outside, "sustained", rate=plan.sustained_rate, seconds=plan.sustained, hold=plan.hold
                    )
                )
            for rate in plan.rates if "calls" in only else ():
                say(f"{rate} calls a second")
                results.signalling.append(
                    signalling(
                        running, outside, "trunk to person", rate=rate, seconds=plan.rate_seconds, hold=plan.hold
                    )
                )
                if results.signalling[-1].failed:
                    break
            if "calls" in only:
                say("person to person")
                results.signalling.append(
                    signalling(
                        running,
                        inside,
                        "person to person",
                        rate=plan.rates[0],
                        seconds=plan.rate_seconds,
                        hold=plan.hold,
                    )
                )
            outside.close()
            inside.close()
    return results
