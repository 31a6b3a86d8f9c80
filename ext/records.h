/* What Python and the core say to each other: handles, commands, events, and the blocks of recordings. */
#ifndef SOFTSWITCH_RECORDS_H
#define SOFTSWITCH_RECORDS_H

#include <stdint.h>
#include "ring.h"
#include "rtcp.h"
#include "source_policy.h"

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
    COMMAND_FORMAT, /* the first half of a session; COMMAND_SET_SESSION follows in the same batch */
    COMMAND_SET_SESSION,
    COMMAND_CLOSE_PORT,
    COMMAND_ROW,
    COMMAND_PLAY,
    COMMAND_STOP_PLAYER,
    COMMAND_DIGITS,
    COMMAND_WATCH,
    COMMAND_RECORD,
    COMMAND_TRACKS,
    COMMAND_STOP_RECORDING
};
enum { ITEMS_PER_COMMAND = 4 };
enum { ITEMS_FIRST = 1, ITEMS_LAST = 2 };
/* SESSION_KEYS: digits of the peer are commands to us and reach nobody who hears it. SESSION_NOISE: it understands comfort
 * noise. SESSION_TOLD: it learns of keys by its signalling, so where no events were agreed they are silence to it. */
enum { SESSION_SENDS = 1, SESSION_RECEIVES = 2, SESSION_KEYS = 4, SESSION_NOISE = 8, SESSION_TOLD = 16 };
enum { PAYLOAD_TYPE_CN = 13 }; /* RFC 3389: silence begins, and how it sounds */
enum { DTMF_NONE = 255 };
/* WATCH_LEVEL: measure it although nobody needs it decoded. WATCH_SOUND: look for digits in its sound. WATCH_MASK: what
 * it says and presses stays out of recordings. */
enum { WATCH_LEVEL = 1, WATCH_SOUND = 2, WATCH_MASK = 4 };
enum { DIGIT_SOUND = 0x100 }; /* in the detail of EVENT_DIGIT: it came as sound */

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
            /* What the codec needs, NULL if nothing: it belongs to the port until EVENT_CODER gives it back. */
            struct coder *coder;
            uint32_t clock;       /* RTP units a second; only of CODEC_OPAQUE, else the table knows */
            uint32_t format;      /* packets pass between ports of one codec only if these are equal */
            uint32_t timeout_ms;
            uint32_t event_clock; /* of telephone-event, Hz */
            uint8_t codec, payload_type, payload_receive, dtmf_send, dtmf_receive, ptime, flags;
            uint8_t keep; /* the port goes on with the coder that it has */
            uint8_t signaller[16]; /* the host that SIP comes from; zeros: not known */
        } format;
        struct {
            address remote, rtcp;
        } session;
        struct {
            uint64_t sources[ITEMS_PER_COMMAND];
            uint16_t gains[ITEMS_PER_COMMAND];
            uint8_t count, flags, track;
        } items;
        struct {
            const int16_t *pcm;
            uint32_t samples, repeats; /* 0 repeats: for ever */
            uint32_t hertz, at; /* `at`: the sample to begin with */
        } play;
        struct {
            uint8_t tracks;
            uint32_t hertz;
        } record;
        struct {
            uint8_t count, events[40];
        } digits;
        struct {
            uint8_t set, clear; /* WATCH_... */
        } watch;
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
    EVENT_LEVELS, /* of the second whose EVENT_STATS follows */
    EVENT_CLOSED,
    EVENT_OPAQUE, /* a mix or a recording wants to hear a codec that nobody here knows */
    EVENT_CODER /* a session's coder is no longer used; nothing else of the event counts */
};

typedef struct {
    uint32_t received, sent, lost, late, duplicate, concealed, bad_source, bad_packet, remote_lost;
    uint32_t stretched;     /* periods of a voice, or pieces of silence, taken out or put in */
    uint16_t delay, target; /* of play-out, milliseconds; 0 while the port is not decoded */
    float jitter;           /* seconds */
} port_counters;

/* What was measured in the audio of one second, and what the peer's last report said of ours. */
typedef struct {
    uint32_t power, floor; /* mean squares */
    uint16_t frames, loud, overlapped;
    uint8_t reported, remote_fraction; /* loss in 1/256 */
    float remote_jitter; /* seconds */
} port_levels;

typedef struct {
    uint64_t handle;
    uint16_t kind;
    uint16_t detail;
    float seconds;
    union {
        address address;
        port_levels levels;
        port_counters counters; /* with `seconds` the round-trip time, negative while unknown; `detail` the skipped packets */
        struct coder *coder;
    };
} core_event;
_Static_assert(sizeof(core_event) <= sizeof(ring_record), "an event is one record");

/* ---- recording blocks: core to writer and back -------------------------------------------------------------------- */
enum {
    BLOCK_SAMPLES = 16000, /* of all tracks: half a second of stereo at 16 kHz, a third of a second of three tracks */
    BLOCK_TRACKS = 3,
    BLOCK_NONE = 0xffffffff
};
/* How late a packet may be and still find its place: with the block itself, the newest 0.9 s are in memory. */
#define BLOCK_REORDER_NS 400000000LL
#define BLOCK_AHEAD_NS 100000000LL /* sound lies ahead of its time by a tick, a packet of 60 ms and what the line is off */

typedef struct {
    uint64_t recording;
    uint32_t block;   /* BLOCK_NONE: the pool was empty, `samples` of silence stand in for it */
    uint32_t samples; /* of each track */
    uint32_t tracks;
    uint32_t last;    /* 1: the recording is complete */
    uint32_t missed;  /* blocks of this recording that the empty pool has cost so far */
    uint8_t spare[36];
} block_record;
_Static_assert(sizeof(block_record) == sizeof(ring_record), "a block record is one record");

typedef struct {
    int16_t samples[BLOCK_SAMPLES];
} block;

#endif
