/* The socket driver of one core: a thread that sleeps until packets come or a slot is due, and never waits otherwise.
 *
 * To wake up is what costs, ten times as much as to receive a packet. So the thread waits for packets only while that
 * wakes it no more than once in WAKE_NS on average; else it lets them gather until then. A slot in which nothing is
 * mixed or played has no moment of its own: it is served when the thread is awake anyway, at most LOOP_AHEAD late. */
#ifndef SOFTSWITCH_SOCKET_LOOP_H
#define SOFTSWITCH_SOCKET_LOOP_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "command.h"

#define TICK_NS 1000000LL
#define WAKE_NS 500000LL    /* what gathers waits for this at most */
#define LATE_NS 2000000LL   /* later than this, more than one packet a leg has gathered */
#define BLOCKS_NS 20000000LL /* the writer is woken once in so long */
#define SKIP_NS 20000000LL  /* later than this, slots are skipped instead of being served in a burst */
enum { LOOP_READY = 512, LOOP_ROUNDS = 8, LOOP_QUEUED = 64 };
enum { WAKES = 2 };      /* so many wake-ups may follow each other at once */
enum { LOOP_AHEAD = 5 }; /* milliseconds for which the thread sleeps at most while somebody is there: commands wait, too */
enum { LOOP_BATCH = 32 }; /* datagrams sent in one go: the peer that is woken by the first is awake for the rest */
enum { PRIORITY_NORMAL, PRIORITY_NICE, PRIORITY_FIFO };

typedef struct {
    core *core;
    int epoll, event_fd, block_fd, wake_fd;
    _Atomic int stopping, idle;
    int realtime, priority, timer_slack;
    int64_t tick;        /* the nominal start of the next tick */
    int64_t wakes_ns;    /* one wake-up after another, WAKE_NS apart: how far they have used up the time */
    int64_t blocks_ns;
    int found;           /* sockets in `ready` that wait to be read */
    uint32_t list;       /* the number of that list, of those that held all sockets there were */
    int64_t listed_ns, before_ns; /* when it was made, and the one before */
    int woken;           /* by a packet */
    int coarse;          /* the system cannot wait for packets with a deadline this fine */
    struct epoll_event ready[LOOP_READY];
    uint8_t buffer[2048];
} socket_loop;

static inline int64_t monotonic_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline void loop_sleep_until(int64_t ns) {
    struct timespec t = {ns / 1000000000, ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
    }
}

/* ---- addresses ---------------------------------------------------------------------------------------------------- */
static inline void address_from(const struct sockaddr_storage *in, address *out) {
    memset(out, 0, sizeof *out);
    if (in->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)in;
        memcpy(out->ip, &v4->sin_addr, 4);
        out->port = ntohs(v4->sin_port);
        out->family = 4;
    } else if (in->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)in;
        out->port = ntohs(v6->sin6_port);
        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
            memcpy(out->ip, (const uint8_t *)&v6->sin6_addr + 12, 4);
            out->family = 4;
        } else {
            memcpy(out->ip, &v6->sin6_addr, 16);
            out->family = 6;
        }
    }
}

/* `family` is the socket's: an IPv6 socket sends to IPv4 by its mapped address. Return 0 if it cannot be reached. */
static inline socklen_t address_to(const address *in, int family, struct sockaddr_storage *out) {
    memset(out, 0, sizeof *out);
    if (family == AF_INET && in->family == 4) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)out;
        v4->sin_family = AF_INET;
        memcpy(&v4->sin_addr, in->ip, 4);
        v4->sin_port = htons(in->port);
        return sizeof *v4;
    }
    if (family != AF_INET6) return 0;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(in->port);
    if (in->family == 4) {
        uint8_t *ip = (uint8_t *)&v6->sin6_addr;
        ip[10] = ip[11] = 0xff;
        memcpy(ip + 12, in->ip, 4);
    } else memcpy(&v6->sin6_addr, in->ip, 16);
    return sizeof *v6;
}

static inline int socket_family(int fd) {
    int family = AF_INET;
    socklen_t size = sizeof family;
    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size);
    return family;
}

