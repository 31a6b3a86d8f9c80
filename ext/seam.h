/* Between pass-through and mix in the middle of speech: what was sent in one way goes on in the other, sample by sample.
 *
 * A packet that is passed through is heard at once, one that is mixed waits to be played. So a listener who is mixed from
 * now on waits until play-out has come to the first sample that was not passed on; and a listener who is to be passed
 * through again goes on being mixed until frames end where packets do, and is then sent at once what still waits. Our
 * timestamps follow the sound: neither way repeats, drops or makes up any of it.
 *
 * Where coders remember, two things more would be heard as a click. Decoding lags behind encoding, so what is encoded
 * anew must be ahead by as much (`shift`): of each frame the encoder gets the end of the one before and its beginning.
 * And our encoder must go on from where the one that was passed on has left the listener's decoder. */
#ifndef SOFTSWITCH_SEAM_H
#define SOFTSWITCH_SEAM_H

#include "recorder.h"
#include "send.h"

enum {
    SEAM_HOLD = 5,       /* slots that a listener waits for play-out at most: 100 ms */
    SEAM_PATIENCE = 100, /* slots after which it is passed through again though a part of a frame is lost */
    SEAM_HUSH = 5,       /* frames in which nobody speaks, after which coders have little to remember */
    SEAM_FAINT = 30,     /* mean square below which there is not even noise to adapt to: -75 dBov */
    SEAM_NOW = 255
};

/* Bring an encoder of G.722 to where these packets bring a decoder: both adapt by the same codes. */
static inline void seam_follow_g722(g722_state *to, const coder *from) {
    g722_state decoder;
    int16_t pcm[CODEC_PCM];
    g722_reset(&decoder);
    for (int back = CODER_PAST - 1; back >= 0; back--) {
        const coder_packet *k = coder_recall(from, back);
        g722_decode(&decoder, k->payload, k->length, pcm, CODEC_PCM);
    }
    memcpy(to->sent, decoder.heard, sizeof to->sent);
}

/* Let the encoder hear what was said before the frame that play-out has just made, less what it is ahead. */
static inline void seam_warm(port *p, const port *from) {
    const codec *k = &codecs[p->codec];
    const int16_t *begin = from->playout.pcm + from->playout.start - k->frame + k->delay;
    if (p->codec == CODEC_G722) {
        g722_state *s = (g722_state *)p->coder->state;
        memcpy(s->analysis, begin - G722_PAST, sizeof s->analysis);
        return;
    }
    opus_forget(p->coder->state);
    k->encode(p->coder->state, begin - k->frame, k->frame, p->coder->packet, CORE_DATAGRAM - RTP_HEADER);
}

/* Of this frame and the one before, what the encoder is to have now; 0 while there is only one. */
static inline int seam_shift(port *p, int16_t *pcm, int n) {
    int16_t now[CORE_FRAME], *ahead = p->coder->ahead;
    int delay = codecs[p->codec].delay;
    memcpy(now, ahead + delay, (size_t)(n - delay) * sizeof *now);
    memcpy(now + n - delay, pcm, (size_t)delay * sizeof *now);
    memcpy(ahead, pcm, (size_t)n * sizeof *now);
    if (p->shift != SHIFT_ON) return 0;
    memcpy(pcm, now, (size_t)n * sizeof *now);
    return 1;
}

/* The packet of the frame that play-out has just made: a listener who is mixed ahead has had only its beginning. NULL:
 * there is none such. */
static inline const coder_packet *seam_again(const port *p, const port *from) {
    const playout *o = &from->playout;
    if (p->shift != SHIFT_ON || !from->coder || o->gap) return NULL;
    for (int back = 0; back < CODER_PAST; back++) {
        const coder_packet *k = coder_recall(from->coder, back);
        if (k->length && k->timestamp == (uint32_t)o->next - o->jump - p->ticks)
            return codecs[from->codec].lasts(k->payload, k->length) == (int)p->ticks ? k : NULL;
    }
    return NULL;
}

/* The listener is no longer passed through: remember where the sound that it has got ends. */
static inline void seam_leave(core *c, port *p, int64_t now) {
    p->holds = 0;
    if (p->relay_from == CORE_NOBODY || now - p->sent_ns > 3 * CORE_FRAME_NS) return;
    port *from = &c->ports[p->relay_from];
    if (from->source.generation != p->relay_generation || from->epoch != p->relay_epoch || !from->playout.codec) return;
    p->resume_from = p->relay_from;
    p->resume_at = p->timestamp - p->relay_timestamp_offset + p->last_ticks;
    p->holds = SEAM_HOLD;
    if (!codecs[p->codec].delay || !p->coder || !from->coder) return;
    p->shift = SHIFT_WANTED;
    if (p->codec == CODEC_G722) seam_follow_g722((g722_state *)p->coder->state, from->coder);
}

/* It is passed through again before play-out has said anything to it: the numbers of before are still true. */
static inline void seam_resume(port *p, uint32_t from) {
    if (p->resume_from == from) p->relay_from = from;
}

static inline void seam_lead(port *p, uint32_t lead, int64_t now) {
    p->holds = 0;
    p->timestamp += p->last_ticks + lead;
    p->last_ticks = p->ticks;
    p->sent_ns = now;
    p->excess = 0;
}

/* In the listener's slot: 1 while it must wait, and 0 when it need not (any more). The timeline has then been led on to
 * this frame and `*led` is set, or it is for the clock to do so. */
