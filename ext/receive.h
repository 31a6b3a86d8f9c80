/* One datagram into the core: judged, counted, relayed at once, recorded, or kept to be played. */
#ifndef SOFTSWITCH_RECEIVE_H
#define SOFTSWITCH_RECEIVE_H

#include "signals.h"

static inline void port_tell_digit(core *c, port *p, uint8_t event, uint32_t duration) {
    core_event e;
    memset(&e, 0, sizeof e);
    e.handle = port_handle(c, port_index(c, p));
    e.kind = EVENT_DIGIT;
    e.detail = event;
    e.seconds = (float)duration / (float)p->event_clock;
    p->sticky &= (uint8_t)~STICKY_DIGIT;
    if (!core_tell(c, &e, 1)) {
        p->sticky |= STICKY_DIGIT;
        p->sticky_event = event;
        p->sticky_duration = duration;
    }
}

/* Report a digit once, and press it towards those who hear this port. */
static inline void port_digit_news(core *c, port *p, const dtmf_news *news) {
    if (!news->began && !news->ended) return;
    uint32_t length = (uint32_t)((uint64_t)news->duration * 8000 / p->event_clock); /* the sender counts at 8 kHz */
    for (int i = 0; i < p->source.hearer_count && !(p->flags & SESSION_KEYS); i++) {
        port *listener = &c->ports[p->source.hearers[i]];
        /* A relay passes the packets on; where no events were agreed, the keys become tones. */
        if (listener->mode == MODE_SILENT || (listener->mode == MODE_RELAY && listener->dtmf_send != DTMF_NONE)) continue;
        if (news->ended && !news->whole) dtmf_release(&listener->dtmf_out, news->ended_event, length);
        if (news->began) dtmf_press(&listener->dtmf_out, news->began_event, 0);
        if (news->whole) dtmf_release(&listener->dtmf_out, news->ended_event, length);
    }
    if (news->ended) port_tell_digit(c, p, news->ended_event, news->duration);
}

static inline void receive_report(core *c, port *p, const uint8_t *data, size_t size, const address *from, int64_t now) {
    if (from && !policy_control(&p->policy, from)) {
        p->counters.bad_source++;
        return;
    }
    rtcp_report r;
    if (!rtcp_parse(data, size, p->ssrc, &r)) {
        p->counters.bad_packet++;
        return;
    }
    if (from) p->rtcp_heard = *from;
    if (r.has_sender) {
        p->their_report = r.middle_ntp;
        p->their_report_ns = now;
    }
    if (r.has_block) {
        p->counters.remote_lost = r.lost > 0 ? (uint32_t)r.lost : 0;
        p->remote_reported = 1;
        p->remote_fraction = r.fraction_lost;
        if (p->codec == CODEC_OPUS && p->coder) opus_reported(p->coder->state, r.fraction_lost);
        p->remote_jitter = (float)r.jitter / (float)p->source.clock;
        if (r.last_report) {
            /* RFC 3550 section 6.4.1: A - LSR - DLSR, in 1/65536 s. */
            uint32_t trip = (uint32_t)(ntp_time(c, now) >> 16) - r.last_report - r.delay;
            if (trip < 60u << 16) p->round_trip = (float)trip / 65536.0f;
        }
    }
}

/* To the recordings that can take a packet as it came: decoded without state, placed by its timestamp. */
static inline void record_packet(core *c, port *p, const uint8_t *payload, const rtp_header *h, int64_t now) {
    const codec *k = &codecs[p->codec];
    int16_t pcm[CORE_FRAME];
    for (int at = 0; at < h->length; at += k->bytes) {
        int size = h->length - at < k->bytes ? h->length - at : k->bytes;
        int n = k->decode(NULL, payload + at, size, pcm, k->frame);
        if (n <= 0) continue;
        if (!p->mixed_by) port_listen(c, p, pcm, n, p->source.rate == RATE_8 ? pcm : NULL, now);
        if (p->watch & WATCH_MASK) continue;
        source_tap(c, &p->source, h->timestamp + (uint32_t)at * p->ticks / k->bytes, pcm, n);
    }
}

/* Audio that came in `p`: to the recordings, the relays, and to play-out if anyone needs it decoded. */
static inline void receive_audio(core *c, port *p, const uint8_t *data, const rtp_header *h, int fresh, int64_t now,
                                 int64_t since) {
    const uint8_t *payload = data + h->offset;
    int64_t early = source_map(&p->source, h->timestamp, now, since, fresh, h->marker);
    if (p->coder && codecs[p->codec].delay) coder_remember(p->coder, h, payload, fresh);
    if (p->tapped || !p->source.tap_count) source_move(&p->source, p->source.map_off_ns);
    else if (early) source_slide(c, &p->source, source_heard(&p->source, p->source.map_from) - early, early);
    for (int i = 0; i < p->source.hearer_count; i++) {
        port *listener = &c->ports[p->source.hearers[i]];
        if (listener->mode == MODE_RELAY) relay_packet(c, p, listener, data, h, RELAY_AUDIO, now);
    }
    if (!p->tapped && (p->source.tap_count || (p->watch & (WATCH_LEVEL | WATCH_SOUND) && port_speaks(p))))
        record_packet(c, p, payload, h, now);
    if (!p->playout.codec) return;
    if (!p->mixed_by) {
        p->stale = 1;
        return;
    }
    if (playout_put(&p->playout, PACKET_AUDIO, h->timestamp, h->sequence, payload, h->length, fresh, now) == PLAYOUT_REFUSED)
        p->counters.bad_packet++;
}

