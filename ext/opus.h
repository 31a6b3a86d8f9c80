/* Opus (RFC 6716, RFC 7587) by libopus: its functions are called by address, as softswitch/media/libopus.py finds them.
 *
 * Inside, Opus is 16 kHz and one channel: its decoder mixes stereo down, and telephones have nothing above 8 kHz. No call
 * allocates: encoder and decoder live in one block, one after the other, which Python hands over. */
#ifndef SOFTSWITCH_OPUS_H
#define SOFTSWITCH_OPUS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    OPUS_RATE = 16000,
    OPUS_PIECE = 40,        /* samples of 2.5 ms: what every duration is a multiple of */
    OPUS_DELAY = 104,       /* samples, 6.5 ms: what its encoder looks ahead for speech (RFC 6716 section 2.1.7) */
    OPUS_LONGEST = 5760,    /* RTP clock units of 120 ms, the longest packet */
    OPUS_LOSS = 30,         /* percent, the most that is expected: beyond, recovery data cost more than they mend */
    OPUS_JOINED = 5,        /* frames of 10 ms in one packet of ours, at most */
    OPUS_TEN_BYTES = 251,   /* of one of them: what it takes besides its first byte is told in one byte (section 3.2.1) */
    OPUS_FUNCTIONS = 9
};
/* Values of opus_defines.h, which are part of the library's binary interface. */
enum {
    OPUS_VOIP = 2048,
    OPUS_SET_MAX_BANDWIDTH = 4004,
    OPUS_SET_BITRATE = 4002,
    OPUS_SET_VBR = 4006,
    OPUS_SET_COMPLEXITY = 4010,
    OPUS_SET_FEC = 4012,
    OPUS_SET_LOSS = 4014,
    OPUS_SET_DTX = 4016,
    OPUS_SET_SIGNAL = 4024,
    OPUS_RESET = 4028,
    OPUS_VOICE = 3001,
    OPUS_NARROWBAND = 1101,
    OPUS_MEDIUMBAND = 1102,
    OPUS_WIDEBAND = 1103
};

/* In the order of libopus.FUNCTIONS. The ctl functions are variadic, and must be called as such: the ABI asks for it. */
typedef struct {
    int (*encoder_size)(int channels);
    int (*encoder_open)(void *encoder, int32_t rate, int channels, int application);
    int32_t (*encode)(void *encoder, const int16_t *pcm, int samples, unsigned char *packet, int32_t room);
    int (*encoder_set)(void *encoder, int what, ...);
    int (*decoder_size)(int channels);
    int (*decoder_open)(void *decoder, int32_t rate, int channels);
    int (*decode)(void *decoder, const unsigned char *packet, int32_t length, int16_t *pcm, int samples, int recover);
    int (*decoder_set)(void *decoder, int what, ...);
    int (*has_recovery)(const unsigned char *packet, int32_t length); /* NULL before libopus 1.4 */
} opus_library;
_Static_assert(sizeof(opus_library) == OPUS_FUNCTIONS * sizeof(void *), "one address each");
static opus_library opus;

/* What was agreed about the packets that we send. */
typedef struct {
    int32_t bitrate;       /* bit/s */
    int32_t playback_rate; /* Hz that the peer can make heard: below 12000 nothing wider is sent */
    uint8_t complexity;    /* 0 to 10: what it may cost */
    uint8_t loss;          /* percent that the peer is expected to lose: how much goes into FEC */
    uint8_t fec, dtx, constant;
} opus_settings;
/* Below 28 kbit/s libopus 1.6 leaves the recovery data out at some of the losses that may be expected. */
static const opus_settings opus_usual = {28000, 48000, 5, 5, 1, 0, 0};

typedef struct {
    uint32_t decoder; /* bytes from the start of the block */
    int32_t loss;     /* 1/256 percent: what the peer says it loses, smoothed */
    uint8_t dtx, expected; /* percent that the encoder was told */
    uint8_t spare[54];
} opus_block;

