/* The media core under packets that nobody should send, built with the address and undefined behaviour sanitizers.
 *
 *   hostile SEED PACKETS [LIBOPUS [LIBOPUS_FUNCTION...]]
 *
 * LIBOPUS is the library that the product uses; itself it is not watched, what we give it and take from it is.
 * Ports of every codec hear, record and leave each other at random while packets of every kind of wrongness come in.
 * The sanitizers watch each access; at the end all must have been given back. Prints what happened, exits with 1 and a
 * word when a book does not balance. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include "command.h"

enum { PORTS = 24, PLAYERS = 6, RECORDINGS = 4, LARGEST = 65536 };

static core *c;
static int64_t now;
static uint64_t state;
static uint32_t generations[3][PORTS];
static uint64_t ports[PORTS], players[PLAYERS], recordings[RECORDINGS];
static uint8_t spoken[PORTS], types[PORTS];
static uint32_t coders, packets_sent, blocks_read, events_read;
static int16_t music[4800];
static uint8_t *wire;

static uint32_t rnd(uint32_t below) {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * 2685821657736338717ull >> 32) % below);
}

static void demand(int truth, const char *what) {
    if (truth) return;
    printf("%s\n", what);
    exit(1);
}

static void give(const command *commands, uint32_t count) { demand(ring_push(&c->commands, commands, count), "the command ring is full"); }

static void simple(uint32_t kind, uint64_t handle) {
    command m;
    memset(&m, 0, sizeof m);
    m.kind = kind;
    m.handle = handle;
    give(&m, 1);
}

/* ---- what Python asks ---------------------------------------------------------------------------------------------- */
static void open_port(int i) {
    command m;
    memset(&m, 0, sizeof m);
    m.kind = COMMAND_OPEN_PORT;
    m.slot = rnd(3); /* few slots, so that they hear each other in one tick */
    m.handle = ports[i] = HANDLE(i, ++generations[0][i], KIND_PORT, 0);
    m.open.seed = rnd(1u << 31);
    m.open.rtp = m.open.rtcp = -1;
    m.open.ssrc = rnd(1u << 31);
    m.open.sequence = (uint16_t)rnd(65536);
    m.open.timestamp = 0xffffff00u;
    give(&m, 1);
    spoken[i] = CODEC_COUNT;
}

static void tune(void *state) {
    opus_settings s = {(int32_t)(6000 + rnd(500000)), (int32_t)(8000 + rnd(40001)), (uint8_t)rnd(11), (uint8_t)rnd(101),
                       (uint8_t)rnd(2), (uint8_t)rnd(2), (uint8_t)rnd(2)};
    opus_tune(state, &s);
}

static void set_session(int i) {
    command m[2];
    memset(m, 0, sizeof m);
    m[0].kind = COMMAND_FORMAT;
    m[1].kind = COMMAND_SET_SESSION;
    m[0].handle = m[1].handle = ports[i];
    uint8_t codec = (uint8_t)(rnd(3) ? rnd(3) : rnd(4) ? rnd(CODEC_COUNT) : CODEC_OPUS);
    m[0].format.codec = codec;
    m[0].format.keep = codec == spoken[i];
    if (!m[0].format.keep && coder_needed(codec)) {
        m[0].format.coder = coder_open(codec);
        coders += m[0].format.coder != NULL;
        if (codec == CODEC_OPUS && m[0].format.coder) tune(m[0].format.coder->state);
    }
    m[0].format.clock = rnd(2) ? 8000 : 16000;
    m[0].format.format = rnd(2);
    m[0].format.event_clock = rnd(2) ? 8000 : 48000;
    m[0].format.payload_type = types[i] =
        (uint8_t)(codec == CODEC_PCMU ? 0 : codec == CODEC_PCMA ? 8 : codec == CODEC_G722 ? 9 : 96 + rnd(4));
    m[0].format.dtmf_send = m[0].format.dtmf_receive = rnd(4) ? 101 : DTMF_NONE;
    m[0].format.ptime = (uint8_t)rnd(80);
    m[0].format.timeout_ms = rnd(2000);
    m[0].format.flags = (uint8_t)(rnd(8) ? SESSION_SENDS | SESSION_RECEIVES | rnd(2) * SESSION_NOISE : rnd(16));
    m[1].session.remote.family = m[1].session.rtcp.family = 4;
    m[1].session.remote.ip[0] = m[1].session.rtcp.ip[0] = (uint8_t)i;
    m[1].session.remote.port = (uint16_t)(4000 + rnd(2));
    m[1].session.rtcp.port = 4001;
    spoken[i] = codec;
    give(m, 2);
}

