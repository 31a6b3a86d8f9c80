/* Twin: softswitch/rtp/g722.py. ITU-T G.722 at 64 kbit/s (mode 1): 16 kHz, two samples in a byte, two sub-bands.
 *
 * Written from the recommendation; the names of its blocks (section 6.2) are in the comments, its tables in the order
 * of the codes. Arithmetic is 16 bits with saturation; nothing in a payload is illegal. */
#ifndef SOFTSWITCH_G722_H
#define SOFTSWITCH_G722_H

#include <stdint.h>
#include <string.h>

enum { G722_LOW, G722_HIGH };
enum {
    G722_QMF = 24,
    G722_PAST = G722_QMF - 2,
    G722_ZEROS = 8, /* six, made up to a vector */
    G722_PAIRS = 160 /* taken at once */
};

typedef struct {
    int32_t log_scale, scale;       /* NABLA, DELTA; scale at most 16384 */
    int32_t zeros, prediction;      /* SZ, S */
    int32_t pole[2];                /* A1, A2, Q14 */
    int32_t reconstructed;          /* RLT1 */
    int32_t partial[2];             /* PLT1, PLT2 */
    int16_t zero[G722_ZEROS];       /* B1 to B6, Q14, and two that nothing looks at */
    int16_t difference[G722_ZEROS]; /* DLT1 to DLT6, and two that nothing looks at */
} g722_band;

typedef struct {
    g722_band sent[2], heard[2];
    int16_t analysis[G722_PAST];    /* the last samples in; oldest first */
    int16_t synthesis[G722_PAST];   /* the last sums and differences of the bands decoded */
} g722_state;

/* The quadrature mirror filter, Q13, for the sum of its even and odd places and for their difference. */
static const int16_t g722_sum[G722_QMF] = {3,   -11,  -11, 53,   12,  -156, 32,  362,  -210, -805, 951, 3876,
                                           3876, 951, -805, -210, 362, 32, -156, 12,   53,   -11,  -11, 3};
static const int16_t g722_alternate[G722_QMF] = {-3,    -11, 11,  53,   -12, -156, -32, 362, 210, -805, -951, 3876,
                                                 -3876, 951, 805, -210, -362, 32,  156, 12,  -53, -11,  11,   3};
/* Decision levels of the 6-bit quantizer, Q16, and three that are never reached first. */
static const uint16_t g722_level[32] = {
    35 << 4,   72 << 4,   110 << 4,  150 << 4,  190 << 4,  233 << 4,  276 << 4,  323 << 4,  370 << 4, 422 << 4, 473 << 4,
    530 << 4,  587 << 4,  650 << 4,  714 << 4,  786 << 4,  858 << 4,  940 << 4,  1023 << 4, 1121 << 4, 1219 << 4,
    1339 << 4, 1458 << 4, 1612 << 4, 1765 << 4, 1980 << 4, 2195 << 4, 2557 << 4, 2919 << 4, 65535,    65535,    65535};
/* What a code stands for, Q15: six, four and two bits. */
static const int16_t g722_six[64] = {
    -136,  -136,  -136,  -136,  -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232,
    -9360, -8576, -7856, -7192, -6576,  -6000,  -5456,  -4944,  -4464,  -4008,  -3576,  -3168,  -2776,
    -2400, -2032, -1688, -1360, -1040,  -728,   24808,  21904,  19008,  16704,  14984,  13512,  12280,
    11192, 10232, 9360,  8576,  7856,   7192,   6576,   6000,   5456,   4944,   4464,   4008,   3576,
    3168,  2776,  2400,  2032,  1688,   1360,   1040,   728,    432,    136,    -432,   -136};
static const int16_t g722_four[16] = {0,     -20456, -12896, -8968, -6288, -4240, -2584, -1200,
                                      20456, 12896,  8968,   6288,  4240,  2584,  1200,  0};
static const int16_t g722_two[4] = {-7408, -1616, 7408, 1616};
/* How a code moves the scale, already by code. */
static const int16_t g722_low_step[16] = {-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60};
static const int16_t g722_high_step[4] = {798, -214, 798, -214};
/* 2^(i/32), Q11. */
static const int16_t g722_power[32] = {2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543,
                                       2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025, 3091, 3158, 3228,
                                       3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008};

