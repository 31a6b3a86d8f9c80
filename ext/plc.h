/* Twin: softswitch/rtp/plc.py. What is heard in place of lost samples: the voice's last periods again, fading out.
 *
 * The method is that of ITU-T G.711 appendix I, at any rate and without its delay: where the appendix holds 3.75 ms
 * back to blend into the first synthetic period, the step at the seam is spread over the first millisecond here,
 * and one period is repeated for 20 ms: packets are that long, and it scores better. */
#ifndef SOFTSWITCH_PLC_H
#define SOFTSWITCH_PLC_H

#include <string.h>
#include "pitch.h"

enum {
    PLC_PAST_MS = 50,    /* of good sound before the loss that are kept: 3 1/4 of the longest periods */
    PLC_LOW_MS = 5,      /* the shortest period that is looked for: 200 Hz; higher voices repeat in it too */
    PLC_HIGH_MS = 15,
    PLC_WINDOW_MS = 10,
    PLC_STAGE_MS = 10,   /* one period is repeated for two of them, then one more for each, up to three */
    PLC_FADE_STAGES = 5, /* stages of fading after the first, full one */
    PLC_MERGE_MS = 10    /* the longest overlap with the good sound that returns */
};

typedef struct {
    int16_t *past; /* PLC_PAST_MS of samples, memory of the owner */
    int32_t rate;
    int32_t lost; /* samples that were concealed in a row; 0: none */
    int32_t pitch, phase, periods;
    int32_t old_phase, old_periods, fading; /* the template that is being left, and for how long still */
    int32_t seam; /* the step at the begin */
} plc;

static inline int plc_past(int rate) { return rate / 1000 * PLC_PAST_MS; }

static inline int16_t plc_clip(int32_t x) { return (int16_t)(x > 32767 ? 32767 : x < -32768 ? -32768 : x); }

/* From `a` to `b`: all of `a` at i = 0, all of `b` at i = n. */
static inline int32_t plc_blend(int32_t a, int32_t b, int i, int n) { return a + ((b - a) * (i * 16384 / n) >> 14); }

/* Good sound ended: `end` is behind its last sample, at least PLC_PAST_MS of it. */
static inline void plc_begin(plc *p, const int16_t *end) {
    int n = plc_past(p->rate), ms = p->rate / 1000;
    memcpy(p->past, end - n, (size_t)n * sizeof *end);
    p->pitch = pitch_find(p->past + n - PLC_WINDOW_MS * ms, PLC_WINDOW_MS * ms, PLC_LOW_MS * ms, PLC_HIGH_MS * ms, p->rate).lag;
    p->lost = p->phase = p->fading = 0;
    p->periods = 1;
    p->seam = end[-1] - end[-1 - p->pitch];
}

/* A sample of the last `periods` periods, whose end is blended into what was before their start: they repeat smoothly. */
static inline int32_t plc_sample(const plc *p, int periods, int phase) {
    const int16_t *x = p->past + plc_past(p->rate) + phase - periods * p->pitch;
    int quarter = p->pitch / 4, i = phase - (periods * p->pitch - quarter);
    return i < 0 ? x[0] : plc_blend(x[0], x[-periods * p->pitch], i, quarter);
}

static inline int32_t plc_gain(const plc *p) { /* Q15 */
    int stage = p->rate / 1000 * PLC_STAGE_MS, into = p->lost - stage;
    if (into < 0) return 32768;
    return into >= PLC_FADE_STAGES * stage ? 0 : 32768 - into * (32768 / PLC_FADE_STAGES) / stage;
}

/* The next n samples in place of lost ones, after plc_begin(). All zero once 60 ms are lost. */
static inline void plc_conceal(plc *p, int16_t *out, int n) {
    int stage = p->rate / 1000 * PLC_STAGE_MS, soft = stage / 10, quarter = p->pitch / 4;
    for (int i = 0; i < n; i++, p->lost++) {
        if (p->periods < 3 && p->lost == (p->periods + 1) * stage) {
            p->old_periods = p->periods++;
            p->old_phase = p->phase;
            p->phase %= p->pitch;
            p->fading = quarter;
        }
        int32_t x = plc_sample(p, p->periods, p->phase);
        if (++p->phase == p->periods * p->pitch) p->phase = 0;
        if (p->fading) {
            x = plc_blend(x, plc_sample(p, p->old_periods, p->old_phase), p->fading--, quarter);
            if (++p->old_phase == p->old_periods * p->pitch) p->old_phase = 0;
        }
        if (p->lost < soft) x += p->seam * ((soft - p->lost) * 16384 / soft) >> 14;
        out[i] = (int16_t)((int64_t)plc_clip(x) * plc_gain(p) >> 15);
    }
}

static inline int plc_silent(const plc *p) { return plc_gain(p) == 0; }

/* Good sound is back: blend its first samples (of n) with what would have been concealed. */
static inline void plc_merge(plc *p, int16_t *good, int n) {
    int ms = p->rate / 1000, later = p->lost / (PLC_STAGE_MS * ms) - 1;
    int overlap = p->pitch / 4 + (later > 0 ? later : 0) * 2 * ms;
    if (overlap > PLC_MERGE_MS * ms) overlap = PLC_MERGE_MS * ms;
    if (overlap > n) overlap = n;
    for (int i = 0; i < overlap; i++) {
        int16_t x;
        plc_conceal(p, &x, 1);
        good[i] = (int16_t)plc_blend(x, good[i], i, overlap);
    }
    p->lost = 0;
}

#endif