static uint64_t any_source(void) { return rnd(4) ? ports[rnd(PORTS)] : players[rnd(PLAYERS)]; }

static void set_row(int i) {
    command m[PORTS / ITEMS_PER_COMMAND + 1];
    uint32_t used = 0, left = rnd(6) ? rnd(4) : rnd(PORTS);
    memset(m, 0, sizeof m);
    do {
        m[used].kind = COMMAND_ROW;
        m[used].handle = ports[i];
        uint32_t n = left < ITEMS_PER_COMMAND ? left : ITEMS_PER_COMMAND;
        for (uint32_t k = 0; k < n; k++) {
            m[used].items.sources[k] = any_source();
            m[used].items.gains[k] = (uint16_t)(rnd(3) ? MIX_UNITY : rnd(4 * MIX_UNITY));
        }
        m[used].items.count = (uint8_t)n;
        left -= n;
        used++;
    } while (left);
    m[0].items.flags |= ITEMS_FIRST;
    m[used - 1].items.flags |= ITEMS_LAST;
    give(m, used);
}

static void play(int i) {
    command m;
    memset(&m, 0, sizeof m);
    m.kind = COMMAND_PLAY;
    m.slot = rnd(3);
    m.handle = players[i] = HANDLE(i, ++generations[1][i], KIND_PLAYER, 0);
    m.play.pcm = music;
    m.play.samples = rnd(4800);
    m.play.repeats = rnd(3);
    m.play.hertz = rnd(3) ? 8000 : rnd(2) ? 16000 : 48000;
    give(&m, 1);
}

static void record(int i) {
    command m;
    memset(&m, 0, sizeof m);
    m.kind = COMMAND_RECORD;
    m.slot = rnd(3);
    m.handle = recordings[i] = HANDLE(i, ++generations[2][i], KIND_RECORDING, 0);
    m.record.tracks = (uint8_t)(2 + rnd(2));
    m.record.hertz = rnd(2) ? 8000 : 16000;
    give(&m, 1);
}

static void retrack(int i) {
    command m;
    memset(&m, 0, sizeof m);
    m.kind = COMMAND_TRACKS;
    m.handle = recordings[i];
    m.items.track = (uint8_t)rnd(4);
    m.items.count = (uint8_t)rnd(5);
    for (int k = 0; k < m.items.count; k++) m.items.sources[k] = any_source();
    m.items.flags = ITEMS_FIRST | ITEMS_LAST;
    give(&m, 1);
}

static void press(int i) {
    command m;
    memset(&m, 0, sizeof m);
    m.kind = COMMAND_DIGITS;
    m.handle = ports[i];
    m.digits.count = (uint8_t)rnd(33);
    for (int k = 0; k < m.digits.count; k++) m.digits.events[k] = (uint8_t)rnd(17);
    give(&m, 1);
}

static void ask(void) {
    int i = (int)rnd(PORTS);
    switch (rnd(16)) {
    case 0: simple(COMMAND_CLOSE_PORT, ports[i]); break;
    case 1: case 2: open_port(i); set_session(i); set_row(i); break; /* refused while its place is taken */
    case 3: case 4: case 5: set_session(i); break;
    case 6: play(i % PLAYERS); break;
    case 7: simple(COMMAND_STOP_PLAYER, players[i % PLAYERS]); break;
    case 8: record(i % RECORDINGS); break;
    case 9: simple(COMMAND_STOP_RECORDING, recordings[i % RECORDINGS]); break;
    case 10: retrack(i % RECORDINGS); break;
    case 11: press(i); break;
    default: set_row(i);
    }
}

