/* Twin: softswitch/rtp/playout.py. Play-out: packets at any time in, exactly one frame of 20 ms per call out.
 *
 * Sound is decoded into a line of samples of which the last 50 ms that were played are kept: losses are concealed out of
 * them, and the line is stretched where that is inaudible, so that the delay follows the target of delay.h. A frame is
 * taken at fixed moments, so a packet waits for the moment at which its first sample is wanted; `offset` of that sample
 * within its frame is delay without use, which stretching and pauses bring back to nothing.
 *
 * Positions are RTP timestamps, unwrapped; what is concealed while packets are missing is a `gap` and moves none, so a
 * packet that comes late after all is heard, a little later. Times are nanoseconds. */
#ifndef SOFTSWITCH_PLAYOUT_H
#define SOFTSWITCH_PLAYOUT_H

#include "codec.h"
#include "delay.h"
#include "packets.h"
#include "plc.h"
#include "stretch.h"

enum {
    PLAYOUT_LONG_MS = 120,   /* the longest packet that cannot be cut */
    PLAYOUT_PIECE_MS = 20,   /* what others are cut to */
    PLAYOUT_GIVE_UP = 10,    /* missing frames in a row after which the next packet starts anew */
    PLAYOUT_DTX = 25,        /* the same for Opus that pauses: a packet comes in 400 ms (RFC 7587 section 3.1.3) */
    PLAYOUT_SLACK_MS = 3,    /* above the target by so much, before sound is taken out */
    PLAYOUT_HURRY_MS = 60,   /* above it by so much, any likeness will do */
    PLAYOUT_SKIP_MS = 300,   /* above it by so much, packets are thrown away */
    PLAYOUT_WARY = 100,      /* frames that a loss is remembered for: 1 % of them keeps the memory where it is */
    PLAYOUT_WARIEST = 1000,
    PLAYOUT_REST = 2,        /* frames between two stretches, unless it is urgent */
    PLAYOUT_QUIET = 10000,   /* mean square below which nobody speaks, whatever the noise floor: -50 dBov */
    PLAYOUT_NOISY = 150000   /* and above which somebody does: -38 dBov */
};
enum { PLAYOUT_IDLE, PLAYOUT_FILLING, PLAYOUT_PLAYING };
enum { NOISE_NONE, NOISE_TOLD /* by RFC 3389 */, NOISE_CODEC /* of the codec's own making */ };
enum { PLAYOUT_STORED, PLAYOUT_DUPLICATE, PLAYOUT_LATE, PLAYOUT_JUMPED, PLAYOUT_REFUSED };

typedef struct {
    const codec *codec;
    void *codec_state;
    int16_t *pcm;        /* `start` samples that were played, then those that wait up to `end` */
    int32_t start, end, room;
    int64_t newest;      /* end of the newest packet */
    int64_t next;        /* where the decoded sound ends */
    int64_t gap;         /* concealed or silent since then */
    uint32_t jump;       /* added to the sender's timestamps since they jumped */
    int32_t first;       /* what the first packet waits above the target, RTP clock units */
    int32_t offset[2];   /* of the last packets within their frames, samples */
    uint16_t last_sequence;
    uint8_t state, quiet, concealing, primed, rest, missing;
    uint8_t noise;       /* what is heard while the sender says nothing */
    uint8_t dtx;         /* this sender pauses without a word */
    uint16_t wary;       /* losses of late, where the next packet could undo them if sound waited for it */
    uint32_t floor;      /* the least mean square of late */
    uint32_t doubt;      /* frames made up while nothing waited: the next packet tells whether they were lost */
    cn_state cn;
    /* for statistics */
    int32_t delayed;     /* what the fastest packet waits now, RTP clock units */
    uint32_t late, duplicate, concealed, stretched, skipped;
    delay delay;
    plc plc;
    packets packets;
} playout;

