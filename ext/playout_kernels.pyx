"""Doors to the kernels of play-out, so that tests and benchmarks can hold them against their twins in softswitch/rtp."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

cdef extern from "stretch.h" nogil:
    ctypedef struct c_pitch "pitch":
        int32_t lag
        int64_t product
        int64_t energy[2]
    c_pitch pitch_find(const int16_t *x, int window, int low, int high, int rate)

    ctypedef struct c_plc "plc":
        int16_t *past
        int32_t rate, lost
    int plc_past(int rate)
    void plc_begin(c_plc *p, const int16_t *end)
    void plc_conceal(c_plc *p, int16_t *out, int n)
    void plc_merge(c_plc *p, int16_t *good, int n)
    int plc_silent(const c_plc *p)

    int stretch_period(const int16_t *seam, int rate, int longest, double squared)
    int c_stretch_remove "stretch_remove"(int16_t *pcm, int n, int seam, int period, int fade)
    int c_stretch_insert "stretch_insert"(int16_t *pcm, int n, int seam, int period, int fade)

cdef extern from "playout.h" nogil:
    ctypedef struct c_codec "codec":
        uint32_t rate, clock
        uint16_t frame, ticks, bytes
        int (*decode)(void *state, const uint8_t *payload, int length, int16_t *pcm, int room) noexcept
        int (*conceal)(void *state, int16_t *pcm, int n) noexcept
        int (*recover)(void *state, const uint8_t *following, int length, int16_t *pcm, int n) noexcept
        int (*lasts)(const uint8_t *payload, int length) noexcept
        int (*pauses)(const uint8_t *payload, int length) noexcept
    const c_codec *codecs
    void codec_setup()
    size_t codec_size(int which)
    int codec_open(int which, void *state)

    ctypedef struct delay:
        int32_t target
    ctypedef struct playout:
        const c_codec *codec
        uint8_t state
        delay delay
        int32_t delayed
        uint32_t late, duplicate, concealed, stretched, skipped
    size_t playout_size(const c_codec *c)
    void playout_open(playout *p, const c_codec *c, void *codec_state, void *memory)
    void playout_flush(playout *p)
    int playout_put(playout *p, int kind, uint32_t timestamp, uint16_t sequence, const uint8_t *payload, int length,
                    int restarted, int64_t now)
    int playout_pop(playout *p, int16_t *out, int64_t now)


cdef const int16_t *_samples(bytes pcm):
    return <const int16_t *><const char *>pcm


def find_pitch(bytes pcm, int at, int window, int low, int high, int rate):
    """(lag, product, (energy, energy)) at sample ``at`` of 16-bit PCM."""
    assert low > 0 and high <= at and at + window <= len(pcm) // 2 and (window + high) * 25 <= rate
    cdef c_pitch p = pitch_find(_samples(pcm) + at, window, low, high, rate)
    return p.lag, p.product, (p.energy[0], p.energy[1])


def find_period(bytes pcm, int seam, int rate, int longest, double squared):
    assert seam >= 15 * rate // 1000 and seam + 8 * rate // 1000 <= len(pcm) // 2
    return stretch_period(_samples(pcm) + seam, rate, longest, squared)


def stretch_remove(bytes pcm, int seam, int period, int fade):
    cdef int n = len(pcm) // 2
    assert 0 < fade <= period <= seam and seam + fade <= n
    cdef bytearray room = bytearray(pcm)
    n = c_stretch_remove(<int16_t *><char *>room, n, seam, period, fade)
    return bytes(room[: 2 * n])


def stretch_insert(bytes pcm, int seam, int period, int fade):
    cdef int n = len(pcm) // 2
    assert 0 < fade <= period <= seam <= n - fade
    cdef bytearray room = bytearray(pcm) + bytearray(2 * period)
    n = c_stretch_insert(<int16_t *><char *>room, n, seam, period, fade)
    return bytes(room[: 2 * n])


cdef class Concealment:
    cdef c_plc _p

    def __cinit__(self, int rate):
        memset(&self._p, 0, sizeof(self._p))
        self._p.rate = rate
        self._p.past = <int16_t *>calloc(plc_past(rate), sizeof(int16_t))
        if not self._p.past:
            raise MemoryError

    def __dealloc__(self):
        free(self._p.past)

    @property
    def lost(self):
        return self._p.lost

    @property
    def silent(self):
        return bool(plc_silent(&self._p))

    def begin(self, bytes past):
        cdef int n = len(past) // 2
        assert n >= plc_past(self._p.rate)
        plc_begin(&self._p, _samples(past) + n)

    def conceal(self, int n):
        out = PyBytes_FromStringAndSize(NULL, 2 * n)
        plc_conceal(&self._p, <int16_t *><char *>out, n)
        return out

    def merge(self, bytes good):
        out = PyBytes_FromStringAndSize(<const char *>good, len(good))
        plc_merge(&self._p, <int16_t *><char *>out, len(good) // 2)
        return out


# A codec of the tests' own that cannot be cut, conceals and recovers: [steps of 2.5 ms, level, level of what was before].
# Level 200 is the last before a pause.
cdef int toy_lasts(const uint8_t *payload, int length) noexcept nogil:
    return payload[0] * 120 if length >= 2 else 0

cdef int toy_decode(void *state, const uint8_t *payload, int length, int16_t *pcm, int room) noexcept nogil:
    cdef int i, n = payload[0] * 40
    if n > room or payload[1] == 255:
        return -1
    for i in range(n):
        pcm[i] = <int16_t>(payload[1] * 100 + i % 40)
    return n

cdef int toy_conceal(void *state, int16_t *pcm, int n) noexcept nogil:
    cdef int i
    for i in range(n):
        pcm[i] = -7
    return n

cdef int toy_recover(void *state, const uint8_t *following, int length, int16_t *pcm, int n) noexcept nogil:
    cdef int i
    if length < 3:
        return 0
    for i in range(n):
        pcm[i] = <int16_t>(following[2] * 100)
    return n

cdef int toy_pauses(const uint8_t *payload, int length) noexcept nogil:
    return payload[1] == 200

cdef c_codec toy
memset(&toy, 0, sizeof(toy))
toy.rate, toy.clock, toy.frame, toy.ticks = 16000, 48000, 320, 960
toy.decode, toy.conceal, toy.recover, toy.lasts = toy_decode, toy_conceal, toy_recover, toy_lasts
toy.pauses = toy_pauses

codec_setup()


cdef class Playout:
    """``which``: the number of a codec in the core's table, or -1 for the toy."""
    cdef playout _p
    cdef void *_memory
    cdef void *_state

    def __cinit__(self, int which):
        cdef const c_codec *c = &toy if which < 0 else &codecs[which]
        assert c.decode
        self._memory = calloc(1, playout_size(c))
        self._state = calloc(1, codec_size(which) + 1) if which >= 0 else NULL
        if not self._memory or (which >= 0 and not codec_open(which, self._state)):
            raise MemoryError
        playout_open(&self._p, c, self._state, self._memory)

    def __dealloc__(self):
        free(self._memory)
        free(self._state)

    def put(self, int kind, uint32_t timestamp, uint16_t sequence, bytes payload, int64_t now, bint restarted=False):
        return playout_put(
            &self._p, kind, timestamp, sequence, <const uint8_t *><const char *>payload, len(payload), restarted, now
        )

    def pop(self, int64_t now):
        """The frame's samples as bytes, empty when nobody is talking."""
        out = PyBytes_FromStringAndSize(NULL, 2 * self._p.codec.frame)
        return out if playout_pop(&self._p, <int16_t *><char *>out, now) else b""

    def flush(self):
        playout_flush(&self._p)

    @property
    def state(self):
        """(state, target, delayed, late, duplicate, concealed, stretched, skipped)."""
        p = &self._p
        return p.state, p.delay.target, p.delayed, p.late, p.duplicate, p.concealed, p.stretched, p.skipped


def memory(int which):
    """Bytes of one leg's play-out: the structure and what is handed in."""
    return sizeof(playout), playout_size(&codecs[which])