/* ---- sockets ------------------------------------------------------------------------------------------------------ */
static inline void loop_send(socket_loop *l, const datagram *d) {
    port *p = &l->core->ports[d->port];
    int fd = p->fd[d->channel];
    if (fd < 0) return;
    for (int tries = 0; tries < 2; tries++) {
        ssize_t n;
        if (d->channel == CHANNEL_RTP && p->wired) {
            n = send(fd, d->data, d->length, MSG_NOSIGNAL);
        } else {
            struct sockaddr_storage to;
            socklen_t size = address_to(&d->to, p->socket_family, &to);
            if (!size) return;
            n = sendto(fd, d->data, d->length, MSG_NOSIGNAL, (struct sockaddr *)&to, size);
        }
        /* An ICMP error that waited on the socket is reported in place of this send: it costs a second try, no more. */
        if (n >= 0 || (errno != ECONNREFUSED && errno != EHOSTUNREACH && errno != ENETUNREACH)) return;
        l->core->icmp++;
    }
}

static inline void loop_flush(socket_loop *l) {
    core *c = l->core;
    for (uint32_t i = 0; i < c->out_used; i++) loop_send(l, &c->out[i]);
    c->out_used = 0;
}

/* Take note that a list of `n` readable sockets was made after `began`. A full one says nothing about the others. */
static inline void loop_listed(socket_loop *l, int n, int64_t began) {
    if (n < 0 || n == LOOP_READY) return;
    l->list++;
    l->before_ns = l->listed_ns;
    l->listed_ns = began;
}

/* Since when a packet of this port may have waited: one packet is read of each socket of a list, so who was in the list
 * before, too, may have held more than that. */
static inline int64_t loop_since(socket_loop *l, port *p) {
    if (p->listed + 1 < l->list) p->empty_ns = l->before_ns;
    p->listed = l->list;
    return p->empty_ns;
}

