/* The media core of one thread: what it owns, and the records by which Python talks to it.
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
#include "jitter.h"
#include "level.h"
#include "mix.h"
#include "plc.h"
#include "resample.h"
#include "ring.h"
#include "rtcp.h"
#include "rtp.h"
#include "sequence.h"
#include "source_policy.h"

enum {
    CORE_SLOTS = 20,      /* a room is served once in 20 ms, in one of these milliseconds */
    CORE_FRAME = 160,     /* samples of 20 ms */
    CORE_ROW = 64,        /* sources in one row */
    CORE_HEARERS = 64,    /* rows that one source stands in */
    CORE_DATAGRAM = 1500,
    CORE_COMMANDS = 4096,
    CORE_EVENTS = 65536,
    CORE_COMMANDS_PER_TICK = 256,
    CORE_TAPS = 4,        /* recordings that tap one source */
    CORE_LATENESS = 32    /* histogram classes: below 2^i microseconds */
};
#define CORE_FRAME_NS 20000000LL
#define CORE_NOBODY 0xffffffffu

/* A handle: index, generation, kind and thread. A stale one fits nobody, because the generation differs. */
enum { KIND_PORT = 1, KIND_PLAYER = 2, KIND_RECORDING = 3 };
#define HANDLE_INDEX(h) ((uint32_t)((h) & 0xfffff))
#define HANDLE_GENERATION(h) ((uint32_t)((h) >> 20 & 0xffffff))
#define HANDLE_KIND(h) ((uint32_t)((h) >> 44 & 15))
#define HANDLE(index, generation, kind, thread) \
    ((uint64_t)(index) | (uint64_t)(generation) << 20 | (uint64_t)(kind) << 44 | (uint64_t)(thread) << 48)

enum { CHANNEL_RTP = 0, CHANNEL_RTCP = 1 };

/* ---- commands: 64 bytes each; a batch is one ring_push --------------------------------------------------------- */
enum {
    COMMAND_OPEN_PORT = 1,
    COMMAND_SET_SESSION,
    COMMAND_CLOSE_PORT,
    COMMAND_ROW,
    COMMAND_PLAY,
    COMMAND_STOP_PLAYER,
    COMMAND_DIGITS,
    COMMAND_RECORD,
    COMMAND_TRACKS,
    COMMAND_STOP_RECORDING
};
enum { ITEMS_PER_COMMAND = 4 };
enum { ITEMS_FIRST = 1, ITEMS_LAST = 2 };
/* SESSION_KEYS: digits of the peer are commands to us and reach nobody who hears it. */
enum { SESSION_SENDS = 1, SESSION_RECEIVES = 2, SESSION_KEYS = 4 };
enum { DTMF_NONE = 255 };

typedef struct {
    uint32_t kind;
    uint32_t slot;
    uint64_t handle;
    union {
        struct {
            uint64_t seed;
            int32_t rtp, rtcp;
            uint32_t ssrc, timestamp;
            uint16_t sequence;
            uint8_t cname[RTCP_CNAME];
        } open;
        struct {
            address remote, rtcp;
            uint8_t codec, payload_type, dtmf_send, dtmf_receive, ptime, flags;
            uint8_t spare[2];
        } session; /* the timeout, in milliseconds, is in `slot` */
        struct {
            uint64_t sources[ITEMS_PER_COMMAND];
            uint16_t gains[ITEMS_PER_COMMAND];
            uint8_t count, flags, track;
        } items;
        struct {
            const int16_t *pcm;
            uint32_t samples, repeats; /* 0 repeats: for ever */
        } play;
        struct {
            uint8_t count, events[CORE_FRAME / 4];
        } digits;
    };
} command;
_Static_assert(sizeof(command) == sizeof(ring_record), "a command is one record");

/* ---- events ------------------------------------------------------------------------------------------------------ */
enum {
    EVENT_LATCHED = 1,
    EVENT_DIGIT,
    EVENT_TIMEOUT,
    EVENT_RESUMED,
    EVENT_PLAY_ENDED, /* `detail` 1: it ended by itself */
    EVENT_STATS,
    EVENT_CLOSED,
    EVENT_RECORDING_ENDED
};

typedef struct {
    uint32_t received, sent, lost, late, duplicate, concealed, bad_source, bad_packet, remote_lost;
    float jitter, round_trip; /* seconds; round_trip negative while unknown */
} port_counters;

typedef struct {
    uint64_t handle;
    uint16_t kind;
    uint16_t detail;
    float seconds;
    union {
        address address;
        port_counters counters;
    };
} core_event;
_Static_assert(sizeof(core_event) <= sizeof(ring_record), "an event is one record");

