/* Twin: softswitch/mixer/resample.py. Between 8, 16 and 48 kHz, a frame at a time, with no state but the frame before.
 *
 * One Nyquist low-pass (a windowed sinc) per ratio, in phases of RESAMPLE_TAPS: its delay is 16 samples of the lower
 * rate less a fraction, below 2 ms. 16-bit taps and samples with 32-bit sums: exact on every machine, and the inner
 * loop is the multiply-and-add of pairs that every vector unit has. */
#ifndef SOFTSWITCH_RESAMPLE_H
#define SOFTSWITCH_RESAMPLE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

enum {
    RESAMPLE_TAPS = 32,   /* of one phase, at the lower rate */
    RESAMPLE_RATIO = 6,   /* the largest */
    RESAMPLE_FRAME = 960, /* 20 ms at 48 kHz */
    RESAMPLE_TAIL = RESAMPLE_TAPS * RESAMPLE_RATIO
};
/* Samples of the frame before that a conversion from this rate looks at: 4 ms. */
#define RESAMPLE_TAIL_OF(rate) ((rate) / 250)
#define RESAMPLE_BETA 6.2 /* of the Kaiser window: 60 dB beyond a transition of 1.2 kHz around 4 kHz */

typedef struct {
    int16_t up[RESAMPLE_RATIO][RESAMPLE_TAPS];     /* Q14, oldest sample first; each phase sums up to 1 */
    int16_t down[RESAMPLE_RATIO * RESAMPLE_TAPS];  /* Q15, oldest sample first; all sum up to 1 */
} resample_filter;
static resample_filter resample_filters[RESAMPLE_RATIO + 1]; /* by ratio: 2, 3 and 6 are filled by resample_setup() */

/* out[i * ratio + phase] from the RESAMPLE_TAPS samples that end with x[i]. */
static inline void resample_raise(const resample_filter *f, int ratio, const int16_t *x, int n, int16_t *restrict out) {
    for (int i = 0; i < n; i++)
        for (int phase = 0; phase < ratio; phase++) {
            const int16_t *past = x + i - (RESAMPLE_TAPS - 1);
            int32_t sum = 0;
            for (int k = 0; k < RESAMPLE_TAPS; k++) sum += f->up[phase][k] * past[k];
            sum = (sum + (1 << 13)) >> 14;
            sum = sum > 32767 ? 32767 : sum;
            out[i * ratio + phase] = (int16_t)(sum < -32768 ? -32768 : sum);
        }
}

/* One sample from `ratio` new ones: the filter ends with the newest, so that it waits for nothing. */
static inline void resample_lower(const resample_filter *f, int ratio, const int16_t *x, int n, int16_t *restrict out) {
    for (int i = 0; i < n / ratio; i++) {
        const int16_t *past = x + (i + 1 - RESAMPLE_TAPS) * ratio;
        int32_t sum = 0;
        for (int k = 0; k < RESAMPLE_TAPS * ratio; k++) sum += f->down[k] * past[k];
        sum = (sum + (1 << 14)) >> 15;
        sum = sum > 32767 ? 32767 : sum;
        out[i] = (int16_t)(sum < -32768 ? -32768 : sum);
    }
}

/* Convert `n` samples (whole milliseconds, at most RESAMPLE_FRAME) from one rate to another: 8000, 16000 or 48000.
 * `tail` are the RESAMPLE_TAIL_OF(from) samples before them. Return how many samples `out` has got. */
static inline int resample(int from, int to, const int16_t *tail, const int16_t *pcm, int n, int16_t *out) {
    if (from == to) {
        memcpy(out, pcm, sizeof(int16_t) * (size_t)n);
        return n;
    }
    int16_t line[RESAMPLE_TAIL + RESAMPLE_FRAME], *x = line + RESAMPLE_TAIL;
    int before = RESAMPLE_TAIL_OF(from);
    memcpy(x - before, tail, sizeof(int16_t) * (size_t)before);
    memcpy(x, pcm, sizeof(int16_t) * (size_t)n);
    if (from < to) {
        if (to == 2 * from) resample_raise(&resample_filters[2], 2, x, n, out);
        else if (to == 3 * from) resample_raise(&resample_filters[3], 3, x, n, out);
        else resample_raise(&resample_filters[6], 6, x, n, out);
    } else {
        if (from == 2 * to) resample_lower(&resample_filters[2], 2, x, n, out);
        else if (from == 3 * to) resample_lower(&resample_filters[3], 3, x, n, out);
        else resample_lower(&resample_filters[6], 6, x, n, out);
    }
    return from < to ? n * (to / from) : n / (from / to);
}

/* The modified Bessel function of order zero, by its series. */
static double resample_bessel(double x) {
    double term = 1.0, sum = 1.0;
    for (int k = 1; k < 40; k++) {
        term *= x / (2.0 * k) * (x / (2.0 * k));
        sum += term;
    }
    return sum;
}

static void resample_design(resample_filter *f, int ratio) {
    double h[RESAMPLE_TAIL], total = 0.0;
    int length = RESAMPLE_TAPS * ratio - 1, centre = (length - 1) / 2; /* odd, so that the delay is whole samples */
    for (int j = 0; j < length; j++) {
        double at = (double)(j - centre) / ratio, edge = (double)(j - centre) / centre;
        double window = resample_bessel(RESAMPLE_BETA * sqrt(1.0 - edge * edge)) / resample_bessel(RESAMPLE_BETA);
        h[j] = j == centre ? 1.0 : sin(M_PI * at) / (M_PI * at) * window;
        total += h[j];
    }
    h[length] = 0.0;
    /* What rounding leaves of the sums goes to the largest tap: a constant passes exactly, in every phase alike. */
    int32_t left = 1 << 15, largest = 0;
    for (int j = 0; j <= length; j++) {
        f->down[j] = (int16_t)lrint(h[length - j] / total * (1 << 15));
        left -= f->down[j];
        if (f->down[j] > f->down[largest]) largest = j;
    }
    f->down[largest] = (int16_t)(f->down[largest] + left);
    for (int phase = 0; phase < ratio; phase++) {
        double sum = 0.0;
        for (int k = 0; k < RESAMPLE_TAPS; k++) sum += h[phase + ratio * k];
        left = 1 << 14;
        largest = 0;
        for (int k = 0; k < RESAMPLE_TAPS; k++) {
            f->up[phase][k] = (int16_t)lrint(h[phase + ratio * (RESAMPLE_TAPS - 1 - k)] / sum * (1 << 14));
            left -= f->up[phase][k];
            if (f->up[phase][k] > f->up[phase][largest]) largest = k;
        }
        f->up[phase][largest] = (int16_t)(f->up[phase][largest] + left);
    }
}

static void resample_setup(void) {
    resample_design(&resample_filters[2], 2);
    resample_design(&resample_filters[3], 3);
    resample_design(&resample_filters[6], 6);
}

#endif
