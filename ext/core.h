/* The media core of one thread, and what it owns.
 *
 * Sans-I/O: core_receive() takes a datagram, core_tick() one millisecond, both with the time as an argument; datagrams
 * to send are left in `out`, facts in the event ring. Between core_open() and core_close() nothing here makes a system
 * call, reads a clock, allocates, locks or touches a Python object. */
#ifndef SOFTSWITCH_CORE_H
#define SOFTSWITCH_CORE_H

#include <stdint.h>
#include "codec.h"
#include "dtmf.h"
#include "dtmf_inband.h"
#include "dtmf_tone.h"
#include "level.h"
#include "mix.h"
#include "playout.h"
#include "records.h"
#include "resample.h"
#include "ring.h"
#include "rtcp.h"
#include "rtp.h"
#include "sequence.h"
#include "source_policy.h"

enum {
    CORE_SLOTS = 20,      /* a room is served once in 20 ms, in one of these milliseconds */
    CORE_FRAME = 960,     /* samples of 20 ms at most: at 48 kHz */
    CORE_ROW = 256,       /* sources in one row */
    CORE_HEARERS = 256,   /* rows that one source stands in */
    CORE_CROWD = 8,       /* sources from which on rows that hear everybody else share one sum */
    CORE_CROWDS = 4,      /* such sums in one tick */
    CORE_DATAGRAM = 1500,
    CORE_COMMANDS = 4096,
    CORE_EVENTS = 65536,
    CORE_COMMANDS_PER_TICK = 256,
    CORE_TAPS = 4,        /* recordings that tap one source */
    CORE_LATENESS = 32    /* histogram classes: below 2^i microseconds */
};
#define CORE_FRAME_NS 20000000LL

/* The rates that audio has in here; each is the native one of some source and of some listener. */
enum { RATE_8, RATE_16, RATE_48, RATES };
static const uint32_t rate_hertz[RATES] = {8000, 16000, 48000};
static const uint16_t rate_frame[RATES] = {160, 320, 960}; /* samples of 20 ms */
static inline int rate_of(uint32_t hertz) { return hertz == 48000 ? RATE_48 : hertz == 16000 ? RATE_16 : RATE_8; }
#define CORE_NOBODY 0xffffffffu

/* ---- sources and listeners ---------------------------------------------------------------------------------------- */
typedef struct {
    uint64_t source;
    int16_t gain;   /* Q12, what the last frame ended with */
    int16_t target;
} row_item;

/* What ports and players have in common: they can be heard and recorded. */
typedef struct {
    uint32_t generation;
    uint32_t next, previous; /* in the list of the slot */
    uint8_t slot, state;
    uint8_t rate;             /* native, RATE_... */
    uint8_t tap_count;
    uint16_t hearer_count;
    /* Where the source's samples stand in time: `map_position` was (or will be) heard at `map_ns`. */
    uint16_t map_count;
    uint8_t mapped;
    uint32_t clock;           /* positions in a second */
    uint32_t map_position;
    int64_t map_ns, map_early_ns, map_off_ns; /* `off`: how much later it should be */
    uint32_t map_from;        /* where the stream began, at `map_began_ns` */
    int64_t map_began_ns;
    /* This tick's frame at each rate; `made` is the tick of which it is, so that an old one is none. Silence is none. */
    uint32_t made[RATES];
    uint32_t tail_tick;       /* the last tick in which a conversion was wanted */
    int16_t *frame[RATES];
    int16_t *before;          /* the end of the frame before this one, for more than one conversion of it */
    uint16_t taps[CORE_TAPS]; /* recording index * 4 + track */
    const int16_t *written;   /* where a recording's next samples of it are likely to go: only a place to fetch */
    uint16_t hearers[CORE_HEARERS];
    int16_t tail[RESAMPLE_TAIL];
} source;

enum {
    CODER_PAST = 8,    /* packets: 160 ms, after which a decoder of G.722 has forgotten where it began */
    CODER_PIECE = 480  /* bytes; longer ones are not remembered */
};

/* A packet that came; `length` 0: none. */
typedef struct {
    uint32_t timestamp;
    uint16_t sequence, length;
    uint8_t payload[CODER_PIECE];
} coder_packet;

/* What a port of a codec other than G.711 has besides; Python gives it, with the codec's state behind it. */
typedef struct coder {
    struct coder *next; /* among those that wait to be given back */
    void *playout;      /* playout_size() bytes */
    int16_t collected[CORE_FRAME * 3]; /* linear frames that become one packet */
    uint8_t packet[CORE_DATAGRAM];
    int16_t ahead[CORE_FRAME]; /* the frame of which the encoder has had the beginning only (seam.h) */
    uint32_t past_next;
    coder_packet past[CODER_PAST]; /* what came last, where a decoder remembers */
    _Alignas(64) uint8_t state[];
} coder;

