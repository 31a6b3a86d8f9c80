/* Twin: softswitch/rtp/packet.py. The fixed RTP header (RFC 3550 section 5.1), read and written. */
#ifndef SOFTSWITCH_RTP_H
#define SOFTSWITCH_RTP_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { RTP_HEADER = 12 };

typedef struct {
    uint32_t timestamp, ssrc;
    uint16_t sequence;
    uint16_t offset, length; /* of the payload, without extension and padding */
    uint8_t payload_type, marker;
} rtp_header;

static inline uint16_t get16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }

static inline uint32_t get32(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void put16(uint8_t *p, uint32_t v) {
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void put32(uint8_t *p, uint32_t v) {
    put16(p, v >> 16);
    put16(p + 2, v);
}

/* RFC 5761 section 4: these second bytes are RTCP even on the RTP port. */
static inline int rtp_is_rtcp(const uint8_t *data, size_t size) {
    return size >= 2 && data[1] >= 192 && data[1] <= 223;
}

/* Return 1 and fill `h`, or 0 for anything that is not a well-formed RTP packet. */
static inline int rtp_parse(const uint8_t *data, size_t size, rtp_header *h) {
    if (size < RTP_HEADER || size > 65535 || data[0] >> 6 != 2) return 0;
    size_t start = RTP_HEADER + 4u * (data[0] & 15u);
    if (start > size) return 0;
    if (data[0] & 0x10) {
        if (start + 4 > size) return 0;
        start += 4 + 4u * get16(data + start + 2);
        if (start > size) return 0;
    }
    size_t padding = 0;
    if (data[0] & 0x20) {
        if (start == size) return 0;
        padding = data[size - 1];
        if (padding == 0 || padding > size - start) return 0;
    }
    h->marker = data[1] >> 7;
    h->payload_type = data[1] & 127;
    h->sequence = get16(data + 2);
    h->timestamp = get32(data + 4);
    h->ssrc = get32(data + 8);
    h->offset = (uint16_t)start;
    h->length = (uint16_t)(size - start - padding);
    return 1;
}

static inline void rtp_write(uint8_t *data, uint8_t payload_type, int marker, uint16_t sequence, uint32_t timestamp,
                             uint32_t ssrc) {
    data[0] = 0x80;
    data[1] = (uint8_t)((marker ? 0x80 : 0) | payload_type);
    put16(data + 2, sequence);
    put32(data + 4, timestamp);
    put32(data + 8, ssrc);
}

#endif