static inline size_t opus_aligned(size_t size) { return (size + 63) / 64 * 64; }
static inline int opus_present(void) { return opus.decode != NULL; }

static size_t opus_size(void) {
    if (!opus_present()) return 0;
    return sizeof(opus_block) + opus_aligned((size_t)opus.encoder_size(1)) + opus_aligned((size_t)opus.decoder_size(1));
}

static inline void *opus_encoder(opus_block *b) { return (uint8_t *)b + sizeof *b; }
static inline void *opus_decoder(opus_block *b) { return (uint8_t *)b + b->decoder; }

/* Apply settings to an open block; may be called between any two packets. */
static inline void opus_tune(void *state, const opus_settings *s) {
    opus_block *b = state;
    void *encoder = opus_encoder(b);
    int32_t width = s->playback_rate < 12000 ? OPUS_NARROWBAND : s->playback_rate < 16000 ? OPUS_MEDIUMBAND : OPUS_WIDEBAND;
    b->dtx = s->dtx != 0;
    b->expected = s->loss;
    b->loss = s->loss * 256;
    opus.encoder_set(encoder, OPUS_SET_BITRATE, (int32_t)s->bitrate);
    opus.encoder_set(encoder, OPUS_SET_MAX_BANDWIDTH, width);
    opus.encoder_set(encoder, OPUS_SET_VBR, (int32_t)!s->constant);
    opus.encoder_set(encoder, OPUS_SET_COMPLEXITY, (int32_t)s->complexity);
    opus.encoder_set(encoder, OPUS_SET_FEC, (int32_t)(s->fec != 0));
    opus.encoder_set(encoder, OPUS_SET_LOSS, (int32_t)s->loss);
    opus.encoder_set(encoder, OPUS_SET_DTX, (int32_t)b->dtx);
    /* Told, because its own detector takes some speech for music, at nearly three times the cost. */
    opus.encoder_set(encoder, OPUS_SET_SIGNAL, (int32_t)OPUS_VOICE);
}

/* The peer expects to lose so much, in percent; what it is told already, the library is not told again. */
static inline void opus_expect_loss(void *state, int percent) {
    opus_block *b = state;
    percent = percent < 0 ? 0 : percent > OPUS_LOSS ? OPUS_LOSS : percent;
    if (percent == b->expected) return;
    b->expected = (uint8_t)percent;
    opus.encoder_set(opus_encoder(b), OPUS_SET_LOSS, (int32_t)percent);
}

/* Let the encoder forget what it has said, not how it was told to. */
static inline void opus_forget(void *state) { opus.encoder_set(opus_encoder((opus_block *)state), OPUS_RESET); }

/* A receiver report: `fraction` of 256 were lost since the last one (RFC 3550 section 6.4.1). A report of 5 s is one
 * burst or none, so each counts for a quarter. */
static inline void opus_reported(void *state, uint8_t fraction) {
    opus_block *b = state;
    b->loss += (fraction * 100 - b->loss) / 4;
    opus_expect_loss(state, (b->loss + 128) / 256);
}

static int opus_open(void *state) {
    if (!opus_present()) return 0;
    opus_block *b = state;
    memset(b, 0, sizeof *b);
    b->decoder = (uint32_t)(sizeof *b + opus_aligned((size_t)opus.encoder_size(1)));
    if (opus.encoder_open(opus_encoder(b), OPUS_RATE, 1, OPUS_VOIP) || opus.decoder_open(opus_decoder(b), OPUS_RATE, 1))
        return 0;
    opus_tune(state, &opus_usual);
    return 1;
}

static int opus_decode(void *state, const uint8_t *payload, int length, int16_t *pcm, int room) {
    if (length < 1) return -1;
    return opus.decode(opus_decoder(state), payload, length, pcm, room / OPUS_PIECE * OPUS_PIECE, 0);
}

/* One frame of 10, 20, 40 or 60 ms. One or two bytes are its way to say that the packet need not be sent. */
static int opus_encode(void *state, const int16_t *pcm, int n, uint8_t *payload, int room) {
    opus_block *b = state;
    int length = opus.encode(opus_encoder(b), pcm, n, payload, room);
    return length < 0 || (b->dtx && length <= 2) ? 0 : length;
}