/* ---- memory -------------------------------------------------------------------------------------------------------- */
static inline uint32_t playout_piece(const codec *c) { return c->bytes ? c->bytes : (CODEC_PAYLOAD + 1u) & ~1u; }

static inline int32_t playout_line(const codec *c) {
    int ahead = c->bytes ? 3 * PLAYOUT_PIECE_MS : PLAYOUT_LONG_MS + 2 * PLAYOUT_PIECE_MS;
    return (int32_t)c->rate / 1000 * (PLC_PAST_MS + ahead);
}

/* Bytes of memory, aligned for int16_t, that a stream of this codec needs. */
static inline size_t playout_size(const codec *c) {
    return ((size_t)playout_line(c) + (size_t)plc_past((int)c->rate)) * sizeof(int16_t) + PACKETS * playout_piece(c);
}

static inline void playout_flush(playout *p) {
    packets_clear(&p->packets);
    p->state = PLAYOUT_IDLE;
    p->concealing = p->primed = p->quiet = p->missing = p->noise = 0;
    p->doubt = 0;
    p->end = p->start;
    p->delayed = 0;
}

/* Begin with a codec. The memory and the codec's state stay the owner's, and in use until the next call. */
static inline void playout_open(playout *p, const codec *c, void *codec_state, void *memory) {
    memset(p, 0, sizeof *p);
    p->codec = c;
    p->codec_state = codec_state;
    p->room = playout_line(c);
    p->pcm = memory;
    p->start = plc_past((int)c->rate);
    p->plc.rate = (int32_t)c->rate;
    p->plc.past = p->pcm + p->room;
    p->packets.payloads = (uint8_t *)(p->plc.past + p->start);
    p->packets.room = playout_piece(c);
    memset(p->pcm, 0, (size_t)p->room * sizeof *p->pcm);
    delay_reset(&p->delay, c->clock);
    playout_flush(p);
}

/* ---- units --------------------------------------------------------------------------------------------------------- */
static inline int64_t playout_clock(const playout *p, int64_t ns) {
    return ns / 1000000000 * p->codec->clock + ns % 1000000000 * p->codec->clock / 1000000000;
}

static inline int64_t playout_samples(const playout *p, int64_t units) { return units * p->codec->rate / p->codec->clock; }
static inline int64_t playout_units(const playout *p, int64_t samples) { return samples * p->codec->clock / p->codec->rate; }

/* What the fastest packet that holds `position` waits if that is played at `now`, RTP clock units. */
static inline int64_t playout_wait(const playout *p, int64_t position, int64_t now) {
    return now - delay_least(&p->delay) - position;
}

/* ---- packets come -------------------------------------------------------------------------------------------------- */
static inline int playout_follows(const playout *p, uint16_t sequence) { return sequence == (uint16_t)(p->last_sequence + 1); }

/* What was missing while nothing waited was lost, unless the sender has only paused. */
static inline void playout_judge(playout *p, int paused) {
    if (!paused) p->concealed += p->doubt;
    else p->dtx |= p->doubt && p->codec->conceal;
    p->doubt = 0;
}

static inline int playout_keep(playout *p, packet k, const uint8_t *payload) {
    packets *s = &p->packets;
    if (p->state == PLAYOUT_PLAYING && k.timestamp + k.lasts <= p->next && k.kind == PACKET_AUDIO) {
        p->late++;
        return PLAYOUT_LATE;
    }
    if (packets_hold(s, k.timestamp)) {
        if (k.kind == PACKET_AUDIO) p->duplicate++;
        return PLAYOUT_DUPLICATE;
    }
    if (s->held == PACKETS) {
        packet *oldest = packets_oldest(s);
        if (k.timestamp < oldest->timestamp) {
            p->late++;
            return PLAYOUT_LATE;
        }
        packets_drop(s, oldest);
        p->skipped++;
        if (p->state == PLAYOUT_PLAYING && packets_oldest(s)->timestamp > p->next) {
            p->next = packets_oldest(s)->timestamp;
            p->gap = 0;
        }
    }
    packets_keep(s, k, payload);
    if (k.timestamp + k.lasts > p->newest) p->newest = k.timestamp + k.lasts;
    return PLAYOUT_STORED;
}

