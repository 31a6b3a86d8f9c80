/* What Python asks of the core: commands taken from the ring at the start of a tick, a batch at a time. */
#ifndef SOFTSWITCH_COMMAND_H
#define SOFTSWITCH_COMMAND_H

#include <stddef.h>
#include <sys/mman.h>
#include "tick.h"

static inline void source_open(source *s, uint64_t handle, uint32_t slot) {
    memset(s, 0, sizeof *s);
    s->generation = HANDLE_GENERATION(handle);
    s->state = STATE_OPEN;
    s->slot = (uint8_t)(slot % CORE_SLOTS);
}

/* The codec's rate and clock; only the clock of a codec that nobody here knows must be told. */
static inline void port_clock(port *p, uint8_t which, uint32_t clock) {
    const codec *k = &codecs[which];
    source *s = &p->source;
    if (codec_speaks(which)) clock = k->clock;
    p->codec = which;
    p->ticks = clock / 50;
    s->rate = (uint8_t)(codec_speaks(which) ? rate_of(k->rate) : RATE_8);
    s->tail_tick = 0;
    if (s->clock == clock) return;
    /* One SSRC and one timeline whatever the clock (RFC 7160 section 4.1): the next step is counted by the new one. */
    s->clock = clock;
    s->mapped = 0;
    p->sequence.timed = 0;
    p->excess = 0;
    p->last_ticks = p->ticks;
}

/* Milliseconds of a packet that we send: what was asked for, as far as the codec has such and a datagram holds it. */
static inline uint8_t port_ptime(uint8_t which, int asked) {
    const codec *k = &codecs[which];
    int ptime = asked >= 60 ? 60 : asked < 10 ? 20 : asked / 10 * 10;
    while (ptime > 10 && k->bytes * ptime / 20 > CORE_DATAGRAM - RTP_HEADER) ptime -= 10;
    return (uint8_t)ptime;
}

static inline void command_open_port(core *c, const command *m, int64_t now) {
    uint32_t index = HANDLE_INDEX(m->handle);
    if (index >= c->port_count || c->ports[index].source.state != STATE_FREE) {
        c->refused++;
        return;
    }
    port *p = &c->ports[index];
    memset(p, 0, offsetof(port, row_count));
    p->row_count = 0;
    source_open(&p->source, m->handle, m->slot);
    memset(&p->playout, 0, sizeof p->playout);
    p->dtmf_send = p->dtmf_receive = DTMF_NONE;
    p->ptime = 20;
    inband_reset(&p->sound);
    p->event_clock = 8000;
    port_clock(p, CODEC_PCMU, 8000);
    p->fd[CHANNEL_RTP] = m->open.rtp;
    p->fd[CHANNEL_RTCP] = m->open.rtcp;
    p->ssrc = m->open.ssrc;
    p->timestamp = m->open.timestamp;
    p->next_sequence = m->open.sequence;
    p->random = m->open.seed | 1;
    memcpy(p->cname, m->open.cname, RTCP_CNAME);
    p->round_trip = -1.0f;
    p->heard_ns = p->empty_ns = p->stats_ns = now;
    relay_forget(p);
    list_add(&c->slot_ports[p->source.slot], index, &p->source.next, &p->source.previous);
    if (p->source.next != CORE_NOBODY) c->ports[p->source.next].source.previous = index;
    c->live++;
    core_rewire(c, p, WIRE_OPEN);
}

