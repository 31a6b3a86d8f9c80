/* Bringing a port into the cache before it is needed: its last packet was 20 ms ago, its last tick too, so it is cold. */
#ifndef SOFTSWITCH_FETCH_H
#define SOFTSWITCH_FETCH_H

#include <stddef.h>
#include "core.h"

static inline void fetch_lines(const void *from, size_t size) {
    for (size_t at = 0; at < size; at += 64) __builtin_prefetch((const uint8_t *)from + at);
}

/* What is needed whatever the port does. */
static inline void port_fetch(const port *p) {
    fetch_lines(&p->source, offsetof(source, hearers) + 64);
    fetch_lines(&p->has_session, offsetof(port, policy) - offsetof(port, has_session));
}

/* What its packets and its frame need where it is decoded: the state of play-out, and the sound that waits. */
static inline void port_fetch_playout(const port *p) {
    fetch_lines(&p->playout, sizeof p->playout);
    fetch_lines(p->played, 3 * 2 * 160);
}

/* Where the next packet of a port goes that has been fetched. */
static inline void port_fetch_way(const core *c, const port *p) {
    if (p->mixed_by) port_fetch_playout(p);
    if (p->source.tap_count) fetch_lines(p->source.written, 2 * 2 * 160);
    if (!p->source.hearer_count) return;
    const port *listener = &c->ports[p->source.hearers[0]];
    __builtin_prefetch(&listener->has_session);
    fetch_lines(&listener->ssrc, offsetof(port, report_ns) - offsetof(port, ssrc));
    __builtin_prefetch(&listener->dtmf_out);
}

/* What a port that is not decoded needs besides, once in 20 ms. */
static inline void port_fetch_housekeeping(const port *p) {
    __builtin_prefetch(&p->report_ns);
    __builtin_prefetch(&p->dtmf_in);
    fetch_lines(&p->watch, offsetof(port, packet) - offsetof(port, watch));
    fetch_lines(p->row, 2 * sizeof p->row[0]);
}

#endif
