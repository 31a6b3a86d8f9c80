/* Who needs a port decoded: listeners that mix it, and recordings that cannot take its packets as they come. */
#ifndef SOFTSWITCH_DECODING_H
#define SOFTSWITCH_DECODING_H

#include "core.h"

/* Whether this port can be heard in a mix at all. */
static inline int port_speaks(const port *p) { return p->has_session && codec_speaks(p->codec); }

/* A session with another codec or another coder: play-out works in the coder's memory, of G.711 in the port itself. */
static inline void port_open_playout(port *p) {
    playout *o = &p->playout;
    playout before = *o;
    o->codec = NULL;
    p->talking = 0;
    if (!codec_speaks(p->codec) || (!p->coder && playout_size(&codecs[p->codec]) > sizeof p->played)) return;
    playout_open(o, &codecs[p->codec], p->coder ? p->coder->state : NULL, p->coder ? p->coder->playout : p->played);
    o->late = before.late;
    o->duplicate = before.duplicate;
    o->concealed = before.concealed;
    o->stretched = before.stretched;
    o->skipped = before.skipped;
}

/* Whether play-out has got all that came, up to this moment: whoever thinks a row over lets go of its sources and takes
 * them again at once. */
static inline int port_decoded(const core *c, const port *p) {
    return !p->stale && (p->mixed_by || p->let_go_tick == (uint32_t)c->ticks);
}

/* ---- codecs whose coders remember ---------------------------------------------------------------------------------- */
static inline void coder_remember(coder *m, const rtp_header *h, const uint8_t *payload, int fresh) {
    for (int i = 0; fresh && i < CODER_PAST; i++) m->past[i].length = 0;
    coder_packet *k = &m->past[m->past_next++ % CODER_PAST];
    k->timestamp = h->timestamp;
    k->sequence = h->sequence;
    k->length = (uint16_t)(h->length <= CODER_PIECE ? h->length : 0);
    memcpy(k->payload, payload, k->length);
}

/* The packet that came `back` packets before the last one. */
static inline const coder_packet *coder_recall(const coder *m, int back) {
    return &m->past[(m->past_next + CODER_PAST - 1 - (uint32_t)back) % CODER_PAST];
}

/* Decode again what was only passed on, so that decoder and play-out have the past that the next packet goes on from. */
static inline void port_recall(port *p) {
    const codec *k = &codecs[p->codec];
    int16_t pcm[CODEC_PCM];
    if (!p->coder || !k->delay || !p->playout.codec) return;
    for (int back = (k->bytes ? CODER_PAST : CODER_PAST / 2) - 1; back >= 0; back--) {
        const coder_packet *past = coder_recall(p->coder, back);
        int n = past->length ? k->decode(p->coder->state, past->payload, past->length, pcm, CODEC_PCM) : 0;
        if (n > 0) playout_recall(&p->playout, pcm, n);
    }
}

static inline void port_want(core *c, port *p, int64_t now) {
    int goes_on = port_decoded(c, p);
    if (p->mixed_by++) return;
    c->slot_decoding[p->source.slot]++;
    if (p->has_session && !codec_speaks(p->codec)) port_tell(c, p, EVENT_OPAQUE, STICKY_OPAQUE, 0.0f);
    if (goes_on) return;
    p->talking = p->stale = 0;
    if (p->playout.codec) playout_flush(&p->playout);
    port_recall(p);
}

static inline void port_unwant(core *c, port *p) {
    if (--p->mixed_by) return;
    c->slot_decoding[p->source.slot]--;
    p->let_go_tick = (uint32_t)c->ticks;
}

/* Think over whether the recordings of a port need it decoded in time: packets of a codec with state, or of another
 * rate than the file's, cannot be recorded one by one. */
static inline void port_retap(core *c, port *p, int64_t now) {
    const source *s = &p->source;
    uint8_t tapped = 0;
    for (int i = 0; i < s->tap_count; i++)
        tapped |= codecs[p->codec].state || !codecs[p->codec].bytes || c->recordings[s->taps[i] >> 2].rate != s->rate;
    if (p->watch & (WATCH_LEVEL | WATCH_SOUND) && port_speaks(p))
        tapped |= codecs[p->codec].state || !codecs[p->codec].bytes || s->rate != RATE_8;
    tapped &= p->has_session;
    if (tapped == p->tapped) return;
    p->tapped = tapped;
    if (tapped) port_want(c, p, now);
    else port_unwant(c, p);
}

#endif
