/* Twin: softswitch/rtp/dtmf_inband.py. Digits that come as sound (ITU-T Q.23, Q.24), found in 8 kHz audio.
 *
 * Two banks of Goertzel filters at the eight frequencies, each over blocks of 102 samples, one half a block behind the
 * other. A tone of 40 ms holds four whole blocks wherever it begins, and one of 20 ms at most three that are pure
 * enough: four of one digit in a row are a digit. Speech is rejected by what is not in the two strongest tones. */
#ifndef SOFTSWITCH_DTMF_INBAND_H
#define SOFTSWITCH_DTMF_INBAND_H

#include <stdint.h>
#include <string.h>
#include "dtmf.h"

enum {
    INBAND_BLOCK = 102,
    INBAND_HOP = INBAND_BLOCK / 2,
    INBAND_HITS = 4,
    INBAND_MISSES = 5,      /* a break of 10 ms spoils three blocks and is bridged, a pause of 40 ms at least six */
    INBAND_QUIET = 269706,  /* mean square, -36 dBov: Q.24 asks for -25 dBm0 in each tone, which is -28 together */
    INBAND_NONE = 255,
    SUSPECT_BLOCK = 80,
    SUSPECT_QUIET = 10737   /* -50 dBov */
};

/* A pure tone's Goertzel power is its energy times half the block. Of a tone 1.8 % off (Q.24 table A-1) the filters at
 * the nominal frequencies find 0.66; then the nearest of three filters 1.2 % apart finds 0.95 of it, and of speech, and
 * of a tone cut in the middle, less than 0.82. */
#define INBAND_LIKELY (0.5f * INBAND_BLOCK / 2)
#define INBAND_PURE (0.82f * INBAND_BLOCK / 2)
#define INBAND_TWIST 12.6f  /* columns louder than rows: 8 dB, and three for what leaks between them in so short a block */
#define INBAND_REVERSE 4.0f /* rows louder than columns: 4 dB, and two */
#define INBAND_PEAK 4.0f    /* above the other rows or columns: 6 dB */

/* 2 cos(2 pi f / 8000) of 697, 770, 852, 941, 1209, 1336, 1477 and 1633 Hz. */
static const float inband_coefficient[8] = {1.7077378f, 1.6452810f, 1.5686870f, 1.4782046f,
                                            1.1641040f, 0.99637021f, 0.79861839f, 0.56853271f};
/* The same 1.2 % lower and higher. */
static const float inband_beside[2][8] = {
    {1.7145392f, 1.6534898f, 1.5785986f, 1.4900941f, 1.1825591f, 1.0181261f, 0.82406508f, 0.59797566f},
    {1.7008628f, 1.6369856f, 1.5586742f, 1.4661988f, 1.1454979f, 0.97445636f, 0.77301694f, 0.53895509f},
};
/* By row and column of the keypad, the code of RFC 4733. */
static const uint8_t inband_event[4][4] = {{1, 2, 3, 12}, {4, 5, 6, 13}, {7, 8, 9, 14}, {10, 0, 11, 15}};

typedef struct {
    float s1[16], s2[16]; /* bank 0, then bank 1 */
    int16_t newest[INBAND_BLOCK];
    int64_t energy[2];
    uint16_t filled[2];
    uint8_t candidate, hits, current, misses;
    uint32_t hops, duration; /* of the current digit: since it began, and until it was last heard; samples */
} inband_receiver;

static inline void inband_reset(inband_receiver *r) {
    memset(r, 0, sizeof *r);
    r->filled[1] = INBAND_HOP;
    r->candidate = r->current = INBAND_NONE;
}

static inline void goertzel_powers(const float *s1, const float *s2, float *power) {
    for (int k = 0; k < 8; k++) {
        float squares = s1[k] * s1[k] + s2[k] * s2[k];
        power[k] = squares - inband_coefficient[k] * s1[k] * s2[k];
    }
}

static inline int goertzel_best(const float *power) {
    int best = 0;
    for (int k = 1; k < 4; k++)
        if (power[k] > power[best]) best = k;
    return best;
}

static inline int goertzel_alone(const float *power, int best) {
    for (int k = 0; k < 4; k++)
        if (k != best && power[k] * INBAND_PEAK > power[best]) return 0;
    return 1;
}

/* The power of the newest block at one frequency. */
static inline float goertzel(const int16_t *pcm, float coefficient) {
    float s1 = 0, s2 = 0;
    for (int i = 0; i < INBAND_BLOCK; i++) {
        float s = coefficient * s1 - s2 + (float)pcm[i];
        s2 = s1;
        s1 = s;
    }
    float squares = s1 * s1 + s2 * s2;
    return squares - coefficient * s1 * s2;
}

static inline float goertzel_nearest(const int16_t *pcm, int k, float power) {
    for (int side = 0; side < 2; side++) {
        float beside = goertzel(pcm, inband_beside[side][k]);
        if (beside > power) power = beside;
    }
    return power;
}

