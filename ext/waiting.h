/* Twin: softswitch/rtp/playout.py. What waits to be played of one stream, and how packets come into it.
 *
 * Positions are RTP timestamps, unwrapped; what is concealed while packets are missing is a `gap` and moves none, so a
 * packet that comes late after all is heard, a little later. Times are nanoseconds. */
#ifndef SOFTSWITCH_WAITING_H
#define SOFTSWITCH_WAITING_H

#include "codec.h"
#include "delay.h"
#include "packets.h"
#include "plc.h"

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
    uint8_t state, quiet, concealing, rest, missing;
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
    p->concealing = p->quiet = p->missing = p->noise = 0;
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

#endif
