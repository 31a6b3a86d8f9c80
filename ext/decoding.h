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

static inline void port_want(core *c, port *p, int64_t now) {
    int goes_on = port_decoded(c, p);
    if (p->mixed_by++) return;
    c->slot_decoding[p->source.slot]++;
    if (p->has_session && !codec_speaks(p->codec)) port_tell(c, p, EVENT_OPAQUE, STICKY_OPAQUE, 0.0f);
    if (goes_on) return;
    p->talking = p->stale = 0;
    if (p->playout.codec) playout_flush(&p->playout);
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
