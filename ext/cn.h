/* Twin: softswitch/rtp/cn.py. Comfort noise (RFC 3389): a level, and reflection coefficients that shape the spectrum.
 *
 * Noise is white and even (a linear congruential generator, the same on every machine), shaped by the lattice filter of
 * the coefficients and brought to the level. All state is in the struct. */
#ifndef SOFTSWITCH_CN_H
#define SOFTSWITCH_CN_H

#include <math.h>
#include <stdint.h>
#include <string.h>

enum {
    CN_ORDER = 10,
    CN_QUIETEST = 127,
    CN_STEP = 4 /* dB by which the level follows a new one at most, a frame */
};

typedef struct {
    uint32_t seed;
    uint8_t level, aimed;             /* -dBov: what it is now, and what the last packet told */
    uint8_t order;
    int16_t reflection[CN_ORDER];     /* Q15 */
    int32_t delayed[CN_ORDER];        /* the lattice's backward errors */
} cn_state;

/* Q8 amplitudes of white noise that is even in -1..1 before its scaling, by level: sqrt(3) times the RMS of -level dBov. */
static int32_t cn_amplitudes[CN_QUIETEST + 1];

static void cn_setup(void) {
    for (int level = 0; level <= CN_QUIETEST; level++)
        cn_amplitudes[level] = (int32_t)lrint(32767.0 * sqrt(3.0) * pow(10.0, -level / 20.0) * 256.0);
}

static inline void cn_open(cn_state *c, uint32_t seed) {
    memset(c, 0, sizeof *c);
    c->seed = seed;
    c->level = c->aimed = CN_QUIETEST;
}

/* Take a payload: one byte of level, then a byte per coefficient, 127 standing for zero (section 3.2). Return 0 for an
 * empty one. Coefficients beyond CN_ORDER are left out: a lattice stays stable without them. */
static inline int cn_take(cn_state *c, const uint8_t *payload, int length) {
    if (length < 1) return 0;
    int order = length - 1 < CN_ORDER ? length - 1 : CN_ORDER;
    c->aimed = payload[0] & 0x7f;
    /* The first noise after speech starts where it should be, later changes are followed in steps. */
    if (c->level == CN_QUIETEST) c->level = c->aimed;
    for (int i = 0; i < order; i++) {
        int32_t k = ((int32_t)payload[1 + i] - 127) * 258;
        c->reflection[i] = (int16_t)(k > 32000 ? 32000 : k < -32000 ? -32000 : k);
    }
    c->order = (uint8_t)order;
    return 1;
}

static inline int32_t cn_limit(int64_t x) { return (int32_t)(x > INT32_MAX ? INT32_MAX : x < INT32_MIN ? INT32_MIN : x); }

/* Make `n` samples of noise. */
static inline void cn_make(cn_state *c, int16_t *pcm, int n) {
    int change = (int)c->aimed - (int)c->level;
    c->level = (uint8_t)(c->level + (change > CN_STEP ? CN_STEP : change < -CN_STEP ? -CN_STEP : change));
    /* The filter amplifies by the product of 1 / (1 - k^2): what goes in is as much quieter. */
    double loss = 1.0;
    for (int i = 0; i < c->order; i++) loss *= 1.0 - (double)c->reflection[i] * c->reflection[i] / 1073741824.0;
    int64_t amplitude = (int64_t)((double)cn_amplitudes[c->level] * sqrt(loss));
    for (int i = 0; i < n; i++) {
        c->seed = c->seed * 1664525u + 1013904223u;
        int64_t forward = (int64_t)((int32_t)c->seed >> 16) * amplitude >> 15; /* Q8 */
        for (int k = c->order - 1; k >= 0; k--) {
            forward -= c->reflection[k] * (int64_t)c->delayed[k] >> 15;
            int64_t backward = c->delayed[k] + (c->reflection[k] * forward >> 15);
            if (k + 1 < c->order) c->delayed[k + 1] = cn_limit(backward);
        }
        forward = cn_limit(forward);
        if (c->order) c->delayed[0] = (int32_t)forward;
        int64_t sample = (forward + 128) >> 8;
        pcm[i] = (int16_t)(sample > 32767 ? 32767 : sample < -32768 ? -32768 : sample);
    }
}

/* Write the payload that tells of the noise in `n` samples: its level alone, as section 4 allows. Return its length. */
static inline int cn_write(uint8_t *payload, const int16_t *pcm, int n) {
    int64_t power = 0;
    for (int i = 0; i < n; i++) power += pcm[i] * pcm[i];
    int level = CN_QUIETEST;
    if (power > 0 && n > 0) {
        /* dBov: 0 is a full-scale square wave. */
        level = (int)lrint(-10.0 * log10((double)power / n / (32767.0 * 32767.0)));
        level = level < 0 ? 0 : level > CN_QUIETEST ? CN_QUIETEST : level;
    }
    payload[0] = (uint8_t)level;
    return 1;
}

#endif
