/* A node made of a real state machine and a test's will: the test says who leads, what is committed and when, what is
 * lost. It defines all of node.h that the server calls, so the linker never takes the real one. */
#ifndef FAKE_NODE_H
#define FAKE_NODE_H

#include "node/node.h"

enum { FAKE_MAX = 8192, FAKE_SELF = 7, FAKE_OTHER = 9 };

struct fake_write {
    uint64_t ticket;
    struct buf payload;
    bool forwarded;
};

struct fake_waiting {
    uint64_t claim, ticket;
};

struct fake_read {
    uint64_t ticket;
    bool due;
    uint64_t due_ms;
};

struct node {
    struct node_clients clients;
    struct rsm *rsm;
    bool serving, loading, full, alone; /* alone: reads are done at once */
    bool no_room;                       /* memory is used up */
    const char *refusal;                /* what REFUSED says */
    uint64_t spent_us;                  /* what forwarded requests are said to take */
    uint64_t behind; /* that many entries are not applied here, where a proxied write is answered */
    uint64_t leader, index, now_ms, term;
    struct fake_write writes[FAKE_MAX];
    struct fake_read reads[FAKE_MAX];
    struct fake_waiting waiting[FAKE_MAX]; /* for a key */
    size_t waiting_count;
    size_t write_count, read_count;
    /* What was asked, for the test to look at. */
    size_t writes_asked, reads_asked, forwards_asked, forwarded_reads, forwarded_behind, forwarded_timed,
        meets;
    enum rsm_numbering numbering;
    uint64_t session, request_id;
    char client_id[64], forwarded_user[64];
    size_t watch_count, commands, argc;
    uint64_t watch_version;
};

struct node *fake_new(void);
void fake_free(struct node *n);
/* The first `count` open writes are committed and applied in one turn. */
void fake_commit(struct node *n, size_t count);
/* Every open write gets this outcome. */
void fake_settle(struct node *n, enum node_outcome outcome);
/* Every open read is confirmed (or refused). */
void fake_round(struct node *n, enum node_outcome outcome);
/* Someone else's write, applied at once. */
/* The first entry of a new term. */
void fake_new_term(struct node *n);
void fake_apply_request(struct node *n, const struct rsm_request *req);
void fake_apply(struct node *n, const char *const *words, size_t count);

#endif
