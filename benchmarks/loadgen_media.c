/* The sound of a load test: many RTP phones, or a bare relay to compare with.
 *
 *   loadgen_media phones LEGS HOST    LEGS telephones that send and measure
 *   loadgen_media relay  LEGS HOST    what comes in on port 2i goes out by port 2i+1, and back
 *
 * It prints "ports P0 P1 ...", then obeys lines on standard input:
 *
 *   peer LEG IP PORT PT PARTNER       send there, in payload type 0 or 8; PARTNER is whose frames must arrive
 *   hush LEG                          send no more
 *   voice PT STEP FILE                legs of that payload type say the frames of the file, over and over, instead of
 *                                     marked ones: a 16-bit length (little-endian) and the payload, again and again;
 *                                     STEP is the RTP clock of 20 ms
 *   measure SECONDS                   one line of JSON follows when the window and its grace are over
 *   quit
 *
 * A phone sends 50 frames of 20 ms a second; the legs are spread over the 20 milliseconds. Each frame begins with a
 * mark, who sent it and its number, written in 16 levels (eight octaves, two signs) so far apart that they survive
 * A-law, mu-law and any conversion between them. Loss is therefore exact whatever was done to the RTP header, and
 * delay is from our send() to the kernel's receive time stamp of the same frame. A leg without a partner is one that
 * hears a mix: its packets and the gaps in their numbers are counted. One thread, no dependencies. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { PAYLOAD = 160, HEADER = 12, LONGEST = 1400, SLOTS = 20, MARK = 12, SENT = 256, MOST_LEGS = 4096, MOST_SKIPS = 65536 };
#define SECOND 1000000000LL
#define TICK 1000000LL
#define GRACE (SECOND / 2)

struct leg {
    int fd, partner, hushed;
    struct sockaddr_in peer; /* sin_port 0: nobody yet */
    uint8_t payload_type, law; /* law 0 is mu, 1 is A */
    uint16_t seq, last_seq;
    uint32_t timestamp, ssrc, frame;
    int64_t sent[SENT];       /* when the last frames left, by frame number */
    uint32_t first, end;      /* frames of the window: first <= frame < end */
    uint8_t *seen;            /* which of the partner's frames of the window came, one bit each */
    uint32_t room, received, gaps, dropped, packets, unsaid;
    int heard;
};

/* What the legs of one payload type say. */
struct voice {
    uint32_t frames, step;
    uint32_t *at;   /* where each frame begins in `octets`; one more for the end of the last */
    uint8_t *octets;
};
static struct voice voices[128];

static struct leg *legs;
static int count, relay, epoll_fd, timer_fd;
static uint8_t encoded[2][16], decoded[2][256], filling[2][PAYLOAD];
static float *delays; static size_t delay_count, delay_room;
static float *lateness; static size_t late_count, late_room;
static uint64_t misrouted, unmarked, duplicates, overflowed, send_errors, late_ticks, other;
static int64_t window_end, grace_end, next_tick; static double window_seconds; static int measuring;
static struct rusage usage_before;
static int64_t ticks;                                /* milliseconds served; frame n of leg i is said in 20 n + i % 20 */
static int64_t skips[MOST_SKIPS][2]; static int skip_count; /* the first of those that were left unsaid, and how many */

static void die(const char *what) { perror(what); exit(1); }

static int64_t clock_of(clockid_t clock) {
    struct timespec t; clock_gettime(clock, &t); return t.tv_sec * SECOND + t.tv_nsec;
}

/* G.711 in its plain textbook form; only 16 values are ever encoded. */
static int mu_to_linear(uint8_t code) {
    code = ~code;
    int magnitude = ((((code & 15) << 3) + 132) << (code >> 4 & 7)) - 132;
    return code & 128 ? -magnitude : magnitude;
}

static int a_to_linear(uint8_t code) {
    code ^= 0x55;
    int exponent = code >> 4 & 7, magnitude = (code & 15) << 4;
    magnitude = exponent ? (magnitude + 0x108) << (exponent - 1) : magnitude + 8;
    return code & 128 ? magnitude : -magnitude;
}

static int symbol_value(int symbol) { return (symbol & 8 ? -1 : 1) * (200 << (symbol & 7)); }

