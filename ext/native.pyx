"""The native media core as Python sees it: commands in, events out, and the thread that runs it without the GIL.

The core itself is C (``core.h`` and what it includes): it knows no Python object. One ``Core`` belongs to one media
thread; its commands must all come from one Python thread (the ring has one writer), its blocks go to one reader.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

import socket
from collections import deque

from softswitch.media.engine import (
    Digit, Latched, Levels, Means, MediaResumed, MediaTimeout, PlayEnded, PortClosed, PortStats, Unheard,
)
from softswitch.rtp.level import dbov

include "core.pxi"

DIGITS = "0123456789*#ABCD!"
"""Telephone events by code (RFC 4733 section 3.2); the hook flash is written "!"."""

ROW = CORE_ROW
HEARERS = CORE_HEARERS
TAPS = CORE_TAPS
PORT = KIND_PORT
PLAYER = KIND_PLAYER
RECORDING = KIND_RECORDING
LEVEL = WATCH_LEVEL
SOUND = WATCH_SOUND
MASK = WATCH_MASK


cdef int write_address(address *out, object host_port) except -1:
    memset(out, 0, sizeof(address))
    if host_port is None:
        return 0
    cdef bytes packed
    host, port = host_port
    try:
        packed = socket.inet_aton(host) if ":" not in host else socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    except OSError:
        raise ValueError(f"{host!r} is not a numeric address") from None
    if not 0 <= port <= 65535:
        raise ValueError(f"{port} is not a UDP port")
    if len(packed) == 16 and packed[:12] == b"\0\0\0\0\0\0\0\0\0\0\xff\xff":
        packed = packed[12:]
    # The unspecified address and port 0 are how offers of old say "send nothing" (RFC 3264 sections 5.1 and 8.4).
    if port == 0 or packed == bytes(len(packed)):
        return 0
    memcpy(out.ip, <const char *>packed, len(packed))
    out.port = port
    out.family = 4 if len(packed) == 4 else 6
    return 0


cdef object read_address(const address *a):
    if a.family == 4:
        return f"{a.ip[0]}.{a.ip[1]}.{a.ip[2]}.{a.ip[3]}", a.port
    return socket.inet_ntop(socket.AF_INET6, PyBytes_FromStringAndSize(<const char *>a.ip, 16)), a.port


cdef object read_stats(const core_event *e, object second, object score):
    n = &e.counters
    levels, remote_jitter, remote_loss = second or (None, None, None)
    round_trip = e.seconds if e.seconds >= 0 else None
    mos = None if score is None else score(e.handle, n.received, n.lost, n.late, n.jitter, round_trip, n.delay / 1000.0)
    return PortStats(
        e.handle, n.received, n.sent, n.lost, n.late, n.duplicate, n.concealed, n.bad_source, n.bad_packet,
        n.jitter, round_trip, n.remote_lost, remote_jitter, remote_loss, levels, mos,
        n.delay / 1000.0, n.target / 1000.0, n.stretched, e.detail,
    )


cdef object read_levels(const port_levels *l):
    """(levels or None, the peer's jitter or None, the share of packets that the peer lost or None)."""
    levels = None
    if l.frames:
        levels = Levels(dbov(l.power), dbov(l.floor), l.loud / <double>l.frames,
                        min(l.overlapped, l.frames) / <double>l.frames)
    return levels, l.remote_jitter if l.reported else None, l.remote_fraction / 256.0 if l.reported else None


cdef extern from "opus.h" nogil:
    enum:
        OPUS_FUNCTIONS
    ctypedef struct opus_settings:
        int32_t bitrate, playback_rate
        uint8_t fec, dtx, constant
    const opus_settings opus_usual
    void opus_setup(const uint64_t *addresses)
    void opus_tune(void *state, const opus_settings *settings)


def use_opus(addresses):
    """Let every core of this process speak Opus, by ``libopus.Library.addresses``; before the first session with it."""
    cdef uint64_t found[OPUS_FUNCTIONS]
    for i in range(OPUS_FUNCTIONS):
        found[i] = addresses[i]
    opus_setup(found)


cdef class Core:
    """The media core of one thread. Raises ``MemoryError`` when its arenas cannot be had."""

    cdef core *_core
    cdef socket_loop *_loop
    cdef object _backlog
    cdef list _sent
    cdef set _coders
    cdef dict _levels
    cdef int64_t _ticked

    def __cinit__(self, *, uint32_t ports, uint32_t players, uint32_t recordings, uint32_t thread, double ntp_offset):
        self._core = core_open(ports, players, recordings, thread, <int64_t>(ntp_offset * 1e9))
        if self._core == NULL:
            raise MemoryError("no memory for the media core")
        self._backlog = deque()
        self._sent = []
        self._coders = set()
        self._levels = {}
        self._ticked = -1

    def __dealloc__(self):
        socket_loop_close(self._loop)
        core_close(self._core)
        for place in self._coders or ():
            coder_close(<coder *><size_t>place)

    # Commands ---------------------------------------------------------------------------------------------------

    cdef void _submit(self, command *commands, uint32_t count):
        """Queue a batch; what finds the ring full waits on our side, in order."""
        if self._backlog or not ring_push(&self._core.commands, commands, count):
            self._backlog.append(PyBytes_FromStringAndSize(<const char *>commands, count * sizeof(command)))
        if self._loop != NULL:
            socket_loop_wake(self._loop, 0)

    def flush(self):
        """Move waiting commands into the ring; return whether none is left."""
        cdef bytes batch
        while self._backlog:
            batch = self._backlog[0]
            if not ring_push(&self._core.commands, <const char *>batch, <uint32_t>(len(batch) // sizeof(command))):
                return False
            self._backlog.popleft()
        return True

    def open_port(self, uint64_t handle, uint32_t slot, *, int rtp, int rtcp, uint32_t ssrc, uint16_t sequence,
                  uint32_t timestamp, uint64_t seed, bytes cname):
        cdef command m
        memset(&m, 0, sizeof(m))
        m.kind, m.slot, m.handle = COMMAND_OPEN_PORT, slot, handle
        m.open.seed, m.open.rtp, m.open.rtcp = seed, rtp, rtcp
        m.open.ssrc, m.open.sequence, m.open.timestamp = ssrc, sequence, timestamp
        memcpy(m.open.cname, <const char *>cname, 16)
        self._submit(&m, 1)

    def set_session(self, uint64_t handle, *, object remote, object rtcp_remote, object signaller, uint8_t codec, bint keep, object opus,
                    uint32_t clock, uint32_t format, uint8_t payload_type, uint8_t payload_receive, uint8_t dtmf_send, uint8_t dtmf_receive,
                    uint32_t event_clock, uint8_t ptime, uint8_t flags, uint32_t timeout):
        """``timeout`` in milliseconds, 0 for none; ``keep``: the codec and its state stay as they are.
        ``opus``: what the peer asks of the Opus that is sent to him, None for another codec.

        Raises ``ValueError`` for an address that is not numeric, ``MemoryError`` when the codec cannot be had.
        """
        cdef command m[2]
        cdef opus_settings settings = opus_usual
        cdef address host
        memset(m, 0, sizeof(m))
        write_address(&host, None if signaller is None else (signaller, 1))
        memcpy(m[0].format.signaller, host.ip, 16)
        m[1].kind, m[1].handle = COMMAND_SET_SESSION, handle
        write_address(&m[1].session.remote, remote)
        write_address(&m[1].session.rtcp, rtcp_remote)
        m[0].kind, m[0].handle = COMMAND_FORMAT, handle
        m[0].format.codec, m[0].format.payload_type, m[0].format.keep = codec, payload_type, keep
        m[0].format.payload_receive = payload_receive
        m[0].format.clock, m[0].format.format, m[0].format.event_clock = clock, format, event_clock
        m[0].format.dtmf_send, m[0].format.dtmf_receive = dtmf_send, dtmf_receive
        m[0].format.ptime, m[0].format.flags, m[0].format.timeout_ms = ptime, flags, timeout
        if not keep and coder_needed(codec):
            m[0].format.coder = coder_open(codec)
            if m[0].format.coder == NULL:
                raise MemoryError("the codec cannot be had")
            self._coders.add(<size_t>m[0].format.coder)
            if opus is not None:
                settings.bitrate, settings.playback_rate = opus.bitrate, opus.playback_rate
                settings.fec, settings.dtx, settings.constant = opus.fec, opus.dtx, opus.constant
                opus_tune(m[0].format.coder.state, &settings)
        self._submit(m, 2)

    cdef void _simple(self, uint32_t kind, uint64_t handle):
        cdef command m
        memset(&m, 0, sizeof(m))
        m.kind, m.handle = kind, handle
        self._submit(&m, 1)

    def close_port(self, uint64_t handle):
        self._simple(COMMAND_CLOSE_PORT, handle)

    def stop_player(self, uint64_t handle):
        self._simple(COMMAND_STOP_PLAYER, handle)

    def stop_recording(self, uint64_t handle):
        self._simple(COMMAND_STOP_RECORDING, handle)

    cdef uint32_t _items(self, command *m, uint32_t kind, uint64_t handle, uint8_t track, list items):
        """Write (source, gain) pairs as one batch; return how many commands that took. The caller bounds ``items``."""
        cdef uint32_t used = 0, at = 0, i, n = <uint32_t>len(items)
        while True:
            memset(&m[used], 0, sizeof(command))
            m[used].kind, m[used].handle = kind, handle
            m[used].items.track = track
            i = 0
            while i < 4 and at < n:
                m[used].items.sources[i], m[used].items.gains[i] = items[at]
                i += 1
                at += 1
            m[used].items.count = i
            used += 1
            if at == n:
                break
        m[0].items.flags |= ITEMS_FIRST
        m[used - 1].items.flags |= ITEMS_LAST
        return used

    def set_row(self, uint64_t handle, list row):
        """``row``: at most ``ROW`` pairs of source handle and gain in Q12."""
        cdef command m[65]  # CORE_ROW / ITEMS_PER_COMMAND is 64
        assert len(row) <= CORE_ROW
        self._submit(m, self._items(m, COMMAND_ROW, handle, 0, row))

    def play(self, uint64_t handle, uint32_t slot, bytes pcm, uint32_t repeats, uint32_t hertz, uint32_t at):
        """``pcm`` must be kept alive until the player has ended; ``repeats`` 0 is for ever; ``hertz`` 8, 16 or 48 k."""
        cdef command m
        memset(&m, 0, sizeof(m))
        m.kind, m.slot, m.handle = COMMAND_PLAY, slot, handle
        m.play.pcm = <const int16_t *><const char *>pcm
        m.play.samples, m.play.repeats, m.play.hertz, m.play.at = len(pcm) // 2, repeats, hertz, at
        self._submit(&m, 1)

    def position(self, uint64_t handle):
        """The sample that a player has come to, None if it is not there (yet); a moment old at worst."""
        cdef player *p = &self._core.players[handle & 0xfffff]
        return p.at if p.source.generation == (handle >> 20 & 0xffffff) else None

    def send_digits(self, uint64_t handle, bytes events):
        cdef command m
        memset(&m, 0, sizeof(m))
        m.kind, m.handle = COMMAND_DIGITS, handle
        m.digits.count = min(len(events), 32)
        memcpy(m.digits.events, <const char *>events, m.digits.count)
        self._submit(&m, 1)

    def watch(self, uint64_t handle, uint8_t asked, uint8_t dropped):
        """``asked`` and ``dropped``: WATCH_... flags."""
        cdef command m
        memset(&m, 0, sizeof(m))
        m.kind, m.handle = COMMAND_WATCH, handle
        m.watch.set, m.watch.clear = asked, dropped
        self._submit(&m, 1)

    def record(self, uint64_t handle, uint32_t slot, uint32_t hertz, list tracks):
        """Begin a recording with the tapped source handles of each of its two or three tracks, all in one batch."""
        cdef command m[7]
        assert 2 <= len(tracks) <= BLOCK_TRACKS
        memset(&m[0], 0, sizeof(command))
        m[0].kind, m[0].slot, m[0].handle = COMMAND_RECORD, slot, handle
        m[0].record.tracks, m[0].record.hertz = len(tracks), hertz
        self._submit(m, 1 + self._tracks(&m[1], handle, tracks))

    def retrack(self, uint64_t handle, list tracks):
        cdef command m[6]
        assert len(tracks) <= BLOCK_TRACKS
        self._submit(m, self._tracks(m, handle, tracks))

    cdef uint32_t _tracks(self, command *m, uint64_t handle, list tracks):
        cdef uint32_t used = 0
        for number, sources in enumerate(tracks):
            used += self._items(&m[used], COMMAND_TRACKS, handle, number, [(source, 0) for source in sources[:CORE_TAPS]])
        return used

    # What comes back --------------------------------------------------------------------------------------------

    def events(self, score):
        """Take what happened: media events; a player that was stopped comes as its bare handle.

        ``score`` is asked for the ``mos`` of each second: of the port's handle, what it has received and lost, what
        came late, its jitter and round trip.
        """
        cdef char record[64]
        cdef core_event *e = <core_event *>record
        cdef list found = []
        self.flush()
        while ring_pop(&self._core.events, record):
            if e.kind == EVENT_STATS:
                found.append(read_stats(e, self._levels.pop(e.handle, None), score))
            elif e.kind == EVENT_LEVELS:
                self._levels[e.handle] = read_levels(&e.levels)
            elif e.kind == EVENT_DIGIT:
                found.append(Digit(e.handle, DIGITS[e.detail & 0xff], e.seconds,
                                   Means.SOUND if e.detail & DIGIT_SOUND else Means.EVENT))
            elif e.kind == EVENT_LATCHED:
                found.append(Latched(e.handle, read_address(&e.address)))
            elif e.kind == EVENT_TIMEOUT:
                found.append(MediaTimeout(e.handle, e.seconds))
            elif e.kind == EVENT_RESUMED:
                found.append(MediaResumed(e.handle))
            elif e.kind == EVENT_PLAY_ENDED:
                found.append(PlayEnded(e.handle) if e.detail else e.handle)
            elif e.kind == EVENT_OPAQUE:
                found.append(Unheard(e.handle))
            elif e.kind == EVENT_CODER:
                self._coders.discard(<size_t>e.coder)
                coder_close(e.coder)
            elif e.kind == EVENT_CLOSED:
                self._levels.pop(e.handle, None)
                found.append(PortClosed(e.handle, read_stats(e, None, None)))
        return found

    def blocks(self):
        """Take recorded blocks: (recording handle, interleaved samples, last, blocks that an empty pool has cost)."""
        cdef char record[64]
        cdef char back[64]
        cdef block_record *b = <block_record *>record
        cdef list found = []
        cdef bytes samples
        while ring_pop(&self._core.written, record):
            if b.block == BLOCK_NONE:
                samples = bytes(b.samples * b.tracks * 2)
            else:
                samples = PyBytes_FromStringAndSize(
                    <const char *>(<char *>self._core.blocks + <size_t>b.block * BLOCK_SAMPLES * 2), b.samples * b.tracks * 2)
                memset(back, 0, 64)
                memcpy(back, &b.block, 4)
                ring_push(&self._core.returned, back, 1)
            found.append((b.recording, samples, bool(b.last), b.missed))
        return found

    def counters(self):
        """Counters of the core itself, read without synchronisation: each is a moment old at worst."""
        return {
            "ticks": self._core.ticks,
            "ring_full": self._core.ring_full,
            "out_full": self._core.out_full,
            "pool_empty": self._core.pool_empty,
            "slots_skipped": self._core.slots_skipped,
            "refused": self._core.refused,
            "icmp": self._core.icmp,
        }

    def lateness(self):
        """How late the ticks began: counts by class, class i is below 2**i microseconds."""
        return [self._core.lateness[i] for i in range(CORE_LATENESS)]

    # The virtual driver -----------------------------------------------------------------------------------------

    def receive(self, uint32_t index, int channel, bytes data, object source, int64_t now, int64_t waited):
        """One datagram, in virtual time; what was due before it, and commands given before, take effect first.

        It may have waited to be read for so many nanoseconds.
        """
        cdef address a
        cdef size_t size = len(data)
        write_address(&a, source)
        self._advance((now - 1) // 1000000)
        core_commands(self._core, now)
        core_receive(self._core, index, channel, data, size, &a, now, now - waited)
        self._rewire()
        if self._core.out_used > self._core.out_count // 4:
            self._take()

    cdef void _rewire(self):
        cdef uint32_t i
        cdef port *p
        for i in range(self._core.rewire_used):
            p = &self._core.ports[self._core.rewire[i]]
            if p.wire & WIRE_CONNECT:
                p.connected = 1
            if p.wire & WIRE_LEARN:
                p.connected = 0
            p.wire = 0
        self._core.rewire_used = 0

    def run(self, int64_t until):
        """Run all milliseconds up to ``until``; return the datagrams to send: (index, channel, address, bytes)."""
        self._advance(until // 1000000)
        self._take()
        sent, self._sent = self._sent, []
        return sent

    cdef void _advance(self, int64_t last):
        self.flush()
        if self._ticked < 0:
            self._ticked = last - 1
        while self._ticked < last:
            if not self._core.live and not ring_used(&self._core.commands):
                self._ticked = last
                break
            self._ticked += 1
            if self._backlog:
                self.flush()
            core_commands(self._core, self._ticked * 1000000)
            core_tick(self._core, self._ticked * 1000000)
            self._rewire()
            if self._core.out_used > self._core.out_count // 4:
                self._take()

    cdef void _take(self):
        cdef uint32_t i
        cdef datagram *d
        for i in range(self._core.out_used):
            d = &self._core.out[i]
            self._sent.append((d.port, d.channel, read_address(&d.to), PyBytes_FromStringAndSize(<const char *>d.data, d.length)))
        self._core.out_used = 0

    # The socket driver ------------------------------------------------------------------------------------------

    def open_loop(self, int event_fd, int block_fd, bint realtime):
        """Prepare ``run_loop``: it writes ``event_fd`` when there are events, ``block_fd`` for recorded blocks."""
        self._loop = socket_loop_open(self._core, event_fd, block_fd, realtime)
        if self._loop == NULL:
            raise MemoryError("no memory for the media thread")

    def run_loop(self):
        """Be the media thread until ``stop_loop``; the GIL is not taken until then."""
        with nogil:
            socket_loop_run(self._loop)

    def stop_loop(self):
        socket_loop_stop(self._loop)

    def finish_recordings(self):
        """Hand over what running recordings hold; only when the thread has ended."""
        core_finish_recordings(self._core, monotonic_ns())

    def scheduling(self):
        """What the running thread has obtained: its priority and whether timers are exact."""
        name = {PRIORITY_FIFO: "SCHED_FIFO 20", PRIORITY_NICE: "nice -11"}.get(self._loop.priority, "normal")
        return name, bool(self._loop.timer_slack)
