/* Twin: softswitch/rtp/g711.py. A-law and mu-law of ITU-T G.711, bit for bit, in loops that any compiler vectorises. */
#ifndef SOFTSWITCH_G711_H
#define SOFTSWITCH_G711_H

#include <stdint.h>
#include <string.h>

enum { LAW_MU = 0, LAW_A = 1 };

static int16_t g711_linear[2][256]; /* decoding tables, 1 kB, filled once */

/* The four mantissa bits and the segment of a magnitude, at once: they are the top bits of a float's
 * mantissa and its exponent. Exact, because every magnitude here is far below 2^24. */
static inline int32_t g711_segment(int32_t magnitude) {
    float f = (float)magnitude;
    int32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits >> 19;
}

static void g711_encode_mu(const int16_t *restrict pcm, uint8_t *restrict out, int n) {
    for (int i = 0; i < n; i++) {
        int32_t x = pcm[i], sign = x >> 31;
        int32_t magnitude = ((x ^ sign) >> 2) + 33;
        magnitude = magnitude > 0x1fff ? 0x1fff : magnitude;
        int32_t code = g711_segment(magnitude) - ((127 + 5) << 4);
        out[i] = (uint8_t)(~code & (sign ? 0x7f : 0xff));
    }
}

static void g711_encode_a(const int16_t *restrict pcm, uint8_t *restrict out, int n) {
    for (int i = 0; i < n; i++) {
        int32_t x = pcm[i], sign = x >> 31;
        int32_t magnitude = (x ^ sign) >> 4;
        int32_t code = g711_segment(magnitude) - ((127 + 3) << 4);
        code = magnitude < 16 ? magnitude : code;
        out[i] = (uint8_t)((code | (sign ? 0 : 0x80)) ^ 0x55);
    }
}

static inline void g711_encode(int law, const int16_t *pcm, uint8_t *out, int n) {
    if (law == LAW_A) g711_encode_a(pcm, out, n);
    else g711_encode_mu(pcm, out, n);
}

static inline void g711_decode(int law, const uint8_t *restrict in, int16_t *restrict pcm, int n) {
    const int16_t *table = g711_linear[law];
    for (int i = 0; i < n; i++) pcm[i] = table[in[i]];
}

static inline uint8_t g711_silence(int law) { return law == LAW_A ? 0xd5 : 0xff; }

static void g711_setup(void) {
    for (int code = 0; code < 256; code++) {
        int mu = ~code & 0xff, a = code ^ 0x55;
        int value = ((((mu & 15) << 1) + 33) << ((mu >> 4) & 7)) - 33;
        g711_linear[LAW_MU][code] = (int16_t)((mu & 0x80 ? -value : value) * 4);
        int segment = (a >> 4) & 7;
        value = ((a & 15) << 1) + 1;
        if (segment) value = (value + 32) << (segment - 1);
        g711_linear[LAW_A][code] = (int16_t)((a & 0x80 ? value : -value) * 8);
    }
}

#endif
