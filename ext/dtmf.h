/* Twin: softswitch/rtp/dtmf.py. Telephone events of RFC 4733, received once and sent. Durations are in samples at 8 kHz. */
#ifndef SOFTSWITCH_DTMF_H
#define SOFTSWITCH_DTMF_H

#include <stdint.h>
#include <string.h>
#include "rtp.h"

enum {
    DTMF_FRAME = 160,
    DTMF_MAX_EVENT = 16, /* digits, *, #, A to D and the hook flash */
    DTMF_SILENT_NS = 200000000,
    DTMF_RECENT = 80000, /* samples during which an ended event may be repeated */
    DTMF_QUEUE = 32,
    DTMF_DIGIT = 800,
    DTMF_LONGEST = 40000, /* 5 s: a key that nobody releases, because who pressed it is gone */
    DTMF_PAUSE_FRAMES = 3, /* from the first end packet: two repetitions and one quiet frame, 60 ms */
    DTMF_ENDS = 3          /* RFC 4733 section 2.5.1.4: the end is sent three times */
};

typedef struct {
    uint8_t event, end, volume;
    uint16_t duration;
} dtmf_payload;

static inline int dtmf_parse(const uint8_t *data, int length, dtmf_payload *out) {
    if (length < 4) return 0;
    out->event = data[0];
    out->end = data[1] >> 7;
    out->volume = data[1] & 63;
    out->duration = get16(data + 2);
    return out->event <= DTMF_MAX_EVENT;
}

static inline void dtmf_write(uint8_t *data, uint8_t event, int end, uint32_t duration) {
    data[0] = event;
    data[1] = (uint8_t)((end ? 0x80 : 0) | 10);
    put16(data + 2, duration > 65535 ? 65535 : duration);
}

/* What a received packet meant; a packet may end one event and begin the next. */
typedef struct {
    uint8_t began, ended; /* booleans */
    uint8_t whole;        /* it is the event that began which ended; otherwise the older one ended first */
    uint8_t began_event, ended_event;
    uint32_t duration; /* of the ended one */
} dtmf_news;

typedef struct {
    int64_t heard_ns;
    uint32_t start, duration, before; /* `before`: segments of a long event that are complete (section 2.5.1.3) */
    uint32_t done;
    uint8_t event, active, has_done;
} dtmf_receiver;

static inline void dtmf_finish(dtmf_receiver *r, dtmf_news *news) {
    news->ended = 1;
    news->ended_event = r->event;
    news->duration = r->before + r->duration;
    r->active = 0;
    r->has_done = 1;
    r->done = r->start;
}

static inline dtmf_news dtmf_receive(dtmf_receiver *r, const dtmf_payload *p, uint32_t timestamp, int64_t now) {
    dtmf_news news = {0, 0, 0, 0, 0, 0};
    if (r->has_done) {
        int32_t since = (int32_t)(timestamp - r->done);
        if (since <= 0 && since > -DTMF_RECENT) return news;
    }
    if (r->active && timestamp != r->start) {
        if ((int32_t)(timestamp - r->start) < 0 && (int32_t)(timestamp - r->start) > -DTMF_RECENT) return news;
        if (p->event == r->event && timestamp == r->start + 65535 && r->duration == 65535) {
            r->before += 65535;
            r->start = timestamp;
            r->duration = 0;
        } else dtmf_finish(r, &news);
    }
    if (r->active && p->event != r->event) return news;
    if (!r->active) {
        r->active = 1;
        r->event = p->event;
        r->start = timestamp;
        r->duration = r->before = 0;
        news.began = 1;
        news.began_event = p->event;
    }
    r->heard_ns = now;
    if (p->duration > r->duration) r->duration = p->duration;
    if (p->end) {
        /* One packet that both closes an older event and is a whole event: the older one is told now,
         * the new one at its repetition or by the timeout. */
        if (!news.ended) {
            news.whole = news.began;
            dtmf_finish(r, &news);
        }
    }
    return news;
}

/* The end packets were lost: the event is over when nothing more was heard of it. */
static inline dtmf_news dtmf_tick(dtmf_receiver *r, int64_t now) {
    dtmf_news news = {0, 0, 0, 0, 0, 0};
    if (r->active && now - r->heard_ns >= DTMF_SILENT_NS) dtmf_finish(r, &news);
    return news;
}

typedef struct {
    uint8_t event;
    uint32_t length; /* 0: still pressed by the other party */
} dtmf_key;

typedef struct {
    uint8_t head, count;
    uint8_t sending, ends, pause;
    uint8_t ended; /* the event whose end is repeated */
    uint32_t duration;
    uint32_t start; /* timestamp of the running event */
    dtmf_key keys[DTMF_QUEUE];
} dtmf_sender;

/* Queue a key; `length` 0 means it lasts until dtmf_release. Return 0 if the queue is full. */
static inline int dtmf_press(dtmf_sender *s, uint8_t event, uint32_t length) {
    if (s->count == DTMF_QUEUE) return 0;
    dtmf_key *k = &s->keys[(s->head + s->count) % DTMF_QUEUE];
    k->event = event;
    k->length = length;
    s->count++;
    return 1;
}

static inline void dtmf_release(dtmf_sender *s, uint8_t event, uint32_t length) {
    for (int i = 0; i < s->count; i++) {
        dtmf_key *k = &s->keys[(s->head + i) % DTMF_QUEUE];
        if (k->length == 0 && k->event == event) {
            k->length = length < DTMF_FRAME ? DTMF_FRAME : length;
            return;
        }
    }
}

typedef struct {
    uint8_t send, marker, event, end;
    uint32_t duration, start;
} dtmf_packet;

static inline int dtmf_busy(const dtmf_sender *s) { return s->count != 0 || s->pause != 0; }

/* What to send in this 20 ms frame in place of audio; `timestamp` is that of the frame. */
static inline dtmf_packet dtmf_next(dtmf_sender *s, uint32_t timestamp) {
    dtmf_packet out = {0, 0, 0, 0, 0, 0};
    if (s->pause) {
        s->pause--;
        if (!s->ends) return out;
        s->ends--;
        out.send = out.end = 1;
        out.event = s->ended;
        out.duration = s->duration;
        out.start = s->start;
        return out;
    }
    if (!s->count) return out;
    dtmf_key *key = &s->keys[s->head];
    if (!s->sending) {
        s->sending = 1;
        s->start = timestamp;
        s->duration = 0;
        out.marker = 1;
    }
    s->duration += DTMF_FRAME;
    out.send = 1;
    out.event = key->event;
    out.start = s->start;
    /* A released key that was pressed shorter than we have sent already ends as soon as it can. */
    if (s->duration >= (key->length ? key->length : DTMF_LONGEST)) {
        out.end = 1;
        s->sending = 0;
        s->ended = key->event;
        s->head = (uint8_t)((s->head + 1) % DTMF_QUEUE);
        s->count--;
        s->ends = DTMF_ENDS - 1;
        s->pause = DTMF_PAUSE_FRAMES;
    }
    out.duration = s->duration;
    return out;
}

#endif