static inline int32_t g722_limit(int32_t x, int32_t low, int32_t high) { return x < low ? low : x > high ? high : x; }
static inline int32_t g722_saturate(int32_t x) { return g722_limit(x, -32768, 32767); }

static void g722_reset(g722_state *s) {
    memset(s, 0, sizeof *s);
    s->sent[G722_LOW].scale = s->heard[G722_LOW].scale = 32;
    s->sent[G722_HIGH].scale = s->heard[G722_HIGH].scale = 8;
}

/* Adapt a band to the quantized difference `d`, and predict its next sample (blocks LOGSCL to PREDIC). `step` is from
 * the tables above. Where the recommendation saturates and here is no limit, the value cannot get there: a zero moves
 * by 128 and shrinks by 1/256, and the scale bounds a difference to 10228. */
static inline void g722_adapt(g722_band *b, int32_t d, int32_t step, int32_t most, int32_t octaves) {
    b->log_scale = g722_limit((b->log_scale * 127 >> 7) + step, 0, most);                           /* LOGSCL, LOGSCH */
    int32_t mantissa = g722_power[b->log_scale >> 6 & 31], shift = octaves + 1 - (b->log_scale >> 11);
    b->scale = (mantissa << 1 >> shift) << 2;                                                       /* SCALEL, SCALEH */

    int32_t reconstructed = g722_saturate(b->prediction + d);                                       /* RECONS */
    int32_t partial = g722_saturate(b->zeros + d);                                                  /* PARREC */
    int same1 = (partial ^ b->partial[0]) >= 0, same2 = (partial ^ b->partial[1]) >= 0;
    int32_t four = g722_saturate(b->pole[0] * 4);                                                   /* UPPOL2 */
    int32_t move = (same1 ? g722_saturate(-four) : four) >> 7;
    int32_t pole2 = g722_limit(move + (same2 ? 128 : -128) + (b->pole[1] * 32512 >> 15), -12288, 12288);
    int32_t pole1 = (same1 ? 192 : -192) + (b->pole[0] * 32640 >> 15);                              /* UPPOL1 */
    int32_t bound = 15360 - pole2;
    pole1 = g722_limit(pole1, -bound, bound);

    int16_t toward = d ? 128 : 0, sign = (int16_t)(d >> 31);                                        /* UPZERO */
    for (int i = 0; i < G722_ZEROS; i++) {
        int16_t z = b->zero[i], turn = (int16_t)((b->difference[i] >> 15) ^ sign);
        int16_t leak = (int16_t)((z >> 8) + ((z & 255) != 0));
        b->zero[i] = (int16_t)(z - leak + ((toward ^ turn) - turn));
    }
    memmove(b->difference + 1, b->difference, sizeof b->difference - sizeof b->difference[0]);      /* DELAYA */
    b->difference[0] = (int16_t)d;
    int32_t zeros = 0;                                                                              /* FILTEZ */
    for (int i = 0; i < 6; i++) zeros += b->zero[i] * b->difference[i] >> 14;
    int32_t poles = g722_saturate((pole1 * g722_saturate(2 * reconstructed) >> 15) +                /* FILTEP */
                                  (pole2 * g722_saturate(2 * b->reconstructed) >> 15));
    b->partial[1] = b->partial[0];
    b->partial[0] = partial;
    b->reconstructed = reconstructed;
    b->pole[0] = pole1;
    b->pole[1] = pole2;
    b->zeros = g722_saturate(zeros);
    b->prediction = g722_saturate(poles + b->zeros);                                                /* PREDIC */
}

static inline void g722_adapt_low(g722_band *b, int code) {
    g722_adapt(b, b->scale * g722_four[code >> 2] >> 15, g722_low_step[code >> 2], 18432, 8);
}

static inline void g722_adapt_high(g722_band *b, int code) {
    g722_adapt(b, b->scale * g722_two[code] >> 15, g722_high_step[code], 22528, 10);
}

/* QUANTL: a sign and the interval in which the magnitude lies. The codes count down as the magnitude grows. */
static inline int g722_quantize_low(const g722_band *b, int32_t x) {
    int32_t difference = g722_saturate(x - b->prediction);
    int32_t magnitude = difference < 0 ? -(difference + 1) : difference;
    int16_t reached = 0;
    for (int i = 0; i < 32; i++) reached += (int16_t)(g722_level[i] * (uint32_t)b->scale >> 16) <= (int16_t)magnitude;
    int interval = reached < 29 ? reached : 29;
    if (difference >= 0) return 61 - interval;
    return interval < 2 ? 63 - interval : 33 - interval;
}