/* Where a packet stands on our line of time; `*jumped` when the sender's timestamps have left theirs. */
static inline int64_t playout_place(playout *p, int kind, uint32_t timestamp, uint16_t sequence, int restarted, int64_t now,
                                    int *jumped) {
    int64_t clock = p->codec->clock, place = p->newest + (int32_t)(timestamp + p->jump - (uint32_t)p->newest);
    int64_t ahead = place - (p->next + p->gap);
    if (kind != PACKET_AUDIO) return ahead > clock / 2 ? p->newest : place > p->next ? place : p->next;
    *jumped = restarted || ahead > clock / 2 || ahead < -clock;
    if (!*jumped) return place;
    /* It is as old as a packet that has just come is, and behind all that came. */
    int64_t said = delay_least(&p->delay) == DELAY_UNKNOWN ? p->newest : now - delay_least(&p->delay);
    place = said < p->newest || sequence == (uint16_t)(p->last_sequence + 1) ? p->newest : said;
    p->jump = (uint32_t)place - timestamp;
    return place;
}

/* Take one packet. PACKET_SILENCE: no sound until the next packet, but comfort noise if the payload tells of some (none:
 * a telephone event). `restarted`: another SSRC, or the sequence numbers began anew. */
static inline int playout_put(playout *p, int kind, uint32_t timestamp, uint16_t sequence, const uint8_t *payload,
                              int length, int restarted, int64_t now) {
    int lasts = kind == PACKET_AUDIO ? p->codec->lasts(payload, length) : 0;
    int uncut = p->codec->bytes == 0;
    if (kind == PACKET_AUDIO && (lasts <= 0 || (uncut && (length > (int)p->packets.room || lasts > 6 * p->codec->ticks))))
        return PLAYOUT_REFUSED;
    int64_t units = playout_clock(p, now);
    int jumped = 0;
    if (p->state == PLAYOUT_IDLE) {
        if (kind != PACKET_AUDIO) return PLAYOUT_STORED;
        p->state = PLAYOUT_FILLING;
        playout_judge(p, !restarted && playout_follows(p, sequence) && timestamp != (uint32_t)p->next - p->jump);
        cn_open(&p->cn, timestamp);
        p->jump = 0;
        p->newest = p->next = timestamp;
        p->gap = p->missing = p->quiet = 0;
        /* Packets of 10 or 30 ms end within a frame, whose other half comes later. */
        p->first = lasts % p->codec->ticks ? p->codec->ticks / 2 : 0;
        delay_restart(&p->delay);
    }
    int64_t place = playout_place(p, kind, timestamp, sequence, restarted, units, &jumped);
    if (kind == PACKET_AUDIO && !packets_hold(&p->packets, place)) {
        /* Nothing for a while and then an old timestamp: the sender's clock stood still meanwhile, or a stall has ended. */
        int64_t least = delay_least(&p->delay);
        if (!p->packets.held && least != DELAY_UNKNOWN && units - place - least > p->codec->clock / 4) delay_restart(&p->delay);
        delay_learn(&p->delay, place, units);
    }
    packet k = {place, 0, 0, sequence, (uint8_t)kind};
    if (kind == PACKET_SILENCE) {
        k.length = (uint16_t)(length < 1 + CN_ORDER ? length : 1 + CN_ORDER);
        return playout_keep(p, k, payload);
    }
    int step = p->codec->bytes && length > p->codec->bytes ? p->codec->bytes : length, verdict = PLAYOUT_STORED;
    for (int at = 0; at < length; at += step) {
        int piece = length - at < step ? length - at : step;
        k.length = (uint16_t)piece;
        k.lasts = (uint32_t)p->codec->lasts(payload + at, piece);
        int found = playout_keep(p, k, payload + at);
        if (at == 0) verdict = found;
        k.timestamp += k.lasts;
    }
    return jumped && verdict == PLAYOUT_STORED ? PLAYOUT_JUMPED : verdict;
}

