/* What leaves a port: one sequence, one timeline and one SSRC, whatever the audio is made of. */
#ifndef SOFTSWITCH_SEND_H
#define SOFTSWITCH_SEND_H

#include "core.h"

static inline int port_sends(const port *p) {
    return p->has_session && p->flags & SESSION_SENDS && policy_target(&p->policy)->family != 0;
}

/* RTP clock units that the next packet is later than the last one, by the clock and without what was rounded up before. */
static inline int64_t port_elapsed(const port *p, int64_t now) {
    return units_of(now - p->sent_ns, p->source.clock) - p->excess;
}

/* Move the timeline to the packet that is to be sent now: by whole frames, at least by what the last packet held.
 * Rounding is remembered, so that going in and out of a relay a thousand times does not let the timeline run ahead. */
static inline void port_advance(port *p, int64_t now) {
    int64_t frame = p->ticks;
    if (p->ever_sent) {
        int64_t due = port_elapsed(p, now);
        int64_t frames = (due + frame / 2) / frame * frame;
        int64_t step = frames > p->last_ticks ? frames : p->last_ticks;
        int64_t excess = step - due;
        p->excess = (int32_t)(excess > frame * 4 ? frame * 4 : excess);
        p->timestamp += (uint32_t)step;
    }
    p->ever_sent = 1;
    p->sent_ns = now;
    p->last_ticks = p->ticks;
}

/* Write one RTP packet into `out`; `size` bytes of payload are copied. */
static inline void port_packet(core *c, port *p, uint8_t payload_type, int marker, uint32_t timestamp,
                               const uint8_t *payload, int size) {
    if (!port_sends(p)) return;
    datagram *d = core_out(c);
    if (!d) return;
    d->port = (uint32_t)(p - c->ports);
    d->channel = CHANNEL_RTP;
    d->to = *policy_target(&p->policy);
    d->length = (uint16_t)(RTP_HEADER + size);
    rtp_write(d->data, payload_type, marker, p->next_sequence, timestamp, p->ssrc);
    memcpy(d->data + RTP_HEADER, payload, (size_t)size);
    p->next_sequence++;
    p->counters.sent++;
    p->octets += (uint32_t)size;
}

/* Encode and send `n` samples; nothing is sent where the codec finds silence not worth a packet. */
static inline void port_encode(core *c, port *p, uint32_t timestamp, const int16_t *pcm, int n) {
    int size = codecs[p->codec].encode(p->coder->state, pcm, n, p->coder->packet, CORE_DATAGRAM - RTP_HEADER);
    if (size > 0) port_packet(c, p, p->payload_type, p->marker, timestamp, p->coder->packet, size);
    p->marker = size <= 0;
}

/* The same for 30 and 50 ms of Opus. A frame of another mode than those before it begins a packet of its own. */
static inline void port_encode_tens(core *c, port *p, uint32_t timestamp, const int16_t *pcm, int n) {
    opus_joint joint;
    uint8_t frame[OPUS_TEN_BYTES];
    int ten = OPUS_RATE / 100;
    joint.count = joint.length = 0;
    for (int at = 0; at <= n; at += ten) {
        int length = at + ten <= n ? opus_ten(p->coder->state, pcm + at, frame) : 0;
        if (length > 0 && opus_join(&joint, frame, length)) continue;
        int size = opus_close(&joint, p->coder->packet);
        if (size > 0) port_packet(c, p, p->payload_type, p->marker, timestamp, p->coder->packet, size);
        p->marker = size <= 0;
        timestamp += (uint32_t)joint.count * p->ticks / 2;
        joint.count = joint.length = 0;
        if (length > 0) opus_join(&joint, frame, length);
        else timestamp += p->ticks / 2; /* what the codec failed at is missing */
    }
}

/* Send what waits for its packet to be full, as it is. */
static inline void port_flush(core *c, port *p) {
    if (!p->packed) return;
    uint16_t waiting = p->packed;
    p->packed = 0;
    if (!codecs[p->codec].bytes) {
        if (waiting == OPUS_RATE * 3 / 100) port_encode_tens(c, p, p->packet_timestamp, p->coder->collected, waiting);
        else port_encode(c, p, p->packet_timestamp, p->coder->collected, waiting);
        return;
    }
    port_packet(c, p, p->payload_type, p->marker, p->packet_timestamp, p->coder ? p->coder->packet : p->packet, waiting);
    p->marker = 0;
}