/* QUANTH */
static inline int g722_quantize_high(const g722_band *b, int32_t x) {
    int32_t difference = g722_saturate(x - b->prediction);
    int32_t magnitude = difference < 0 ? -(difference + 1) : difference;
    int outer = magnitude >= 564 * b->scale >> 12;
    return difference < 0 ? 1 - outer : 3 - outer;
}

static inline int32_t g722_filter(const int16_t *restrict taps, const int16_t *restrict line) {
    int32_t sum = 0;
    for (int k = 0; k < G722_QMF; k++) sum += taps[k] * line[k];
    return sum;
}

static inline void g722_encode_pairs(g722_state *s, const int16_t *pcm, int pairs, uint8_t *payload) {
    int16_t line[G722_PAST + 2 * G722_PAIRS];
    memcpy(line, s->analysis, sizeof s->analysis);
    memcpy(line + G722_PAST, pcm, sizeof(int16_t) * 2 * (size_t)pairs);
    g722_band *low = &s->sent[G722_LOW], *high = &s->sent[G722_HIGH];
    for (int i = 0; i < pairs; i++) {
        int low_code = g722_quantize_low(low, g722_filter(g722_sum, line + 2 * i) >> 14);
        int high_code = g722_quantize_high(high, g722_filter(g722_alternate, line + 2 * i) >> 14);
        g722_adapt_low(low, low_code);
        g722_adapt_high(high, high_code);
        payload[i] = (uint8_t)(high_code << 6 | low_code);
    }
    memcpy(s->analysis, line + 2 * pairs, sizeof s->analysis);
}

static inline void g722_decode_pairs(g722_state *s, const uint8_t *payload, int pairs, int16_t *pcm) {
    int16_t line[G722_PAST + 2 * G722_PAIRS];
    memcpy(line, s->synthesis, sizeof s->synthesis);
    g722_band *low = &s->heard[G722_LOW], *high = &s->heard[G722_HIGH];
    for (int i = 0; i < pairs; i++) {
        int low_code = payload[i] & 63, high_code = payload[i] >> 6;
        int32_t l = g722_limit(low->prediction + (low->scale * g722_six[low_code] >> 15), -16384, 16383); /* LIMIT */
        int32_t h = g722_limit(high->prediction + (high->scale * g722_two[high_code] >> 15), -16384, 16383);
        g722_adapt_low(low, low_code);
        g722_adapt_high(high, high_code);
        line[G722_PAST + 2 * i] = (int16_t)(l + h);
        line[G722_PAST + 2 * i + 1] = (int16_t)(l - h);
    }
    for (int i = 0; i < pairs; i++) {
        int32_t sum = g722_filter(g722_sum, line + 2 * i), alternate = g722_filter(g722_alternate, line + 2 * i);
        pcm[2 * i] = (int16_t)g722_saturate((sum + alternate) >> 12);
        pcm[2 * i + 1] = (int16_t)g722_saturate((sum - alternate) >> 12);
    }
    memcpy(s->synthesis, line + 2 * pairs, sizeof s->synthesis);
}

/* Bytes: one for each two samples; an odd last sample is left out. */
static int g722_encode(void *state, const int16_t *pcm, int n, uint8_t *payload, int room) {
    int pairs = n / 2 < room ? n / 2 : room;
    for (int at = 0; at < pairs; at += G722_PAIRS)
        g722_encode_pairs(state, pcm + 2 * at, pairs - at < G722_PAIRS ? pairs - at : G722_PAIRS, payload + at);
    return pairs;
}

static int g722_decode(void *state, const uint8_t *payload, int length, int16_t *pcm, int room) {
    int pairs = length < room / 2 ? length : room / 2;
    for (int at = 0; at < pairs; at += G722_PAIRS)
        g722_decode_pairs(state, payload + at, pairs - at < G722_PAIRS ? pairs - at : G722_PAIRS, pcm + 2 * at);
    return 2 * pairs;
}

#endif
