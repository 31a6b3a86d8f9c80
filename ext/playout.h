/* Twin: softswitch/rtp/playout.py. Play-out: packets at any time in, exactly one frame of 20 ms per call out.
 *
 * Sound is decoded into a line of samples of which the last 50 ms that were played are kept: losses are concealed out of
 * them, and the line is stretched where that is inaudible, so that the delay follows the target of delay.h. A frame is
 * taken at fixed moments, so a packet waits for the moment at which its first sample is wanted; `offset` of that sample
 * within its frame is delay without use, which stretching and pauses bring back to nothing. */
#ifndef SOFTSWITCH_PLAYOUT_H
#define SOFTSWITCH_PLAYOUT_H

#include "stretch.h"
#include "waiting.h"

static inline void playout_silence(playout *p, int n) {
    int16_t *out = p->pcm + p->end;
    int made = p->noise == NOISE_CODEC ? p->codec->conceal(p->codec_state, out, n) : 0;
    if (made < 0) made = 0;
    if (p->noise == NOISE_TOLD) cn_make(&p->cn, out, n);
    else memset(out + made, 0, (size_t)(n - made) * sizeof *out);
    p->end += n;
    p->gap += playout_units(p, n);
}

/* Make up n samples, or a few more where the codec does it and can only do so in steps; `most` bounds them if positive. */
static inline void playout_conceal(playout *p, int n, int most) {
    int16_t *out = p->pcm + p->end;
    if (p->codec->conceal) {
        int step = (int)p->codec->rate / 100;
        n = (n + step - 1) / step * step;
        if (most > 0 && n > most) n = most;
        int made = p->codec->conceal(p->codec_state, out, n);
        if (made < n) memset(out + (made > 0 ? made : 0), 0, (size_t)(n - (made > 0 ? made : 0)) * sizeof *out);
    } else {
        if (!p->concealing) plc_begin(&p->plc, out);
        plc_conceal(&p->plc, out, n);
        p->concealing = 1;
    }
    p->end += n;
    p->gap += playout_units(p, n);
}

/* Decode a packet that is due, or over-due by some of its samples; 0 if nothing was in it. */
static inline int playout_decode(playout *p, packet *k) {
    int16_t *out = p->pcm + p->end;
    int offset = p->end - p->start, frame = p->codec->frame;
    int n = p->codec->decode(p->codec_state, packets_payload(&p->packets, k), k->length, out, p->room - p->end);
    int past = (int)playout_samples(p, p->next - k->timestamp);
    int pauses = p->codec->pauses && p->codec->pauses(packets_payload(&p->packets, k), k->length);
    packets_drop(&p->packets, k);
    if (n <= past) return 0;
    if (past) memmove(out, out + past, (size_t)(n - past) * sizeof *out);
    n -= past;
    if (p->concealing) plc_merge(&p->plc, out, n);
    p->concealing = 0;
    p->quiet = (uint8_t)pauses;
    p->noise = pauses ? NOISE_CODEC : NOISE_NONE;
    playout_judge(p, 0);
    p->end += n;
    p->next += playout_units(p, n);
    p->gap = 0;
    p->last_sequence = k->sequence;
    p->offset[1] = p->offset[0];
    p->offset[0] = offset % frame;
    return n;
}

/* The packet that is due: all that is older is gone. */
static inline packet *playout_due(playout *p) {
    packet *k = packets_oldest(&p->packets);
    while (k && (k->kind == PACKET_SILENCE ? k->timestamp <= p->next || p->quiet : k->timestamp + k->lasts <= p->next)) {
        if (k->kind == PACKET_SILENCE) {
            if (playout_follows(p, k->sequence)) playout_judge(p, 1);
            playout_hold(p, packets_payload(&p->packets, k), k->length);
        }
        packets_drop(&p->packets, k);
        k = packets_oldest(&p->packets);
    }
    return k;
}

/* What a packet must wait: where losses are frequent and the packet behind can undo them, for that one too. */
static inline int32_t playout_target(const playout *p) {
    return p->delay.target + (p->wary > 2 * PLAYOUT_WARY ? (int32_t)p->codec->ticks : 0);
}

static inline void playout_lost(playout *p) {
    if (p->codec->recover) p->wary = p->wary + PLAYOUT_WARY < PLAYOUT_WARIEST ? p->wary + PLAYOUT_WARY : PLAYOUT_WARIEST;
}

/* What is missing right before a packet, out of that packet; 0 if it is not in there. */
static inline int playout_recover(playout *p, const packet *k, int64_t missing) {
    if (!p->codec->recover || missing > playout_samples(p, k->lasts)) return 0;
    int n = p->codec->recover(p->codec_state, packets_payload(&p->packets, k), k->length, p->pcm + p->end, (int)missing);
    if (n != missing) {
        p->wary = 0; /* nothing is in there: not worth the wait */
        return 0;
    }
    p->end += n;
    p->gap += playout_units(p, n);
    return 1;
}