/* The sender tells that it says nothing for now, by timestamps of this clock: what is missing then is not lost. `noise` of
 * `length` bytes tells what is heard instead. */
static inline void receive_silence(port *p, const rtp_header *h, uint32_t clock, const uint8_t *noise, int length, int64_t now) {
    if (!p->playout.codec) return;
    if (!p->mixed_by) {
        p->stale = 1;
        return;
    }
    if (clock == p->source.clock) playout_put(&p->playout, PACKET_SILENCE, h->timestamp, h->sequence, noise, length, 0, now);
    else playout_pause(&p->playout, noise, length);
}

/* Take one datagram of a port's socket, which has come after `since`. `from` is NULL when the socket is connected to the
 * proven source. */
static inline void core_receive(core *c, uint32_t index, int channel, const uint8_t *data, size_t size,
                                const address *from, int64_t now, int64_t since) {
    if (index >= c->port_count) return;
    port *p = &c->ports[index];
    if (p->source.state != STATE_OPEN) return;
    if (channel == CHANNEL_RTCP || (rtp_is_rtcp(data, size) && data[0] >> 6 == 2)) {
        receive_report(c, p, data, size, from, now);
        return;
    }
    rtp_header h;
    if (size > CORE_DATAGRAM || !rtp_parse(data, size, &h)) {
        p->counters.bad_packet++;
        return;
    }
    int event = h.payload_type == p->dtmf_receive && p->dtmf_receive != DTMF_NONE;
    /* A peer may write its own number into an answer and send ours (RFC 3264 section 6.1), or send what it wrote. */
    int audio = h.payload_type == p->payload_receive || h.payload_type == p->payload_type;
    int expected = p->has_session && (event || audio || h.payload_type == PAYLOAD_TYPE_CN);
    if (from) {
        int verdict = policy_receive(&p->policy, from, expected, h.ssrc, h.sequence, now / 1000000);
        if (verdict == POLICY_DROP) {
            p->counters.bad_source++;
            return;
        }
        if (verdict == POLICY_LATCHED) {
            memset(&p->rtcp_heard, 0, sizeof p->rtcp_heard);
            port_tell(c, p, EVENT_LATCHED, STICKY_LATCHED, 0.0f);
        }
        if (!p->connected) core_rewire(c, p, WIRE_CONNECT);
    }
    if (!expected) {
        p->counters.bad_packet++;
        return;
    }
    int order = sequence_receive(&p->sequence, h.ssrc, h.sequence);
    if (order == SEQ_DUPLICATE) {
        p->counters.duplicate++;
        return;
    }
    if (order == SEQ_SUSPECT) {
        p->counters.bad_packet++;
        return;
    }
    int fresh = order == SEQ_FIRST || order == SEQ_RESTARTED;
    if (fresh) {
        p->epoch++;
        p->expected_prior = p->received_prior = 0;
        memset(&p->dtmf_in, 0, sizeof p->dtmf_in);
    }
    p->counters.received++;
    p->heard_ns = now;
    if (p->timed_out) {
        p->timed_out = 0;
        port_tell(c, p, EVENT_RESUMED, STICKY_RESUMED, 0.0f);
    }
    if (!(p->flags & SESSION_RECEIVES)) return;
    if (event) {
        dtmf_payload payload;
        if (!dtmf_parse(data + h.offset, h.length, &payload)) {
            p->counters.bad_packet++;
            return;
        }
        for (int i = 0; i < p->source.hearer_count; i++) {
            port *listener = &c->ports[p->source.hearers[i]];
            if (listener->mode != MODE_RELAY) continue;
            if (!(p->flags & SESSION_KEYS)) relay_packet(c, p, listener, data, &h, RELAY_EVENT, now);
            else if (order == SEQ_NEXT) listener->relay_sequence_offset--; /* the gap would look like a loss */
        }
        receive_silence(p, &h, p->event_clock, NULL, 0, now);
        dtmf_news news = dtmf_receive(&p->dtmf_in, &payload, h.timestamp, now);
        port_digit_news(c, p, &news);
        return;
    }
    if (h.payload_type == PAYLOAD_TYPE_CN || h.length == 0) {
        receive_silence(p, &h, h.payload_type == PAYLOAD_TYPE_CN ? 8000 : p->source.clock, data + h.offset, h.length, now);
        for (int i = 0; i < p->source.hearer_count; i++) {
            port *listener = &c->ports[p->source.hearers[i]];
            if (listener->mode != MODE_RELAY) continue;
            if (h.length && listener->flags & SESSION_NOISE) relay_packet(c, p, listener, data, &h, RELAY_NOISE, now);
            else if (order == SEQ_NEXT) listener->relay_sequence_offset--; /* the gap would look like a loss */
        }
        return;
    }
    sequence_arrival(&p->sequence, h.timestamp, (uint32_t)units_of(now, p->source.clock), p->source.clock);
    receive_audio(c, p, data, &h, fresh, now, since);
}

#endif
