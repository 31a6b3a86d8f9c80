/* Where a source's samples stand in time, and how that is put right without tearing them apart.
 *
 * The least delayed packet tells the truth. Right after a stream has begun what was placed too late is still in the
 * memory of the recordings, and is moved there; later on the line slips, a sample of 8 kHz at a time. */
#ifndef SOFTSWITCH_TIMELINE_H
#define SOFTSWITCH_TIMELINE_H

#include "core.h"

#define MAP_SLIP_NS 125000LL      /* one step: a sample at 8 kHz, two at 16 */
#define MAP_OFF_NS 3000000LL      /* how far the line may be off before it slips */
#define MAP_FAR_NS 8000000LL      /* beyond this it slips faster */
#define MAP_LEAP_NS 100000000LL   /* and beyond this it leaps: the timestamps have jumped */
#define MAP_SPURT_NS 40000000LL   /* late by more at the start of a talk-spurt: the sender's clock stood still meanwhile */
#define MAP_JUMP_NS 1000000000LL  /* late by more at any time: the timestamps have jumped */
#define MAP_FRESH_NS 350000000LL  /* so long after it began, what was recorded of a stream is surely in memory */
enum {
    MAP_PACKETS = 128, /* in which the least delayed one is looked for */
    MAP_HURRY = 8      /* slips in 20 ms when the line is far off, else one */
};

/* When the source's `position` was (or will be) heard. */
static inline int64_t source_heard(const source *s, uint32_t position) {
    return s->map_ns + units_ns((int32_t)(position - s->map_position), s->clock);
}

static inline void source_move(source *s, int64_t by) {
    s->map_ns += by;
    s->map_off_ns -= by;
    if (s->map_early_ns != INT64_MAX) s->map_early_ns -= by;
}

/* Fit the source's timeline to the clock: its `position` is read at `now`, and has come after `since`; only what is late
 * for certain is late, because a reader who was held up says nothing about the sender. Return how much later what was
 * recorded of this stream must be placed: negative while the stream is young and a packet has come earlier than all
 * before, else 0. */
static inline int64_t source_map(source *s, uint32_t position, int64_t now, int64_t since, int restart, int spurt) {
    int64_t early = s->mapped ? now - source_heard(s, position) : 0, late = early - (now - since);
    if (!s->mapped || restart || early < -MAP_LEAP_NS - (now - s->map_began_ns < MAP_FRESH_NS ? MAP_LEAP_NS : 0) ||
        late > (spurt ? MAP_SPURT_NS : MAP_JUMP_NS)) {
        s->map_ns = s->map_began_ns = now;
        s->map_position = s->map_from = position;
        s->map_early_ns = INT64_MAX;
        s->map_off_ns = 0;
        s->map_count = 0;
        s->mapped = 1;
        return 0;
    }
    if (early < 0 && now - s->map_began_ns < MAP_FRESH_NS) {
        source_move(s, early);
        return early;
    }
    int64_t sure = early < 0 ? early : late < 0 ? 0 : late;
    if (sure < s->map_early_ns) s->map_early_ns = sure;
    if (early < -MAP_OFF_NS && early < s->map_off_ns) s->map_off_ns = early;
    if (++s->map_count < MAP_PACKETS) return 0;
    s->map_off_ns = s->map_early_ns > MAP_OFF_NS || s->map_early_ns < -MAP_OFF_NS ? s->map_early_ns : 0;
    if (s->map_off_ns > MAP_LEAP_NS) source_move(s, s->map_off_ns);
    /* Keep the distance to the anchor small, so that it never wraps. */
    s->map_ns += units_ns((int32_t)(position - s->map_position), s->clock);
    s->map_position = position;
    s->map_early_ns = INT64_MAX;
    s->map_count = 0;
    return 0;
}

/* How many slips the next 20 ms have when the line is `off` by so much. */
static inline int map_slips(int64_t off) {
    int64_t far = off < 0 ? -off : off;
    return far > MAP_FAR_NS ? MAP_HURRY : far >= MAP_SLIP_NS;
}

/* `n` samples at `hertz` with `slips` steps left out (later 0) or put in, at the ends of as many parts; return how many
 * there are. */
static inline int map_slip(const int16_t *pcm, int n, int slips, int later, uint32_t hertz, int16_t *out) {
    int step = (int)(hertz / 8000), part = n / slips, made = 0;
    for (int i = 0; i < slips; i++) {
        int from = i * part, to = i == slips - 1 ? n : from + part;
        for (int k = from; k < (later ? to : to - step); k++) out[made++] = pcm[k];
        for (int k = 0; later && k < step; k++) out[made++] = pcm[to - 1];
    }
    return made;
}

#endif