/* Fill the line to one frame; return how many samples were decoded for it, and set `*lost` if some were made up:
 * to -1 if that was all that could be done. */
static inline int playout_fill(playout *p, int64_t now, int *lost) {
    int came = 0, frame = p->codec->frame;
    while (p->end - p->start < frame) {
        int need = frame - (p->end - p->start);
        packet *k = playout_due(p);
        int64_t missing = k ? playout_samples(p, k->timestamp - p->next - p->gap) : 0;
        if (k && k->timestamp > p->next) {
            /* Its number follows at once, so the sender has paused: the sound may begin when it has waited long enough. */
            if (playout_follows(p, k->sequence)) {
                if (!p->quiet && p->codec->conceal) p->noise = NOISE_CODEC;
                p->quiet = 1;
                playout_judge(p, 1);
            }
            int64_t wait = playout_wait(p, k->timestamp, now + playout_units(p, frame - need));
            if (p->quiet ? wait < playout_target(p) || need < frame : missing > 0) {
                if (p->quiet) {
                    playout_silence(p, need);
                } else if (playout_recover(p, k, missing)) {
                    came += (int)missing;
                } else {
                    playout_conceal(p, missing < need ? (int)missing : need, (int)missing);
                    *lost = 1;
                }
                continue;
            }
            if (!p->quiet && p->gap) playout_lost(p);
            p->next = k->timestamp;
            p->gap = 0;
            continue;
        }
        if (k) {
            came += playout_decode(p, k);
        } else if (p->quiet) {
            playout_silence(p, need);
        } else {
            playout_conceal(p, need, 0);
            if (!*lost) *lost = -1;
        }
    }
    return came;
}

static inline uint32_t playout_energy(const int16_t *pcm, int n) {
    return (uint32_t)((uint64_t)pitch_product(pcm, pcm, n) / (uint32_t)n);
}

/* Whether nobody speaks in this frame: near the noise floor, which rises slowly and falls at once. */
static inline int playout_hush(playout *p, const int16_t *frame) {
    uint32_t energy = playout_energy(frame, p->codec->frame), bound;
    p->floor = energy < p->floor ? energy : p->floor + (p->floor >> 6) + 1;
    bound = p->floor > PLAYOUT_NOISY / 4 ? PLAYOUT_NOISY : 4 * p->floor;
    return energy <= (bound > PLAYOUT_QUIET ? bound : PLAYOUT_QUIET);
}

static inline void playout_stretched(playout *p, int by) {
    int frame = p->codec->frame;
    for (int i = 0; i < 2; i++) p->offset[i] = (p->offset[i] + by + 2 * frame) % frame;
    p->stretched++;
    p->rest = PLAYOUT_REST;
}

/* Make the wait longer: whole frames of it count, so in silence just what is missing to the next. */
static inline void playout_lengthen(playout *p, int offset, int urgent, int hush) {
    int ms = (int)p->codec->rate / 1000, frame = p->codec->frame, seam = STRETCH_INSERT_MS * ms;
    int16_t *line = p->pcm + p->start;
    int period = hush ? frame - offset
                      : stretch_period(line + seam, (int)p->codec->rate, STRETCH_HIGH_MS * ms, urgent ? STRETCH_HURRY : STRETCH_ALIKE);
    if (!period) return;
    int fade = hush && period > STRETCH_FADE_US * ms / 1000 ? STRETCH_FADE_US * ms / 1000 : period;
    p->end = p->start + stretch_insert(line, p->end - p->start, seam, period, fade);
    playout_stretched(p, period);
}

/* Make it shorter by `most` samples at most. */
static inline void playout_shorten(playout *p, int most, double alike, int hush) {
    int ms = (int)p->codec->rate / 1000, frame = p->codec->frame;
    if (!hush && most > STRETCH_HIGH_MS * ms) most = STRETCH_HIGH_MS * ms;
    while (p->end - p->start < frame + most) {
        packet *k = playout_due(p);
        if (!k || k->timestamp > p->next || !playout_decode(p, k)) break;
    }
    int16_t *line = p->pcm + p->start;
    if (most > p->end - p->start - frame) most = p->end - p->start - frame;
    if (most < STRETCH_LOW_US * ms / 1000) return;
    int seam = hush ? most : STRETCH_REMOVE_MS * ms;
    int period = hush ? most : stretch_period(line + seam, (int)p->codec->rate, most, alike);
    if (!period) return;
    p->end = p->start + stretch_remove(line, p->end - p->start, seam, period, hush ? STRETCH_FADE_US * ms / 1000 : period);
    playout_stretched(p, -period);
}

