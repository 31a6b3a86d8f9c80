/* What is heard in a port's audio besides speech: digits that come as sound, and how loud and how often somebody talks.
 *
 * The audio comes here where it is decoded anyway: for a mix, or packet by packet for a recording. A port that is only
 * passed through is decoded for this when somebody asked for it (COMMAND_WATCH), and else costs nothing. */
#ifndef SOFTSWITCH_SIGNALS_H
#define SOFTSWITCH_SIGNALS_H

#include "row.h"

#define SIGNALS_SILENT_NS 60000000LL /* without audio for so long nobody speaks, and a digit is over */

/* Tell a digit that came as sound, and press it towards the listeners that agreed on events or are told by signalling; to
 * the others it sounds. */
static inline void port_sound_news(core *c, port *p, const dtmf_news *news) {
    if (!news->began && !news->ended) return;
    for (int i = 0; i < p->source.hearer_count && !(p->flags & SESSION_KEYS); i++) {
        port *listener = &c->ports[p->source.hearers[i]];
        if (listener->dtmf_send == DTMF_NONE && !(listener->flags & SESSION_TOLD)) continue;
        if (news->ended) dtmf_release(&listener->dtmf_out, news->ended_event, news->duration);
        if (news->began) dtmf_press(&listener->dtmf_out, news->began_event, 0);
    }
    if (!news->ended) return;
    core_event e;
    memset(&e, 0, sizeof e);
    e.handle = port_handle(c, port_index(c, p));
    e.kind = EVENT_DIGIT;
    e.detail = (uint16_t)(news->ended_event | DIGIT_SOUND);
    e.seconds = (float)news->duration / 8000.0f;
    core_tell(c, &e, 1);
}

/* Take 20 ms of the port's audio: `pcm` of n samples at its own rate, `narrow` the same at 8 kHz (NULL: not needed). */
static inline void port_listen(core *c, port *p, const int16_t *pcm, int n, const int16_t *narrow, int64_t now) {
    level_add(&p->level, pcm, n);
    p->listened_ns = now;
    if (!narrow || !(p->watch & WATCH_SOUND)) return;
    dtmf_news news = inband_receive(&p->sound, narrow, n < rate_frame[RATE_8] ? n : rate_frame[RATE_8]);
    port_sound_news(c, p, &news);
}

/* The frame of this tick, of a port that is decoded in time. */
static inline void port_listen_tick(core *c, port *p, int64_t now) {
    source *s = &p->source;
    const int16_t *pcm = source_frame(c, s, s->rate);
    if (pcm) port_listen(c, p, pcm, rate_frame[s->rate], p->watch & WATCH_SOUND ? source_frame(c, s, RATE_8) : NULL, now);
    else if (p->level.frames || p->level.hang) level_miss(&p->level);
}

/* Once in 20 ms: who speaks at the same time as somebody whom it hears, and what is over though its end did not come. */
static inline void port_signals_keep(core *c, port *p, int64_t now) {
    if (!p->level.hang && p->sound.current == INBAND_NONE) return;
    if (now - p->listened_ns >= SIGNALS_SILENT_NS) {
        if (!p->mixed_by && p->level.hang) level_miss(&p->level);
        if (p->sound.current != INBAND_NONE) {
            dtmf_news news = {0, 0, 0, 0, 0, 0};
            inband_end(&p->sound, &news);
            port_sound_news(c, p, &news);
        }
    }
    if (!p->level.hang) return;
    for (int i = 0; i < p->row_count; i++) {
        const port *other = core_port(c, p->row[i].source);
        if (!other || !other->level.hang) continue;
        level_overlap(&p->level);
        return;
    }
}

/* Tell what was measured in the last second, just before the counters of the same second; nothing if nothing was. */
static inline void port_tell_levels(core *c, port *p) {
    if (!p->level.frames && !p->remote_reported) return;
    level_second second = level_take(&p->level);
    core_event e;
    memset(&e, 0, sizeof e);
    e.handle = port_handle(c, port_index(c, p));
    e.kind = EVENT_LEVELS;
    e.levels.power = second.power;
    e.levels.floor = second.floor;
    e.levels.frames = second.frames;
    e.levels.loud = second.loud;
    e.levels.overlapped = second.overlapped;
    e.levels.reported = p->remote_reported;
    e.levels.remote_fraction = p->remote_fraction;
    e.levels.remote_jitter = p->remote_jitter;
    core_tell(c, &e, 0);
}

#endif
