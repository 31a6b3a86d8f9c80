/* Twin: softswitch/rtp/delay.py. How late packets come, and how long sound must therefore wait. All in RTP clock units. */
#ifndef SOFTSWITCH_DELAY_H
#define SOFTSWITCH_DELAY_H

#include <stdint.h>
#include <string.h>

enum {
    DELAY_CLASSES = 41,    /* of 5 ms; the last is for all that comes 200 ms late and more */
    DELAY_WHOLE = 1 << 30, /* the sum of the shares */
    DELAY_FORGET = 8,      /* a packet's weight is 1/256 of all before it, more while few have come */
    DELAY_FORGET_FIRST = 3,
    DELAY_MISS = 5,        /* 1/32 of the packets may come too late */
    DELAY_WINDOW = 2       /* seconds after which the least delay may grow */
};
#define DELAY_UNKNOWN INT64_MAX

typedef struct {
    uint32_t share[DELAY_CLASSES];
    uint32_t clock;
    int64_t least[2]; /* arrival minus timestamp: the least of this window and of the last one */
    int64_t window;   /* when this one began */
    int32_t target;   /* how long the fastest packet must wait, so that most others come in time */
    uint8_t seen;
} delay;

/* Forget which delay is the least: another timeline begins. What is known of the jitter stays. */
static inline void delay_restart(delay *d) { d->least[0] = d->least[1] = DELAY_UNKNOWN; }

static inline void delay_reset(delay *d, uint32_t clock) {
    memset(d, 0, sizeof *d);
    d->clock = clock;
    d->target = (int32_t)clock / 200;
    delay_restart(d);
}

static inline int64_t delay_least(const delay *d) { return d->least[0] < d->least[1] ? d->least[0] : d->least[1]; }

/* A packet with `timestamp` has come at `now`; return how much later than the fastest. */
static inline int64_t delay_learn(delay *d, int64_t timestamp, int64_t now) {
    if (now - d->window >= (int64_t)d->clock * DELAY_WINDOW) {
        d->window = now;
        d->least[1] = d->least[0];
        d->least[0] = DELAY_UNKNOWN;
    }
    if (now - timestamp < d->least[0]) d->least[0] = now - timestamp;
    int64_t late = now - timestamp - delay_least(d), class = late / (d->clock / 200);
    int forget = 32 - __builtin_clz(d->seen | 1u << (DELAY_FORGET_FIRST - 1));
    if (d->seen < 255) d->seen++;
    for (int i = 0; i < DELAY_CLASSES; i++) d->share[i] -= d->share[i] >> forget;
    d->share[class < DELAY_CLASSES ? class : DELAY_CLASSES - 1] += DELAY_WHOLE >> forget;
    uint32_t sum = 0, tail = 0;
    for (int i = 0; i < DELAY_CLASSES; i++) sum += d->share[i];
    int most = DELAY_CLASSES - 1;
    while (most > 0 && (tail += d->share[most]) <= sum >> DELAY_MISS) most--;
    d->target = (int32_t)(d->clock / 200) * (most + 1 < DELAY_CLASSES ? most + 1 : DELAY_CLASSES - 1);
    return late;
}

#endif
