/* Twin: softswitch/rtp/level.py. How loud a leg is, whether it speaks, and over what noise; whole numbers only.
 *
 * Powers are mean squares of 16-bit samples: 0 dBov, a full-scale square wave, is 2^30. The noise floor follows the
 * quietest frames: down by a quarter of the distance per frame, up by 1/128 of itself (1.7 dB a second), so that the
 * pauses of speech keep it down and a noise that stays becomes the floor. */
#ifndef SOFTSWITCH_LEVEL_H
#define SOFTSWITCH_LEVEL_H

#include <stdint.h>

enum {
    LEVEL_QUIET = 10737,     /* -50 dBov: less is no speech, whatever the floor */
    LEVEL_FLOOR_LEAST = 340, /* -65 dBov */
    LEVEL_FLOOR_FIRST = 107374, /* -40 dBov: a call that begins with speech does not take it for noise */
    LEVEL_ABOVE = 8,         /* speech is 9 dB above the floor */
    LEVEL_HANG = 10          /* frames that speech lasts after its last loud one: 200 ms (ITU-T P.56 section 7.1) */
};

typedef struct {
    uint64_t power;  /* sum of the frames' powers since level_take */
    uint32_t floor;  /* 0: nothing heard yet */
    uint16_t frames, loud, overlapped; /* since level_take; `loud`: frames of speech, hang-over included */
    uint8_t hang;
} level_meter;

static inline int level_speaks(const level_meter *m) { return m->hang != 0; }

/* Measure one frame of n samples (1 to 2048), 20 ms at any rate; return 1 if it is speech. */
static inline int level_add(level_meter *m, const int16_t *restrict pcm, int n) {
    uint64_t sum = 0;
    for (int i = 0; i < n; i++) sum += (uint32_t)((int32_t)pcm[i] * pcm[i]);
    uint32_t power = (uint32_t)(sum / (uint32_t)n);
    m->power += power;
    if (m->frames < UINT16_MAX) m->frames++;
    uint32_t floor = m->floor;
    if (!floor) floor = power < LEVEL_FLOOR_FIRST ? power : LEVEL_FLOOR_FIRST;
    else if (power < floor) floor -= (floor - power) / 4;
    else floor += floor / 128 + 1 < power - floor ? floor / 128 + 1 : power - floor;
    m->floor = floor < LEVEL_FLOOR_LEAST ? LEVEL_FLOOR_LEAST : floor;
    if (power >= LEVEL_QUIET && power / LEVEL_ABOVE >= m->floor) m->hang = LEVEL_HANG;
    else if (m->hang) m->hang--;
    if (m->hang && m->loud < UINT16_MAX) m->loud++;
    return m->hang != 0;
}

/* A frame of which nothing came: silence that says nothing about the floor. */
static inline void level_miss(level_meter *m) {
    if (m->frames < UINT16_MAX) m->frames++;
    if (m->hang) m->hang--;
}

/* The leg and somebody whom it hears spoke in the same frame. */
static inline void level_overlap(level_meter *m) {
    if (m->overlapped < UINT16_MAX) m->overlapped++;
}

typedef struct {
    uint32_t power, floor; /* power: the mean over all frames */
    uint16_t frames, loud, overlapped;
} level_second;

/* Return what was measured since the last call and begin anew. */
static inline level_second level_take(level_meter *m) {
    level_second s = {m->frames ? (uint32_t)(m->power / m->frames) : 0, m->floor, m->frames, m->loud, m->overlapped};
    m->power = 0;
    m->frames = m->loud = m->overlapped = 0;
    return s;
}

#endif