/* What is missing from here on is not lost; the payload of comfort noise, if there is one, tells what to hear. */
static inline void playout_hold(playout *p, const uint8_t *payload, int length) {
    p->quiet = 1;
    if (cn_take(&p->cn, payload, length)) p->noise = NOISE_TOLD;
}

/* The sender says nothing for now, at a place that is not known. */
static inline void playout_pause(playout *p, const uint8_t *payload, int length) {
    if (p->state == PLAYOUT_PLAYING && !p->packets.held) playout_hold(p, payload, length);
}

/* ---- frames go ----------------------------------------------------------------------------------------------------- */
static inline void playout_silence(playout *p, int n) {
    int16_t *out = p->pcm + p->end;
    int made = p->noise == NOISE_CODEC ? p->codec->conceal(p->codec_state, out, n) : 0;
    if (made < 0) made = 0;
    if (p->noise == NOISE_TOLD) cn_make(&p->cn, out, n);
    else memset(out + made, 0, (size_t)(n - made) * sizeof *out);
    p->end += n;
    p->gap += playout_units(p, n);
}

/* Make up n samples, or a few more where the codec does it and can only do so in steps; `most` bounds them if positive. */
static inline void playout_conceal(playout *p, int n, int most) {
    int16_t *out = p->pcm + p->end;
    if (p->codec->conceal) {
        int step = (int)p->codec->rate / 100;
        n = (n + step - 1) / step * step;
        if (most > 0 && n > most) n = most;
        int made = p->codec->conceal(p->codec_state, out, n);
        if (made < n) memset(out + (made > 0 ? made : 0), 0, (size_t)(n - (made > 0 ? made : 0)) * sizeof *out);
    } else {
        if (!p->concealing) plc_begin(&p->plc, out);
        plc_conceal(&p->plc, out, n);
        p->concealing = 1;
    }
    p->end += n;
    p->gap += playout_units(p, n);
}

/* Decode a packet that is due, or over-due by some of its samples; 0 if nothing was in it. */
static inline int playout_decode(playout *p, packet *k) {
    int16_t *out = p->pcm + p->end;
    int offset = p->end - p->start, frame = p->codec->frame;
    int n = p->codec->decode(p->codec_state, packets_payload(&p->packets, k), k->length, out, p->room - p->end);
    int past = (int)playout_samples(p, p->next - k->timestamp);
    int pauses = p->codec->pauses && p->codec->pauses(packets_payload(&p->packets, k), k->length);
    packets_drop(&p->packets, k);
    if (n <= past) return 0;
    if (past) memmove(out, out + past, (size_t)(n - past) * sizeof *out);
    n -= past;
    if (p->concealing) plc_merge(&p->plc, out, n);
    p->concealing = p->primed = 0;
    p->quiet = (uint8_t)pauses;
    p->noise = pauses ? NOISE_CODEC : NOISE_NONE;
    playout_judge(p, 0);
    p->end += n;
    p->next += playout_units(p, n);
    p->gap = 0;
    p->last_sequence = k->sequence;
    p->offset[1] = p->offset[0];
    p->offset[0] = offset % frame;
    return n;
}

/* The packet that is due: all that is older is gone. */
static inline packet *playout_due(playout *p) {
    packet *k = packets_oldest(&p->packets);
    while (k && (k->kind == PACKET_SILENCE ? k->timestamp <= p->next || p->quiet : k->timestamp + k->lasts <= p->next)) {
        if (k->kind == PACKET_SILENCE) {
            if (playout_follows(p, k->sequence)) playout_judge(p, 1);
            playout_hold(p, packets_payload(&p->packets, k), k->length);
        }
        packets_drop(&p->packets, k);
        k = packets_oldest(&p->packets);
    }
    return k;
}

