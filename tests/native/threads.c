/* Who shares the core with whom, under the thread sanitizer: the media thread runs the core, another gives commands and
 * reads events as Python does, a third takes recorded blocks and gives them back as the writer does.
 * Exits with 1 and a word when a book does not balance. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "command.h"

enum { PORTS = 8, PLAYERS = 2, RECORDINGS = 2 };

static core *c;
static _Atomic int stopping, served;
static uint64_t ports[PORTS], players[PLAYERS], recordings[RECORDINGS];
static uint32_t generation, closed, stopped, finished, blocks;
static int16_t music[800];

static void demand(int truth, const char *what) {
    if (truth) return;
    printf("%s\n", what);
    exit(1);
}

/* ---- the media thread ---------------------------------------------------------------------------------------------- */
static void take(void) {
    c->out_used = 0;
    for (uint32_t i = 0; i < c->rewire_used; i++) {
        port *p = &c->ports[c->rewire[i]];
        if (p->wire & (WIRE_CONNECT | WIRE_LEARN)) p->connected = (p->wire & WIRE_CONNECT) != 0;
        p->wire = 0;
    }
    c->rewire_used = 0;
}

static void *media(void *unused) {
    uint8_t packet[RTP_HEADER + 160];
    uint16_t sequence = 0;
    int64_t now = 1000000000;
    address from;
    memset(packet, 0xff, sizeof packet);
    memset(&from, 0, sizeof from);
    from.family = 4;
    from.port = 4000;
    while (!atomic_load(&stopping) || c->live) {
        now += 1000000;
        core_commands(c, now);
        if (now / 1000000 % CORE_SLOTS == 0) {
            rtp_write(packet, 0, 0, sequence, sequence * 160u, 7);
            sequence++;
            for (uint32_t i = 0; i < PORTS; i++) {
                from.ip[0] = (uint8_t)i;
                core_receive(c, i, CHANNEL_RTP, packet, sizeof packet, &from, now, now);
            }
        }
        core_tick(c, now);
        take();
        atomic_fetch_add(&served, 1);
    }
    return unused;
}

/* ---- the writer ---------------------------------------------------------------------------------------------------- */
static void *writer(void *unused) {
    ring_record record;
    block_record b;
    int32_t heard = 0;
    int done;
    do {
        done = atomic_load(&stopping) == 2; /* what was written before that is still taken */
        while (ring_pop(&c->written, &record)) {
            memcpy(&b, &record, sizeof b);
            finished += b.last;
            if (b.block == BLOCK_NONE) continue;
            for (uint32_t i = 0; i < b.samples * b.tracks; i++) heard += c->blocks[b.block].samples[i];
            memset(&record, 0, sizeof record);
            memcpy(&record, &b.block, sizeof b.block);
            demand(ring_push(&c->returned, &record, 1), "the ring of returned blocks is full");
            blocks++;
        }
    } while (!done);
    return heard == 1 ? &music : unused;
}

/* ---- what Python does ---------------------------------------------------------------------------------------------- */
static void read_events(void) {
    ring_record record;
    core_event e;
    while (ring_pop(&c->events, &record)) {
        memcpy(&e, &record, sizeof e);
        closed += e.kind == EVENT_CLOSED;
        stopped += e.kind == EVENT_PLAY_ENDED;
        if (e.kind == EVENT_CODER) coder_close(e.coder);
    }
}

static void give(const command *commands, uint32_t count) {
    while (!ring_push(&c->commands, commands, count)) read_events();
}

static command blank(uint32_t kind, uint64_t handle) {
    command m;
    memset(&m, 0, sizeof m);
    m.kind = kind;
    m.handle = handle;
    return m;
}

static void wait_ticks(int ticks) {
    int until = atomic_load(&served) + ticks;
    while (atomic_load(&served) < until) read_events();
}