/* Frames of 10 ms that share a packet, which is how 30 and 50 ms are sent: Opus has no such frames. */
typedef struct {
    int count;
    uint8_t toc, sizes[OPUS_JOINED];
    uint8_t data[OPUS_JOINED * OPUS_TEN_BYTES];
    int length;
} opus_joint;

/* Encode 10 ms into `frame`, which has OPUS_TEN_BYTES; 1 is an empty frame of DTX, 0 or less a failure. */
static inline int opus_ten(void *state, const int16_t *pcm, uint8_t *frame) {
    int length = opus.encode(opus_encoder(state), pcm, OPUS_RATE / 100, frame, OPUS_TEN_BYTES);
    return length == 2 && ((opus_block *)state)->dtx ? 1 : length;
}

/* Add a frame; 0 if it cannot share the packet with those before it: their modes differ, or it is full. */
static inline int opus_join(opus_joint *j, const uint8_t *frame, int length) {
    if (j->count == OPUS_JOINED || (j->count && j->toc != frame[0])) return 0;
    j->toc = frame[0];
    j->sizes[j->count++] = (uint8_t)(length - 1);
    memcpy(j->data + j->length, frame + 1, (size_t)(length - 1));
    j->length += length - 1;
    return 1;
}

/* Write the packet (RFC 6716 section 3.2.5, code 3 with sizes of their own); 0 if all its frames are empty. */
static inline int opus_close(const opus_joint *j, uint8_t *packet) {
    if (!j->length) return 0;
    uint8_t *out = packet;
    *out++ = j->toc | 3;
    *out++ = (uint8_t)(0x80 | j->count);
    for (int i = 0; i + 1 < j->count; i++) *out++ = j->sizes[i];
    memcpy(out, j->data, (size_t)j->length);
    return (int)(out - packet) + j->length;
}

static int opus_conceal(void *state, int16_t *pcm, int n) {
    return opus.decode(opus_decoder(state), NULL, 0, pcm, n / OPUS_PIECE * OPUS_PIECE, 0);
}

static int opus_recover(void *state, const uint8_t *following, int length, int16_t *pcm, int n) {
    if (length < 1 || (opus.has_recovery && opus.has_recovery(following, length) != 1)) return 0;
    return opus.decode(opus_decoder(state), following, length, pcm, n / OPUS_PIECE * OPUS_PIECE, 1);
}

/* RFC 6716 section 3.1: the first byte tells the length of a frame, it and perhaps the second how many there are. */
static int opus_lasts(const uint8_t *payload, int length) {
    if (length < 1) return 0;
    int config = payload[0] >> 3, frame;
    if (config < 12) frame = (config & 3) == 3 ? 2880 : 480 << (config & 3); /* SILK: 10, 20, 40, 60 ms */
    else if (config < 16) frame = 480 << (config & 1);                       /* hybrid: 10, 20 ms */
    else frame = 120 << (config & 3);                                        /* CELT: 2.5, 5, 10, 20 ms */
    int code = payload[0] & 3, frames = code == 0 ? 1 : code < 3 ? 2 : length < 2 ? 0 : payload[1] & 63;
    return frame * frames <= OPUS_LONGEST ? frame * frames : 0;
}

/* A packet without a frame: the first one that its sender's DTX left empty (RFC 7587 section 3.1.3). */
static int opus_pauses(const uint8_t *payload, int length) { return length <= 2; }

/* Take the addresses of libopus.FUNCTIONS; 0 for those that the library lacks. */
static void opus_setup(const uint64_t addresses[OPUS_FUNCTIONS]) {
    void *functions[OPUS_FUNCTIONS];
    for (int i = 0; i < OPUS_FUNCTIONS; i++) functions[i] = (void *)(uintptr_t)addresses[i];
    memcpy(&opus, functions, sizeof opus);
}

#endif
