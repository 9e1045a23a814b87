/* A few transports in one process over one loop, with what their callbacks were told, for tests of links. */
#ifndef SUPPORT_PEERS_H
#define SUPPORT_PEERS_H

#include "base/clock.h"
#include "transport/transport.h"
#include <stdio.h>

struct peer {
    struct event_base *base;
    struct transport *t;
    uint64_t id;
    uint16_t port;
    /* What was told. */
    size_t frames, hellos, ups, losts, gones, beats;
    uint64_t frame_from, hello_from, up_peer, lost_peer, gone_peer, beat_from, beat_term, bytes, gone_at_us;
    struct transport_hello last_hello; /* on a dialled link */
    struct buf last_frame, all_frames;
    bool keep_all;
    struct blob *kept_blob; /* of the last frame, when keep_blob */
    struct slice kept;
    bool keep_blob;
    const char *refuse;       /* what admit says */
    uint64_t expect_sequence; /* frames begin with a u64 that must count up from 0, when check_sequence */
    bool check_sequence;
    void (*on_frame)(struct peer *p);
};

struct peer_options {
    uint64_t id, cluster_id, boot_nonce; /* nonce 0: id * 1000 + 1 */
    uint16_t port;                       /* 0: any free one */
    const char *secret;
    uint64_t heartbeat_us, election_us; /* 0: 20 ms, 400 ms */
};

void peer_start(struct peer *p, struct event_base *base, struct peer_options o);
void peer_stop(struct peer *p);
uint32_t peer_dial(struct peer *from, const struct peer *to, bool knows_id);
void run_loop_us(struct event_base *base, uint64_t us);
/* A TCP connection to the peer's port, blocking, with a receive timeout of 2 s. */
int peer_raw_connect(uint16_t port);
void peer_send_text(struct peer *from, uint64_t to, enum transport_channel channel, const char *text);

/* Runs the loop until `cond` holds or `ms` have passed; the value of `cond`. */
#define RUN_UNTIL(base, ms, cond)                                                                            \
    __extension__({                                                                                          \
        uint64_t run_until_end = clock_mono_us() + (uint64_t)(ms)*1000;                                      \
        bool run_until_met;                                                                                  \
        while (!(run_until_met = (cond)) && clock_mono_us() < run_until_end)                                 \
            run_loop_us((base), 500);                                                                        \
        run_until_met;                                                                                       \
    })

#endif
