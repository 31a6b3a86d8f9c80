/* Twin: softswitch/rtp/source_policy.py. Whose packets are believed, and where ours go. */
#ifndef SOFTSWITCH_SOURCE_POLICY_H
#define SOFTSWITCH_SOURCE_POLICY_H

#include <stdint.h>
#include <string.h>

typedef struct {
    uint8_t ip[16]; /* an IPv4 address in the first four bytes, the rest zero */
    uint16_t port;
    uint8_t family; /* 4, 6, or 0 for none */
    uint8_t zero;
} address;

enum { POLICY_DROP, POLICY_ACCEPT, POLICY_LATCHED };
enum { POLICY_PROOF = 4, POLICY_STRANGER = 100, POLICY_CANDIDATES = 4 };
#define POLICY_STRANGER_MS 2000 /* for so long a stranger must have kept it up */
#define POLICY_YOUNG_MS 5000    /* and so long ago the address was signalled */

typedef struct {
    address from;
    uint32_t ssrc;
    uint16_t next;
    uint8_t count;
    uint8_t age; /* 0 is the one heard last */
    int64_t since_ms, heard_ms; /* when its run of packets began, and when the last of it came */
} policy_candidate;

typedef struct {
    address current, signalled;
    address signaller; /* the host that SIP comes from, port 0; family 0: not known */
    uint8_t learning;
    uint8_t hidden; /* the signalled address means nothing out here: packets will come from another */
    uint8_t proven; /* somebody has been believed since that address was signalled */
    int64_t signalled_ms;
    policy_candidate candidates[POLICY_CANDIDATES];
} source_policy;

static inline int address_equal(const address *a, const address *b) { return memcmp(a, b, sizeof *a) == 0; }

static inline int address_same_host(const address *a, const address *b) {
    return a->family == b->family && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

/* RFC 1918, RFC 6598, RFC 3927, RFC 4193 and link-local IPv6: addresses that mean something on their own side of a NAT. */
static inline int address_private(const address *a) {
    const uint8_t *ip = a->ip;
    if (a->family == 6) return (ip[0] & 0xfe) == 0xfc || (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80);
    return ip[0] == 10 || (ip[0] == 172 && (ip[1] & 0xf0) == 16) || (ip[0] == 192 && ip[1] == 168) ||
           (ip[0] == 100 && (ip[1] & 0xc0) == 64) || (ip[0] == 169 && ip[1] == 254);
}

/* Return 1 if the learning window was opened anew. */
static inline int policy_signal(source_policy *p, const address *remote, const address *signaller, int64_t now_ms) {
    int same = address_equal(&p->signalled, remote);
    if (!same) memset(p, 0, sizeof *p);
    p->signaller = *signaller;
    p->hidden = remote->family && signaller->family && address_private(remote) && !address_private(signaller);
    if (same) return 0;
    p->signalled = *remote;
    p->learning = remote->family != 0;
    p->signalled_ms = now_ms;
    return 1;
}

static inline void policy_relearn(source_policy *p) {
    memset(p->candidates, 0, sizeof p->candidates);
    p->learning = p->signalled.family != 0;
}

static inline int policy_lock(source_policy *p, const address *from) {
    int moved = !address_equal(&p->current, from);
    p->current = *from;
    p->learning = 0;
    p->proven = 1;
    return moved ? POLICY_LATCHED : POLICY_ACCEPT;
}

static inline policy_candidate *policy_find(source_policy *p, const address *from) {
    policy_candidate *found = NULL, *oldest = p->candidates;
    for (int i = 0; i < POLICY_CANDIDATES; i++) {
        policy_candidate *c = &p->candidates[i];
        if (c->age < 255) c->age++;
        if (c->from.family == 0) c->age = 255;
        if (address_equal(&c->from, from)) found = c;
        if (c->age > oldest->age) oldest = c;
    }
    if (!found) {
        found = oldest;
        memset(found, 0, sizeof *found);
        found->from = *from;
    }
    found->age = 0;
    return found;
}

/* Whether signalling has named the host: in SDP, as where SIP comes from, or it was believed before. */
static inline int policy_names(const source_policy *p, const address *from) {
    return address_same_host(from, &p->signaller) || address_same_host(from, &p->signalled) ||
           (p->current.family && address_same_host(from, &p->current));
}

/* Whether this candidate has proven itself. Few packets do where signalling has named the host. A stranger is believed
 * only if the peer is behind a NAT that signalling does not show, nobody else was ever heard, and the stranger was there
 * before every other one: who sprays ports comes after the call, and from one host. */
static inline int policy_proves(const source_policy *p, const policy_candidate *c, int64_t now_ms) {
    if (policy_names(p, &c->from)) return c->count >= POLICY_PROOF;
    if (!p->hidden || p->proven || c->count < POLICY_STRANGER) return 0;
    if (now_ms - p->signalled_ms < POLICY_YOUNG_MS || now_ms - c->since_ms < POLICY_STRANGER_MS) return 0;
    for (int i = 0; i < POLICY_CANDIDATES; i++) {
        const policy_candidate *other = &p->candidates[i];
        if (other->from.family && other->since_ms < c->since_ms && now_ms - other->heard_ms < POLICY_STRANGER_MS) return 0;
    }
    return 1;
}

/* Judge one RTP packet; `expected`: its payload type was agreed. */
static inline int policy_receive(source_policy *p, const address *from, int expected, uint32_t ssrc, uint16_t number,
                                 int64_t now_ms) {
    if (!p->learning) return p->current.family && address_equal(&p->current, from) ? POLICY_ACCEPT : POLICY_DROP;
    if (address_equal(from, &p->signalled) || (p->current.family && address_equal(from, &p->current)))
        return policy_lock(p, from);
    if (!expected) return POLICY_DROP;
    policy_candidate *c = policy_find(p, from);
    if (c->count && c->ssrc == ssrc && c->next == number) {
        c->count = (uint8_t)(c->count + (c->count < 255));
    } else {
        c->count = 1;
        c->since_ms = now_ms;
    }
    c->ssrc = ssrc;
    c->next = (uint16_t)(number + 1);
    c->heard_ms = now_ms;
    return policy_proves(p, c, now_ms) ? policy_lock(p, from) : POLICY_DROP;
}

/* RTCP may come from any port of the host that RTP is believed from. */
static inline int policy_control(const source_policy *p, const address *from) {
    const address *host = p->current.family ? &p->current : &p->signalled;
    return host->family != 0 && address_same_host(host, from);
}

/* Where our packets go: to the proven source, else to the signalled address; family 0 means nowhere. */
static inline const address *policy_target(const source_policy *p) {
    return p->current.family ? &p->current : &p->signalled;
}

#endif
