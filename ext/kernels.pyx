"""Doors to the single kernels of the media core, so that tests and benchmarks can hold them against their twins."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

import socket

cdef extern from "core.h" nogil:
    void codec_setup()
    void resample_setup()
    enum:
        CODEC_COUNT, CODEC_OPUS, CODEC_PCM, RESAMPLE_FRAME, OPUS_FUNCTIONS
    void opus_setup(const uint64_t *addresses)
    ctypedef struct opus_settings:
        int32_t bitrate, playback_rate
        uint8_t complexity, loss, fec, dtx, constant
    ctypedef struct opus_block:
        uint8_t expected
    void opus_tune(void *state, const opus_settings *settings)
    void opus_reported(void *state, uint8_t fraction)
    ctypedef struct c_codec "codec":
        uint32_t rate, clock, state
        uint16_t frame, ticks, bytes
        int (*decode)(void *state, const uint8_t *payload, int length, int16_t *pcm, int room) noexcept
        int (*encode)(void *state, const int16_t *pcm, int n, uint8_t *payload, int room) noexcept
        int (*conceal)(void *state, int16_t *pcm, int n) noexcept
        int (*recover)(void *state, const uint8_t *following, int length, int16_t *pcm, int n) noexcept
        int (*lasts)(const uint8_t *payload, int length) noexcept
    const c_codec *codecs
    int codec_speaks(int which)
    size_t codec_size(int which)
    int codec_open(int which, void *state)
    ctypedef struct cn_state:
        pass
    void cn_open(cn_state *c, uint32_t seed)
    int cn_take(cn_state *c, const uint8_t *payload, int length)
    void cn_make(cn_state *c, int16_t *pcm, int n)
    int cn_write(uint8_t *payload, const int16_t *pcm, int n)
    int c_resample "resample"(int source, int target, const int16_t *tail, const int16_t *pcm, int n, int16_t *out)

    void g711_encode(int law, const int16_t *pcm, uint8_t *out, int n)
    void g711_decode(int law, const uint8_t *codes, int16_t *pcm, int n)

    ctypedef struct rtp_header:
        uint32_t timestamp, ssrc
        uint16_t sequence, offset, length
        uint8_t payload_type, marker
    int rtp_parse(const uint8_t *data, size_t size, rtp_header *h)

    ctypedef struct c_sequence "sequence":
        uint32_t ssrc, first, highest, received, jitter
    int sequence_receive(c_sequence *s, uint32_t ssrc, uint16_t number)
    uint32_t sequence_lost(const c_sequence *s)
    void sequence_arrival(c_sequence *s, uint32_t timestamp, uint32_t arrival, uint32_t clock)

    void mix_add(int32_t *total, const int16_t *pcm, int32_t start, int32_t end, int n)
    void mix_saturate(const int32_t *total, int16_t *pcm, int n)

    ctypedef struct address:
        uint8_t ip[16]
        uint16_t port
        uint8_t family
    ctypedef struct source_policy:
        address signalled, current
    int policy_signal(source_policy *p, const address *remote, const address *signaller, int64_t now)
    void policy_relearn(source_policy *p)
    int policy_receive(source_policy *p, const address *source, int expected, uint32_t ssrc, uint16_t number, int64_t now)
    int policy_control(const source_policy *p, const address *source)
    const address *policy_target(const source_policy *p)

    ctypedef struct dtmf_payload:
        uint8_t event, end, volume
        uint16_t duration
    ctypedef struct dtmf_news:
        uint8_t began, ended, whole, began_event, ended_event
        uint32_t duration
    ctypedef struct dtmf_receiver:
        uint8_t active
    int dtmf_parse(const uint8_t *data, int length, dtmf_payload *out)
    dtmf_news dtmf_receive(dtmf_receiver *r, const dtmf_payload *p, uint32_t timestamp, int64_t now)
    dtmf_news dtmf_tick(dtmf_receiver *r, int64_t now)
    ctypedef struct dtmf_sender:
        pass
    ctypedef struct dtmf_packet:
        uint8_t send, marker, event, end
        uint32_t duration, start
    int dtmf_press(dtmf_sender *s, uint8_t event, uint32_t length)
    void dtmf_release(dtmf_sender *s, uint8_t event, uint32_t length)
    int dtmf_busy(const dtmf_sender *s)
    dtmf_packet dtmf_next(dtmf_sender *s, uint32_t timestamp)

    ctypedef struct level_meter:
        pass
    ctypedef struct level_second:
        uint32_t power, floor
        uint16_t frames, loud, overlapped
    int level_add(level_meter *m, const int16_t *pcm, int n)
    void level_miss(level_meter *m)
    void level_overlap(level_meter *m)
    level_second level_take(level_meter *m)

    ctypedef struct tone_state:
        pass
    void tone_setup()
    void tone_digit(tone_state *t, int event, uint32_t rate, int first, int last, int16_t *pcm, int n)
    ctypedef struct inband_receiver:
        pass
    void inband_reset(inband_receiver *r)
    dtmf_news inband_receive(inband_receiver *r, const int16_t *pcm, int n)
    int inband_suspect(const int16_t *pcm)

    enum:
        RTCP_MAX
    ctypedef struct rtcp_report:
        uint8_t has_sender, has_block, bye, fraction_lost
        uint32_t ssrc, middle_ntp, highest, jitter, last_report, delay
        int32_t lost
    int rtcp_parse(const uint8_t *data, size_t size, uint32_t ours, rtcp_report *r)
    ctypedef struct rtcp_own:
        uint8_t has_sender, has_block, bye, fraction_lost
        uint32_t ssrc, timestamp, packets, octets, source, highest, jitter, last_report, delay
        uint64_t ntp
        int32_t lost
        uint8_t cname[16]
    int rtcp_write(uint8_t *data, const rtcp_own *o)

codec_setup()
resample_setup()
tone_setup()


def encode(int law, bytes pcm):
    """16-bit linear PCM to G.711; law 0 is mu-law, 1 A-law."""
    cdef int n = len(pcm) // 2
    out = PyBytes_FromStringAndSize(NULL, n)
    g711_encode(law, <const int16_t *><const char *>pcm, <uint8_t *><char *>out, n)
    return out


def decode(int law, bytes codes):
    cdef int n = len(codes)
    out = PyBytes_FromStringAndSize(NULL, n * 2)
    g711_decode(law, <const uint8_t *><const char *>codes, <int16_t *><char *>out, n)
    return out


def use_opus(addresses):
    """``libopus.Library.addresses``."""
    cdef uint64_t found[OPUS_FUNCTIONS]
    for i in range(OPUS_FUNCTIONS):
        found[i] = addresses[i]
    opus_setup(found)


cdef class Codec:
    """One port's codec, both directions; ``which`` is a number of ``ext/codec.h``."""

    cdef int which
    cdef void *state
    cdef readonly int rate, clock, frame, ticks

    def __cinit__(self, int which):
        if not codec_speaks(which):
            raise ValueError(f"codec {which} is not in the core")
        c = &codecs[which]
        self.which, self.rate, self.clock, self.frame, self.ticks = which, c.rate, c.clock, c.frame, c.ticks
        if codec_size(which):
            self.state = calloc(1, codec_size(which))
            if not self.state:
                raise MemoryError
        if not codec_open(which, self.state):
            raise ValueError(f"codec {which} cannot be opened")

    def __dealloc__(self):
        free(self.state)

    def decode(self, bytes payload):
        """PCM of one packet; None: not a payload of this codec."""
        cdef int16_t pcm[CODEC_PCM]
        n = codecs[self.which].decode(self.state, <const uint8_t *><const char *>payload, len(payload), pcm, CODEC_PCM)
        return None if n < 0 else PyBytes_FromStringAndSize(<char *>pcm, n * 2)

    def encode(self, bytes pcm):
        cdef uint8_t payload[4096]
        n = codecs[self.which].encode(self.state, <const int16_t *><const char *>pcm, len(pcm) // 2, payload, 4096)
        return PyBytes_FromStringAndSize(<char *>payload, n)

    def conceal(self, int samples):
        """What stands in for a lost packet; None: the codec has no way of its own."""
        cdef int16_t pcm[CODEC_PCM]
        assert samples <= CODEC_PCM
        if codecs[self.which].conceal == NULL:
            return None
        n = codecs[self.which].conceal(self.state, pcm, samples)
        return PyBytes_FromStringAndSize(<char *>pcm, max(n, 0) * 2)

    def recover(self, bytes following, int samples):
        """The lost packet before this one, out of it; None: it is not in it."""
        cdef int16_t pcm[CODEC_PCM]
        assert samples <= CODEC_PCM
        if codecs[self.which].recover == NULL:
            return None
        n = codecs[self.which].recover(self.state, <const uint8_t *><const char *>following, len(following), pcm, samples)
        return PyBytes_FromStringAndSize(<char *>pcm, n * 2) if n > 0 else None

    def tune(self, *, int bitrate, int playback_rate, int complexity, int loss, bint fec, bint dtx, bint constant):
        """What Opus sends."""
        cdef opus_settings settings
        assert self.which == CODEC_OPUS
        settings.bitrate, settings.playback_rate, settings.complexity = bitrate, playback_rate, complexity
        settings.loss, settings.fec, settings.dtx, settings.constant = loss, fec, dtx, constant
        opus_tune(self.state, &settings)

    def reported(self, uint8_t fraction):
        """The peer's report, in 1/256; the loss that Opus expects now, in percent."""
        assert self.which == CODEC_OPUS
        opus_reported(self.state, fraction)
        return (<opus_block *>self.state).expected

    def lasts(self, bytes payload):
        return codecs[self.which].lasts(<const uint8_t *><const char *>payload, len(payload))


cdef class ComfortNoise:
    cdef cn_state _c

    def __cinit__(self, uint32_t seed):
        cn_open(&self._c, seed)

    def take(self, bytes payload):
        return bool(cn_take(&self._c, <const uint8_t *><const char *>payload, len(payload)))

    def make(self, int samples):
        out = PyBytes_FromStringAndSize(NULL, samples * 2)
        cn_make(&self._c, <int16_t *><char *>out, samples)
        return out


def noise_payload(bytes pcm):
    cdef uint8_t payload[1]
    length = cn_write(payload, <const int16_t *><const char *>pcm, len(pcm) // 2)
    return PyBytes_FromStringAndSize(<char *>payload, length)


def resample(int source, int target, bytes tail, bytes pcm):
    """``tail``: the 4 ms before, at ``source`` Hz."""
    cdef int n = len(pcm) // 2, most = RESAMPLE_FRAME
    assert len(tail) == source // 250 * 2 and n <= most and n * target <= most * 48000
    out = PyBytes_FromStringAndSize(NULL, n * target // source * 2)
    c_resample(source, target, <const int16_t *><const char *>tail, <const int16_t *><const char *>pcm, n,
               <int16_t *><char *>out)
    return out


def parse(bytes data):
    """(payload type, sequence, timestamp, ssrc, payload, marker), or None."""
    cdef rtp_header h
    if not rtp_parse(<const uint8_t *><const char *>data, len(data), &h):
        return None
    return (h.payload_type, h.sequence, h.timestamp, h.ssrc, data[h.offset : h.offset + h.length], bool(h.marker))


def mix(list row, int samples):
    """One frame from (pcm bytes, gain before, gain now) of up to 8,000 samples."""
    cdef int32_t total[8000]
    cdef bytes pcm
    cdef int start, end
    assert samples <= 8000
    memset(total, 0, sizeof(total))
    for pcm, start, end in row:
        assert len(pcm) == samples * 2
        mix_add(total, <const int16_t *><const char *>pcm, start, end, samples)
    out = PyBytes_FromStringAndSize(NULL, samples * 2)
    mix_saturate(total, <int16_t *><char *>out, samples)
    return out


cdef class Sequence:
    cdef c_sequence _s

    def __cinit__(self):
        memset(&self._s, 0, sizeof(self._s))

    def receive(self, uint32_t ssrc, uint16_t number):
        return sequence_receive(&self._s, ssrc, number)

    def arrival(self, uint32_t timestamp, uint32_t at, uint32_t clock=8000):
        sequence_arrival(&self._s, timestamp, at, clock)

    @property
    def state(self):
        """(ssrc, first, highest, received, lost, jitter)."""
        return self._s.ssrc, self._s.first, self._s.highest, self._s.received, sequence_lost(&self._s), self._s.jitter


cdef void _address(address *out, source):
    memset(out, 0, sizeof(address))
    if source is not None:
        packed = socket.inet_aton(source[0])
        memcpy(out.ip, <const char *>packed, 4)
        out.port, out.family = source[1], 4


cdef class SourcePolicy:
    cdef source_policy _p

    def __cinit__(self):
        memset(&self._p, 0, sizeof(self._p))

    def signal(self, remote, signaller=None, int64_t now=0):
        cdef address a, b
        _address(&a, remote)
        _address(&b, None if signaller is None else (signaller, 0))
        return bool(policy_signal(&self._p, &a, &b, now))

    def relearn(self):
        policy_relearn(&self._p)

    def receive(self, source, bint expected, uint32_t ssrc, uint16_t number, int64_t now=0):
        cdef address a
        _address(&a, source)
        return policy_receive(&self._p, &a, expected, ssrc, number, now)

    def control(self, source):
        cdef address a
        _address(&a, source)
        return bool(policy_control(&self._p, &a))

    @property
    def target(self):
        a = policy_target(&self._p)
        return (".".join(str(a.ip[i]) for i in range(4)), a.port) if a.family else None


def parse_event(bytes payload):
    """(event, end, volume, duration), or None."""
    cdef dtmf_payload p
    if not dtmf_parse(<const uint8_t *><const char *>payload, len(payload), &p):
        return None
    return p.event, bool(p.end), p.volume, p.duration


cdef list _told(dtmf_news news):
    began, ended = [("began", news.began_event)], [("ended", news.ended_event, news.duration)]
    if news.began and news.ended:
        return began + ended if news.whole else ended + began
    return began if news.began else ended if news.ended else []


cdef class DtmfReceiver:
    cdef dtmf_receiver _r

    def __cinit__(self):
        memset(&self._r, 0, sizeof(self._r))

    def receive(self, bytes payload, uint32_t timestamp, int64_t now):
        cdef dtmf_payload p
        if not dtmf_parse(<const uint8_t *><const char *>payload, len(payload), &p):
            return []
        return _told(dtmf_receive(&self._r, &p, timestamp, now))

    def tick(self, int64_t now):
        return _told(dtmf_tick(&self._r, now))


cdef class DtmfSender:
    cdef dtmf_sender _s

    def __cinit__(self):
        memset(&self._s, 0, sizeof(self._s))

    def press(self, uint8_t event, uint32_t length):
        return bool(dtmf_press(&self._s, event, length))

    def release(self, uint8_t event, uint32_t length):
        dtmf_release(&self._s, event, length)

    @property
    def busy(self):
        return bool(dtmf_busy(&self._s))

    def next(self, uint32_t timestamp):
        """(event, end, duration, timestamp, marker), or None."""
        cdef dtmf_packet p = dtmf_next(&self._s, timestamp)
        return (p.event, bool(p.end), p.duration, p.start, bool(p.marker)) if p.send else None


cdef class LevelMeter:
    cdef level_meter _m

    def __cinit__(self):
        memset(&self._m, 0, sizeof(self._m))

    def add(self, bytes pcm):
        return bool(level_add(&self._m, <const int16_t *><const char *>pcm, len(pcm) // 2))

    def miss(self):
        level_miss(&self._m)

    def overlap(self):
        level_overlap(&self._m)

    def take(self):
        """(power, floor, frames, loud, overlapped)."""
        cdef level_second s = level_take(&self._m)
        return s.power, s.floor, s.frames, s.loud, s.overlapped


cdef class DigitTone:
    cdef tone_state _t

    def __cinit__(self):
        memset(&self._t, 0, sizeof(self._t))

    def frame(self, int event, uint32_t rate, bint first, bint last, int samples):
        out = PyBytes_FromStringAndSize(NULL, samples * 2)
        tone_digit(&self._t, event, rate, first, last, <int16_t *><char *>out, samples)
        return out


cdef class InbandReceiver:
    cdef inband_receiver _r

    def __cinit__(self):
        inband_reset(&self._r)

    def receive(self, bytes pcm):
        assert len(pcm) <= 320
        return _told(inband_receive(&self._r, <const int16_t *><const char *>pcm, len(pcm) // 2))


def suspect(bytes pcm):
    assert len(pcm) == 160
    return bool(inband_suspect(<const int16_t *><const char *>pcm))


def parse_reports(bytes data, uint32_t ours):
    """(ssrc, middle ntp or None, block or None, bye) with the block's fields in order, or None."""
    cdef rtcp_report r
    if not rtcp_parse(<const uint8_t *><const char *>data, len(data), ours, &r):
        return None
    block = (ours, r.fraction_lost, r.lost, r.highest, r.jitter, r.last_report, r.delay) if r.has_block else None
    return r.ssrc, r.middle_ntp if r.has_sender else None, block, bool(r.bye)


def write_report(uint32_t ssrc, bytes cname, sender, block, bint bye):
    """``sender``: (ntp, timestamp, packets, octets) or None; ``block``: its seven fields or None."""
    cdef uint8_t data[RTCP_MAX]
    cdef rtcp_own o
    memset(&o, 0, sizeof(o))
    o.ssrc = ssrc
    o.bye = bye
    memcpy(o.cname, <const char *>cname, 16)
    if sender is not None:
        o.has_sender = 1
        o.ntp, o.timestamp, o.packets, o.octets = sender
    if block is not None:
        o.has_block = 1
        o.source, o.fraction_lost, o.lost, o.highest, o.jitter, o.last_report, o.delay = block
    return PyBytes_FromStringAndSize(<char *>data, rtcp_write(data, &o))