/* A codec that can be cut anywhere: its bytes fill packets of any whole number of tens of milliseconds. */
static inline void port_audio_cut(core *c, port *p, const codec *k, const int16_t *pcm) {
    uint8_t *packet = p->coder ? p->coder->packet : p->packet;
    int full = k->bytes * p->ptime / 20, room = p->coder ? CORE_DATAGRAM : (int)sizeof p->packet;
    p->packed = (uint16_t)(p->packed + k->encode(p->coder ? p->coder->state : NULL, pcm, k->frame, packet + p->packed, room - p->packed));
    int at = 0;
    for (; p->packed - at >= full; at += full) {
        port_packet(c, p, p->payload_type, p->marker, p->packet_timestamp, packet + at, full);
        p->packet_timestamp += p->ticks * p->ptime / 20;
        p->marker = 0;
    }
    p->packed = (uint16_t)(p->packed - at);
    if (at) memmove(packet, packet + at, p->packed);
}

/* Send one frame of linear audio at the port's rate; the timeline has been advanced to it. */
static inline void port_audio(core *c, port *p, const int16_t *pcm) {
    const codec *k = &codecs[p->codec];
    if (!k->encode || ((k->state || k->bytes > 160 || !k->bytes) && !p->coder)) return;
    if (p->packed && p->timestamp - p->packet_timestamp != (uint32_t)p->packed * p->ticks / (k->bytes ? k->bytes : k->frame))
        port_flush(c, p);
    if (!p->packed) p->packet_timestamp = p->timestamp;
    if (k->bytes) {
        port_audio_cut(c, p, k, pcm);
    } else if (p->ptime == 10) {
        port_encode(c, p, p->timestamp, pcm, k->frame / 2);
        port_encode(c, p, p->timestamp + p->ticks / 2, pcm + k->frame / 2, k->frame / 2);
    } else if (p->ptime < 30) {
        port_encode(c, p, p->timestamp, pcm, k->frame);
    } else {
        int full = k->frame * p->ptime / 20, tens = p->ptime % 20 != 0;
        memcpy(p->coder->collected + p->packed, pcm, k->frame * sizeof *pcm);
        p->packed = (uint16_t)(p->packed + k->frame);
        if (p->packed < full) return;
        if (!tens) {
            port_flush(c, p);
            return;
        }
        port_encode_tens(c, p, p->packet_timestamp, p->coder->collected, full);
        p->packet_timestamp += p->ticks * p->ptime / 20;
        p->packed = (uint16_t)(p->packed - full);
        memmove(p->coder->collected, p->coder->collected + full, p->packed * sizeof *pcm);
    }
}

/* One frame of a key as sound; what is `over` is followed by a silence in which it cannot run into the next one. A peer
 * that is told of keys otherwise hears silence in their place: heard too, a key would count twice. */
static inline void port_tone(core *c, port *p, const dtmf_packet *d, int over) {
    int16_t pcm[CORE_FRAME];
    int n = rate_frame[p->source.rate];
    if (over || p->flags & SESSION_TOLD) memset(pcm, 0, sizeof *pcm * (size_t)n);
    else tone_digit(&p->tone, d->event, rate_hertz[p->source.rate], d->marker, d->end, pcm, n);
    port_audio(c, p, pcm);
}

/* Send what the digit sender wants in this frame; return 1 if it takes the place of audio. */
static inline int port_digits(core *c, port *p) {
    if (!dtmf_busy(&p->dtmf_out)) return 0;
    int over = p->dtmf_out.pause != 0;
    dtmf_packet d = dtmf_next(&p->dtmf_out, p->timestamp);
    if (p->dtmf_send == DTMF_NONE) {
        port_tone(c, p, &d, over);
        return 1;
    }
    if (!d.send) return 0;
    port_flush(c, p);
    uint8_t payload[4];
    dtmf_write(payload, d.event, d.end, d.duration * p->event_clock / 8000);
    port_packet(c, p, p->dtmf_send, d.marker, d.start, payload, 4);
    p->marker = 1;
    return 1;
}

static inline void relay_forget(port *listener) { listener->relay_from = CORE_NOBODY; }

enum { RELAY_AUDIO, RELAY_EVENT, RELAY_NOISE };