static void open_all(void) {
    generation++;
    for (uint32_t i = 0; i < PORTS; i++) {
        command m = blank(COMMAND_OPEN_PORT, ports[i] = HANDLE(i, generation, KIND_PORT, 0));
        m.open.rtp = m.open.rtcp = -1;
        give(&m, 1);
        command both[2] = {blank(COMMAND_FORMAT, ports[i]), blank(COMMAND_SET_SESSION, ports[i])};
        both[0].format.codec = i % 4 == 3 ? CODEC_G722 : CODEC_PCMU;
        both[0].format.coder = i % 4 == 3 ? coder_open(CODEC_G722) : NULL;
        both[0].format.payload_type = both[0].format.payload_receive = i % 4 == 3 ? 9 : 0;
        both[0].format.dtmf_send = both[0].format.dtmf_receive = 101;
        both[0].format.ptime = 20;
        both[0].format.flags = SESSION_SENDS | SESSION_RECEIVES;
        both[1].session.remote.family = 4;
        both[1].session.remote.ip[0] = (uint8_t)i;
        both[1].session.remote.port = 4000;
        give(both, 2);
    }
    for (uint32_t i = 0; i < PLAYERS; i++) {
        command m = blank(COMMAND_PLAY, players[i] = HANDLE(i, generation, KIND_PLAYER, 0));
        m.play.pcm = music;
        m.play.samples = 800;
        m.play.hertz = 8000;
        give(&m, 1);
    }
    for (uint32_t i = 0; i < RECORDINGS; i++) {
        command both[3] = {blank(COMMAND_RECORD, recordings[i] = HANDLE(i, generation, KIND_RECORDING, 0))};
        both[0].record.tracks = 2;
        both[0].record.hertz = 8000;
        for (uint32_t track = 0; track < 2; track++) {
            both[1 + track] = blank(COMMAND_TRACKS, recordings[i]);
            both[1 + track].items.track = (uint8_t)track;
            both[1 + track].items.count = 1;
            both[1 + track].items.sources[0] = ports[2 * i + track];
            both[1 + track].items.flags = ITEMS_FIRST | ITEMS_LAST;
        }
        give(both, 3);
    }
}

static void hear(int round) {
    for (uint32_t i = 0; i < PORTS; i++) {
        command m = blank(COMMAND_ROW, ports[i]);
        m.items.flags = ITEMS_FIRST | ITEMS_LAST;
        m.items.count = (uint8_t)(1 + (round + i) % 3);
        for (uint32_t k = 0; k < m.items.count; k++) {
            m.items.sources[k] = k == 2 ? players[i % PLAYERS] : ports[(i + 1 + k) % PORTS];
            m.items.gains[k] = round % 2 ? MIX_UNITY : MIX_UNITY / 2;
        }
        give(&m, 1);
        command press = blank(COMMAND_DIGITS, ports[i]);
        press.digits.count = 2;
        give(&press, 1);
    }
}

static void close_all(void) {
    for (uint32_t i = 0; i < RECORDINGS; i++) give(&(command[]){blank(COMMAND_STOP_RECORDING, recordings[i])}[0], 1);
    for (uint32_t i = 0; i < PLAYERS; i++) give(&(command[]){blank(COMMAND_STOP_PLAYER, players[i])}[0], 1);
    for (uint32_t i = 0; i < PORTS; i++) give(&(command[]){blank(COMMAND_CLOSE_PORT, ports[i])}[0], 1);
    while (closed < generation * PORTS || stopped < generation * PLAYERS) read_events();
    wait_ticks(2 * CORE_SLOTS); /* recordings end in their slot */
}

int main(int argc, char **argv) {
    pthread_t threads[2];
    int rounds = argc == 2 ? atoi(argv[1]) : 0;
    c = core_open(PORTS, PLAYERS, RECORDINGS, 0, 2208988800000000000ll);
    demand(rounds > 0 && c != NULL, "no rounds or no memory");
    pthread_create(&threads[0], NULL, media, NULL);
    pthread_create(&threads[1], NULL, writer, NULL);
    for (int i = 0; i < rounds; i++) {
        open_all();
        for (int k = 0; k < 4; k++) {
            hear(k);
            wait_ticks(200);
        }
        close_all();
    }
    atomic_store(&stopping, 1);
    pthread_join(threads[0], NULL);
    atomic_store(&stopping, 2);
    pthread_join(threads[1], NULL);
    core_commands(c, INT64_MAX / 2);
    demand(c->free_count == c->block_count, "a block was not given back");
    demand(finished == generation * RECORDINGS, "a recording did not end");
    printf("%d rounds, %u ports closed, %u blocks\n", rounds, closed, blocks);
    core_close(c);
    return 0;
}
