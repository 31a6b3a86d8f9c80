/* Twin: softswitch/rtp/pitch.py. The period of a voice, by normalised cross-correlation: roughly at 4 kHz, then exactly. */
#ifndef SOFTSWITCH_PITCH_H
#define SOFTSWITCH_PITCH_H

#include <stdint.h>

enum {
    PITCH_COARSE = 4000, /* Hz, of the rough search */
    PITCH_SPAN = 160     /* samples at that rate: a window and the longest lag, 40 ms */
};

typedef struct {
    int32_t lag;       /* samples */
    int64_t product;   /* of x and of x lag samples before */
    int64_t energy[2]; /* of x, and of x lag samples before */
} pitch;

static inline int64_t pitch_product(const int16_t *a, const int16_t *b, int n) {
    int64_t sum = 0;
    for (int i = 0; i < n; i++) sum += (int32_t)a[i] * b[i];
    return sum;
}

/* In doubles, which the twin has too: every step is rounded alike on every machine. */
static inline double pitch_score(int64_t product, int64_t energy) {
    return product <= 0 ? 0.0 : (double)product * (double)product / (double)(energy + 1);
}

/* The lag in low..high at which the `window` samples before `x` are most like those from `x` on. */
static inline int pitch_search(const int16_t *x, int window, int low, int high) {
    int best = low;
    double highest = -1.0;
    int64_t energy = pitch_product(x - low, x - low, window);
    for (int lag = low; lag <= high; lag++) {
        /* The window has moved by one sample. */
        if (lag > low) energy += x[-lag] * x[-lag] - x[window - lag] * x[window - lag];
        double score = pitch_score(pitch_product(x, x - lag, window), energy);
        if (score > highest) {
            highest = score;
            best = lag;
        }
    }
    return best;
}

/* The same at any rate that is a multiple of 4 kHz; `window` and `high` are together at most 40 ms.
 * All of x[-high .. window) is read, and nothing else. */
static inline pitch pitch_find(const int16_t *x, int window, int low, int high, int rate) {
    int step = rate / PITCH_COARSE, share = 65536 / step;
    int16_t coarse[PITCH_SPAN];
    int before = high / step, after = window / step;
    for (int i = 0; i < before + after; i++) {
        int32_t sum = 0;
        for (int k = 0; k < step; k++) sum += x[(i - before) * step + k];
        coarse[i] = (int16_t)((int64_t)sum * share >> 16);
    }
    int rough = pitch_search(coarse + before, after, low / step, before) * step;
    int from = rough - step + 1 < low ? low : rough - step + 1, to = rough + step - 1 > high ? high : rough + step - 1;
    pitch p;
    p.lag = pitch_search(x, window, from, to);
    p.product = pitch_product(x, x - p.lag, window);
    p.energy[0] = pitch_product(x, x, window);
    p.energy[1] = pitch_product(x - p.lag, x - p.lag, window);
    return p;
}

#endif