static void make_tables(void) {
    for (int law = 0; law < 2; law++) {
        int (*linear)(uint8_t) = law ? a_to_linear : mu_to_linear;
        for (int symbol = 0; symbol < 16; symbol++) {
            int best = 1 << 30;
            for (int code = 0; code < 256; code++) {
                int error = abs(linear(code) - symbol_value(symbol));
                if (error < best) { best = error; encoded[law][symbol] = code; }
            }
        }
        for (int code = 0; code < 256; code++) {
            int value = linear(code), octave = 0;
            double magnitude = abs(value) / 200.0;
            while (octave < 7 && magnitude > M_SQRT2) { magnitude /= 2; octave++; }
            decoded[law][code] = (value < 0 ? 8 : 0) | octave;
        }
        for (int i = 0; i < PAYLOAD; i++) filling[law][i] = encoded[law][(i * 5 >> 2 & 1) * 8 + 3];
    }
}

static uint8_t checksum(uint32_t leg, uint32_t frame) {
    uint32_t hash = (leg * 2654435761u) ^ (frame * 2246822519u);
    return (hash ^ hash >> 8 ^ hash >> 16 ^ hash >> 24) & 255;
}

/* 12 symbols: two fixed, three of the leg, five of the frame number, two of the check. */
static void write_mark(uint8_t *payload, int law, uint32_t leg, uint32_t frame) {
    const uint8_t *code = encoded[law];
    uint8_t check = checksum(leg, frame & 0xfffff);
    *payload++ = code[7]; *payload++ = code[15];
    for (int i = 2; i >= 0; i--) *payload++ = code[leg >> 4 * i & 15];
    for (int i = 4; i >= 0; i--) *payload++ = code[frame >> 4 * i & 15];
    *payload++ = code[check >> 4]; *payload++ = code[check & 15];
}

static int read_mark(const uint8_t *payload, int law, uint32_t *leg, uint32_t *frame) {
    const uint8_t *symbol = decoded[law];
    if (symbol[payload[0]] != 7 || symbol[payload[1]] != 15) return 0;
    *leg = *frame = 0;
    for (int i = 0; i < 3; i++) *leg = *leg << 4 | symbol[payload[2 + i]];
    for (int i = 0; i < 5; i++) *frame = *frame << 4 | symbol[payload[5 + i]];
    return (symbol[payload[10]] << 4 | symbol[payload[11]]) == checksum(*leg, *frame);
}

static int bound(const char *host, int port, int buffer) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), on = 1;
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (fd < 0) die("socket");
    inet_pton(AF_INET, host, &own.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (!relay) {
        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
        setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
    }
    if (bind(fd, (struct sockaddr *)&own, sizeof own) < 0) { close(fd); return -1; }
    return fd;
}

/* An even port for RTP, and the next one to take RTCP, which nobody reads: the kernel drops what does not fit. */
static void open_ports(const char *host) {
    int port = 40000 + 2 * (getpid() % 2000);
    printf("ports");
    for (int i = 0; i < count; i++, port += 2) {
        for (;; port += 2) {
            if (port > 64000) port = 34000;
            int rtcp = relay ? 0 : bound(host, port + 1, 2048);
            if (rtcp < 0) continue;
            legs[i].fd = bound(host, port, relay ? 1 << 20 : 1 << 18);
            if (legs[i].fd >= 0) break;
            if (rtcp) close(rtcp);
        }
        legs[i].partner = -1;
        legs[i].ssrc = 0x5a000000u + i * 7919u;
        legs[i].seq = i * 257;
        legs[i].timestamp = i * 65537u;
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, legs[i].fd, &event);
        printf(" %d", port);
    }
    printf("\n");
    fflush(stdout);
}

static void keep(float **values, size_t *used, size_t *room, float value) {
    if (*used == *room) {
        *room = *room ? 2 * *room : 1 << 16;
        if (!(*values = realloc(*values, *room * sizeof **values))) die("realloc");
    }
    (*values)[(*used)++] = value;
}