/* ---- what the network brings ---------------------------------------------------------------------------------------- */
static uint16_t sequences[PORTS];
static uint32_t stamps[PORTS];
static void *speakers[2]; /* encoders of mono and stereo */

/* A packet of Opus that a telephone might send: noise and tones of 10 to 60 ms, in mono or stereo. */
static size_t opus_packet(int i, uint8_t type) {
    static const int lengths[] = {160, 320, 640, 960};
    static int16_t pcm[2 * 960];
    int n = lengths[rnd(4)], loud = (int)rnd(20000) + 1;
    for (int k = 0; k < 2 * n; k++) pcm[k] = (int16_t)(rnd(2) ? (int)rnd((uint32_t)loud) - loud / 2 : pcm[k] / 2);
    if (rnd(50) == 0) memset(pcm, 0, sizeof pcm);
    int size = opus.encode(speakers[rnd(2)], pcm, n, wire + RTP_HEADER, 400);
    rtp_write(wire, type, (int)rnd(2), sequences[i]++, stamps[i], 1000u + (uint32_t)i);
    stamps[i] += 3u * (uint32_t)n;
    return RTP_HEADER + (size_t)(size > 0 ? size : 0);
}

static size_t decent(int i, uint8_t type, size_t payload) {
    if (opus_present() && spoken[i] == CODEC_OPUS && type == types[i] && rnd(4)) return opus_packet(i, type);
    rtp_write(wire, type, (int)rnd(2), sequences[i]++, stamps[i], 1000u + (uint32_t)i);
    stamps[i] += 160;
    for (size_t k = 0; k < payload; k++) wire[RTP_HEADER + k] = (uint8_t)rnd(256);
    return RTP_HEADER + payload;
}

static size_t event_packet(int i) {
    static const uint16_t durations[] = {0, 1, 160, 800, 65535};
    size_t size = decent(i, 101, 4);
    wire[RTP_HEADER] = (uint8_t)rnd(20);
    put16(wire + RTP_HEADER + 2, durations[rnd(5)]);
    if (rnd(2)) put32(wire + 4, stamps[i] - rnd(3) * 65535);
    return rnd(8) ? size : RTP_HEADER + rnd(5);
}

static size_t report_packet(void) {
    size_t size = 4 * (size_t)rnd(40);
    for (size_t k = 0; k < size; k++) wire[k] = (uint8_t)rnd(256);
    for (size_t at = 0; at + 4 <= size;) {
        wire[at] = (uint8_t)(0x80 | rnd(32) | (rnd(8) ? 0 : 0x20));
        wire[at + 1] = (uint8_t)(rnd(8) ? 200 + rnd(5) : rnd(256));
        uint32_t words = rnd(4) ? rnd(8) : rnd(65536);
        put16(wire + at + 2, words);
        at += 4 * ((size_t)words + 1);
    }
    return rnd(8) ? size : size + rnd(4);
}

