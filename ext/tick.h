/* One millisecond of the core: the rooms of this slot are popped, mixed, recorded and reported. */
#ifndef SOFTSWITCH_TICK_H
#define SOFTSWITCH_TICK_H

#include "fetch.h"
#include "receive.h"

#define STATS_NS 1000000000LL

static inline void list_add(uint32_t *first, uint32_t index, uint32_t *next, uint32_t *previous) {
    *next = *first;
    *previous = CORE_NOBODY;
    *first = index;
}

#define LIST_REMOVE(table, first, index, member)                                             \
    do {                                                                                     \
        uint32_t after = (table)[index] member.next, before = (table)[index] member.previous; \
        if (before == CORE_NOBODY) (first) = after;                                          \
        else (table)[before] member.next = after;                                            \
        if (after != CORE_NOBODY) (table)[after] member.previous = before;                   \
    } while (0)

/* ---- sources of this slot ----------------------------------------------------------------------------------------- */
/* Make the frame that this port says in this tick, or none. */
static inline void port_decode(core *c, port *p, int64_t now) {
    source *s = &p->source;
    playout *o = &p->playout;
    if (!o->codec) return;
    int16_t *pcm = source_make(c, s);
    int talked = p->talking;
    p->talking = (uint8_t)playout_pop(o, pcm, now);
    p->frame_at = (uint32_t)(o->next + o->gap - playout_units(o, o->end - o->start)) - o->jump - p->ticks;
    if (!p->talking) {
        source_unmake(c, s);
    } else if (p->tapped && !(p->watch & WATCH_MASK)) {
        port_tap_frame(c, p, talked, now);
    }
}

static inline void player_free(core *c, player *p, int by_itself) {
    uint32_t index = (uint32_t)(p - c->players);
    core_event e;
    memset(&e, 0, sizeof e);
    e.handle = HANDLE(index, p->source.generation, KIND_PLAYER, c->thread);
    e.kind = EVENT_PLAY_ENDED;
    e.detail = (uint16_t)by_itself;
    p->source.state = STATE_CLOSING;
    if (!core_tell(c, &e, 1)) {
        p->played = (uint32_t)by_itself; /* told at the next visit */
        return;
    }
    LIST_REMOVE(c->players, c->slot_players[p->source.slot], index, .source);
    p->source.state = STATE_FREE;
    c->live--;
}

static inline void player_serve(core *c, player *p, int64_t now) {
    source *s = &p->source;
    if (s->state == STATE_CLOSING) {
        player_free(c, p, (int)p->played);
        return;
    }
    if (!p->samples) return;
    int filled = 0, n = rate_frame[s->rate];
    int16_t *pcm = source_make(c, s);
    while (filled < n && p->samples) {
        uint32_t run = p->samples - p->at;
        if (run > (uint32_t)(n - filled)) run = (uint32_t)(n - filled);
        memcpy(pcm + filled, p->pcm + p->at, run * sizeof *pcm);
        filled += (int)run;
        p->at += run;
        if (p->at == p->samples) {
            p->at = 0;
            if (p->repeats && --p->repeats == 0) p->samples = 0;
        }
    }
    memset(pcm + filled, 0, sizeof *pcm * (size_t)(n - filled));
    source_map(s, p->played, now, now, 0, 1);
    source_move(s, s->map_off_ns);
    if (s->tap_count) source_tap_frame(c, s, source_heard(s, p->played), 0, 0);
    p->played += (uint32_t)n;
}

/* After the listeners have had the last frame. */
static inline void player_retire(core *c, player *p, int64_t now) {
    if (p->source.state != STATE_OPEN || p->samples) return;
    uint32_t index = (uint32_t)(p - c->players);
    source_leave(c, &p->source, HANDLE(index, p->source.generation, KIND_PLAYER, c->thread), now);
    player_free(c, p, 1);
}

/* ---- listeners of this slot --------------------------------------------------------------------------------------- */
static inline void row_sum(core *c, const port *p, int rate, int32_t *sum) {
    int n = rate_frame[rate];
    for (int i = 0; i < p->row_count; i++) {
        source *s = core_source(c, p->row[i].source);
        const int16_t *pcm = s ? source_frame(c, s, rate) : NULL;
        if (pcm) mix_add(sum, pcm, p->row[i].gain, p->row[i].target, n);
    }
}

/* The sum of all in the listener's crowd, made by the first of its listeners in this tick; NULL: no place for one more. */
static inline const int32_t *crowd_sum(core *c, port *p, int rate) {
    for (uint32_t i = 0; i < c->crowds_used; i++)
        if (c->crowds[i].key == p->crowd && c->crowds[i].rate == rate) return c->crowds[i].sum;
    if (c->crowds_used == CORE_CROWDS) return NULL;
    crowd *all = &c->crowds[c->crowds_used++];
    all->key = p->crowd;
    all->rate = rate;
    memset(all->sum, 0, sizeof all->sum);
    row_sum(c, p, rate, all->sum);
    const int16_t *own = source_frame(c, &p->source, rate);
    if (own) mix_add(all->sum, own, MIX_UNITY, MIX_UNITY, rate_frame[rate]);
    return all->sum;
}

