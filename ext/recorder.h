/* The recorder: taps of sources, placed by time into blocks of interleaved tracks that another thread takes to disk.
 *
 * A recording holds two blocks, the one that is being completed and the next. A block is handed over BLOCK_REORDER_NS
 * after its end, so that a packet which comes late still finds its place. */
#ifndef SOFTSWITCH_RECORDER_H
#define SOFTSWITCH_RECORDER_H

#include "decoding.h"
#include "timeline.h"

static inline uint32_t block_take(core *c, const recording *r) {
    if (!c->free_count) {
        c->pool_empty++;
        return BLOCK_NONE;
    }
    uint32_t index = c->free_blocks[--c->free_count];
    memset(c->blocks[index].samples, 0, sizeof(int16_t) * r->span * r->tracks);
    return index;
}

static inline void block_return(core *c, uint32_t index) {
    if (index != BLOCK_NONE) c->free_blocks[c->free_count++] = index;
}

static inline int block_write(core *c, recording *r, uint32_t index, uint32_t samples, uint32_t last) {
    block_record record;
    memset(&record, 0, sizeof record);
    record.recording = HANDLE(r - c->recordings, r->generation, KIND_RECORDING, c->thread);
    record.block = index;
    record.samples = samples;
    record.tracks = r->tracks;
    record.last = last;
    record.missed = r->missed += index == BLOCK_NONE && samples != 0;
    return ring_push(&c->written, &record, 1);
}

/* Hand over what is complete. A full ring costs the block, never a wait. */
static inline void recording_roll(core *c, recording *r, int64_t now) {
    uint32_t hertz = rate_hertz[r->rate];
    int64_t position = units_of(now - r->start_ns, hertz), late = units_of(BLOCK_REORDER_NS, hertz);
    int64_t most = (int64_t)r->span - units_of(BLOCK_AHEAD_NS, hertz);
    if (late > most) late = most;
    while (position >= (int64_t)r->base + r->span + late) {
        if (!block_write(c, r, r->blocks[0], r->span, 0)) {
            /* The writer is told later how much is missing, by a record without a block. */
            if (r->blocks[0] == BLOCK_NONE) return;
            block_return(c, r->blocks[0]);
            r->blocks[0] = BLOCK_NONE;
            c->ring_full++;
            return;
        }
        r->blocks[0] = r->blocks[1];
        r->blocks[1] = block_take(c, r);
        r->base += r->span;
    }
}

static inline int16_t record_sum(int32_t there, int32_t more) {
    int32_t x = there + more;
    x = x > 32767 ? 32767 : x;
    return (int16_t)(x < -32768 ? -32768 : x);
}

/* Of two tracks both samples of a moment are taken and put back as one word: that can be done for many moments at once. */
static inline void record_pairs(int16_t *restrict out, int track, const int16_t *restrict pcm, int n) {
    int shift = (track == 1) == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) ? 16 : 0;
    uint32_t others = ~(0xffffu << shift);
    for (int k = 0; k < n; k++) {
        uint32_t both;
        memcpy(&both, out + 2 * k, sizeof both);
        both = (both & others) | (uint32_t)(uint16_t)record_sum((int16_t)(both >> shift), pcm[k]) << shift;
        memcpy(out + 2 * k, &both, sizeof both);
    }
}

/* Add samples of a source to a track; what lies outside the two blocks is lost. Where slots were skipped, the one that
 * hands over this recording's blocks may be far behind the packets. */
static inline void record_samples(core *c, recording *r, source *s, int track, int64_t at, const int16_t *pcm, int n) {
    if (at + n > (int64_t)r->base + 2 * (int64_t)r->span)
        recording_roll(c, r, r->start_ns + units_ns(at + n, rate_hertz[r->rate]));
    int64_t offset = at - (int64_t)r->base;
    for (int i = 0; i < n;) {
        int64_t place = offset + i;
        if (place < 0) {
            i = -place < n - i ? i + (int)-place : n;
            continue;
        }
        int64_t span = r->span;
        if (place >= 2 * span) return;
        uint32_t index = r->blocks[place >= span];
        int start = (int)(place % span), run = (int)span - start, step = r->tracks;
        if (run > n - i) run = n - i;
        if (index != BLOCK_NONE) {
            int16_t *out = c->blocks[index].samples + step * start;
            if (step == 2) record_pairs(out, track, pcm + i, run);
            else for (int k = 0; k < run; k++) out[step * k + track] = record_sum(out[step * k + track], pcm[i + k]);
            s->written = out + step * run;
        }
        i += run;
    }
}

