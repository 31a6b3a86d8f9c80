/* Twin: softswitch/mixer/matrix.py. One row of the matrix: a sum of (source, gain), saturated once. */
#ifndef SOFTSWITCH_MIX_H
#define SOFTSWITCH_MIX_H

#include <stdint.h>

enum { MIX_UNITY = 4096 }; /* gains are Q12 */

/* Add n samples of a source; the gain moves in a straight line from `from` (exclusive) to `to` (at the last sample). */
static inline void mix_add(int32_t *restrict sum, const int16_t *restrict pcm, int32_t from, int32_t to, int n) {
    if (from == MIX_UNITY && to == MIX_UNITY) {
        for (int i = 0; i < n; i++) sum[i] += pcm[i];
    } else if (from == to) {
        for (int i = 0; i < n; i++) sum[i] += (pcm[i] * to + MIX_UNITY / 2) >> 12;
    } else {
        for (int i = 0; i < n; i++) {
            int32_t gain = from + (to - from) * (i + 1) / n;
            sum[i] += (pcm[i] * gain + MIX_UNITY / 2) >> 12;
        }
    }
}

static inline void mix_saturate(const int32_t *restrict sum, int16_t *restrict pcm, int n) {
    for (int i = 0; i < n; i++) {
        int32_t x = sum[i];
        x = x > 32767 ? 32767 : x;
        pcm[i] = (int16_t)(x < -32768 ? -32768 : x);
    }
}

#endif
