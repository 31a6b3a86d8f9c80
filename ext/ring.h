/* Rings of 64-byte records between one writing and one reading thread. The reader and the writer never wait for each other. */
#ifndef SOFTSWITCH_RING_H
#define SOFTSWITCH_RING_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    uint8_t bytes[64];
} ring_record;

typedef struct {
    _Alignas(64) _Atomic uint32_t head; /* next to read */
    _Alignas(64) _Atomic uint32_t tail; /* next to write */
    uint32_t mask;
    ring_record *records;
} ring;

static inline int ring_open(ring *r, uint32_t size) {
    r->records = (ring_record *)calloc(size, sizeof(ring_record));
    r->mask = size - 1;
    atomic_init(&r->head, 0);
    atomic_init(&r->tail, 0);
    return r->records != NULL;
}

static inline uint32_t ring_used(ring *r) {
    return atomic_load_explicit(&r->tail, memory_order_acquire) - atomic_load_explicit(&r->head, memory_order_acquire);
}

static inline uint32_t ring_room(ring *r) { return r->mask + 1 - ring_used(r); }

/* Publish `count` records together, or none and return 0. */
static inline int ring_push(ring *r, const void *records, uint32_t count) {
    uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    uint32_t head = atomic_load_explicit(&r->head, memory_order_acquire);
    if (r->mask + 1 - (tail - head) < count) return 0;
    for (uint32_t i = 0; i < count; i++)
        memcpy(&r->records[(tail + i) & r->mask], (const ring_record *)records + i, sizeof(ring_record));
    atomic_store_explicit(&r->tail, tail + count, memory_order_release);
    return 1;
}

static inline int ring_pop(ring *r, void *record) {
    uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    if (head == atomic_load_explicit(&r->tail, memory_order_acquire)) return 0;
    memcpy(record, &r->records[head & r->mask], sizeof(ring_record));
    atomic_store_explicit(&r->head, head + 1, memory_order_release);
    return 1;
}

#endif
