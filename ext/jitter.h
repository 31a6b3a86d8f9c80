/* Twin: softswitch/rtp/jitter.py. The jitter buffer: packets in any order, 20 ms frames out, as late as the network asks.
 * Times are nanoseconds, positions RTP timestamps at 8 kHz; payload bytes are samples (G.711). */
#ifndef SOFTSWITCH_JITTER_H
#define SOFTSWITCH_JITTER_H

#include <stdint.h>
#include <string.h>

enum {
    JITTER_FRAME = 160,
    JITTER_SLOTS = 16,
    JITTER_PAYLOAD = 240,
    JITTER_MAX_TARGET = 6,
    JITTER_WINDOW = 250,   /* packets after which a shorter delay is tried */
    JITTER_GIVE_UP = 10,   /* missing frames in a row after which the next packet starts anew */
    JITTER_SLACK = 4,      /* frames above the target that a burst may leave waiting */
    JITTER_PAST = 8000     /* samples behind the play-out beyond which the timestamps have jumped */
};
#define JITTER_FRAME_NS 20000000LL
#define JITTER_MARGIN_NS 10000000LL
#define JITTER_SAMPLE_NS 125000LL

enum { JITTER_IDLE, JITTER_FILLING, JITTER_PLAYING };
enum { JITTER_STORED, JITTER_DUPLICATE, JITTER_LATE, JITTER_RESYNCED };

typedef struct {
    uint32_t timestamp;
    uint16_t length; /* 0: free */
    uint16_t spare;
    uint8_t payload[JITTER_PAYLOAD];
} jitter_slot;

typedef struct {
    int64_t first_ns, last_pop_ns, min_margin_ns;
    uint32_t play, newest_end;
    uint32_t late, duplicate, concealed, skipped;
    uint16_t window;
    uint16_t missing_run;
    uint8_t state, target, held;
    jitter_slot slots[JITTER_SLOTS];
} jitter_buffer;

static inline void jitter_flush(jitter_buffer *j) {
    for (int i = 0; i < JITTER_SLOTS; i++) j->slots[i].length = 0;
    j->held = 0;
    j->state = JITTER_IDLE;
}

static inline void jitter_reset(jitter_buffer *j) {
    jitter_flush(j);
    j->target = 1;
    j->missing_run = 0;
    j->window = 0;
    j->min_margin_ns = INT64_MAX;
}

static inline void jitter_fill_from(jitter_buffer *j, uint32_t timestamp, int64_t now) {
    jitter_flush(j);
    j->state = JITTER_FILLING;
    j->first_ns = now;
    j->play = j->newest_end = timestamp;
    j->missing_run = 0;
    j->window = 0;
    j->min_margin_ns = INT64_MAX;
}

static inline void jitter_drop_before(jitter_buffer *j, uint32_t position) {
    for (int i = 0; i < JITTER_SLOTS; i++) {
        jitter_slot *s = &j->slots[i];
        if (s->length && (int32_t)(s->timestamp + s->length - position) <= 0) {
            s->length = 0;
            j->held--;
        }
    }
}

