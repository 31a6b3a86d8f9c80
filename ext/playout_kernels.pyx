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
