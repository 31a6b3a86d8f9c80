/* What the machine did: one thread on each core that wants to wake every millisecond, above everything else there.
 *
 *   witness LEAST_MS
 *
 * Prints "CPU BEGAN LASTED" in microseconds of CLOCK_MONOTONIC whenever a thread woke LEAST_MS or more too late: nobody
 * on that core could have been in time then. Ends when standard input does. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define TICK 1000000LL
static int64_t least;

static void *watch(void *which) {
    int cpu = (int)(intptr_t)which;
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(cpu, &only);
    struct sched_param highest = {.sched_priority = 90};
    if (pthread_setaffinity_np(pthread_self(), sizeof only, &only)) return NULL;
    if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &highest)) fprintf(stderr, "witness: without real-time priority\n");
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    int64_t due = t.tv_sec * 1000000000LL + t.tv_nsec;
    for (;;) {
        due += TICK;
        t.tv_sec = due / 1000000000;
        t.tv_nsec = due % 1000000000;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
        clock_gettime(CLOCK_MONOTONIC, &t);
        int64_t now = t.tv_sec * 1000000000LL + t.tv_nsec;
        if (now - due >= least) {
            printf("%d %lld %lld\n", cpu, (long long)due / 1000, (long long)(now - due) / 1000);
            fflush(stdout);
        }
        if (now > due) due += (now - due) / TICK * TICK;
    }
}

int main(int argc, char **argv) {
    least = (int64_t)(atof(argc > 1 ? argv[1] : "5") * 1e6);
    mlockall(MCL_CURRENT | MCL_FUTURE);
    for (long cpu = 0; cpu < sysconf(_SC_NPROCESSORS_ONLN); cpu++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, watch, (void *)(intptr_t)cpu)) return 1;
    }
    while (getchar() != EOF) {
    }
    return 0;
}