/* Bring the wait nearer to the target, where that cannot be heard. */
static inline void playout_steer(playout *p, int64_t now) {
    int ms = (int)p->codec->rate / 1000, frame = p->codec->frame;
    int hush = playout_hush(p, p->pcm + p->start);
    p->rest -= p->rest > 0;
    int64_t waits = playout_samples(p, playout_wait(p, p->next - playout_units(p, p->end - p->start), now));
    int target = (int)playout_samples(p, playout_target(p));
    int low = p->offset[0] < p->offset[1] ? p->offset[0] : p->offset[1];
    int high = p->offset[0] < p->offset[1] ? p->offset[1] : p->offset[0];
    int64_t above = waits - high - target;
    if (above < 0) {
        if (!p->rest || above < -frame) playout_lengthen(p, high, above < -frame, hush);
        return;
    }
    int slack = PLAYOUT_SLACK_MS * ms;
    int most = waits - high - frame >= target + slack ? frame : waits - low - frame >= target + slack ? high : above >= slack ? low : 0;
    int urgent = above > PLAYOUT_HURRY_MS * ms;
    if (most < STRETCH_LOW_US * ms / 1000 || (p->rest && !urgent)) return;
    playout_shorten(p, most, above > 2 * PLAYOUT_HURRY_MS * ms ? 0.0 : urgent ? STRETCH_HURRY : STRETCH_ALIKE, hush);
}

/* So much waits that stretching would take seconds: throw the oldest packets away. */
static inline void playout_skip(playout *p, int64_t now) {
    int64_t ms = p->codec->clock / 1000, bound = p->delay.target + PLAYOUT_SKIP_MS * ms;
    if (playout_wait(p, p->next + p->gap, now) <= bound) return;
    packet *k;
    while ((k = playout_due(p)) && p->packets.held > 1 &&
           playout_wait(p, k->timestamp, now) > p->delay.target + PLAYOUT_PIECE_MS * ms) {
        packets_drop(&p->packets, k);
        p->skipped++;
    }
    if (!k || k->timestamp <= p->next) return;
    if (!p->codec->conceal && !p->concealing) plc_begin(&p->plc, p->pcm + p->end); /* the seam is blended */
    p->concealing = !p->codec->conceal;
    p->next = k->timestamp;
    p->gap = 0;
}

/* `n` samples that were heard in another way, right before the next packet: what losses are concealed out of. */
static inline void playout_recall(playout *p, const int16_t *pcm, int n) {
    int past = plc_past((int)p->codec->rate);
    if (p->state != PLAYOUT_IDLE || p->start != past) return;
    if (n > past) {
        pcm += n - past;
        n = past;
    }
    memmove(p->pcm, p->pcm + n, (size_t)(past - n) * sizeof *pcm);
    memcpy(p->pcm + past - n, pcm, (size_t)n * sizeof *pcm);
}

/* Whether there is anything in this frame but digital silence. */
static inline int playout_heard(const int16_t *frame, int n) {
    int any = 0;
    for (int i = 0; i < n; i++) any |= frame[i];
    return any != 0;
}

/* Take the frame that is due at `now`: `codec->frame` samples in `out` and 1, or 0 when nobody is talking. */
static inline int playout_pop(playout *p, int16_t *out, int64_t now) {
    int frame = p->codec->frame, past = plc_past((int)p->codec->rate), lost = 0, came = 0;
    int64_t units = playout_clock(p, now);
    if (p->state == PLAYOUT_FILLING) {
        packet *k = packets_oldest(&p->packets);
        if (k && playout_wait(p, k->timestamp, units) >= p->delay.target + p->first) {
            p->state = PLAYOUT_PLAYING;
            p->next = k->timestamp;
            p->gap = p->offset[0] = p->offset[1] = 0;
        }
    }
    if (p->state != PLAYOUT_PLAYING) return 0;
    playout_skip(p, units);
    p->wary -= p->wary > 0;
    came = playout_fill(p, units, &lost);
    p->concealed += lost > 0;
    p->doubt += lost < 0;
    if (!p->quiet && !p->concealing && p->gap == 0) playout_steer(p, units);
    p->delayed = (int32_t)playout_wait(p, p->next + p->gap - playout_units(p, p->end - p->start), units);
    p->missing = came || p->quiet || p->packets.held ? 0 : (uint8_t)(p->missing + 1);
    if (p->missing >= (p->dtx ? PLAYOUT_DTX : PLAYOUT_GIVE_UP)) {
        uint32_t doubt = p->doubt;
        playout_flush(p);
        p->doubt = doubt;
        return 0;
    }
    memcpy(out, p->pcm + p->start, (size_t)frame * sizeof *out);
    p->start += frame;
    int shift = p->start - past;
    memmove(p->pcm, p->pcm + shift, (size_t)(p->end - shift) * sizeof *p->pcm);
    p->start -= shift;
    p->end -= shift;
    return came || playout_heard(out, frame);
}

#endif
