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

typedef struct {
    address from;
    uint32_t ssrc;
    uint16_t next;
    uint8_t count;
    uint8_t age; /* 0 is the one heard last */
} policy_candidate;

typedef struct {
    address current, signalled;
    address signaller; /* the host that SIP comes from, port 0; family 0: not known */
    uint8_t learning;
    policy_candidate candidates[POLICY_CANDIDATES];
} source_policy;

static inline int address_equal(const address *a, const address *b) { return memcmp(a, b, sizeof *a) == 0; }

static inline int address_same_host(const address *a, const address *b) {
    return a->family == b->family && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

/* Return 1 if the learning window was opened anew. */
static inline int policy_signal(source_policy *p, const address *remote, const address *signaller) {
    p->signaller = *signaller;
    if (address_equal(&p->signalled, remote)) return 0;
    memset(p, 0, sizeof *p);
    p->signalled = *remote;
    p->signaller = *signaller;
    p->learning = remote->family != 0;
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

/* Packets in sequence that prove a source: few from a host that signalling has named, many from any other. */
static inline int policy_proof(const source_policy *p, const address *from) {
    int named = !p->signaller.family || address_same_host(from, &p->signaller) || address_same_host(from, &p->signalled);
    return named ? POLICY_PROOF : POLICY_STRANGER;
}

/* Judge one RTP packet; `expected`: its payload type was agreed. */
static inline int policy_receive(source_policy *p, const address *from, int expected, uint32_t ssrc, uint16_t number) {
    if (!p->learning) return p->current.family && address_equal(&p->current, from) ? POLICY_ACCEPT : POLICY_DROP;
    if (address_equal(from, &p->signalled) || (p->current.family && address_equal(from, &p->current)))
        return policy_lock(p, from);
    if (!expected) return POLICY_DROP;
    policy_candidate *c = policy_find(p, from);
    if (c->count && c->ssrc == ssrc && c->next == number) c->count = (uint8_t)(c->count + (c->count < 255));
    else c->count = 1;
    c->ssrc = ssrc;
    c->next = (uint16_t)(number + 1);
    return c->count >= policy_proof(p, from) ? policy_lock(p, from) : POLICY_DROP;
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