/* Read one datagram. Return 0 when the socket is empty. */
static inline int loop_read(socket_loop *l, uint32_t index, int channel, int64_t now) {
    core *c = l->core;
    port *p = &c->ports[index];
    int64_t since = channel == CHANNEL_RTP ? loop_since(l, p) : now;
    ssize_t n;
    if (channel == CHANNEL_RTP && p->trusted) {
        n = recv(p->fd[CHANNEL_RTP], l->buffer, sizeof l->buffer, MSG_DONTWAIT);
        if (n >= 0) core_receive(c, index, CHANNEL_RTP, l->buffer, (size_t)n, NULL, now, since);
    } else {
        struct sockaddr_storage from;
        socklen_t size = sizeof from;
        n = recvfrom(p->fd[channel], l->buffer, sizeof l->buffer, MSG_DONTWAIT, (struct sockaddr *)&from, &size);
        if (n >= 0) {
            address source;
            address_from(&from, &source);
            core_receive(c, index, channel, l->buffer, (size_t)n, &source, now, since);
        }
    }
    if (n >= 0) {
        if (c->out_used >= LOOP_BATCH) loop_flush(l);
        return 1;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
    c->icmp++;
    return errno == EINTR || errno == ECONNREFUSED || errno == EHOSTUNREACH || errno == ENETUNREACH;
}

static inline void loop_watch(socket_loop *l, uint32_t index, int operation) {
    for (int channel = CHANNEL_RTP; channel <= CHANNEL_RTCP; channel++) {
        struct epoll_event e;
        memset(&e, 0, sizeof e);
        e.events = EPOLLIN;
        e.data.u32 = index << 1 | (uint32_t)channel;
        if (l->core->ports[index].fd[channel] >= 0) epoll_ctl(l->epoll, operation, l->core->ports[index].fd[channel], &e);
    }
}

/* From now on the kernel drops foreign sources, and sending is cheaper. */
static inline void loop_connect(socket_loop *l, uint32_t index) {
    port *p = &l->core->ports[index];
    struct sockaddr_storage to;
    int fd = p->fd[CHANNEL_RTP];
    socklen_t size = address_to(&p->policy.current, p->socket_family, &to);
    p->connected = 1;
    p->trusted = 0;
    p->wired = size && connect(fd, (struct sockaddr *)&to, size) == 0;
    /* What was queued before is judged by its address still; then the kernel can be trusted. */
    for (int i = 0; p->wired && i < LOOP_QUEUED; i++)
        if (!loop_read(l, index, CHANNEL_RTP, monotonic_ns())) {
            p->trusted = 1;
            return;
        }
}

static inline void loop_learn(socket_loop *l, uint32_t index) {
    port *p = &l->core->ports[index];
    struct sockaddr none;
    memset(&none, 0, sizeof none);
    none.sa_family = AF_UNSPEC;
    if (p->wired) connect(p->fd[CHANNEL_RTP], &none, sizeof none);
    p->connected = p->wired = p->trusted = 0;
}

static inline void loop_rewire(socket_loop *l) {
    core *c = l->core;
    /* Reading what was queued may ask for more, at the end of the same list. */
    for (uint32_t i = 0; i < c->rewire_used; i++) {
        uint32_t index = c->rewire[i];
        port *p = &c->ports[index];
        uint8_t wire = p->wire;
        p->wire = 0;
        if (wire & WIRE_OPEN) {
            p->socket_family = (uint8_t)socket_family(p->fd[CHANNEL_RTP]);
            loop_watch(l, index, EPOLL_CTL_ADD);
        }
        if (wire & WIRE_LEARN) loop_learn(l, index);
        if (wire & WIRE_CONNECT) loop_connect(l, index);
        if (wire & WIRE_CLOSE) {
            loop_watch(l, index, EPOLL_CTL_DEL);
            p->fd[CHANNEL_RTP] = p->fd[CHANNEL_RTCP] = -1;
        }
    }
    c->rewire_used = 0;
}

/* Read one packet of each socket that has some. Who was woken by a packet goes on until there are none: that meets a
 * burst while it comes. So does who is late, but not beyond the moment `due`. */
static inline void loop_drain(socket_loop *l, int64_t now, int64_t due, int on) {
    for (int round = 0; round < LOOP_ROUNDS; round++) {
        int n = l->found;
        if (!n) {
            loop_listed(l, n = epoll_wait(l->epoll, l->ready, LOOP_READY, 0), now);
            now = monotonic_ns(); /* none of them may seem to have come before it was sent */
        }
        l->found = 0;
        for (int i = 0; i < n; i++) {
            /* The next ones come during this one's system calls. */
            if (i + 2 < n) port_fetch(&l->core->ports[l->ready[i + 2].data.u32 >> 1]);
            if (i + 1 < n) port_fetch_way(l->core, &l->core->ports[l->ready[i + 1].data.u32 >> 1]);
            loop_read(l, l->ready[i].data.u32 >> 1, (int)(l->ready[i].data.u32 & 1), now);
        }
        loop_flush(l);
        if (n == LOOP_READY) continue;
        if (n <= 0 || !on) return;
        now = monotonic_ns();
        if (now >= due) return;
    }
}

/* ---- the thread --------------------------------------------------------------------------------------------------- */
static inline void loop_prepare(socket_loop *l) {
    l->timer_slack = prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL) == 0;
    l->priority = PRIORITY_NORMAL;
    if (!l->realtime) return;
    struct sched_param fifo;
    memset(&fifo, 0, sizeof fifo);
    fifo.sched_priority = 20;
    if (sched_setscheduler(0, SCHED_FIFO, &fifo) == 0) l->priority = PRIORITY_FIFO;
    else if (setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), -11) == 0) l->priority = PRIORITY_NICE;
}

static inline void loop_count_lateness(core *c, int64_t late) {
    uint64_t us = late > 0 ? (uint64_t)late / 1000 : 0;
    int class = us ? 64 - __builtin_clzll(us) : 0;
    c->lateness[class < CORE_LATENESS ? class : CORE_LATENESS - 1]++;
}

/* With nothing alive the thread sleeps until a command comes. */
static inline void loop_rest(socket_loop *l) {
    struct pollfd wake = {l->wake_fd, POLLIN, 0};
    uint64_t count;
    atomic_store(&l->idle, 1);
    if (!ring_used(&l->core->commands) && !atomic_load(&l->stopping)) poll(&wake, 1, 1000);
    atomic_store(&l->idle, 0);
    if (read(l->wake_fd, &count, sizeof count) < 0) return;
}

/* The counter of an eventfd cannot fill up in any time that matters, so this neither waits nor fails. */
static inline void loop_signal(int fd) {
    uint64_t one = 1;
    if (write(fd, &one, sizeof one) < 0) return;
}