enum {
    PLAYOUT_NARROW = 2 * 8 * (2 * PLC_PAST_MS + 3 * PLAYOUT_PIECE_MS) + PACKETS * 160 /* playout_size() of G.711 */
};
enum { STATE_FREE, STATE_OPEN, STATE_CLOSING };
enum { MODE_SILENT, MODE_RELAY, MODE_MIX };
enum { SHIFT_NONE, SHIFT_WANTED, SHIFT_TAKEN /* one frame is in hand */, SHIFT_ON };
enum { STICKY_LATCHED = 1, STICKY_TIMEOUT = 2, STICKY_RESUMED = 4, STICKY_DIGIT = 8, STICKY_OPAQUE = 16 };
enum { WIRE_OPEN = 1, WIRE_CONNECT = 2, WIRE_LEARN = 4, WIRE_CLOSE = 8 }; /* what the driver must do to the socket */

typedef struct {
    source source; /* must be first: a port is a source */
    /* session */
    uint8_t has_session, codec, payload_type, payload_receive, dtmf_send, dtmf_receive, flags, ptime;
    uint8_t mode, sticky, timed_out, wire, ever_sent;
    uint8_t connected;        /* the driver was asked to connect the socket and has tried */
    uint8_t wired, trusted;   /* it is connected; nothing from before that is queued any more */
    uint8_t socket_family;    /* the driver's: AF_INET or AF_INET6 */
    int32_t fd[2];            /* the driver's, by channel */
    uint32_t timeout_ms;
    uint32_t format, event_clock;
    uint32_t ticks;           /* RTP clock units of 20 ms */
    coder *coder;
    /* receiving */
    uint32_t epoch; /* counts the streams that came */
    uint32_t mixed_by;        /* who needs it decoded: listeners that mix it, and its recordings together as one */
    uint8_t tapped;           /* it is decoded for its recordings */
    uint8_t stale;            /* packets have come that play-out was not given */
    uint32_t let_go_tick;     /* when the last who needed it decoded let go */
    uint32_t frame_at;        /* the RTP timestamp of play-out's last frame */
    uint8_t talking;          /* the last frame that was decoded was not silence */
    int64_t tap_wait_ns;      /* how much earlier than it is played a recording places what is said */
    int64_t tap_began_ns;     /* since when it follows each other there */
    int64_t tap_least;        /* play-out's least delay when that was decided */
    uint8_t tap_slips;        /* that time is being put right */
    int64_t heard_ns;
    int64_t empty_ns;         /* when its socket was last known to hold nothing */
    uint32_t listed;          /* the last list of readable sockets in which it was */
    sequence sequence;
    /* sending */
    uint32_t ssrc, timestamp; /* of the last audio sent */
    uint32_t last_ticks;      /* RTP clock units that the last packet held */
    uint16_t next_sequence;
    uint16_t packed;          /* bytes (or samples, where the codec cannot be cut) that wait for the packet to be full */
    uint8_t marker;           /* the next packet starts a talk-spurt */
    uint8_t fresh;            /* packets after the relay's anchor that might be older than it */
    int32_t excess;           /* RTP clock units that the timestamps have run ahead of the clock by rounding */
    int64_t sent_ns;
    uint32_t relay_from, relay_generation, relay_epoch; /* whose packets the offsets below are made for */
    uint16_t relay_sequence_offset, relay_anchor;
    uint32_t relay_timestamp_offset;
    uint32_t resume_from, resume_at; /* whose packets were passed through, and the timestamp at which they ended */
    uint8_t holds;            /* slots for which this listener still waits for play-out to come there */
    uint8_t shift;            /* SHIFT_...: whether it is mixed ahead by the codec's delay */
    uint32_t shift_lead;      /* what was lost before the frame that is in hand, RTP clock units */
    uint8_t returning;        /* slots for which it has waited to be passed through again; 0: it does not */
    uint8_t hushed;           /* how many of its last frames were a pause in what is said, SEAM_HUSH at most */
    uint32_t octets;
    float round_trip; /* seconds, negative while unknown */
    port_counters counters;
    source_policy policy;
    int64_t report_ns, stats_ns;
    dtmf_sender dtmf_out;
    dtmf_receiver dtmf_in;
    uint32_t packet_timestamp;
    /* RTCP */
    address rtcp_remote, rtcp_heard;
    int64_t their_report_ns;
    uint32_t their_report, expected_prior, received_prior, sent_prior;
    uint8_t cname[RTCP_CNAME];
    uint64_t random;
    /* a digit that found the event ring full */
    uint8_t sticky_event;
    uint32_t sticky_duration;
    /* signals */
    uint8_t watch, remote_reported, remote_fraction;
    float remote_jitter;
    int64_t listened_ns;
    level_meter level;
    inband_receiver sound;
    tone_state tone;
    uint64_t crowd;           /* with whom this listener shares the sum of all; 0: it is not in a crowd */
    /* cold */
    uint16_t row_count;
    uint8_t packet[480 + 160]; /* G.711 that waits for the packet to be full */
    playout playout;
    _Alignas(8) uint8_t played[PLAYOUT_NARROW];
    row_item row[CORE_ROW];
} port;