/* ---- recording blocks: core to writer and back -------------------------------------------------------------------- */
enum {
    BLOCK_SAMPLES = 4000, /* half a second, 16 kB in stereo: with the reorder time the newest 0.7 s are in memory */
    BLOCK_REORDER = 1600, /* samples that a late packet may be late and still find its place */
    BLOCK_NONE = 0xffffffff
};

typedef struct {
    uint64_t recording;
    uint32_t block;   /* BLOCK_NONE: the pool was empty, `samples` of silence stand in for it */
    uint32_t samples;
    uint32_t last;    /* 1: the recording is complete */
    uint32_t missed;  /* blocks of this recording that the empty pool has cost so far */
    uint8_t spare[40];
} block_record;
_Static_assert(sizeof(block_record) == sizeof(ring_record), "a block record is one record");

typedef struct {
    int16_t samples[BLOCK_SAMPLES * 2];
} block;

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
    uint8_t hearer_count, tap_count;
    /* Where the source's samples stand in time: `map_position` was (or will be) heard at `map_ns`. */
    int64_t map_ns, map_early_ns;
    uint32_t map_position;
    uint16_t map_count;
    uint8_t mapped;
    uint8_t has_frame;        /* `pcm` is this slot's frame and is not silence */
    uint16_t taps[CORE_TAPS]; /* recording index * 2 + track */
    uint16_t hearers[CORE_HEARERS];
    int16_t pcm[CORE_FRAME];
} source;

enum { STATE_FREE, STATE_OPEN, STATE_CLOSING };
enum { MODE_SILENT, MODE_RELAY, MODE_MIX };
enum { STICKY_LATCHED = 1, STICKY_TIMEOUT = 2, STICKY_RESUMED = 4, STICKY_DIGIT = 8 };
enum { WIRE_OPEN = 1, WIRE_CONNECT = 2, WIRE_LEARN = 4, WIRE_CLOSE = 8 }; /* what the driver must do to the socket */

typedef struct {
    source source; /* must be first: a port is a source */
    /* session */
    uint8_t has_session, codec, payload_type, dtmf_send, dtmf_receive, flags, frames_per_packet;
    uint8_t mode, sticky, timed_out, wire, ever_sent;
    uint8_t connected;        /* the driver was asked to connect the socket and has tried */
    uint8_t wired, trusted;   /* it is connected; nothing from before that is queued any more */
    uint8_t socket_family;    /* the driver's: AF_INET or AF_INET6 */
    int32_t fd[2];            /* the driver's, by channel */
    uint32_t timeout_ms;
    /* receiving */
    uint32_t epoch; /* counts the streams that came */
    uint32_t mixed_by;
    int64_t heard_ns;
    sequence sequence;
    /* sending */
    uint32_t ssrc, timestamp; /* of the last audio sent */
    uint16_t next_sequence, last_samples;
    uint8_t marker;           /* the next packet starts a talk-spurt */
    uint8_t packet_frames;
    uint8_t fresh;            /* packets after the relay's anchor that might be older than it */
    int32_t excess;           /* samples that the timestamps have run ahead of the clock by rounding */
    int64_t sent_ns;
    uint32_t relay_from, relay_generation, relay_epoch; /* whose packets the offsets below are made for */
    uint16_t relay_sequence_offset, relay_anchor;
    uint32_t relay_timestamp_offset;
    uint32_t octets;
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
    /* cold */
    uint16_t row_count;
    row_item row[CORE_ROW];
    uint16_t plc_run, last_length;
    int16_t plc_last[CORE_FRAME];
    uint8_t last_payload[JITTER_PAYLOAD];
    uint8_t packet[CORE_FRAME * 3]; /* frames of a ptime above 20 ms, collected */
    jitter_buffer jitter;
} port;

typedef struct {
    source source; /* must be first */
    const int16_t *pcm;
    uint32_t samples, at, repeats, played;
} player;

typedef struct {
    uint32_t generation, next, previous;
    uint8_t slot, state;
    int64_t start_ns;
    int64_t end_ns; /* when it was stopped, in STATE_CLOSING */
    uint32_t base; /* position of the first sample of blocks[0] */
    uint32_t missed;
    uint32_t blocks[2];
    uint8_t tap_count[2];
    uint64_t taps[2][CORE_TAPS];
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
    int32_t sum[CORE_FRAME];
} core;

static inline int64_t samples_of(int64_t ns) { return ns / JITTER_SAMPLE_NS; }

/* xorshift64*: only spreads report times, so its quality does not matter; the seed comes from the engine. */
static inline uint32_t port_random(port *p) {
    p->random ^= p->random >> 12;
    p->random ^= p->random << 25;
    p->random ^= p->random >> 27;
    return (uint32_t)(p->random * 2685821657736338717ull >> 32);
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