static size_t hostile_packet(int i) {
    size_t size = decent(i, types[i], 160);
    switch (rnd(24)) {
    case 0: return rnd(14);                                                        /* shorter than a header */
    case 1: return 1;
    case 2: wire[0] |= 15; return size;                                           /* CC = 15 */
    case 3: wire[0] |= 15; return RTP_HEADER + rnd(60);
    case 4: wire[0] |= 0x10; put16(wire + RTP_HEADER + 2, 65535); return size;  /* an extension that never ends */
    case 5: wire[0] |= 0x10; put16(wire + RTP_HEADER + 2, rnd(50)); return size;
    case 6: wire[0] |= 0x20; wire[size - 1] = 255; return size;                 /* more padding than packet */
    case 7: wire[0] |= 0x20; wire[size - 1] = (uint8_t)rnd(200); return size;
    case 8: wire[0] = (uint8_t)rnd(256); return size;                             /* another version */
    case 9: return decent(i, types[i], LARGEST - RTP_HEADER - 1 - rnd(100));        /* 64 kB */
    case 10: return decent(i, types[i], 1200 + rnd(400));                           /* about as much as fits */
    case 11: put32(wire + 4, rnd(1u << 31) * 2u); return size;                    /* the timestamps jump */
    case 12: stamps[i] += rnd(1u << 31); return size;                               /* and stay there */
    case 13: sequences[i] = (uint16_t)rnd(65536); return size;                      /* the numbers jump */
    case 14: put32(wire + 8, rnd(3)); return size;                                /* SSRCs take turns */
    case 15: put32(wire + 8, c->ports[i].ssrc); return size;                      /* our own SSRC comes back */
    case 16: case 17: return event_packet(i);
    case 18: return report_packet();
    case 19: return decent(i, 13, rnd(20));                                         /* comfort noise */
    case 22: decent(i, types[i], 3); return RTP_HEADER + rnd(3);                    /* the pauses of Opus, and less */
    case 20: return decent(i, types[i], rnd(1000));                                 /* any length of payload */
    default:
        for (size_t k = 0; k < size; k++) wire[k] = (uint8_t)rnd(256);
        return rnd(500);
    }
}

static void come(void) {
    int i = (int)rnd(PORTS), channel = rnd(30) ? CHANNEL_RTP : CHANNEL_RTCP;
    size_t size = rnd(3) ? decent(i, types[i], rnd(8) ? 160 : 20 * rnd(32)) : hostile_packet(i);
    address from;
    memset(&from, 0, sizeof from);
    from.family = 4;
    from.ip[0] = (uint8_t)(rnd(40) ? i : (int)rnd(PORTS));
    from.port = (uint16_t)(rnd(50) ? 4000 : 4000 + rnd(3));
    /* A block of its own, so that a byte read behind its end is found. */
    uint8_t *exact = (uint8_t *)malloc(size ? size : 1);
    memcpy(exact, wire, size);
    core_receive(c, (uint32_t)i, channel, exact, size, rnd(4) ? &from : NULL, now, now - rnd(4) * 7000000LL);
    free(exact);
}

/* ---- what the drivers do -------------------------------------------------------------------------------------------- */
static void take(void) {
    for (uint32_t i = 0; i < c->out_used; i++) {
        datagram *d = &c->out[i];
        demand(d->length >= 8 && d->length <= CORE_DATAGRAM && d->data[0] >> 6 == 2, "a datagram is malformed");
        packets_sent++;
    }
    c->out_used = 0;
    for (uint32_t i = 0; i < c->rewire_used; i++) {
        port *p = &c->ports[c->rewire[i]];
        if (p->wire & WIRE_CONNECT) p->connected = 1;
        if (p->wire & WIRE_LEARN) p->connected = 0;
        p->wire = 0;
    }
    c->rewire_used = 0;
}

static void read_rings(void) {
    ring_record record;
    core_event e;
    while (ring_pop(&c->events, &record)) {
        memcpy(&e, &record, sizeof e);
        events_read++;
        if (e.kind != EVENT_CODER) continue;
        coder_close(e.coder);
        coders--;
    }
    while (ring_pop(&c->written, &record)) {
        block_record b;
        memcpy(&b, &record, sizeof b);
        demand(b.samples * b.tracks <= BLOCK_SAMPLES, "a block is too long");
        if (b.block == BLOCK_NONE) continue;
        memset(&record, 0, sizeof record);
        memcpy(&record, &b.block, sizeof b.block);
        demand(ring_push(&c->returned, &record, 1), "the ring of returned blocks is full");
        blocks_read++;
    }
}