/* Where in the recording something belongs that is heard at `heard`. */
static inline int64_t recording_place(const recording *r, int64_t heard) {
    int64_t units = (heard - r->start_ns) * rate_hertz[r->rate], second = 1000000000;
    return units >= 0 ? units / second : -((-units + second - 1) / second);
}

/* The sample of a track at a place, or NULL where there is none in memory. */
static inline int16_t *recording_sample(core *c, const recording *r, int track, int64_t place) {
    int64_t at = place - (int64_t)r->base, span = r->span;
    if (at < 0 || at >= 2 * span) return NULL;
    uint32_t index = r->blocks[at >= span];
    return index == BLOCK_NONE ? NULL : c->blocks[index].samples + r->tracks * (at % span) + track;
}

/* What the source has said since `heard` was placed too late: move it, `by` is negative, on tracks that it has alone. */
static inline void source_slide(core *c, const source *s, int64_t heard, int64_t by) {
    for (int i = 0; i < s->tap_count; i++) {
        recording *r = &c->recordings[s->taps[i] >> 2];
        int track = s->taps[i] & 3;
        int64_t from = recording_place(r, heard), to = recording_place(r, heard + by);
        if (r->tap_count[track] != 1 || from == to) continue;
        int16_t *old, *new;
        for (; from < (int64_t)r->base + 2 * (int64_t)r->span; from++, to++) {
            if (!(old = recording_sample(c, r, track, from)) || !*old) continue;
            if ((new = recording_sample(c, r, track, to))) {
                int32_t x = *new + *old;
                x = x > 32767 ? 32767 : x;
                *new = (int16_t)(x < -32768 ? -32768 : x);
            }
            *old = 0;
        }
    }
}

/* Give n samples at the source's rate, the first at `position` of its timeline, to all recordings that tap it. */
static inline void source_tap(core *c, source *s, uint32_t position, const int16_t *pcm, int n) {
    int64_t heard = source_heard(s, position);
    int16_t slipped[CORE_FRAME + MAP_HURRY * 6];
    int slips = map_slips(s->map_off_ns), later = s->map_off_ns > 0;
    if (slips && n >= 2 * MAP_HURRY) {
        n = map_slip(pcm, n, slips, later, rate_hertz[s->rate], slipped);
        pcm = slipped;
        source_move(s, later ? slips * MAP_SLIP_NS : -slips * MAP_SLIP_NS);
    }
    for (int i = 0; i < s->tap_count; i++) {
        recording *r = &c->recordings[s->taps[i] >> 2];
        record_samples(c, r, s, s->taps[i] & 3, recording_place(r, heard), pcm, n);
    }
}

/* Give the frame of this tick, which was `heard` then, to all recordings that tap the source, each at its rate. */
static inline void source_tap_frame(core *c, source *s, int64_t heard, int slips, int later) {
    int16_t slipped[CORE_FRAME + MAP_HURRY * 6];
    for (int i = 0; i < s->tap_count; i++) {
        recording *r = &c->recordings[s->taps[i] >> 2];
        const int16_t *pcm = source_frame(c, s, r->rate);
        int n = rate_frame[r->rate];
        if (!pcm) continue;
        if (slips) {
            n = map_slip(pcm, n, slips, later, rate_hertz[r->rate], slipped);
            pcm = slipped;
        }
        record_samples(c, r, s, s->taps[i] & 3, recording_place(r, heard), pcm, n);
    }
}

/* The same of a port's frame, which play-out let wait so long: frames of one talk-spurt follow each other in the file,
 * however time was stretched between them, and slip to where their packets belong. */
