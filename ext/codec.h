/* The codecs that the core speaks: what one packet holds, and how to make it and take it apart.
 *
 * `state` is a block of codec_size() bytes that Python hands over with a session (none for stateless codecs): both
 * directions of one port are in it. Nothing here allocates, and no payload can do more than be refused. */
#ifndef SOFTSWITCH_CODEC_H
#define SOFTSWITCH_CODEC_H

#include <stddef.h>
#include <stdint.h>
#include "cn.h"
#include "g711.h"
#include "g722.h"
#include "l16.h"
#include "opus.h"

enum {
    CODEC_PCMU = LAW_MU,
    CODEC_PCMA = LAW_A,
    CODEC_G722,
    CODEC_L16_8,
    CODEC_L16_16,
    CODEC_L16_48,
    CODEC_OPUS,
    CODEC_OPAQUE, /* known to the two peers alone: passed through, never heard here */
    CODEC_COUNT
};
enum {
    CODEC_PCM = 1920,      /* the most samples that one packet decodes to: 120 ms of Opus at 16 kHz, 40 ms at 48 kHz */
    CODEC_PAYLOAD = 1275   /* the largest frame of Opus (RFC 6716 section 3.2.1) */
};

typedef struct {
    uint32_t rate;   /* of its PCM, Hz */
    uint32_t clock;  /* of its RTP timestamps, Hz: 8000 for G.722, whatever it says (RFC 3551 section 4.5.2) */
    uint16_t frame;  /* samples of 20 ms */
    uint16_t ticks;  /* RTP clock units of 20 ms */
    uint16_t bytes;  /* payload of 20 ms where that is constant and can be cut at any sample; 0: it cannot */
    uint8_t pair;    /* bytes of the smallest piece that it can be cut into */
    uint32_t state;  /* bytes of state where that is constant: codec_size() tells for all */
    /* Samples decoded, at most `room`; negative: not a payload of this codec. */
    int (*decode)(void *state, const uint8_t *payload, int length, int16_t *pcm, int room);
    /* Bytes of payload from `n` samples (10, 20, 40 or 60 ms), at most `room`; 0: nothing is to be sent (DTX). */
    int (*encode)(void *state, const int16_t *pcm, int n, uint8_t *payload, int room);
    /* `n` samples in place of a lost packet, or NULL: the codec has no way of its own. */
    int (*conceal)(void *state, int16_t *pcm, int n);
    /* The `n` samples before a packet that came, out of that packet, or NULL. 0: there is nothing in it. */
    int (*recover)(void *state, const uint8_t *following, int length, int16_t *pcm, int n);
    /* RTP clock units that a payload lasts; 0: it does not tell, or is none. */
    int (*lasts)(const uint8_t *payload, int length);
    /* Whether the sender says with it that he sends no more for now, or NULL: there is no such payload. */
    int (*pauses)(const uint8_t *payload, int length);
    /* Samples by which decoding lags behind what was encoded; 0 too where neither side remembers anything. */
    uint16_t delay;
} codec;

/* ---- G.711 (RFC 3551 section 4.5.14) ------------------------------------------------------------------------------- */
static inline int codec_decode_g711(int law, const uint8_t *payload, int length, int16_t *pcm, int room) {
    int n = length < room ? length : room;
    g711_decode(law, payload, pcm, n);
    return n;
}

static inline int codec_encode_g711(int law, const int16_t *pcm, int n, uint8_t *payload, int room) {
    n = n < room ? n : room;
    g711_encode(law, pcm, payload, n);
    return n;
}

static int pcmu_decode(void *state, const uint8_t *payload, int length, int16_t *pcm, int room) {
    return codec_decode_g711(LAW_MU, payload, length, pcm, room);
}
static int pcma_decode(void *state, const uint8_t *payload, int length, int16_t *pcm, int room) {
    return codec_decode_g711(LAW_A, payload, length, pcm, room);
}
static int pcmu_encode(void *state, const int16_t *pcm, int n, uint8_t *payload, int room) {
    return codec_encode_g711(LAW_MU, pcm, n, payload, room);
}
static int pcma_encode(void *state, const int16_t *pcm, int n, uint8_t *payload, int room) {
    return codec_encode_g711(LAW_A, pcm, n, payload, room);
}
static int lasts_as_bytes(const uint8_t *payload, int length) { return length; }

/* ---- the table ------------------------------------------------------------------------------------------------------ */
static const codec codecs[CODEC_COUNT] = {
    [CODEC_PCMU] = {8000, 8000, 160, 160, 160, 1, 0, pcmu_decode, pcmu_encode, NULL, NULL, lasts_as_bytes, NULL, 0},
    [CODEC_PCMA] = {8000, 8000, 160, 160, 160, 1, 0, pcma_decode, pcma_encode, NULL, NULL, lasts_as_bytes, NULL, 0},
    [CODEC_G722] = {16000, 8000, 320, 160, 160, 1, sizeof(g722_state), g722_decode, g722_encode, NULL, NULL, lasts_as_bytes, NULL,
                    G722_PAST},
    [CODEC_L16_8] = {8000, 8000, 160, 160, 320, 2, 0, l16_decode, l16_encode, NULL, NULL, l16_lasts, NULL, 0},
    [CODEC_L16_16] = {16000, 16000, 320, 320, 640, 2, 0, l16_decode, l16_encode, NULL, NULL, l16_lasts, NULL, 0},
    [CODEC_L16_48] = {48000, 48000, 960, 960, 1920, 2, 0, l16_decode, l16_encode, NULL, NULL, l16_lasts, NULL, 0},
    [CODEC_OPUS] = {16000, 48000, 320, 960, 0, 0, 0, opus_decode, opus_encode, opus_conceal, opus_recover, opus_lasts,
                    opus_pauses, OPUS_DELAY},
};

/* Whether the core can decode and encode it; CODEC_OPAQUE it can only pass on. */
static inline int codec_speaks(int which) {
    return which >= 0 && which < CODEC_COUNT && codecs[which].decode != NULL && (which != CODEC_OPUS || opus_present());
}

/* Bytes of state that a port of this codec needs; 0: none. */
static inline size_t codec_size(int which) { return which == CODEC_OPUS ? opus_size() : codecs[which].state; }

/* Make a block of codec_size() bytes, aligned like malloc's, ready for a new session; 0 if it is not possible. Not for
 * the tick. */
static inline int codec_open(int which, void *state) {
    if (which == CODEC_G722) g722_reset(state);
    if (which == CODEC_OPUS) return opus_open(state);
    return codec_speaks(which);
}

static void codec_setup(void) {
    g711_setup();
    cn_setup();
}

#endif