static inline void port_mix(core *c, port *p, int64_t now) {
    int settle = 0, rate = p->source.rate, n = rate_frame[rate];
    int16_t pcm[CORE_FRAME];
    const int32_t *all = p->crowd ? crowd_sum(c, p, rate) : NULL;
    if (all) {
        const int16_t *own = source_frame(c, &p->source, rate);
        if (own) for (int i = 0; i < n; i++) c->sum[i] = all[i] - own[i];
        mix_saturate(own ? c->sum : all, pcm, n);
    } else {
        memset(c->sum, 0, sizeof *c->sum * (size_t)n);
        row_sum(c, p, rate, c->sum);
        for (int i = 0; i < p->row_count; i++) {
            row_item *item = &p->row[i];
            item->gain = item->target;
            settle |= item->target == 0;
        }
        mix_saturate(c->sum, pcm, n);
        if (!p->crowd) p->crowd = row_crowd(p, port_handle(c, port_index(c, p)));
    }
    if (!p->shift || seam_shift(p, pcm, n)) port_audio(c, p, pcm);
    if (settle) {
        row_release(c, p);
        row_claim(c, p, now);
    }
}

/* A listener that could be passed through again: now, if the sound that it has got ends where a packet ends. */
static inline void port_return(core *c, port *p, int64_t now) {
    port *from = core_port(c, p->row[0].source);
    if (p->row_count != 1 || !from) return;
    const coder_packet *again = seam_again(p, from);
    int ready = seam_ready(p, from), playing = from->playout.state == PLAYOUT_PLAYING;
    if (!seam_hushed(c, p, from) || (!ready && p->returning < SEAM_PATIENCE)) {
        p->returning += p->returning < SEAM_PATIENCE;
        return;
    }
    p->returning = SEAM_NOW;
    row_release(c, p);
    row_claim(c, p, now);
    if (ready && playing && p->mode == MODE_RELAY) seam_bind(c, p, from, again, now);
}

static inline void port_send(core *c, port *p, int64_t now) {
    int digits = dtmf_busy(&p->dtmf_out), led = 0;
    if (!digits && p->mode != MODE_MIX) return;
    /* A relay has sent less than half a frame ago: this slot's frame would come too early. */
    if (p->ever_sent && port_elapsed(p, now) < p->ticks / 2) return;
    if (digits) p->holds = p->shift = 0;
    if (seam_holds(c, p, now, &led)) return;
    if (!led) port_advance(p, now);
    relay_forget(p);
    if (port_digits(c, p) || p->mode != MODE_MIX) return;
    port_mix(c, p, now);
    if (p->returning && p->mode == MODE_MIX) port_return(c, p, now);
}

/* ---- housekeeping ------------------------------------------------------------------------------------------------- */
static inline void port_count(port *p) {
    port_counters *n = &p->counters;
    n->lost = sequence_lost(&p->sequence);
    n->late = p->playout.late;
    n->concealed = p->playout.concealed;
    n->stretched = p->playout.stretched;
    n->delay = p->mixed_by ? (uint16_t)((int64_t)p->playout.delayed * 1000 / p->source.clock) : 0;
    n->target = p->mixed_by ? (uint16_t)((int64_t)p->playout.delay.target * 1000 / p->source.clock) : 0;
    n->jitter = (float)(p->sequence.jitter >> 4) / (float)p->source.clock;
}

static inline int port_tell_stats(core *c, port *p, uint16_t kind, int urgent) {
    core_event e;
    memset(&e, 0, sizeof e);
    port_count(p);
    e.handle = port_handle(c, port_index(c, p));
    e.kind = kind;
    e.counters = p->counters;
    e.seconds = p->round_trip;
    e.detail = (uint16_t)(p->playout.skipped < 65535 ? p->playout.skipped : 65535);
    return core_tell(c, &e, urgent);
}

static inline void port_free(core *c, port *p) {
    /* The driver has let go of the sockets when `wire` is clear; only then may Python close them. */
    if (p->wire || !port_tell_stats(c, p, EVENT_CLOSED, 1)) return;
    uint32_t index = port_index(c, p);
    LIST_REMOVE(c->ports, c->slot_ports[p->source.slot], index, .source);
    p->source.state = STATE_FREE;
    c->live--;
}

