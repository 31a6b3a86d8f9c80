/* Twin: softswitch/rtp/plc.py. What is heard in place of a lost frame: the last one again, fading out in three frames. */
#ifndef SOFTSWITCH_PLC_H
#define SOFTSWITCH_PLC_H

#include <stdint.h>
#include <string.h>

static const int32_t plc_gain[4] = {32768, 22938, 11469, 0}; /* Q15, at the borders of the concealed frames */

/* `run` counts the frames lost in a row, from 1. `last` is the last good frame of n samples. */
static inline void plc_conceal(const int16_t *restrict last, int16_t *restrict out, int run, int n) {
    if (run < 1 || run > 3) {
        memset(out, 0, sizeof(int16_t) * (size_t)n);
        return;
    }
    int32_t from = plc_gain[run - 1], step = plc_gain[run] - from;
    for (int i = 0; i < n; i++) out[i] = (int16_t)((last[i] * (from + step * (i + 1) / n)) >> 15);
}

#endif