/* What a packet must wait: where losses are frequent and the packet behind can undo them, for that one too. */
static inline int32_t playout_target(const playout *p) {
    return p->delay.target + (p->wary > 2 * PLAYOUT_WARY ? (int32_t)p->codec->ticks : 0);
}

static inline void playout_lost(playout *p) {
    if (p->codec->recover) p->wary = p->wary + PLAYOUT_WARY < PLAYOUT_WARIEST ? p->wary + PLAYOUT_WARY : PLAYOUT_WARIEST;
}

/* What is missing right before a packet, out of that packet; 0 if it is not in there. */
static inline int playout_recover(playout *p, const packet *k, int64_t missing) {
    if (!p->codec->recover || missing > playout_samples(p, k->lasts)) return 0;
    int n = p->codec->recover(p->codec_state, packets_payload(&p->packets, k), k->length, p->pcm + p->end, (int)missing);
    if (n != missing) {
        p->wary = 0; /* nothing is in there: not worth the wait */
        return 0;
    }
    p->end += n;
    p->gap += playout_units(p, n);
    return 1;
}

/* Fill the line to one frame; return how many samples were decoded for it, and set `*lost` if some were made up:
 * to -1 if that was all that could be done. */
static inline int playout_fill(playout *p, int64_t now, int *lost) {
    int came = 0, frame = p->codec->frame;
    while (p->end - p->start < frame) {
        int need = frame - (p->end - p->start);
        packet *k = playout_due(p);
        int64_t missing = k ? playout_samples(p, k->timestamp - p->next - p->gap) : 0;
        if (k && k->timestamp > p->next) {
            /* Its number follows at once, so the sender has paused: the sound may begin when it has waited long enough. */
            if (playout_follows(p, k->sequence)) {
                if (!p->quiet && p->codec->conceal) p->noise = NOISE_CODEC;
                p->quiet = 1;
                playout_judge(p, 1);
            }
            int64_t wait = playout_wait(p, k->timestamp, now + playout_units(p, frame - need));
            if (p->quiet ? wait < playout_target(p) || need < frame : missing > 0) {
                if (p->quiet) {
                    playout_silence(p, need);
                } else if (playout_recover(p, k, missing)) {
                    came += (int)missing;
                } else {
                    playout_conceal(p, missing < need ? (int)missing : need, (int)missing);
                    *lost = 1;
                }
                continue;
            }
            if (!p->quiet && p->gap) playout_lost(p);
            p->next = k->timestamp;
            p->gap = 0;
            continue;
        }
        if (k) {
            came += playout_decode(p, k);
        } else if (p->quiet) {
            playout_silence(p, need);
        } else {
            playout_conceal(p, need, 0);
            if (!*lost) *lost = -1;
        }
    }
    return came;
}

static inline uint32_t playout_energy(const int16_t *pcm, int n) {
    return (uint32_t)((uint64_t)pitch_product(pcm, pcm, n) / (uint32_t)n);
}

/* Whether nobody speaks in this frame: near the noise floor, which rises slowly and falls at once. */
static inline int playout_hush(playout *p, const int16_t *frame) {
    uint32_t energy = playout_energy(frame, p->codec->frame), bound;
    p->floor = energy < p->floor ? energy : p->floor + (p->floor >> 6) + 1;
    bound = p->floor > PLAYOUT_NOISY / 4 ? PLAYOUT_NOISY : 4 * p->floor;
    return energy <= (bound > PLAYOUT_QUIET ? bound : PLAYOUT_QUIET);
}

static inline void playout_stretched(playout *p, int by) {
    int frame = p->codec->frame;
    for (int i = 0; i < 2; i++) p->offset[i] = (p->offset[i] + by + 2 * frame) % frame;
    p->stretched++;
    p->rest = PLAYOUT_REST;
}