typedef struct {
    source source; /* must be first */
    const int16_t *pcm;
    uint32_t samples, at, repeats, played;
} player;

/* The sum of all who are in a crowd: each of its listeners hears it less the own part. */
typedef struct {
    uint64_t key;
    int rate;
    int32_t sum[CORE_FRAME];
} crowd;

typedef struct {
    uint32_t generation, next, previous;
    uint8_t slot, state;
    uint8_t rate, tracks;
    uint32_t span;  /* samples of one track in a block */
    int64_t start_ns;
    int64_t end_ns; /* when it was stopped, in STATE_CLOSING */
    uint32_t base; /* position of the first sample of blocks[0] */
    uint32_t missed;
    uint32_t blocks[2];
    uint8_t tap_count[BLOCK_TRACKS];
    uint64_t taps[BLOCK_TRACKS][CORE_TAPS];
} recording;

typedef struct {
    uint32_t port;
    uint16_t length;
    uint8_t channel, spare;
    address to;
    uint8_t data[CORE_DATAGRAM];
} datagram;

typedef struct {
    uint32_t port_count, player_count, recording_count, block_count, out_count;
    port *ports;
    player *players;
    recording *recordings;
    block *blocks;
    uint32_t *free_blocks;
    uint32_t free_count;
    uint32_t slot_ports[CORE_SLOTS], slot_players[CORE_SLOTS], slot_recordings[CORE_SLOTS];
    uint32_t slot_decoding[CORE_SLOTS]; /* ports of the slot that somebody needs decoded */
    uint8_t slot_paced[CORE_SLOTS];     /* the last tick of the slot sent something of its own */
    uint32_t live; /* open ports, players and recordings */
    /* datagrams to send, taken by the driver */
    datagram *out;
    uint32_t out_used;
    /* ports whose socket must be connected, freed or closed, taken by the driver */
    uint32_t *rewire;
    uint32_t rewire_used;
    ring commands, events, written, returned;
    uint32_t wake;       /* an event that somebody waits for was published since the driver looked */
    int64_t wake_ns;     /* when statistics last woke somebody */
    int64_t ntp_offset_ns; /* NTP time minus ours */
    uint32_t thread;
    /* counters of the core itself */
    uint64_t ticks, ring_full, out_full, pool_empty, slots_skipped, refused, icmp;
    uint64_t lateness[CORE_LATENESS];
    coder *given_back;    /* coders that the event ring had no place for yet */
    command format;       /* the first half of the session whose second half comes next */
    /* frames of this tick: taken from the front, all free again in the next one */
    int16_t *frames;
    size_t frames_used, frames_size; /* samples */
    crowd crowds[CORE_CROWDS];
    uint32_t crowds_used;
    int32_t sum[CORE_FRAME];
} core;

/* Between nanoseconds and the units of a clock of so many hertz; microseconds are exact for every span that counts. */
static inline int64_t units_of(int64_t ns, uint32_t clock) { return ns / 1000 * clock / 1000000; }
static inline int64_t units_ns(int64_t units, uint32_t clock) { return units * 1000000000 / clock; }

/* xorshift64*: only spreads report times, so its quality does not matter; the seed comes from the engine. */
static inline uint32_t port_random(port *p) {
    p->random ^= p->random >> 12;
    p->random ^= p->random << 25;
    p->random ^= p->random >> 27;
    return (uint32_t)(p->random * 2685821657736338717ull >> 32);
}

/* The most samples that one source can want in a tick: its frame at each rate, and the tail. */
enum { CORE_SAMPLES = 160 + 320 + CORE_FRAME + RESAMPLE_TAIL };

/* Samples in this tick's memory, which was made for the most that all sources can want. */
static inline int16_t *core_samples(core *c, int n) {
    int16_t *samples = c->frames + c->frames_used;
    c->frames_used += (size_t)(n + 31) / 32 * 32;
    return samples;
}

/* The source's own frame of this tick, to be filled. */
static inline int16_t *source_make(core *c, source *s) {
    s->made[s->rate] = (uint32_t)c->ticks;
    return s->frame[s->rate] = core_samples(c, rate_frame[s->rate]);
}

