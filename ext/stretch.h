/* Twin: softswitch/rtp/stretch.py. A little less or more time: one period of the voice taken out or put in, blended. */
#ifndef SOFTSWITCH_STRETCH_H
#define SOFTSWITCH_STRETCH_H

#include <string.h>
#include "pitch.h"
#include "plc.h"

enum {
    STRETCH_LOW_US = 2500,     /* the shortest and the longest period */
    STRETCH_HIGH_MS = 15,
    STRETCH_WINDOW_US = 7500,
    STRETCH_FADE_US = 2500,    /* the blend where nobody speaks */
    STRETCH_REMOVE_MS = 15,    /* the place of the seam, counted from the first sample that is not yet played */
    STRETCH_INSERT_MS = 5
};

/* The likeness of the two sides of a seam that is asked for, as a squared correlation. */
#define STRETCH_ALIKE 0.81
#define STRETCH_HURRY 0.25

/* The period at `seam` if a blend there is inaudible, or 0. `squared` is how alike its sides must be. */
static inline int stretch_period(const int16_t *seam, int rate, int longest, double squared) {
    int ms = rate / 1000, low = STRETCH_LOW_US * ms / 1000, high = STRETCH_HIGH_MS * ms;
    pitch p = pitch_find(seam, STRETCH_WINDOW_US * ms / 1000, low, high, rate);
    if (p.lag > longest || p.product <= 0) return 0;
    double needed = squared * (double)p.energy[0] * (double)p.energy[1];
    return (double)p.product * (double)p.product >= needed ? p.lag : 0;
}

/* Take `period` samples out of the n at `pcm`, those before `seam`, blending over `fade` <= period of them; n - period. */
static inline int stretch_remove(int16_t *pcm, int n, int seam, int period, int fade) {
    int16_t *a = pcm + seam - period, *b = pcm + seam;
    for (int i = 0; i < fade; i++) a[i] = (int16_t)plc_blend(a[i], b[i], i, fade);
    memmove(a + fade, b + fade, (size_t)(n - seam - fade) * sizeof *pcm);
    return n - period;
}

/* Play the `period` samples before `seam` once more (they may begin before pcm), blending over `fade`; n + period. */
static inline int stretch_insert(int16_t *pcm, int n, int seam, int period, int fade) {
    int16_t *at = pcm + seam;
    memmove(at + period, at, (size_t)(n - seam) * sizeof *pcm);
    for (int i = 0; i < fade; i++) at[i] = (int16_t)plc_blend(at[period + i], at[i - period], i, fade);
    memcpy(at + fade, at + fade - period, (size_t)(period - fade) * sizeof *pcm);
    return n + period;
}

#endif