static inline int seam_holds(core *c, port *p, int64_t now, int *led) {
    if (!p->holds) return 0;
    if (p->shift == SHIFT_TAKEN) {
        seam_lead(p, p->shift_lead, now);
        p->shift = SHIFT_ON;
        *led = 1;
        return 0;
    }
    port *from = &c->ports[p->resume_from];
    int playing = from->source.made[from->source.rate] == (uint32_t)c->ticks && from->playout.state == PLAYOUT_PLAYING;
    int32_t lead = (int32_t)(from->frame_at - p->resume_at), frame = (int32_t)p->ticks;
    if (playing && (lead > 25 * frame || lead < -25 * frame)) playing = p->holds = 0; /* another timeline */
    if (!playing || lead < -frame / 2) {
        if (p->holds) p->holds--;
        if (!p->holds) p->shift = SHIFT_NONE;
        return p->holds != 0;
    }
    *led = 1;
    if (p->shift == SHIFT_WANTED) {
        p->shift = SHIFT_TAKEN;
        p->shift_lead = (uint32_t)(lead > 0 ? lead : 0);
        seam_warm(p, from);
        return 0;
    }
    seam_lead(p, (uint32_t)(lead > 0 ? lead : 0), now);
    return 0;
}

/* Whether a listener that is mixed now must stay so for a while before `from`, whom it hears `alone`, is passed through to
 * it: not when nothing of `from` was ever played to it. */
static inline int seam_waits(const core *c, const port *p, const port *from, int alone) {
    if (p->mode != MODE_MIX || p->returning == SEAM_NOW) return 0;
    return !alone || (from->playout.codec && from->playout.state != PLAYOUT_IDLE && port_decoded(c, from));
}

/* Whether what waits are packets as they came: long ones were cut, and their pieces have one number. */
static inline int seam_whole(const packets *s) {
    for (int i = 0; i < PACKETS; i++)
        for (int k = i + 1; k < PACKETS && s->slots[i].kind != PACKET_FREE; k++)
            if (s->slots[k].kind != PACKET_FREE && s->slots[k].sequence == s->slots[i].sequence) return 0;
    return 1;
}

/* Whether the sound of `from` that this listener has got ends where a packet ends. */
static inline int seam_ready(const port *p, const port *from) {
    const playout *o = &from->playout;
    if (p->packed || p->shift == SHIFT_TAKEN) return 0;
    if (o->state != PLAYOUT_PLAYING) return o->packets.held == 0;
    if (p->shift == SHIFT_ON && o->gap == 0 && !seam_again(p, from)) return 0;
    return o->end == o->start && (o->gap == 0 || o->quiet) && seam_whole(&o->packets);
}

/* In each slot: whether `from` has paused long enough to be passed through. A peer's encoder and our peer's decoder that do not remember
 * the same make a noise together: where coders remember, a listener is mixed until then, for ever if the sound is steady.
 * Who makes no frames pauses. In digital silence the two ends of G.722 do not come together. */
static inline int seam_hushed(core *c, port *p, port *from) {
    if (!codecs[p->codec].delay) return 1;
    int rate = from->source.rate;
    const int16_t *pcm = source_frame(c, &from->source, rate);
    uint32_t energy = pcm ? playout_energy(pcm, rate_frame[rate]) : 0;
    if (energy > PLAYOUT_QUIET || (pcm && p->codec == CODEC_G722 && energy < SEAM_FAINT)) p->hushed = 0;
    else if (p->hushed < SEAM_HUSH) p->hushed++;
    return p->hushed == SEAM_HUSH;
}

/* The number of the first packet to pass through. Events and noise since the last sound had numbers too, and went out under
 * ours: a gap would look like a loss. */
static inline uint16_t seam_next(const port *from) {
    const packets *s = &from->playout.packets;
    const packet *first = NULL;
    for (int i = 0; i < PACKETS && s->held; i++)
        if (s->slots[i].kind == PACKET_AUDIO && (!first || s->slots[i].timestamp < first->timestamp)) first = &s->slots[i];
    return first ? first->sequence : (uint16_t)(from->sequence.highest + 1);
}

/* From now on packets of `from` are passed through, beginning with `again` if there is such: number them on from what was
 * sent, and send what waits. */
static inline void seam_bind(core *c, port *p, port *from, const coder_packet *again, int64_t now) {
    const playout *o = &from->playout;
    uint16_t next = again ? again->sequence : seam_next(from);
    uint32_t position = again ? again->timestamp : (uint32_t)(o->next + o->gap) - o->jump;
    p->relay_from = (uint32_t)(from - c->ports);
    p->relay_generation = from->source.generation;
    p->relay_epoch = from->epoch;
    p->relay_sequence_offset = (uint16_t)(p->next_sequence - next);
    p->relay_timestamp_offset = p->timestamp + p->last_ticks - position;
    p->relay_anchor = next;
    p->fresh = SEQ_WINDOW;
    if (again) {
        rtp_header h = {again->timestamp, 0, again->sequence, 0, again->length, 0, 0};
        relay_packet(c, from, p, again->payload, &h, RELAY_AUDIO, now);
    }
    int64_t after = INT64_MIN;
    for (uint32_t sent = 0; sent < o->packets.held; sent++) {
        const packet *first = NULL;
        for (int i = 0; i < PACKETS; i++) {
            const packet *k = &o->packets.slots[i];
            if (k->kind == PACKET_AUDIO && k->timestamp > after && (!first || k->timestamp < first->timestamp)) first = k;
        }
        if (!first) return;
        after = first->timestamp;
        rtp_header h = {(uint32_t)first->timestamp - o->jump, 0, first->sequence, 0, first->length, 0, 0};
        relay_packet(c, from, p, packets_payload(&o->packets, first), &h, 0, now);
    }
}

#endif