/* Make the wait longer: whole frames of it count, so in silence just what is missing to the next. */
static inline void playout_lengthen(playout *p, int offset, int urgent, int hush) {
    int ms = (int)p->codec->rate / 1000, frame = p->codec->frame, seam = STRETCH_INSERT_MS * ms;
    int16_t *line = p->pcm + p->start;
    int period = hush ? frame - offset
                      : stretch_period(line + seam, (int)p->codec->rate, STRETCH_HIGH_MS * ms, urgent ? STRETCH_HURRY : STRETCH_ALIKE);
    if (!period) return;
    int fade = hush && period > STRETCH_FADE_US * ms / 1000 ? STRETCH_FADE_US * ms / 1000 : period;
    p->end = p->start + stretch_insert(line, p->end - p->start, seam, period, fade);
    playout_stretched(p, period);
}

/* Make it shorter by `most` samples at most. */
static inline void playout_shorten(playout *p, int most, double alike, int hush) {
    int ms = (int)p->codec->rate / 1000, frame = p->codec->frame;
    if (!hush && most > STRETCH_HIGH_MS * ms) most = STRETCH_HIGH_MS * ms;
    while (p->end - p->start < frame + most) {
        packet *k = playout_due(p);
        if (!k || k->timestamp > p->next || !playout_decode(p, k)) break;
    }
    int16_t *line = p->pcm + p->start;
    if (most > p->end - p->start - frame) most = p->end - p->start - frame;
    if (most < STRETCH_LOW_US * ms / 1000) return;
    int seam = hush ? most : STRETCH_REMOVE_MS * ms;
    int period = hush ? most : stretch_period(line + seam, (int)p->codec->rate, most, alike);
    if (!period) return;
    p->end = p->start + stretch_remove(line, p->end - p->start, seam, period, hush ? STRETCH_FADE_US * ms / 1000 : period);
    playout_stretched(p, -period);
}

/* Bring the wait nearer to the target, where that cannot be heard. */
static inline void playout_steer(playout *p, int64_t now) {
    int ms = (int)p->codec->rate / 1000, frame = p->codec->frame;
    int hush = playout_hush(p, p->pcm + p->start);
    p->rest -= p->rest > 0;
    int64_t waits = playout_samples(p, playout_wait(p, p->next - playout_units(p, p->end - p->start), now));
    int target = (int)playout_samples(p, playout_target(p));
    int low = p->offset[0] < p->offset[1] ? p->offset[0] : p->offset[1];
    int high = p->offset[0] < p->offset[1] ? p->offset[1] : p->offset[0];
    int64_t above = waits - high - target;
    if (above < 0) {
        if (!p->rest || above < -frame) playout_lengthen(p, high, above < -frame, hush);
        return;
    }
    int slack = PLAYOUT_SLACK_MS * ms;
    int most = waits - high - frame >= target + slack ? frame : waits - low - frame >= target + slack ? high : above >= slack ? low : 0;
    int urgent = above > PLAYOUT_HURRY_MS * ms;
    if (most < STRETCH_LOW_US * ms / 1000 || (p->rest && !urgent)) return;
    playout_shorten(p, most, above > 2 * PLAYOUT_HURRY_MS * ms ? 0.0 : urgent ? STRETCH_HURRY : STRETCH_ALIKE, hush);
}

/* So much waits that stretching would take seconds: throw the oldest packets away. */
static inline void playout_skip(playout *p, int64_t now) {
    int64_t ms = p->codec->clock / 1000, bound = p->delay.target + PLAYOUT_SKIP_MS * ms;
    if (playout_wait(p, p->next + p->gap, now) <= bound) return;
    packet *k;
    while ((k = playout_due(p)) && p->packets.held > 1 &&
           playout_wait(p, k->timestamp, now) > p->delay.target + PLAYOUT_PIECE_MS * ms) {
        packets_drop(&p->packets, k);
        p->skipped++;
    }
    if (!k || k->timestamp <= p->next) return;
    if (!p->codec->conceal && !p->concealing) plc_begin(&p->plc, p->pcm + p->end); /* the seam is blended */
    p->concealing = !p->codec->conceal;
    p->next = k->timestamp;
    p->gap = 0;
}

