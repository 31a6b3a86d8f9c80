/* Twin: softswitch/rtp/sequence.py. Order, loss and jitter of one received stream (RFC 3550 appendix A.1, A.3, A.8). */
#ifndef SOFTSWITCH_SEQUENCE_H
#define SOFTSWITCH_SEQUENCE_H

#include <stdint.h>
#include <string.h>

enum { SEQ_FIRST, SEQ_NEXT, SEQ_REORDERED, SEQ_DUPLICATE, SEQ_SUSPECT, SEQ_RESTARTED };
enum { SEQ_MAX_DROPOUT = 3000, SEQ_WINDOW = 64, SEQ_NONE = 0x10000 };

typedef struct {
    uint64_t window; /* bit i: `highest - i` has come */
    uint32_t ssrc;
    uint32_t first, highest; /* extended by the cycles */
    uint32_t received;       /* of this stream */
    uint32_t lost_before;    /* by the streams before it */
    uint32_t suspect;        /* the sequence number that would prove a restart */
    uint32_t jitter;         /* 16 times the estimate, in timestamp units */
    uint32_t transit;
    uint8_t started, timed;
} sequence;

static inline uint32_t sequence_lost(const sequence *s) {
    if (!s->started) return s->lost_before;
    uint32_t expected = s->highest - s->first + 1;
    return s->lost_before + (expected > s->received ? expected - s->received : 0);
}

static inline void sequence_begin(sequence *s, uint32_t ssrc, uint16_t number) {
    s->lost_before = sequence_lost(s);
    s->ssrc = ssrc;
    s->first = s->highest = number;
    s->received = 1;
    s->window = 1;
    s->suspect = SEQ_NONE;
    s->started = 1;
    s->timed = 0;
    s->jitter = 0;
}

static inline int sequence_receive(sequence *s, uint32_t ssrc, uint16_t number) {
    if (!s->started || ssrc != s->ssrc) {
        sequence_begin(s, ssrc, number);
        return SEQ_FIRST;
    }
    uint32_t ahead = (uint16_t)(number - (uint16_t)s->highest);
    if (ahead == 0) return SEQ_DUPLICATE;
    if (ahead < SEQ_MAX_DROPOUT) {
        s->window = ahead >= SEQ_WINDOW ? 1 : s->window << ahead | 1;
        s->highest += ahead;
        s->received++;
        return SEQ_NEXT;
    }
    uint32_t behind = 65536 - ahead;
    if (behind < SEQ_WINDOW) {
        if (s->window >> behind & 1) return SEQ_DUPLICATE;
        s->window |= (uint64_t)1 << behind;
        s->received++;
        return SEQ_REORDERED;
    }
    if (number != s->suspect) {
        s->suspect = (uint16_t)(number + 1);
        return SEQ_SUSPECT;
    }
    sequence_begin(s, ssrc, number);
    return SEQ_RESTARTED;
}

/* `arrival` is on the clock of the timestamps, so many hertz; only their difference matters. */
static inline void sequence_arrival(sequence *s, uint32_t timestamp, uint32_t arrival, uint32_t clock) {
    uint32_t transit = arrival - timestamp;
    if (s->timed) {
        int32_t d = (int32_t)(transit - s->transit);
        uint32_t distance = d < 0 ? 0u - (uint32_t)d : (uint32_t)d;
        /* A jump of the timestamps is not jitter: one second at most enters the estimate. */
        if (distance <= clock) s->jitter += distance - ((s->jitter + 8) >> 4);
    }
    s->transit = transit;
    s->timed = 1;
}

#endif