static inline void command_session(core *c, const command *m, int64_t now) {
    port *p = core_port(c, m->handle);
    command f = c->format;
    c->format.kind = 0;
    if (f.kind != COMMAND_FORMAT || f.handle != m->handle || f.format.codec >= CODEC_COUNT || !p) {
        if (f.kind == COMMAND_FORMAT) coder_give_back(c, f.format.coder);
        return;
    }
    int received = p->has_session && p->flags & SESSION_RECEIVES, again = 0;
    row_release(c, p);
    address signaller;
    memset(&signaller, 0, sizeof signaller);
    memcpy(signaller.ip, f.format.signaller, sizeof signaller.ip);
    for (int i = 0; i < 16; i++)
        if (signaller.ip[i]) signaller.family = i < 4 && signaller.family != 6 ? 4 : 6;
    if (policy_signal(&p->policy, &m->session.remote, &signaller, now / 1000000)) {
        core_rewire(c, p, WIRE_LEARN);
        memset(&p->rtcp_heard, 0, sizeof p->rtcp_heard);
    }
    port_flush(c, p);
    if (!f.format.keep || f.format.codec != p->codec) {
        again = p->coder != NULL;
        coder_give_back(c, p->coder);
        p->coder = f.format.coder;
    }
    if (p->codec != f.format.codec || p->format != f.format.format || !p->has_session) {
        p->holds = 0;
        port_clock(p, f.format.codec, f.format.clock ? f.format.clock : 8000);
        again = 1;
    }
    if (again) {
        p->holds = p->shift = 0;
        port_open_playout(p);
    }
    if (!p->has_session) p->report_ns = now + report_interval(p);
    p->has_session = 1;
    p->rtcp_remote = m->session.rtcp;
    p->format = f.format.format;
    p->event_clock = f.format.event_clock ? f.format.event_clock : 8000;
    p->payload_type = f.format.payload_type;
    p->payload_receive = f.format.payload_receive;
    p->dtmf_send = f.format.dtmf_send;
    p->dtmf_receive = f.format.dtmf_receive;
    p->ptime = port_ptime(p->codec, f.format.ptime);
    p->flags = f.format.flags;
    p->timeout_ms = f.format.timeout_ms;
    if (!received && p->flags & SESSION_RECEIVES) p->heard_ns = now;
    if (!(p->flags & SESSION_RECEIVES)) p->timed_out = 0;
    port_retap(c, p, now);
    row_claim(c, p, now);
    source_reconsider(c, &p->source, now);
}

static inline void command_close_port(core *c, const command *m, int64_t now) {
    port *p = core_port(c, m->handle);
    if (!p) return;
    port_report(c, p, 1, now);
    row_release(c, p);
    p->row_count = 0;
    p->mode = MODE_SILENT;
    source_leave(c, &p->source, m->handle, now);
    port_retap(c, p, now);
    coder_give_back(c, p->coder);
    p->coder = NULL;
    p->playout.codec = NULL;
    p->source.state = STATE_CLOSING;
    core_rewire(c, p, WIRE_CLOSE);
}

static inline void command_row(core *c, const command *m, int64_t now) {
    port *p = core_port(c, m->handle);
    if (!p) return;
    if (m->items.flags & ITEMS_FIRST) row_begin(c, p);
    for (int i = 0; i < m->items.count; i++)
        if (core_source(c, m->items.sources[i])) row_set(c, p, m->items.sources[i], m->items.gains[i]);
    if (m->items.flags & ITEMS_LAST) row_claim(c, p, now);
}

static inline void command_play(core *c, const command *m) {
    uint32_t index = HANDLE_INDEX(m->handle);
    if (index >= c->player_count || c->players[index].source.state != STATE_FREE) {
        c->refused++;
        return;
    }
    player *p = &c->players[index];
    source_open(&p->source, m->handle, m->slot);
    p->pcm = m->play.pcm;
    p->samples = m->play.samples;
    p->repeats = m->play.repeats;
    p->at = m->play.at < m->play.samples ? m->play.at : 0;
    p->played = 0;
    p->source.rate = (uint8_t)rate_of(m->play.hertz);
    p->source.clock = rate_hertz[p->source.rate];
    list_add(&c->slot_players[p->source.slot], index, &p->source.next, &p->source.previous);
    if (p->source.next != CORE_NOBODY) c->players[p->source.next].source.previous = index;
    c->live++;
}

static inline void command_record(core *c, const command *m, int64_t now) {
    uint32_t index = HANDLE_INDEX(m->handle);
    if (index >= c->recording_count || c->recordings[index].state != STATE_FREE) {
        c->refused++;
        return;
    }
    recording *r = &c->recordings[index];
    memset(r, 0, sizeof *r);
    r->generation = HANDLE_GENERATION(m->handle);
    r->state = STATE_OPEN;
    r->slot = (uint8_t)(m->slot % CORE_SLOTS);
    recording_begin(c, r, rate_of(m->record.hertz), m->record.tracks == BLOCK_TRACKS ? BLOCK_TRACKS : 2, now);
    list_add(&c->slot_recordings[r->slot], index, &r->next, &r->previous);
    if (r->next != CORE_NOBODY) c->recordings[r->next].previous = index;
    c->live++;
}

