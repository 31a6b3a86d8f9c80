/* L16: linear samples in network order (RFC 3551 section 4.5.11). */
#ifndef SOFTSWITCH_L16_H
#define SOFTSWITCH_L16_H

#include <stdint.h>
#include <string.h>

static inline void l16_swap(const uint8_t *restrict in, uint8_t *restrict out, int n) {
    for (int i = 0; i < n; i++) {
        uint16_t x;
        memcpy(&x, in + 2 * i, sizeof x);
        x = (uint16_t)(x << 8 | x >> 8);
        memcpy(out + 2 * i, &x, sizeof x);
    }
}

/* Half a sample at the end is no sample. */
static int l16_decode(void *state, const uint8_t *payload, int length, int16_t *pcm, int room) {
    int n = length / 2 < room ? length / 2 : room;
    l16_swap(payload, (uint8_t *)pcm, n);
    return n;
}

static int l16_encode(void *state, const int16_t *pcm, int n, uint8_t *payload, int room) {
    n = n < room / 2 ? n : room / 2;
    l16_swap((const uint8_t *)pcm, payload, n);
    return 2 * n;
}

static int l16_lasts(const uint8_t *payload, int length) { return length / 2; }

#endif