/* Pass one packet of `from` on to `listener`: sequence, timestamp, SSRC and payload type are ours, the rest the peer's. */
static inline void relay_packet(core *c, port *from, port *listener, const uint8_t *data, const rtp_header *h, int kind,
                                int64_t now) {
    if (!port_sends(listener) || dtmf_busy(&listener->dtmf_out)) {
        relay_forget(listener);
        return;
    }
    if (kind == RELAY_EVENT && listener->dtmf_send == DTMF_NONE) {
        listener->relay_sequence_offset--; /* the gap would look like a loss */
        return;
    }
    if (h->length > CORE_DATAGRAM - RTP_HEADER) return;
    uint32_t index = (uint32_t)(from - c->ports);
    if (listener->relay_from != index || listener->relay_generation != from->source.generation ||
        listener->relay_epoch != from->epoch) {
        port_flush(c, listener);
        port_advance(listener, now);
        listener->relay_from = index;
        listener->relay_generation = from->source.generation;
        listener->relay_epoch = from->epoch;
        listener->relay_sequence_offset = (uint16_t)(listener->next_sequence - h->sequence);
        listener->relay_timestamp_offset = listener->timestamp - h->timestamp;
        listener->relay_anchor = h->sequence;
        listener->fresh = SEQ_WINDOW;
        listener->marker = 1;
    }
    if (listener->fresh) {
        /* Older than the anchor: its numbers were used by what was sent before. */
        if ((int16_t)(h->sequence - listener->relay_anchor) < 0) return;
        listener->fresh--;
    }
    datagram *d = core_out(c);
    if (!d) return;
    uint16_t sequence = (uint16_t)(h->sequence + listener->relay_sequence_offset);
    uint32_t timestamp = h->timestamp + listener->relay_timestamp_offset;
    d->port = (uint32_t)(listener - c->ports);
    d->channel = CHANNEL_RTP;
    d->to = *policy_target(&listener->policy);
    d->length = (uint16_t)(RTP_HEADER + h->length);
    uint8_t type = kind == RELAY_EVENT ? listener->dtmf_send : kind == RELAY_NOISE ? PAYLOAD_TYPE_CN : listener->payload_type;
    int begins = kind != RELAY_NOISE && listener->marker; /* noise begins no talk-spurt */
    rtp_write(d->data, type, h->marker | begins, sequence, timestamp, listener->ssrc);
    memcpy(d->data + RTP_HEADER, data + h->offset, h->length);
    listener->marker &= kind == RELAY_NOISE;
    listener->counters.sent++;
    listener->octets += h->length;
    listener->sent_ns = now;
    if ((int16_t)(sequence - listener->next_sequence) >= 0) {
        listener->next_sequence = (uint16_t)(sequence + 1);
        if (kind == RELAY_AUDIO) {
            const codec *k = &codecs[from->codec];
            int lasts = k->lasts ? k->lasts(data + h->offset, h->length) : 0;
            listener->timestamp = timestamp;
            listener->last_ticks = lasts > 0 ? (uint32_t)lasts : listener->ticks;
        }
    }
}

/* ---- RTCP ------------------------------------------------------------------------------------------------------- */
static inline uint64_t ntp_time(const core *c, int64_t now) {
    uint64_t ns = (uint64_t)(now + c->ntp_offset_ns);
    return (ns / 1000000000u) << 32 | ((ns % 1000000000u) << 32) / 1000000000u;
}

/* RFC 3550 section 6.2: five seconds, spread over half to one and a half of it. */
static inline int64_t report_interval(port *p) { return 2500000000LL + (int64_t)(port_random(p) % 5000000u) * 1000; }

static inline address report_target(const port *p) {
    address to = *policy_target(&p->policy);
    if (p->rtcp_heard.family && address_same_host(&p->rtcp_heard, &to)) return p->rtcp_heard;
    if (p->rtcp_remote.family && (!p->policy.current.family || address_equal(&p->policy.current, &p->policy.signalled)))
        return p->rtcp_remote;
    if (to.family) to.port++;
    return to;
}

static inline void port_report(core *c, port *p, int last, int64_t now) {
    address to = report_target(p);
    const sequence *s = &p->sequence;
    if (!to.family || (!p->counters.sent && !s->started)) return;
    datagram *d = core_out(c);
    if (!d) return;
    rtcp_own own;
    memset(&own, 0, sizeof own);
    own.ssrc = p->ssrc;
    own.bye = (uint8_t)last;
    own.has_sender = p->counters.sent != p->sent_prior;
    own.ntp = ntp_time(c, now);
    own.timestamp = p->timestamp + (uint32_t)units_of(now - p->sent_ns, p->source.clock);
    own.packets = p->counters.sent;
    own.octets = p->octets;
    p->sent_prior = p->counters.sent;
    if (s->started) {
        uint32_t expected = s->highest - s->first + 1;
        int64_t due = (int64_t)expected - p->expected_prior, came = (int64_t)s->received - p->received_prior;
        int64_t lost = due - came;
        own.has_block = 1;
        own.source = s->ssrc;
        own.fraction_lost = due > 0 && lost > 0 ? (uint8_t)(lost * 256 / due > 255 ? 255 : lost * 256 / due) : 0;
        own.lost = (int32_t)(expected - s->received);
        own.highest = s->highest;
        own.jitter = s->jitter >> 4;
        own.last_report = p->their_report;
        own.delay = p->their_report ? (uint32_t)((now - p->their_report_ns) * 65536 / 1000000000) : 0;
        p->expected_prior = expected;
        p->received_prior = s->received;
    }
    memcpy(own.cname, p->cname, RTCP_CNAME);
    d->port = (uint32_t)(p - c->ports);
    d->channel = CHANNEL_RTCP;
    d->to = to;
    d->length = (uint16_t)rtcp_write(d->data, &own);
}

#endif