static inline void command_tracks(core *c, const command *m, int64_t now) {
    recording *r = core_recording(c, m->handle);
    if (!r || m->items.track >= r->tracks) return;
    if (m->items.flags & ITEMS_FIRST) recording_untrack(c, r, m->items.track, now);
    for (int i = 0; i < m->items.count; i++) recording_track(c, r, m->items.track, m->items.sources[i], now);
}

static inline void command_stop_recording(core *c, const command *m, int64_t now) {
    recording *r = core_recording(c, m->handle);
    if (!r) return;
    for (int track = 0; track < r->tracks; track++) recording_untrack(c, r, track, now);
    r->state = STATE_CLOSING;
    r->end_ns = now;
}

static inline void command_watch(core *c, port *p, const command *m, int64_t now) {
    uint8_t before = p->watch;
    p->watch = (uint8_t)((before | m->watch.set) & ~m->watch.clear);
    if (~before & p->watch & WATCH_SOUND) inband_reset(&p->sound);
    port_retap(c, p, now);
}

static inline void core_command(core *c, const command *m, int64_t now) {
    port *p;
    source *s;
    switch (m->kind) {
    case COMMAND_OPEN_PORT: command_open_port(c, m, now); break;
    case COMMAND_FORMAT: c->format = *m; break;
    case COMMAND_SET_SESSION: command_session(c, m, now); break;
    case COMMAND_CLOSE_PORT: command_close_port(c, m, now); break;
    case COMMAND_ROW: command_row(c, m, now); break;
    case COMMAND_PLAY: command_play(c, m); break;
    case COMMAND_STOP_PLAYER:
        s = core_source(c, m->handle);
        if (s && HANDLE_KIND(m->handle) == KIND_PLAYER) {
            source_leave(c, s, m->handle, now);
            player_free(c, (player *)s, 0);
        }
        break;
    case COMMAND_DIGITS:
        p = core_port(c, m->handle);
        if (p)
            for (int i = 0; i < m->digits.count; i++) dtmf_press(&p->dtmf_out, m->digits.events[i], DTMF_DIGIT);
        break;
    case COMMAND_WATCH:
        p = core_port(c, m->handle);
        if (p) command_watch(c, p, m, now);
        break;
    case COMMAND_RECORD: command_record(c, m, now); break;
    case COMMAND_TRACKS: command_tracks(c, m, now); break;
    case COMMAND_STOP_RECORDING: command_stop_recording(c, m, now); break;
    default: c->refused++;
    }
}

/* Take what was asked, at most COMMANDS_PER_TICK, but never half of a batch. */
static inline void core_commands(core *c, int64_t now) {
    command m;
    uint32_t index;
    while (ring_used(&c->returned) && ring_pop(&c->returned, &m)) {
        memcpy(&index, &m, sizeof index);
        block_return(c, index);
    }
    int open = 0;
    for (int taken = 0; (taken < CORE_COMMANDS_PER_TICK || open) && ring_pop(&c->commands, &m); taken++) {
        core_command(c, &m, now);
        open = m.kind == COMMAND_FORMAT ||
               ((m.kind == COMMAND_ROW || m.kind == COMMAND_TRACKS) && !(m.items.flags & ITEMS_LAST));
    }
}

/* After the last tick: hand over what the recordings hold, as if they were stopped now. */
static inline void core_finish_recordings(core *c, int64_t now) {
    for (uint32_t i = 0; i < c->recording_count; i++) {
        recording *r = &c->recordings[i];
        if (r->state == STATE_FREE) continue;
        if (r->state == STATE_OPEN) r->end_ns = now;
        if (recording_finish(c, r, r->end_ns)) r->state = STATE_FREE;
    }
}

/* ---- what a codec needs: made and freed by Python, outside of the tick ---------------------------------------------- */
static int coder_needed(int which) {
    const codec *k = &codecs[which];
    return codec_speaks(which) && (codec_size(which) || !k->bytes || k->bytes > 160);
}

