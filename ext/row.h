/* Twin: softswitch/mixer/matrix.py. Rows: who hears whom, and when that is a plain relay of packets. */
#ifndef SOFTSWITCH_ROW_H
#define SOFTSWITCH_ROW_H

#include "seam.h"

static inline uint32_t port_index(const core *c, const port *p) { return (uint32_t)(p - c->ports); }

static inline void source_forget_hearer(source *s, uint16_t listener) {
    for (int i = 0; i < s->hearer_count; i++)
        if (s->hearers[i] == listener) {
            s->hearers[i] = s->hearers[--s->hearer_count];
            return;
        }
}

/* Take the row out of the books of its sources; row_claim() enters it again. */
static inline void row_release(core *c, port *p) {
    uint16_t me = (uint16_t)port_index(c, p);
    for (int i = 0; i < p->row_count; i++) {
        source *s = core_source(c, p->row[i].source);
        if (!s) continue;
        source_forget_hearer(s, me);
        if (p->mode == MODE_MIX && HANDLE_KIND(p->row[i].source) == KIND_PORT) port_unwant(c, (port *)s);
    }
}

/* splitmix64: handles differ in a few bits, sums of these in all. */
static inline uint64_t crowd_key(uint64_t x) {
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

/* The name of the set of all whom the listener hears, and the listener itself; 0 unless all are heard as they are.
 * Rows of one name have one sum, so that a conference costs each listener a subtraction. */
static inline uint64_t row_crowd(const port *p, uint64_t own) {
    if (p->row_count < CORE_CROWD) return 0;
    uint64_t key = crowd_key(own);
    for (int i = 0; i < p->row_count; i++) {
        const row_item *item = &p->row[i];
        if (item->gain != MIX_UNITY || item->target != MIX_UNITY || item->source == own) return 0;
        key += crowd_key(item->source);
    }
    return key;
}

static inline int relay_possible(const port *from, const port *to) {
    return from->has_session && to->has_session && from->codec == to->codec &&
           from->format == to->format && from->ptime == to->ptime &&
           (from->dtmf_receive == DTMF_NONE || to->dtmf_send == DTMF_NONE || from->event_clock == to->event_clock);
}

/* Drop what is dead or faded out, choose the mode, and enter the row in the books of its sources. */
static inline void row_claim(core *c, port *p, int64_t now) {
    uint16_t me = (uint16_t)port_index(c, p);
    int kept = 0, heard = 0, only = 0;
    for (int i = 0; i < p->row_count; i++) {
        row_item item = p->row[i];
        source *s = core_source(c, item.source);
        if (!s || (item.target == 0 && item.gain == 0)) continue;
        if (s->hearer_count == CORE_HEARERS) {
            c->refused++;
            continue;
        }
        if (item.target) {
            heard++;
            only = kept;
        }
        p->row[kept++] = item;
    }
    p->row_count = (uint16_t)kept;
    uint8_t mode = kept ? MODE_MIX : MODE_SILENT, returning = 0;
    if (heard == 1 && p->row[only].target == MIX_UNITY && HANDLE_KIND(p->row[only].source) == KIND_PORT &&
        relay_possible((port *)core_source(c, p->row[only].source), p)) {
        if (seam_waits(c, p, (port *)core_source(c, p->row[only].source), kept == 1)) {
            returning = p->returning ? p->returning : 1;
        } else {
            mode = MODE_RELAY;
            p->row[0] = p->row[only];
            p->row[0].gain = MIX_UNITY;
            p->row_count = 1;
        }
    }
    p->returning = returning;
    p->hushed = 0;
    if (mode != p->mode) {
        uint8_t held = p->holds;
        p->holds = p->shift = 0;
        if (p->mode == MODE_RELAY && mode == MODE_MIX) seam_leave(c, p, now);
        relay_forget(p);
        if (held && mode == MODE_RELAY) seam_resume(p, HANDLE_INDEX(p->row[0].source));
        if (p->mode == MODE_SILENT) p->marker = 1;
        if (mode == MODE_SILENT) port_flush(c, p);
        if (mode == MODE_MIX && p->has_session && !codec_speaks(p->codec)) port_tell(c, p, EVENT_OPAQUE, STICKY_OPAQUE, 0.0f);
        p->mode = mode;
    }
    for (int i = 0; i < p->row_count; i++) {
        source *s = core_source(c, p->row[i].source);
        s->hearers[s->hearer_count++] = me;
        if (mode == MODE_MIX && HANDLE_KIND(p->row[i].source) == KIND_PORT) port_want(c, (port *)s, now);
    }
    p->crowd = mode == MODE_MIX ? row_crowd(p, port_handle(c, me)) : 0;
}

/* The first record of a new row: everything heard so far is to fade out, unless it is named again. */
static inline void row_begin(core *c, port *p) {
    row_release(c, p);
    for (int i = 0; i < p->row_count; i++) p->row[i].target = 0;
}

static inline void row_set(core *c, port *p, uint64_t handle, uint16_t gain) {
    for (int i = 0; i < p->row_count; i++)
        if (p->row[i].source == handle) {
            p->row[i].target = (int16_t)gain;
            return;
        }
    if (p->row_count == CORE_ROW) {
        c->refused++;
        return;
    }
    row_item item = {handle, 0, (int16_t)gain};
    p->row[p->row_count++] = item;
}

/* Something changed about a source: every row that it stands in is thought over. */
static inline void source_reconsider(core *c, source *s, int64_t now) {
    uint16_t hearers[CORE_HEARERS];
    int count = s->hearer_count;
    memcpy(hearers, s->hearers, sizeof hearers);
    for (int i = 0; i < count; i++) {
        port *listener = &c->ports[hearers[i]];
        row_release(c, listener);
        row_claim(c, listener, now);
    }
}

/* The source is no more: nobody hears or records it. `s` is still open while this runs. */
static inline void source_leave(core *c, source *s, uint64_t handle, int64_t now) {
    uint16_t hearers[CORE_HEARERS];
    int count = s->hearer_count;
    memcpy(hearers, s->hearers, sizeof hearers);
    for (int i = 0; i < count; i++) {
        port *listener = &c->ports[hearers[i]];
        row_release(c, listener);
        for (int k = 0; k < listener->row_count; k++)
            if (listener->row[k].source == handle) listener->row[k].gain = listener->row[k].target = 0;
        row_claim(c, listener, now);
    }
    source_leave_recordings(c, s, handle);
}

#endif
