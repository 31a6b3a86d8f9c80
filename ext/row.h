/* Twin: softswitch/mixer/matrix.py. Rows: who hears whom, and when that is a plain relay of packets. */
#ifndef SOFTSWITCH_ROW_H
#define SOFTSWITCH_ROW_H

#include "recorder.h"
#include "send.h"

static inline uint32_t port_index(const core *c, const port *p) { return (uint32_t)(p - c->ports); }

static inline void source_forget_hearer(source *s, uint16_t listener) {
    for (int i = 0; i < s->hearer_count; i++)
        if (s->hearers[i] == listener) {
            s->hearers[i] = s->hearers[--s->hearer_count];
            return;
        }
}

/* Somebody needs this port's audio decoded from now on. */
static inline void port_begin_decoding(core *c, port *p, int64_t now) {
    c->slot_decoding[p->source.slot]++;
    jitter_flush(&p->jitter);
    p->jitter.missing_run = 0;
    /* Until the buffer is filled, the last relayed packet stands in, fading: a hole would click. */
    p->plc_run = 4;
    if (p->last_length >= CORE_FRAME && now - p->heard_ns < 3 * CORE_FRAME_NS) {
        g711_decode(p->codec, p->last_payload + p->last_length - CORE_FRAME, p->plc_last, CORE_FRAME);
        p->plc_run = 0;
    }
    p->last_length = 0;
}

/* Take the row out of the books of its sources; row_claim() enters it again. */
static inline void row_release(core *c, port *p) {
    uint16_t me = (uint16_t)port_index(c, p);
    for (int i = 0; i < p->row_count; i++) {
        source *s = core_source(c, p->row[i].source);
        if (!s) continue;
        source_forget_hearer(s, me);
        if (p->mode == MODE_MIX && HANDLE_KIND(p->row[i].source) == KIND_PORT && --((port *)s)->mixed_by == 0)
            c->slot_decoding[s->slot]--;
    }
}

static inline int relay_possible(const port *from, const port *to) {
    return from->has_session && to->has_session && from->codec == to->codec &&
           from->frames_per_packet == to->frames_per_packet;
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
    uint8_t mode = kept ? MODE_MIX : MODE_SILENT;
    if (heard == 1 && p->row[only].target == MIX_UNITY && HANDLE_KIND(p->row[only].source) == KIND_PORT &&
        relay_possible((port *)core_source(c, p->row[only].source), p)) {
        mode = MODE_RELAY;
        p->row[0] = p->row[only];
        p->row[0].gain = MIX_UNITY;
        p->row_count = 1;
    }
    if (mode != p->mode) {
        relay_forget(p);
        if (p->mode == MODE_SILENT) p->marker = 1;
        if (mode == MODE_SILENT) port_flush(c, p);
        p->mode = mode;
    }
    for (int i = 0; i < p->row_count; i++) {
        source *s = core_source(c, p->row[i].source);
        s->hearers[s->hearer_count++] = me;
        if (mode == MODE_MIX && HANDLE_KIND(p->row[i].source) == KIND_PORT && ((port *)s)->mixed_by++ == 0)
            port_begin_decoding(c, (port *)s, now);
    }
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