/* The digit that a block is made of, or INBAND_NONE. */
static inline uint8_t inband_judge(const float *s1, const float *s2, int64_t energy, const int16_t *pcm) {
    if (energy < (int64_t)INBAND_QUIET * INBAND_BLOCK) return INBAND_NONE;
    float power[8];
    goertzel_powers(s1, s2, power);
    int row = goertzel_best(power), column = goertzel_best(power + 4);
    if (power[row] + power[4 + column] < INBAND_LIKELY * (float)energy) return INBAND_NONE;
    if (!goertzel_alone(power, row) || !goertzel_alone(power + 4, column)) return INBAND_NONE;
    float low = goertzel_nearest(pcm, row, power[row]), high = goertzel_nearest(pcm, 4 + column, power[4 + column]);
    if (low + high < INBAND_PURE * (float)energy) return INBAND_NONE;
    if (high > low * INBAND_TWIST || low > high * INBAND_REVERSE) return INBAND_NONE;
    return inband_event[row][column];
}

static inline void inband_end(inband_receiver *r, dtmf_news *news) {
    news->ended = 1;
    news->ended_event = r->current;
    news->duration = r->duration;
    r->current = INBAND_NONE;
}

static inline void inband_block(inband_receiver *r, uint8_t digit, dtmf_news *news) {
    if (digit == INBAND_NONE) r->hits = 0;
    else r->hits = digit == r->candidate && r->hits ? (uint8_t)(r->hits < INBAND_HITS ? r->hits + 1 : r->hits) : 1;
    r->candidate = digit;
    if (r->current != INBAND_NONE) {
        r->hops += INBAND_HOP;
        if (digit == r->current) {
            r->misses = 0;
            r->duration = r->hops;
        } else if (++r->misses >= INBAND_MISSES) inband_end(r, news);
    }
    if (r->hits == INBAND_HITS && digit != r->current) {
        if (r->current != INBAND_NONE) inband_end(r, news);
        r->current = digit;
        r->misses = 0;
        r->hops = r->duration = INBAND_BLOCK + (INBAND_HITS - 1) * INBAND_HOP;
        news->began = 1;
        news->began_event = digit;
    }
}

/* Take n samples (at most 160, so that one call tells at most one end and then one beginning). */
static inline dtmf_news inband_receive(inband_receiver *r, const int16_t *restrict pcm, int n) {
    dtmf_news news = {0, 0, 0, 0, 0, 0};
    for (int at = 0; at < n;) {
        int run = INBAND_BLOCK - (r->filled[0] > r->filled[1] ? r->filled[0] : r->filled[1]);
        if (run > n - at) run = n - at;
        int64_t energy = 0;
        for (int i = at; i < at + run; i++) energy += (uint32_t)((int32_t)pcm[i] * pcm[i]);
        float s1[16], s2[16];
        memcpy(s1, r->s1, sizeof s1);
        memcpy(s2, r->s2, sizeof s2);
        for (int i = at; i < at + run; i++) {
            float x = (float)pcm[i];
            for (int k = 0; k < 16; k++) {
                float s = inband_coefficient[k & 7] * s1[k] - s2[k] + x;
                s2[k] = s1[k];
                s1[k] = s;
            }
        }
        memcpy(r->s1, s1, sizeof s1);
        memcpy(r->s2, s2, sizeof s2);
        memmove(r->newest, r->newest + run, sizeof(int16_t) * (size_t)(INBAND_BLOCK - run));
        memcpy(r->newest + INBAND_BLOCK - run, pcm + at, sizeof(int16_t) * (size_t)run);
        at += run;
        for (int b = 0; b < 2; b++) {
            r->energy[b] += energy;
            r->filled[b] = (uint16_t)(r->filled[b] + run);
            if (r->filled[b] < INBAND_BLOCK) continue;
            inband_block(r, inband_judge(r->s1 + 8 * b, r->s2 + 8 * b, r->energy[b], r->newest), &news);
            memset(r->s1 + 8 * b, 0, 8 * sizeof(float));
            memset(r->s2 + 8 * b, 0, 8 * sizeof(float));
            r->energy[b] = 0;
            r->filled[b] = 0;
        }
    }
    return news;
}

/* Whether 10 ms might be part of a digit: half of what sounds is in one row and one column. It is asked where nothing
 * of a digit may get through, so speech is suspected too now and then. */
static inline int inband_suspect(const int16_t *pcm) {
    int64_t energy = 0;
    float s1[8] = {0}, s2[8] = {0}, power[8];
    for (int i = 0; i < SUSPECT_BLOCK; i++) energy += (uint32_t)((int32_t)pcm[i] * pcm[i]);
    if (energy < (int64_t)SUSPECT_QUIET * SUSPECT_BLOCK) return 0;
    for (int i = 0; i < SUSPECT_BLOCK; i++)
        for (int k = 0; k < 8; k++) {
            float s = inband_coefficient[k] * s1[k] - s2[k] + (float)pcm[i];
            s2[k] = s1[k];
            s1[k] = s;
        }
    goertzel_powers(s1, s2, power);
    float low = power[goertzel_best(power)], high = power[4 + goertzel_best(power + 4)];
    float both = low + high;
    return both >= 0.5f * (SUSPECT_BLOCK / 2) * (float)energy && low * 20.0f >= both && high * 20.0f >= both;
}

#endif