/* The moment at which a tick must run, whether packets come or not. */
static inline int64_t loop_due(socket_loop *l) {
    int64_t due = l->tick;
    if (ring_used(&l->core->commands)) return due;
    for (int i = 1; i < LOOP_AHEAD && !core_punctual(l->core, due); i++) due += TICK_NS;
    return due;
}

/* Sleep until packets come or until `due`; or, after more wake-ups than one in WAKE_NS, until that many are allowed.
 * Return the time. */
static inline int64_t loop_wait(socket_loop *l, int64_t due) {
    int64_t began = monotonic_ns(), now = began, rested = l->coarse ? began + WAKE_NS : l->wakes_ns - WAKES * WAKE_NS;
    l->woken = 0;
    if (now >= due) return now;
    if (now < rested) {
        loop_sleep_until(rested < due ? rested : due);
        now = monotonic_ns();
    } else {
        struct timespec left = {0, due - now};
        l->found = epoll_pwait2(l->epoll, l->ready, LOOP_READY, &left, NULL);
        loop_listed(l, l->found, began);
        l->woken = l->found > 0;
        if (l->found < 0) {
            l->coarse = errno != EINTR;
            l->found = 0;
        }
        now = monotonic_ns();
        if (now - began < WAKE_NS / 50) return now; /* they were there: that was no wake-up */
    }
    l->wakes_ns = (l->wakes_ns > now ? l->wakes_ns : now) + WAKE_NS;
    return now;
}

static void socket_loop_run(socket_loop *l) {
    core *c = l->core;
    loop_prepare(l);
    l->tick = monotonic_ns() / TICK_NS * TICK_NS;
    while (!atomic_load_explicit(&l->stopping, memory_order_acquire)) {
        if (!c->live && !ring_used(&c->commands) && !ring_used(&c->returned)) {
            loop_rest(l);
            int64_t now = monotonic_ns() / TICK_NS * TICK_NS;
            if (now > l->tick) l->tick = now;
        }
        int64_t due = loop_due(l), now = loop_wait(l, due), late = now - due;
        if (late > SKIP_NS) {
            c->slots_skipped += (uint64_t)(late / TICK_NS);
            due += late / TICK_NS * TICK_NS;
            l->tick = due;
        }
        /* Those that had no moment of their own, but come before what is asked now. */
        for (; l->tick < due && l->tick + TICK_NS <= now; l->tick += TICK_NS) {
            loop_count_lateness(c, 0);
            core_tick(c, l->tick);
        }
        /* What was asked before a packet came holds for the packet. */
        core_commands(c, now);
        loop_flush(l); /* what closes says goodbye while it has its socket */
        loop_rewire(l);
        loop_drain(l, now, due > now ? due : due + TICK_NS, l->woken || late > LATE_NS);
        loop_rewire(l);
        if (l->tick <= now) {
            loop_count_lateness(c, late);
            core_tick(c, l->tick);
            l->tick += TICK_NS;
        }
        loop_flush(l);
        loop_rewire(l);
        if (c->wake) {
            c->wake = 0;
            loop_signal(l->event_fd);
        }
        if (now - l->blocks_ns >= BLOCKS_NS && ring_used(&c->written)) {
            l->blocks_ns = now;
            loop_signal(l->block_fd);
        }
    }
}

static socket_loop *socket_loop_open(core *c, int event_fd, int block_fd, int realtime) {
    socket_loop *l = (socket_loop *)calloc(1, sizeof(socket_loop));
    if (!l) return NULL;
    l->core = c;
    l->event_fd = event_fd;
    l->block_fd = block_fd;
    l->realtime = realtime;
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return l;
}

static inline void socket_loop_wake(socket_loop *l, int always) {
    uint64_t one = 1;
    atomic_thread_fence(memory_order_seq_cst);
    if ((always || atomic_load(&l->idle)) && write(l->wake_fd, &one, sizeof one) < 0) return;
}

static inline void socket_loop_stop(socket_loop *l) {
    atomic_store(&l->stopping, 1);
    socket_loop_wake(l, 1);
}

static void socket_loop_close(socket_loop *l) {
    if (!l) return;
    close(l->epoll);
    close(l->wake_fd);
    free(l);
}

#endif
