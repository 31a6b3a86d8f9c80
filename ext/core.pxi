# What Python uses of core.h and socket_loop.h, which say what it means.

cdef extern from "socket_loop.h" nogil:
    ctypedef struct address:
        uint8_t ip[16]
        uint16_t port
        uint8_t family

    enum:
        COMMAND_OPEN_PORT, COMMAND_FORMAT, COMMAND_SET_SESSION, COMMAND_CLOSE_PORT, COMMAND_ROW, COMMAND_PLAY, COMMAND_STOP_PLAYER
        COMMAND_DIGITS, COMMAND_WATCH, COMMAND_RECORD, COMMAND_TRACKS, COMMAND_STOP_RECORDING
        EVENT_LATCHED, EVENT_DIGIT, EVENT_TIMEOUT, EVENT_RESUMED, EVENT_PLAY_ENDED, EVENT_STATS, EVENT_LEVELS, DIGIT_SOUND, WATCH_LEVEL, WATCH_SOUND, WATCH_MASK, EVENT_CLOSED
        EVENT_OPAQUE, EVENT_CODER
        ITEMS_PER_COMMAND, ITEMS_FIRST, ITEMS_LAST, BLOCK_NONE, BLOCK_SAMPLES, BLOCK_TRACKS, CORE_ROW, CORE_HEARERS, CORE_LATENESS
        CORE_TAPS, PRIORITY_FIFO, PRIORITY_NICE, WIRE_CONNECT, WIRE_LEARN, KIND_PORT, KIND_PLAYER, KIND_RECORDING

    ctypedef struct command_open:
        uint64_t seed
        int32_t rtp, rtcp
        uint32_t ssrc, timestamp
        uint16_t sequence
        uint8_t cname[16]

    ctypedef struct coder:
        uint8_t state[1]

    ctypedef struct command_format:
        coder *coder
        uint32_t clock, format, timeout_ms, event_clock
        uint8_t codec, payload_type, payload_receive, dtmf_send, dtmf_receive, ptime, flags, keep
        uint8_t signaller[16]

    ctypedef struct command_session:
        address remote, rtcp

    ctypedef struct command_items:
        uint64_t sources[4]
        uint16_t gains[4]
        uint8_t count, flags, track

    ctypedef struct command_play:
        const int16_t *pcm
        uint32_t samples, repeats, hertz, at

    ctypedef struct command_record:
        uint8_t tracks
        uint32_t hertz

    ctypedef struct command_digits:
        uint8_t count
        uint8_t events[40]

    ctypedef struct command_watch:
        uint8_t set, clear

    ctypedef struct port_levels:
        uint32_t power, floor
        uint16_t frames, loud, overlapped
        uint8_t reported, remote_fraction
        float remote_jitter

    ctypedef struct command:
        command_watch watch
        uint32_t kind, slot
        uint64_t handle
        command_open open
        command_format format
        command_session session
        command_record record
        command_items items
        command_play play
        command_digits digits

    ctypedef struct port_counters:
        uint32_t received, sent, lost, late, duplicate, concealed, bad_source, bad_packet, remote_lost, stretched
        uint16_t delay, target
        float jitter

    ctypedef struct core_event:
        port_levels levels
        uint64_t handle
        uint16_t kind, detail
        float seconds
        address address
        port_counters counters
        coder *coder

    ctypedef struct block_record:
        uint64_t recording
        uint32_t block, samples, tracks, last, missed

    ctypedef struct block:
        int16_t samples[1]

    ctypedef struct port:
        uint8_t wire, connected

    ctypedef struct source:
        uint32_t generation

    ctypedef struct player:
        source source
        uint32_t at

    ctypedef struct recording:
        pass

    ctypedef struct datagram:
        uint32_t port
        uint16_t length
        uint8_t channel
        address to
        uint8_t data[1500]

    ctypedef struct ring:
        pass

    ctypedef struct core:
        port *ports
        player *players
        block *blocks
        datagram *out
        uint32_t out_used, out_count, rewire_used, live, free_count, wake, port_count
        uint32_t *rewire
        ring commands, events, written, returned
        uint64_t ticks, ring_full, out_full, pool_empty, slots_skipped, refused, icmp
        uint64_t *lateness

    int coder_needed(int which)
    coder *coder_open(int which)
    void coder_close(coder *closed)
    core *core_open(uint32_t ports, uint32_t players, uint32_t recordings, uint32_t thread, int64_t ntp_offset_ns)
    void core_close(core *c)
    void core_commands(core *c, int64_t now)
    void core_tick(core *c, int64_t now)
    void core_finish_recordings(core *c, int64_t now)
    int64_t monotonic_ns()
    void core_receive(core *c, uint32_t index, int channel, const uint8_t *data, size_t size, const address *source,
                      int64_t now, int64_t since)
    int ring_push(ring *r, const void *records, uint32_t count)
    int ring_pop(ring *r, void *record)
    uint32_t ring_used(ring *r)
    uint64_t HANDLE_INDEX(uint64_t handle)

    ctypedef struct socket_loop:
        int priority, timer_slack

    socket_loop *socket_loop_open(core *c, int event_fd, int block_fd, int realtime)
    void socket_loop_run(socket_loop *l)
    void socket_loop_wake(socket_loop *l, int always)
    void socket_loop_stop(socket_loop *l)
    void socket_loop_close(socket_loop *l)