static void say(struct leg *leg, uint32_t index) {
    const struct voice *voice = &voices[leg->payload_type];
    uint8_t packet[HEADER + LONGEST] = {0x80, leg->payload_type};
    size_t size = PAYLOAD;
    packet[2] = leg->seq >> 8; packet[3] = leg->seq;
    uint32_t stamp = htonl(leg->timestamp), ssrc = htonl(leg->ssrc);
    memcpy(packet + 4, &stamp, 4); memcpy(packet + 8, &ssrc, 4);
    if (voice->frames) {
        uint32_t frame = (leg->frame + index * 37) % voice->frames;
        size = voice->at[frame + 1] - voice->at[frame];
        memcpy(packet + HEADER, voice->octets + voice->at[frame], size);
    } else {
        memcpy(packet + HEADER, filling[leg->law], PAYLOAD);
        write_mark(packet + HEADER, leg->law, index, leg->frame);
    }
    leg->sent[leg->frame % SENT] = clock_of(CLOCK_REALTIME);
    if (sendto(leg->fd, packet, HEADER + size, 0, (struct sockaddr *)&leg->peer, sizeof leg->peer) < 0
        && errno != ECONNREFUSED) send_errors++;
    leg->seq++; leg->timestamp += voice->frames ? voice->step : PAYLOAD; leg->frame++;
}

static void skip(struct leg *leg) {
    leg->timestamp += voices[leg->payload_type].frames ? voices[leg->payload_type].step : PAYLOAD;
    leg->sent[leg->frame % SENT] = 0;
    leg->frame++;
    if (measuring) leg->unsaid++;
}

static void learn(int payload_type, uint32_t step, const char *path) {
    struct voice *voice = &voices[payload_type & 127];
    uint8_t length[2];
    size_t used = 0, room = 0;
    FILE *file = fopen(path, "rb");
    if (!file) die(path);
    memset(voice, 0, sizeof *voice);
    voice->step = step;
    while (fread(length, 1, 2, file) == 2) {
        size_t size = length[0] | length[1] << 8;
        if (size > LONGEST) { fprintf(stderr, "%s: a frame of %zu bytes\n", path, size); exit(1); }
        if (used + size > room && !(voice->octets = realloc(voice->octets, room = 2 * (used + size)))) die("realloc");
        if (!(voice->at = realloc(voice->at, (voice->frames + 2) * sizeof *voice->at))) die("realloc");
        if (fread(voice->octets + used, 1, size, file) != size) break;
        voice->at[voice->frames] = used;
        voice->at[++voice->frames] = used += size;
    }
    fclose(file);
}

static void hear(struct leg *leg) {
    uint8_t packet[2048], control[256];
    struct iovec io = {packet, sizeof packet};
    struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t size = recvmsg(leg->fd, &message, 0);
    if (size < 0) return;
    int64_t arrived = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec t; memcpy(&t, CMSG_DATA(c), sizeof t); arrived = t.tv_sec * SECOND + t.tv_nsec;
        } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
            uint32_t dropped; memcpy(&dropped, CMSG_DATA(c), sizeof dropped);
            if (measuring) overflowed += dropped - leg->dropped;
            leg->dropped = dropped;
        }
    }
    int type = packet[1] & 127, mixed = leg->partner < 0;
    if (size < HEADER || (!mixed && (size != HEADER + PAYLOAD || (type != 0 && type != 8)))) { other++; return; }
    uint16_t seq = packet[2] << 8 | packet[3];
    if (leg->heard && seq != (uint16_t)(leg->last_seq + 1) && measuring) leg->gaps++;
    leg->heard = 1; leg->last_seq = seq;
    if (!measuring) return;
    if (window_end) leg->packets++;
    if (mixed) return;
    uint32_t from, frame;
    if (!read_mark(packet + HEADER, type == 8, &from, &frame)) { unmarked++; return; }
    if ((int)from != leg->partner) { misrouted++; return; }
    struct leg *speaker = &legs[from];
    if (frame < speaker->first || frame >= speaker->end) return;
    uint32_t place = frame - speaker->first;
    if (place >= leg->room) return;
    if (leg->seen[place >> 3] >> (place & 7) & 1) { duplicates++; return; }
    leg->seen[place >> 3] |= 1 << (place & 7);
    leg->received++;
    keep(&delays, &delay_count, &delay_room, (arrived - speaker->sent[frame % SENT]) / 1e6f);
}

static void forward(int index) {
    uint8_t packet[2048];
    for (int burst = 0; burst < 4; burst++) {
        ssize_t size = recv(legs[index].fd, packet, sizeof packet, 0);
        if (size < 0) return;
        struct leg *out = &legs[index ^ 1];
        if (out->peer.sin_port && send(out->fd, packet, size, 0) < 0) send_errors++;
    }
}