/* It says nothing in this tick after all. */
static inline void source_unmake(core *c, source *s) { s->made[s->rate] = (uint32_t)c->ticks - 1; }

/* What the source says in this tick at any rate, converted when it is first asked for; NULL is silence. */
static inline const int16_t *source_frame(core *c, source *s, int rate) {
    uint32_t tick = (uint32_t)c->ticks;
    if (s->made[rate] == tick) return s->frame[rate];
    if (s->made[s->rate] != tick) return NULL;
    const int16_t *own = s->frame[s->rate];
    int n = rate_frame[s->rate], tail = (int)RESAMPLE_TAIL_OF(rate_hertz[s->rate]);
    if (s->tail_tick != tick) {
        s->before = core_samples(c, RESAMPLE_TAIL);
        if (tick - s->tail_tick <= CORE_SLOTS) memcpy(s->before, s->tail, sizeof s->tail);
        else memset(s->before, 0, sizeof s->tail);
        memcpy(s->tail, own + n - tail, (size_t)tail * sizeof *own);
        s->tail_tick = tick;
    }
    s->made[rate] = tick;
    s->frame[rate] = core_samples(c, rate_frame[rate]);
    resample((int)rate_hertz[s->rate], (int)rate_hertz[rate], s->before, own, n, s->frame[rate]);
    return s->frame[rate];
}

static inline uint64_t port_handle(core *c, uint32_t index) {
    return HANDLE(index, c->ports[index].source.generation, KIND_PORT, c->thread);
}

static inline source *core_source(core *c, uint64_t handle) {
    uint32_t index = HANDLE_INDEX(handle), kind = HANDLE_KIND(handle);
    source *s;
    if (kind == KIND_PORT && index < c->port_count) s = &c->ports[index].source;
    else if (kind == KIND_PLAYER && index < c->player_count) s = &c->players[index].source;
    else return NULL;
    return s->state == STATE_OPEN && s->generation == HANDLE_GENERATION(handle) ? s : NULL;
}

static inline port *core_port(core *c, uint64_t handle) {
    return HANDLE_KIND(handle) == KIND_PORT ? (port *)core_source(c, handle) : NULL;
}

static inline recording *core_recording(core *c, uint64_t handle) {
    uint32_t index = HANDLE_INDEX(handle);
    if (HANDLE_KIND(handle) != KIND_RECORDING || index >= c->recording_count) return NULL;
    recording *r = &c->recordings[index];
    return r->state == STATE_OPEN && r->generation == HANDLE_GENERATION(handle) ? r : NULL;
}

static inline int core_tell(core *c, const core_event *e, int urgent) {
    ring_record record;
    memset(&record, 0, sizeof record);
    memcpy(&record, e, sizeof *e);
    /* Statistics leave the last quarter of the ring to the events that a call depends on. */
    if ((!urgent && ring_room(&c->events) < CORE_EVENTS / 4) || !ring_push(&c->events, &record, 1)) {
        c->ring_full++;
        return 0;
    }
    c->wake |= (uint32_t)urgent;
    return 1;
}

static inline void port_tell(core *c, port *p, uint16_t kind, uint8_t sticky, float seconds) {
    core_event e;
    memset(&e, 0, sizeof e);
    e.handle = port_handle(c, (uint32_t)(p - c->ports));
    e.kind = kind;
    e.seconds = seconds;
    if (kind == EVENT_LATCHED) e.address = p->policy.current;
    if (core_tell(c, &e, 1)) p->sticky &= (uint8_t)~sticky;
    else p->sticky |= sticky;
}

/* Give a coder back to Python, now or when the ring has a place; NULL is none. */
static inline void coder_give_back(core *c, coder *given) {
    if (!given) return;
    given->next = c->given_back;
    c->given_back = given;
}

static inline void core_give_back(core *c) {
    while (c->given_back) {
        core_event e;
        memset(&e, 0, sizeof e);
        e.kind = EVENT_CODER;
        e.coder = c->given_back;
        coder *next = c->given_back->next;
        if (!core_tell(c, &e, 1)) return;
        c->given_back = next;
    }
}

static inline datagram *core_out(core *c) {
    if (c->out_used == c->out_count) {
        c->out_full++;
        return NULL;
    }
    return &c->out[c->out_used++];
}

static inline void core_rewire(core *c, port *p, uint8_t what) {
    if (!p->wire && c->rewire_used < 2 * c->port_count) c->rewire[c->rewire_used++] = (uint32_t)(p - c->ports);
    p->wire = (uint8_t)((p->wire & ~(WIRE_CONNECT | WIRE_LEARN)) | what);
}

#endif
