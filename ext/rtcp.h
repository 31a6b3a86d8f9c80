/* Twin: softswitch/rtp/rtcp.py. Reports, SDES and BYE (RFC 3550 sections 6.4 to 6.6): one compound packet in, one out. */
#ifndef SOFTSWITCH_RTCP_H
#define SOFTSWITCH_RTCP_H

#include <stdint.h>
#include <string.h>
#include "rtp.h"

enum { RTCP_SR = 200, RTCP_RR = 201, RTCP_SDES = 202, RTCP_BYE = 203 };
enum { RTCP_CNAME = 16, RTCP_MAX = 28 + 24 + 8 + 4 + RTCP_CNAME + 8 };

typedef struct {
    uint8_t has_sender, has_block, bye;
    uint32_t ssrc;
    uint32_t middle_ntp; /* the middle 32 bits of the sender report's NTP time */
    uint8_t fraction_lost;
    int32_t lost;
    uint32_t highest, jitter, last_report, delay;
} rtcp_report;

/* Whether the chunks of an SDES packet and their items end where they should (section 6.5). */
static inline int rtcp_chunks_fit(const uint8_t *p, size_t length, unsigned count) {
    size_t at = 4;
    while (count--) {
        if (length - at < 4) return 0;
        for (at += 4;;) {
            if (at >= length) return 0;
            if (p[at] == 0) break;
            if (length - at < 2 || p[at + 1] > length - at - 2) return 0;
            at += 2u + p[at + 1];
        }
        at = (at + 4) & ~(size_t)3; /* at least one zero, and up to the end of the word */
        if (at > length) return 0;
    }
    return 1;
}

/* Whether a BYE's sources and its reason lie within it (section 6.6). */
static inline int rtcp_bye_fits(const uint8_t *p, size_t length, unsigned count) {
    size_t at = 4 + 4u * count;
    return at <= length && (at == length || p[at] <= length - at - 1);
}

/* Read a compound packet; the block kept is the one about `ours`. Return 0 if any part is malformed, or if it does not
 * begin with a report, or is padded before its end (appendix A.2). */
static inline int rtcp_parse(const uint8_t *data, size_t size, uint32_t ours, rtcp_report *r) {
    memset(r, 0, sizeof *r);
    if (size < 8 || size > 65535) return 0;
    size_t at = 0;
    while (at < size) {
        if (size - at < 4 || data[at] >> 6 != 2) return 0;
        size_t length = 4u * (get16(data + at + 2) + 1u);
        if (length > size - at) return 0;
        const uint8_t *p = data + at;
        unsigned type = p[1], count = p[0] & 31u;
        int first = at == 0;
        if (first && type != RTCP_SR && type != RTCP_RR) return 0;
        at += length;
        if (p[0] & 0x20) {
            unsigned padding = p[length - 1];
            if (first || at < size || padding == 0 || padding % 4 || padding + 4u > length) return 0;
            length -= padding;
        }
        if (type == RTCP_SR || type == RTCP_RR) {
            size_t head = type == RTCP_SR ? 28 : 8;
            if (length < head + 24u * count) return 0;
            r->ssrc = get32(p + 4);
            if (type == RTCP_SR) {
                r->has_sender = 1;
                r->middle_ntp = get32(p + 10);
            }
            for (unsigned i = 0; i < count; i++) {
                const uint8_t *b = p + head + 24u * i;
                if (get32(b) != ours) continue;
                r->has_block = 1;
                r->fraction_lost = b[4];
                r->lost = (int32_t)(get32(b + 4) << 8) >> 8;
                r->highest = get32(b + 8);
                r->jitter = get32(b + 12);
                r->last_report = get32(b + 16);
                r->delay = get32(b + 20);
            }
        } else if (type == RTCP_SDES) {
            if (!rtcp_chunks_fit(p, length, count)) return 0;
        } else if (type == RTCP_BYE) {
            if (!rtcp_bye_fits(p, length, count)) return 0;
            r->bye = 1;
        } else if (type < 192 || type > 223) return 0;
    }
    return 1;
}

/* What our next report says. `has_sender`: we have sent since the last one; `has_block`: we have received a stream. */
typedef struct {
    uint8_t has_sender, has_block, bye; /* `bye`: it is the last */
    uint32_t ssrc;
    uint64_t ntp; /* 32.32 fixed point */
    uint32_t timestamp, packets, octets;
    uint32_t source; /* the stream that the block is about */
    uint8_t fraction_lost;
    int32_t lost;
    uint32_t highest, jitter, last_report, delay;
    uint8_t cname[RTCP_CNAME];
} rtcp_own;

/* Write a compound packet of at most RTCP_MAX bytes and return its size. */
static inline int rtcp_write(uint8_t *data, const rtcp_own *o) {
    int at = 0;
    data[0] = (uint8_t)(0x80 | o->has_block);
    data[1] = o->has_sender ? RTCP_SR : RTCP_RR;
    put32(data + 4, o->ssrc);
    at = 8;
    if (o->has_sender) {
        put32(data + 8, (uint32_t)(o->ntp >> 32));
        put32(data + 12, (uint32_t)o->ntp);
        put32(data + 16, o->timestamp);
        put32(data + 20, o->packets);
        put32(data + 24, o->octets);
        at = 28;
    }
    if (o->has_block) {
        int32_t lost = o->lost > 0x7fffff ? 0x7fffff : o->lost;
        put32(data + at, o->source);
        put32(data + at + 4, (uint32_t)o->fraction_lost << 24 | ((uint32_t)lost & 0xffffff));
        put32(data + at + 8, o->highest);
        put32(data + at + 12, o->jitter);
        put32(data + at + 16, o->last_report);
        put32(data + at + 20, o->delay);
        at += 24;
    }
    put16(data + 2, (uint32_t)(at / 4 - 1));
    /* SDES with CNAME, its end and its padding (section 6.5): 8 + 2 + 16 + 2 bytes. */
    data[at] = 0x81;
    data[at + 1] = RTCP_SDES;
    put16(data + at + 2, 6);
    put32(data + at + 4, o->ssrc);
    data[at + 8] = 1;
    data[at + 9] = RTCP_CNAME;
    memcpy(data + at + 10, o->cname, RTCP_CNAME);
    data[at + 26] = data[at + 27] = 0;
    at += 28;
    if (!o->bye) return at;
    data[at] = 0x81;
    data[at + 1] = RTCP_BYE;
    put16(data + at + 2, 1);
    put32(data + at + 4, o->ssrc);
    return at + 8;
}

#endif