static void begin(double seconds) {
    window_seconds = seconds;
    window_end = clock_of(CLOCK_MONOTONIC) + (int64_t)(seconds * SECOND);
    grace_end = window_end + GRACE;
    measuring = 1;
    misrouted = unmarked = duplicates = overflowed = send_errors = late_ticks = other = 0;
    delay_count = late_count = 0;
    skip_count = 0;
    getrusage(RUSAGE_SELF, &usage_before);
    for (int i = 0; i < count; i++) {
        legs[i].first = legs[i].frame; legs[i].end = UINT32_MAX; legs[i].received = legs[i].gaps = legs[i].packets = legs[i].unsaid = 0;
        free(legs[i].seen);
        legs[i].room = 8 * ((size_t)(seconds * 50 / 8) + 64);
        if (!(legs[i].seen = calloc(1, legs[i].room / 8))) die("calloc");
    }
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b; return (x > y) - (x < y);
}

static float quantile(float *sorted, size_t size, double q) {
    return size ? sorted[(size_t)(q * (size - 1) + 0.5)] : NAN;
}

static void number(const char *name, double value) {
    if (isnan(value)) printf("\"%s\": null, ", name); else printf("\"%s\": %.4f, ", name, value);
}

static void finish(void) {
    uint64_t expected = 0, received = 0, gaps = 0, packets = 0, mixed_gaps = 0, unsaid = 0; int deaf = 0, mixed = 0, silent = 0;
    struct rusage usage; getrusage(RUSAGE_SELF, &usage);
    for (int i = 0; i < count; i++) {
        unsaid += legs[i].unsaid;
        if (legs[i].partner < 0 && legs[i].peer.sin_port) {
            mixed++;
            packets += legs[i].packets;
            mixed_gaps += legs[i].gaps;
            silent += legs[i].packets == 0;
        }
        if (legs[i].partner < 0 || !legs[legs[i].partner].peer.sin_port) continue;
        struct leg *speaker = &legs[legs[i].partner];
        expected += speaker->end - speaker->first - speaker->unsaid;
        received += legs[i].received; gaps += legs[i].gaps;
        deaf += legs[i].received == 0;
    }
    double cpu = usage.ru_utime.tv_sec - usage_before.ru_utime.tv_sec + usage.ru_stime.tv_sec - usage_before.ru_stime.tv_sec
        + (usage.ru_utime.tv_usec - usage_before.ru_utime.tv_usec + usage.ru_stime.tv_usec - usage_before.ru_stime.tv_usec) / 1e6;
    qsort(delays, delay_count, sizeof *delays, ascending);
    qsort(lateness, late_count, sizeof *lateness, ascending);
    printf("{");
    number("seconds", window_seconds);
    number("delay_p50", quantile(delays, delay_count, 0.5));
    number("delay_p99", quantile(delays, delay_count, 0.99));
    number("delay_p999", quantile(delays, delay_count, 0.999));
    number("delay_max", quantile(delays, delay_count, 1));
    number("late_p99", quantile(lateness, late_count, 0.99));
    number("late_max", quantile(lateness, late_count, 1));
    number("own_cores", cpu / (window_seconds + GRACE / 1e9));
    printf("\"expected\": %lu, \"received\": %lu, \"lost\": %ld, \"gaps\": %lu, \"deaf\": %d, \"misrouted\": %lu, "
           "\"unmarked\": %lu, \"duplicates\": %lu, \"other\": %lu, \"overflowed\": %lu, \"send_errors\": %lu, "
           "\"late_ticks\": %lu, \"mixed\": %d, \"packets\": %lu, \"mixed_gaps\": %lu, \"silent\": %d, \"unsaid\": %lu, \"skipped\": [",
           expected, received, (long)(expected - received), gaps, deaf, misrouted, unmarked, duplicates, other, overflowed,
           send_errors, late_ticks, mixed, packets, mixed_gaps, silent, unsaid);
    for (int i = 0; i < skip_count; i++) printf("%s[%ld, %ld]", i ? ", " : "", skips[i][0], skips[i][1]);
    printf("]}\n");
    fflush(stdout);
    measuring = 0;
}