static inline void port_tap_frame(core *c, port *p, int talked, int64_t now) {
    int64_t wait = units_ns(p->playout.delayed, p->source.clock), least = delay_least(&p->playout.delay);
    int64_t off = p->tap_wait_ns - wait, began = p->tap_began_ns - p->tap_wait_ns;
    if (!talked || off > 2 * MAP_LEAP_NS || off < -2 * MAP_LEAP_NS) {
        p->tap_wait_ns = wait;
        p->tap_began_ns = now;
        p->tap_slips = 0;
        off = 0;
    } else if (least < p->tap_least && now - began < MAP_FRESH_NS) {
        int64_t by = units_ns(least - p->tap_least, p->source.clock);
        source_slide(c, &p->source, began, by);
        p->tap_wait_ns -= by;
        off -= by;
    }
    p->tap_least = least;
    if (off > MAP_OFF_NS || off < -MAP_OFF_NS) p->tap_slips = 1;
    int slips = p->tap_slips ? map_slips(off) : 0, later = off > 0;
    p->tap_slips = slips != 0;
    source_tap_frame(c, &p->source, now - p->tap_wait_ns, slips, later);
    p->tap_wait_ns += later ? -slips * MAP_SLIP_NS : slips * MAP_SLIP_NS;
}

static inline void source_untap(source *s, uint16_t tap) {
    for (int i = 0; i < s->tap_count; i++)
        if (s->taps[i] == tap) {
            s->taps[i] = s->taps[--s->tap_count];
            return;
        }
}

static inline void recording_untrack(core *c, recording *r, int track, int64_t now) {
    uint16_t tap = (uint16_t)((r - c->recordings) * 4 + track);
    for (int i = 0; i < r->tap_count[track]; i++) {
        source *s = core_source(c, r->taps[track][i]);
        if (!s) continue;
        source_untap(s, tap);
        if (HANDLE_KIND(r->taps[track][i]) == KIND_PORT) port_retap(c, (port *)s, now);
    }
    r->tap_count[track] = 0;
}

static inline void recording_track(core *c, recording *r, int track, uint64_t handle, int64_t now) {
    source *s = core_source(c, handle);
    if (!s) return;
    if (s->tap_count == CORE_TAPS || r->tap_count[track] == CORE_TAPS) {
        c->refused++;
        return;
    }
    for (int i = 0; i < r->tap_count[track]; i++)
        if (r->taps[track][i] == handle) return;
    s->taps[s->tap_count++] = (uint16_t)((r - c->recordings) * 4 + track);
    r->taps[track][r->tap_count[track]++] = handle;
    if (HANDLE_KIND(handle) == KIND_PORT) port_retap(c, (port *)s, now);
}

/* A source is gone: its handle is dead, so only our own list must forget it. */
static inline void source_leave_recordings(core *c, source *s, uint64_t handle) {
    while (s->tap_count) {
        uint16_t tap = s->taps[--s->tap_count];
        recording *r = &c->recordings[tap >> 2];
        int track = tap & 3;
        for (int i = 0; i < r->tap_count[track]; i++)
            if (r->taps[track][i] == handle) {
                r->taps[track][i] = r->taps[track][--r->tap_count[track]];
                break;
            }
    }
}

static inline void recording_begin(core *c, recording *r, int rate, int tracks, int64_t now) {
    r->rate = (uint8_t)rate;
    r->tracks = (uint8_t)tracks;
    uint32_t most = BLOCK_SAMPLES / (uint32_t)tracks, half = rate_hertz[r->rate] / 2;
    r->span = most < half ? most : half;
    r->start_ns = now;
    r->base = 0;
    r->missed = 0;
    r->blocks[0] = block_take(c, r);
    r->blocks[1] = block_take(c, r);
    memset(r->tap_count, 0, sizeof r->tap_count);
}

/* Hand over all that is left and return 1, or 0 while the ring has no room. */
static inline int recording_finish(core *c, recording *r, int64_t end_ns) {
    recording_roll(c, r, end_ns);
    int64_t left = units_of(end_ns - r->start_ns, rate_hertz[r->rate]) - (int64_t)r->base;
    if (left > 2 * (int64_t)r->span || ring_room(&c->written) < 2) return 0;
    uint32_t first = left > r->span ? r->span : (uint32_t)left;
    uint32_t second = (uint32_t)left - first;
    block_write(c, r, r->blocks[0], first, second == 0);
    if (second) block_write(c, r, r->blocks[1], second, 1);
    else block_return(c, r->blocks[1]);
    return 1;
}

#endif