/* `n` samples that were heard in another way, right before the next packet: what losses are concealed out of. */
static inline void playout_recall(playout *p, const int16_t *pcm, int n) {
    int past = plc_past((int)p->codec->rate);
    if (p->state != PLAYOUT_IDLE || p->start != past) return;
    if (n > past) {
        pcm += n - past;
        n = past;
    }
    memmove(p->pcm, p->pcm + n, (size_t)(past - n) * sizeof *pcm);
    memcpy(p->pcm + past - n, pcm, (size_t)n * sizeof *pcm);
}

/* The first samples after a stream that was heard in another way until now: `n` of it stand in until ours begin. */
static inline void playout_prime(playout *p, const int16_t *pcm, int n) {
    int past = plc_past((int)p->codec->rate);
    if (p->state == PLAYOUT_PLAYING || p->codec->conceal) return;
    if (n > past) {
        pcm += n - past;
        n = past;
    }
    memset(p->pcm, 0, (size_t)(past - n) * sizeof *pcm);
    memcpy(p->pcm + past - n, pcm, (size_t)n * sizeof *pcm);
    p->start = p->end = past;
    plc_begin(&p->plc, p->pcm + past);
    p->primed = p->concealing = 1;
}

/* Whether there is anything in this frame but digital silence. */
static inline int playout_heard(const int16_t *frame, int n) {
    int any = 0;
    for (int i = 0; i < n; i++) any |= frame[i];
    return any != 0;
}

/* Take the frame that is due at `now`: `codec->frame` samples in `out` and 1, or 0 when nobody is talking. */
static inline int playout_pop(playout *p, int16_t *out, int64_t now) {
    int frame = p->codec->frame, past = plc_past((int)p->codec->rate), lost = 0, came = 0;
    int64_t units = playout_clock(p, now);
    if (p->state == PLAYOUT_FILLING) {
        packet *k = packets_oldest(&p->packets);
        if (k && playout_wait(p, k->timestamp, units) >= p->delay.target + p->first) {
            p->state = PLAYOUT_PLAYING;
            p->next = k->timestamp;
            p->gap = p->offset[0] = p->offset[1] = 0;
        }
    }
    if (p->state != PLAYOUT_PLAYING) {
        if (!p->primed) return 0;
        plc_conceal(&p->plc, p->pcm + p->end, frame);
        p->end += frame;
        p->primed = p->concealing = !plc_silent(&p->plc);
    } else {
        playout_skip(p, units);
        p->wary -= p->wary > 0;
        came = playout_fill(p, units, &lost);
        p->concealed += lost > 0;
        p->doubt += lost < 0;
        if (!p->quiet && !p->concealing && p->gap == 0) playout_steer(p, units);
        p->delayed = (int32_t)playout_wait(p, p->next + p->gap - playout_units(p, p->end - p->start), units);
        p->missing = came || p->quiet || p->packets.held ? 0 : (uint8_t)(p->missing + 1);
        if (p->missing >= (p->dtx ? PLAYOUT_DTX : PLAYOUT_GIVE_UP)) {
            uint32_t doubt = p->doubt;
            playout_flush(p);
            p->doubt = doubt;
            return 0;
        }
    }
    memcpy(out, p->pcm + p->start, (size_t)frame * sizeof *out);
    p->start += frame;
    int shift = p->start - past;
    memmove(p->pcm, p->pcm + shift, (size_t)(p->end - shift) * sizeof *p->pcm);
    p->start -= shift;
    p->end -= shift;
    return came || playout_heard(out, frame);
}

#endif