static void obey(char *line) {
    int index, port, type, partner, step; char ip[64], path[1024]; double seconds;
    if (sscanf(line, "peer %d %63s %d %d %d", &index, ip, &port, &type, &partner) == 5 && index >= 0 && index < count) {
        struct leg *leg = &legs[index];
        leg->peer.sin_family = AF_INET;
        inet_pton(AF_INET, ip, &leg->peer.sin_addr);
        /* Frames of all legs are numbered by one clock, so that a recording tells whether its tracks are aligned. */
        if (!leg->frame) leg->first = leg->frame = (ticks + ((index - ticks) % SLOTS + SLOTS) % SLOTS) / SLOTS;
        leg->payload_type = type; leg->law = type == 8; leg->partner = partner; leg->hushed = 0;
        leg->peer.sin_port = htons(port);
        if (relay) connect(leg->fd, (struct sockaddr *)&leg->peer, sizeof leg->peer);
    } else if (sscanf(line, "hush %d", &index) == 1 && index >= 0 && index < count) {
        legs[index].peer.sin_port = 0; legs[index].partner = -1; legs[index].heard = 0;
    } else if (sscanf(line, "voice %d %d %1023[^\n]", &type, &step, path) == 3) {
        learn(type, step, path);
    } else if (sscanf(line, "measure %lf", &seconds) == 1) {
        begin(seconds);
    } else if (!strncmp(line, "quit", 4)) {
        exit(0);
    }
}

static void commands(void) {
    static char text[1 << 16]; static size_t used;
    ssize_t size = read(0, text + used, sizeof text - used - 1);
    if (size == 0) exit(0); /* whoever started us is gone */
    if (size < 0) return;
    used += size; text[used] = 0;
    char *start = text, *end;
    while ((end = strchr(start, '\n'))) { *end = 0; obey(start); start = end + 1; }
    used -= start - text;
    memmove(text, start, used);
}

static void tick(void) {
    uint64_t expirations;
    if (read(timer_fd, &expirations, sizeof expirations) != sizeof expirations) return;
    int64_t now = clock_of(CLOCK_MONOTONIC);
    if (measuring && now <= window_end) keep(&lateness, &late_count, &late_room, (now - next_tick) / 1e6f);
    if (measuring) late_ticks += expirations - 1;
    next_tick += expirations * TICK;
    /* We were kept from running. All that was missed at once would drown the kernel's queue of 1,000 packets, and the
     * loss would be ours: it is left unsaid instead, and time goes on. */
    if (expirations > SLOTS && skip_count < MOST_SKIPS) {
        skips[skip_count][0] = ticks;
        skips[skip_count++][1] = (int64_t)expirations - SLOTS;
    }
    for (; expirations > SLOTS; expirations--, ticks++)
        for (int i = ticks % SLOTS; i < count; i += SLOTS) if (legs[i].peer.sin_port) skip(&legs[i]);
    for (; expirations; expirations--, ticks++) {
        for (int i = ticks % SLOTS; i < count; i += SLOTS) if (legs[i].peer.sin_port) say(&legs[i], i);
    }
    if (measuring && now >= window_end && window_end) {
        for (int i = 0; i < count; i++) legs[i].end = legs[i].frame;
        window_end = 0;
    }
    if (measuring && !window_end && now >= grace_end) finish();
}

int main(int argc, char **argv) {
    if (argc != 4 || (count = atoi(argv[2])) < 1 || count > MOST_LEGS) {
        fprintf(stderr, "usage: loadgen_media phones|relay LEGS HOST\n");
        return 2;
    }
    relay = !strcmp(argv[1], "relay");
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files); files.rlim_cur = files.rlim_max; setrlimit(RLIMIT_NOFILE, &files);
    legs = calloc(count, sizeof *legs);
    epoll_fd = epoll_create1(0);
    make_tables();
    open_ports(argv[3]);
    fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = MOST_LEGS};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, 0, &event);
    if (!relay) {
        timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
        next_tick = clock_of(CLOCK_MONOTONIC) + TICK;
        struct itimerspec every = {{0, TICK}, {next_tick / SECOND, next_tick % SECOND}};
        timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &every, NULL);
        event.data.u32 = MOST_LEGS + 1;
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &event);
    }
    for (;;) {
        struct epoll_event ready[256];
        int n = epoll_wait(epoll_fd, ready, 256, -1);
        for (int i = 0; i < n; i++) {
            uint32_t what = ready[i].data.u32;
            if (what == MOST_LEGS) commands();
            else if (what == MOST_LEGS + 1) tick();
            else if (relay) forward(what);
            else hear(&legs[what]);
        }
    }
}