static void tick(void) {
    now += 1000000;
    core_commands(c, now);
    core_tick(c, now);
    take();
    if (rnd(4) == 0) read_rings();
    /* What was opened in a place that was taken has been refused: go on with who is there. */
    for (uint32_t i = 0; i < PORTS; i++)
        if (c->ports[i].source.state == STATE_OPEN) ports[i] = port_handle(c, i);
    for (uint32_t i = 0; i < PLAYERS; i++)
        if (c->players[i].source.state == STATE_OPEN) players[i] = HANDLE(i, c->players[i].source.generation, KIND_PLAYER, 0);
    for (uint32_t i = 0; i < RECORDINGS; i++)
        if (c->recordings[i].state == STATE_OPEN) recordings[i] = HANDLE(i, c->recordings[i].generation, KIND_RECORDING, 0);
}

static void load_opus(const char *path, char **names) {
    uint64_t addresses[OPUS_FUNCTIONS];
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    demand(library != NULL, "libopus cannot be loaded");
    for (int i = 0; i < OPUS_FUNCTIONS; i++) addresses[i] = (uint64_t)(uintptr_t)dlsym(library, names[i]);
    opus_setup(addresses);
    demand(opus_present(), "libopus lacks a function");
    for (int i = 0; i < 2; i++) {
        speakers[i] = malloc((size_t)opus.encoder_size(i + 1));
        demand(opus.encoder_open(speakers[i], OPUS_RATE, i + 1, OPUS_VOIP) == 0, "no encoder");
        opus.encoder_set(speakers[i], OPUS_SET_FEC, 1);
        opus.encoder_set(speakers[i], OPUS_SET_LOSS, 10);
        opus.encoder_set(speakers[i], OPUS_SET_DTX, i);
    }
}

int main(int argc, char **argv) {
    if (argc != 3 && argc != 4 + OPUS_FUNCTIONS) return 2;
    if (argc > 3) load_opus(argv[3], argv + 4);
    state = strtoull(argv[1], NULL, 10) * 2 + 1;
    uint64_t total = strtoull(argv[2], NULL, 10);
    wire = (uint8_t *)calloc(1, LARGEST + 16);
    c = core_open(PORTS, PLAYERS, RECORDINGS, 0, 2208988800000000000ll);
    demand(c != NULL, "no memory");
    now = 1000000000;
    for (int i = 0; i < 4800; i++) music[i] = (int16_t)(rnd(65536) - 32768);
    for (int i = 0; i < PORTS; i++) {
        open_port(i);
        set_session(i);
        set_row(i);
    }
    for (uint64_t n = 0; n < total; n++) {
        if (n % 8 == 0) tick();
        if (rnd(40) == 0) ask();
        if (rnd(20000) == 0) now += (int64_t)rnd(2000) * 1000000; /* everything stood still */
        come();
        if (c->out_used > c->out_count / 2) take();
    }
    tick();
    for (int i = 0; i < PORTS; i++) simple(COMMAND_CLOSE_PORT, ports[i]);
    for (int i = 0; i < PLAYERS; i++) simple(COMMAND_STOP_PLAYER, players[i]);
    for (int i = 0; i < RECORDINGS; i++) simple(COMMAND_STOP_RECORDING, recordings[i]);
    for (int i = 0; i < 200; i++) {
        tick();
        read_rings();
    }
    demand(c->live == 0, "somebody is still alive");
    demand(coders == 0, "a coder was not given back");
    demand(c->free_count == c->block_count, "a block was not given back");
    for (int i = 0; i < CORE_SLOTS; i++) demand(c->slot_decoding[i] == 0, "a slot still decodes");
    for (int i = 0; i < PORTS; i++) demand(c->ports[i].mixed_by == 0, "a port is still mixed by somebody");
    printf("%llu packets in, %u out, %u blocks, %u events\n", (unsigned long long)total, packets_sent, blocks_read, events_read);
    core_close(c);
    free(wire);
    for (int i = 0; i < 2; i++) free(speakers[i]);
    return 0;
}