static inline void port_keep(core *c, port *p, int64_t now) {
    if (p->dtmf_in.active) {
        dtmf_news news = dtmf_tick(&p->dtmf_in, now);
        port_digit_news(c, p, &news);
    }
    port_signals_keep(c, p, now);
    if (p->sticky) {
        if (p->sticky & STICKY_LATCHED) port_tell(c, p, EVENT_LATCHED, STICKY_LATCHED, 0.0f);
        if (p->sticky & STICKY_TIMEOUT) port_tell(c, p, EVENT_TIMEOUT, STICKY_TIMEOUT, (float)(now - p->heard_ns) / 1e9f);
        if (p->sticky & STICKY_RESUMED) port_tell(c, p, EVENT_RESUMED, STICKY_RESUMED, 0.0f);
        if (p->sticky & STICKY_OPAQUE) port_tell(c, p, EVENT_OPAQUE, STICKY_OPAQUE, 0.0f);
        if (p->sticky & STICKY_DIGIT) port_tell_digit(c, p, p->sticky_event, p->sticky_duration);
    }
    if (!p->has_session) return;
    if (p->flags & SESSION_RECEIVES && p->timeout_ms && !p->timed_out &&
        now - p->heard_ns >= (int64_t)p->timeout_ms * 1000000) {
        p->timed_out = 1;
        policy_relearn(&p->policy);
        core_rewire(c, p, WIRE_LEARN);
        port_tell(c, p, EVENT_TIMEOUT, STICKY_TIMEOUT, (float)(now - p->heard_ns) / 1e9f);
    }
    if (now >= p->report_ns) {
        port_report(c, p, 0, now);
        p->report_ns = now + report_interval(p);
    }
    if (now - p->stats_ns >= STATS_NS) {
        p->stats_ns = now;
        port_tell_levels(c, p);
        port_tell_stats(c, p, EVENT_STATS, 0);
    }
}


/* Whether the tick of this moment sends something, so that its listeners would hear it run late. */
static inline int core_punctual(const core *c, int64_t now) {
    uint32_t slot = (uint32_t)(now / 1000000 % CORE_SLOTS);
    return c->slot_paced[slot] || c->slot_decoding[slot] || c->slot_players[slot] != CORE_NOBODY;
}

/* Serve one millisecond; `now` is its nominal start, so that frames are exactly 20 ms apart. */
static inline void core_tick(core *c, int64_t now) {
    uint32_t slot = (uint32_t)(now / 1000000 % CORE_SLOTS);
    c->ticks++;
    c->frames_used = 0;
    c->crowds_used = 0;
    if (c->given_back) core_give_back(c);
    for (uint32_t i = c->slot_decoding[slot] ? c->slot_ports[slot] : CORE_NOBODY, next; i != CORE_NOBODY; i = next) {
        port *p = &c->ports[i];
        next = p->source.next;
        if (next != CORE_NOBODY) {
            port_fetch(&c->ports[next]);
            port_fetch_playout(&c->ports[next]);
        }
        if (p->source.state == STATE_OPEN && p->mixed_by) {
            port_decode(c, p, now);
            port_listen_tick(c, p, now);
        }
    }
    for (uint32_t i = c->slot_players[slot], next; i != CORE_NOBODY; i = next) {
        next = c->players[i].source.next;
        player_serve(c, &c->players[i], now);
    }
    uint8_t paced = 0;
    for (uint32_t i = c->slot_ports[slot], next; i != CORE_NOBODY; i = next) {
        port *p = &c->ports[i];
        next = p->source.next;
        if (next != CORE_NOBODY) {
            port_fetch(&c->ports[next]);
            port_fetch_housekeeping(&c->ports[next]);
        }
        if (p->source.state == STATE_CLOSING) {
            port_free(c, p);
            continue;
        }
        port_send(c, p, now);
        port_keep(c, p, now);
        paced |= p->mode == MODE_MIX || dtmf_busy(&p->dtmf_out);
    }
    c->slot_paced[slot] = paced;
    for (uint32_t i = c->slot_players[slot], next; i != CORE_NOBODY; i = next) {
        next = c->players[i].source.next;
        player_retire(c, &c->players[i], now);
    }
    for (uint32_t i = c->slot_recordings[slot], next; i != CORE_NOBODY; i = next) {
        recording *r = &c->recordings[i];
        next = r->next;
        if (r->state == STATE_OPEN) {
            recording_roll(c, r, now);
        } else if (recording_finish(c, r, r->end_ns)) {
            LIST_REMOVE(c->recordings, c->slot_recordings[r->slot], i, );
            r->state = STATE_FREE;
            c->live--;
        }
    }
    /* Statistics alone wake their reader once a second. */
    if (!c->wake && now - c->wake_ns >= STATS_NS && ring_used(&c->events)) c->wake = 1;
    if (c->wake) c->wake_ns = now;
}

#endif
