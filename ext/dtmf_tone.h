/* Twin: softswitch/rtp/dtmf_tone.py. The two tones of a digit (ITU-T Q.23), made at any rate. */
#ifndef SOFTSWITCH_DTMF_TONE_H
#define SOFTSWITCH_DTMF_TONE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

enum {
    TONE_TABLE = 1024,
    /* -11 and -9 dBm0 (ETSI ES 201 235-2): peaks of sines, where a full-scale one is +3.14 dBm0. */
    TONE_LOW = 6434,
    TONE_HIGH = 8100,
    TONE_FADES_PER_SECOND = 200 /* a fade takes 5 ms */
};

/* Rows and columns of the keypad, in Hz; a digit's place in it, by its code in RFC 4733. */
static const uint16_t tone_low[4] = {697, 770, 852, 941}, tone_high[4] = {1209, 1336, 1477, 1633};
static const uint8_t tone_place[16] = {13, 0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 14, 3, 7, 11, 15};

static int16_t tone_sine[TONE_TABLE];

static void tone_setup(void) {
    for (int i = 0; i < TONE_TABLE; i++)
        tone_sine[i] = (int16_t)lround(32767.0 * sin(2.0 * 3.14159265358979323846 * i / TONE_TABLE));
}

typedef struct {
    uint32_t phase[2]; /* of a turn of 2^32 */
} tone_state;

/* Write n samples of a digit; `first` fades them in from silence and begins a new tone, `last` fades them out.
 * Anything but the sixteen digits is silence. */
static inline void tone_digit(tone_state *t, int event, uint32_t rate, int first, int last, int16_t *pcm, int n) {
    if (event < 0 || event > 15) {
        memset(pcm, 0, sizeof(int16_t) * (size_t)n);
        return;
    }
    uint32_t low = (uint32_t)(((uint64_t)tone_low[tone_place[event] / 4] << 32) / rate);
    uint32_t high = (uint32_t)(((uint64_t)tone_high[tone_place[event] % 4] << 32) / rate);
    if (first) t->phase[0] = t->phase[1] = 0;
    for (int i = 0; i < n; i++) {
        int32_t x = tone_sine[t->phase[0] >> 22] * TONE_LOW + tone_sine[t->phase[1] >> 22] * TONE_HIGH;
        pcm[i] = (int16_t)(x >> 15);
        t->phase[0] += low;
        t->phase[1] += high;
    }
    int fade = (int)rate / TONE_FADES_PER_SECOND;
    if (fade > n) fade = n;
    if (first)
        for (int i = 0; i < fade; i++) pcm[i] = (int16_t)(pcm[i] * i / fade);
    if (last)
        for (int i = 0; i < fade; i++) pcm[n - 1 - i] = (int16_t)(pcm[n - 1 - i] * i / fade);
}

#endif