/* Store one packet (at most JITTER_PAYLOAD bytes). */
static inline int jitter_put(jitter_buffer *j, uint32_t timestamp, const uint8_t *payload, int length, int64_t now) {
    int verdict = JITTER_STORED;
    if (j->state == JITTER_IDLE) jitter_fill_from(j, timestamp, now);
    int32_t ahead = (int32_t)(timestamp - j->play);
    if (ahead >= JITTER_SLOTS * JITTER_FRAME || ahead < -JITTER_PAST) {
        jitter_fill_from(j, timestamp, now);
        verdict = JITTER_RESYNCED;
        ahead = 0;
    }
    if (j->state == JITTER_FILLING) {
        if (ahead < 0) j->play = timestamp;
    } else {
        if (ahead + length <= 0) {
            /* It belongs to a frame that was just concealed: step back and be later from now on. */
            int growth = (-ahead + JITTER_FRAME - 1) / JITTER_FRAME;
            if (growth > j->missing_run || j->target + growth > JITTER_MAX_TARGET) {
                j->late++;
                return JITTER_LATE;
            }
            j->target = (uint8_t)(j->target + growth);
            j->play = timestamp;
            j->missing_run = 0;
            j->window = 0;
            j->min_margin_ns = INT64_MAX;
        } else {
            int64_t margin = ahead * JITTER_SAMPLE_NS + j->last_pop_ns + JITTER_FRAME_NS - now;
            if (margin < j->min_margin_ns) j->min_margin_ns = margin;
            j->window++;
        }
    }
    jitter_slot *room = NULL, *oldest = NULL;
    for (int i = 0; i < JITTER_SLOTS; i++) {
        jitter_slot *s = &j->slots[i];
        if (!s->length) {
            if (!room) room = s;
        } else if (s->timestamp == timestamp) {
            j->duplicate++;
            return JITTER_DUPLICATE;
        } else if (!oldest || (int32_t)(s->timestamp - oldest->timestamp) < 0) oldest = s;
    }
    if (!room) {
        if ((int32_t)(timestamp - oldest->timestamp) < 0) {
            j->late++;
            return JITTER_LATE;
        }
        if (j->state == JITTER_PLAYING) j->play = oldest->timestamp + oldest->length;
        j->skipped++;
        j->held--;
        room = oldest;
    }
    room->timestamp = timestamp;
    room->length = (uint16_t)length;
    memcpy(room->payload, payload, (size_t)length);
    j->held++;
    if ((int32_t)(timestamp + (uint32_t)length - j->newest_end) > 0) j->newest_end = timestamp + (uint32_t)length;
    return verdict;
}

static inline uint32_t jitter_oldest(const jitter_buffer *j) {
    uint32_t oldest = j->newest_end;
    for (int i = 0; i < JITTER_SLOTS; i++)
        if (j->slots[i].length && (int32_t)(j->slots[i].timestamp - oldest) < 0) oldest = j->slots[i].timestamp;
    return oldest;
}

/* Take the frame that is due: fill JITTER_FRAME bytes, `blank` where nothing came, and return how many came;
 * -1 while no stream is playing (nothing is missing, nobody is talking). */
static inline int jitter_pop(jitter_buffer *j, uint8_t *frame, uint8_t blank, int64_t now) {
    if (j->state == JITTER_IDLE) return -1;
    if (j->state == JITTER_FILLING) {
        if (now - j->first_ns < (j->target - 1) * JITTER_FRAME_NS + JITTER_MARGIN_NS) return -1;
        j->state = JITTER_PLAYING;
        j->play = jitter_oldest(j);
    }
    int32_t waiting = (int32_t)(j->newest_end - j->play);
    if (waiting > (j->target + JITTER_SLACK) * JITTER_FRAME) {
        int32_t excess = (waiting - (j->target + 1) * JITTER_FRAME) / JITTER_FRAME;
        j->play += (uint32_t)(excess * JITTER_FRAME);
        j->skipped += (uint32_t)excess;
        jitter_drop_before(j, j->play);
    } else if (j->window >= JITTER_WINDOW) {
        if (j->target > 1 && j->min_margin_ns >= JITTER_FRAME_NS + JITTER_MARGIN_NS) {
            j->target--;
            j->play += JITTER_FRAME;
            j->skipped++;
            jitter_drop_before(j, j->play);
        }
        j->window = 0;
        j->min_margin_ns = INT64_MAX;
    }
    memset(frame, blank, JITTER_FRAME);
    int came = 0;
    if (j->held) {
        for (int i = 0; i < JITTER_SLOTS; i++) {
            jitter_slot *s = &j->slots[i];
            if (!s->length) continue;
            int32_t at = (int32_t)(s->timestamp - j->play);
            int32_t from = at < 0 ? 0 : at;
            int32_t to = at + s->length < JITTER_FRAME ? at + s->length : JITTER_FRAME;
            if (from < to) {
                memcpy(frame + from, s->payload + (from - at), (size_t)(to - from));
                came += to - from;
            }
            if (at + s->length <= JITTER_FRAME) {
                s->length = 0;
                j->held--;
            }
        }
        if (came > JITTER_FRAME) came = JITTER_FRAME; /* overlapping packets of a confused sender */
    }
    j->play += JITTER_FRAME;
    j->last_pop_ns = now;
    if (came) {
        j->missing_run = 0;
        return came;
    }
    j->missing_run++;
    if (j->held == 0 && j->missing_run >= JITTER_GIVE_UP) {
        j->state = JITTER_IDLE;
        j->missing_run = 0;
        return -1;
    }
    j->concealed++;
    return 0;
}

#endif