/* A fresh coder, or NULL: no memory, or the codec's library refuses. */
static coder *coder_open(int which) {
    size_t before = (sizeof(coder) + codec_size(which) + 63) / 64 * 64;
    size_t size = (before + playout_size(&codecs[which]) + 63) / 64 * 64;
    coder *made = (coder *)aligned_alloc(64, size);
    if (!made) return NULL;
    memset(made, 0, size);
    made->playout = (uint8_t *)made + before;
    if (codec_open(which, made->state)) return made;
    free(made);
    return NULL;
}

static void coder_close(coder *closed) { free(closed); }

/* ---- life ---------------------------------------------------------------------------------------------------------- */
/* Zeroed memory, in huge pages where the system gives them: a leg is touched every few milliseconds, and walking the
 * page tables for it costs more than the work itself. */
static void *arena_open(size_t size) {
#ifdef __SANITIZE_ADDRESS__
    return calloc(1, size); /* whose borders are watched */
#endif
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    madvise(memory, size, MADV_HUGEPAGE);
    return memory;
}

static void arena_close(void *memory, size_t size) {
#ifdef __SANITIZE_ADDRESS__
    free(memory);
    return;
#endif
    if (memory) munmap(memory, size);
}

static void core_close(core *c) {
    if (!c) return;
    arena_close(c->ports, c->port_count * sizeof(port));
    arena_close(c->players, c->player_count * sizeof(player));
    arena_close(c->blocks, c->block_count * sizeof(block));
    arena_close(c->out, c->out_count * sizeof(datagram));
    arena_close(c->frames, c->frames_size * sizeof(int16_t));
    free(c->recordings);
    free(c->free_blocks);
    free(c->rewire);
    free(c->commands.records);
    free(c->events.records);
    free(c->written.records);
    free(c->returned.records);
    free(c);
}

static uint32_t power_of_two(uint32_t least) {
    uint32_t n = 64;
    while (n < least) n *= 2;
    return n;
}

/* All memory that the core will ever have; pages are touched when they are first used. NULL if there is not enough. */
static core *core_open(uint32_t ports, uint32_t players, uint32_t recordings, uint32_t thread, int64_t ntp_offset_ns) {
    core *c = (core *)aligned_alloc(64, (sizeof(core) + 63) / 64 * 64);
    if (!c) return NULL;
    memset(c, 0, sizeof *c);
    codec_setup();
    tone_setup();
    resample_setup();
    c->thread = thread;
    c->ntp_offset_ns = ntp_offset_ns;
    c->port_count = ports;
    c->player_count = players;
    c->recording_count = recordings;
    c->block_count = recordings * 2 + recordings / 2 + 64;
    c->out_count = 2 * ports + CORE_HEARERS;
    c->ports = (port *)arena_open(ports * sizeof(port));
    c->players = (player *)arena_open(players * sizeof(player));
    c->recordings = (recording *)calloc(recordings, sizeof(recording));
    c->blocks = (block *)arena_open(c->block_count * sizeof(block));
    c->free_blocks = (uint32_t *)calloc(c->block_count, sizeof(uint32_t));
    c->out = (datagram *)arena_open(c->out_count * sizeof(datagram));
    c->frames_size = ((size_t)ports + players) * (CORE_SAMPLES + 4 * 32);
    c->frames = (int16_t *)arena_open(c->frames_size * sizeof(int16_t));
    c->rewire = (uint32_t *)calloc(2 * (size_t)ports, sizeof(uint32_t));
    int rings = ring_open(&c->commands, CORE_COMMANDS) & ring_open(&c->events, CORE_EVENTS) &
                ring_open(&c->written, power_of_two(4 * recordings)) &
                ring_open(&c->returned, power_of_two(c->block_count));
    if (!c->ports || !c->players || !c->recordings || !c->blocks || !c->free_blocks || !c->out || !c->frames || !c->rewire || !rings) {
        core_close(c);
        return NULL;
    }
    for (uint32_t i = 0; i < c->block_count; i++) c->free_blocks[i] = c->block_count - 1 - i;
    c->free_count = c->block_count;
    for (int i = 0; i < CORE_SLOTS; i++) c->slot_ports[i] = c->slot_players[i] = c->slot_recordings[i] = CORE_NOBODY;
    return c;
}

#endif
