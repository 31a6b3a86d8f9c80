/* Twin: softswitch/rtp/packets.py. The packets of one stream that wait to be played, by timestamp. */
#ifndef SOFTSWITCH_PACKETS_H
#define SOFTSWITCH_PACKETS_H

#include <stdint.h>
#include <string.h>

enum { PACKETS = 32 };
enum { PACKET_FREE, PACKET_AUDIO, PACKET_SILENCE /* the sender says that nothing is to be heard from here on */ };

typedef struct {
    int64_t timestamp; /* unwrapped, RTP clock units */
    uint32_t lasts;    /* RTP clock units; 0 for silence */
    uint16_t length, sequence;
    uint8_t kind;
} packet;

typedef struct {
    packet slots[PACKETS];
    uint8_t *payloads; /* PACKETS times `room`, memory of the owner */
    uint32_t room;
    uint32_t held;
} packets;

static inline void packets_clear(packets *s) {
    for (int i = 0; i < PACKETS; i++) s->slots[i].kind = PACKET_FREE;
    s->held = 0;
}

static inline uint8_t *packets_payload(const packets *s, const packet *k) {
    return s->payloads + (size_t)(k - s->slots) * s->room;
}

static inline void packets_drop(packets *s, packet *k) {
    k->kind = PACKET_FREE;
    s->held--;
}

static inline packet *packets_oldest(packets *s) {
    packet *oldest = NULL;
    if (!s->held) return NULL;
    for (int i = 0; i < PACKETS; i++) {
        packet *k = &s->slots[i];
        if (k->kind != PACKET_FREE && (!oldest || k->timestamp < oldest->timestamp)) oldest = k;
    }
    return oldest;
}

static inline int packets_hold(const packets *s, int64_t timestamp) {
    for (int i = 0; i < PACKETS && s->held; i++)
        if (s->slots[i].kind != PACKET_FREE && s->slots[i].timestamp == timestamp) return 1;
    return 0;
}

/* Keep a packet of at most `room` bytes; there is a free slot, and none has this timestamp. */
static inline void packets_keep(packets *s, packet k, const uint8_t *payload) {
    packet *slot = s->slots;
    while (slot->kind != PACKET_FREE) slot++;
    *slot = k;
    if (k.length) memcpy(packets_payload(s, slot), payload, k.length);
    s->held++;
}

#endif
