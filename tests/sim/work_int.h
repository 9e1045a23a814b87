/* Private to the clients: work.c drives them, work_ask.c asks, work_answer.c goes on when an answer comes or none,
 * work_choose.c says what to ask next, work_pipe.c has those that ask several things at once, work_wait.c those that wait for
 * what others push, work_check.c judges. */
#ifndef SIM_WORK_INT_H
#define SIM_WORK_INT_H

#include "../check/handed.h"
#include "../check/history.h"
#include "../check/tokens.h"
#include "work.h"

enum {
    CLIENTS_MAX = 32,
    KEYS_MAX = 8,
    COUNTERS = 2,
    LOCKS = 2,
    PAIRS = 2,  /* keys of one pair */
    WRITES = 2, /* of any type, that a pair's transaction has beside its own */
    PIPE_MAX = 8,
    QUEUE_SLOTS = 5,
    WINDOW = 128,        /* session-window, as it is by default */
    FIRST_NUMBER = 1000, /* of a session: there are numbers below its window from the start */
    NOWHERE = WORLD_NODES_MAX,
    CLOCK_SLACK_US = 20000,
    /* A key is left for a fresh one after so much: values stay short, and unknown outcomes do not gather. */
    KEY_BYTES = 3000,
    REGISTER_OPERATIONS = 150,
    REGISTER_UNKNOWN = 6,
};

enum kind { APPENDER, COUNTER, EXPIRING, REGISTER, LOCKER, PAIRED, PIPELINE, READER, PUSHER, TAKER };
enum phase { OPENING, IDLE, WRITING, READING, WATCHING, GETTING, PROBING };
/* The last one: by config.old_numbers alone. */
enum probe { PROBE_SAME, PROBE_OTHER, PROBE_OLD, PROBE_RESUME, PROBE_NOBODY, PROBES, PROBE_EARLIER = PROBES };

/* One key of the kinds that use a key up. */
struct place {
    char name[16];
    struct tokens *tokens; /* k, m: appended to */
    size_t operations, unknown;
};

/* All that a retry needs to be the same request. */
struct ask {
    enum op_kind op;
    uint32_t place; /* of `places`; n and t keys have none */
    char key[16], value[40], next[24];
    int64_t number;       /* as in op_text; EXPIREAT: milliseconds of the true wall clock */
    bool big, pair;       /* pair: to this place and the next one, in one transaction */
    size_t token, record; /* their places + 1; 0: none */
};

struct client {
    enum kind kind;
    enum phase phase;
    enum probe probe;
    bool plain;   /* without a session */
    bool waiting; /* a request is out */
    bool forwarded;
    uint32_t node, attempt;
    uint64_t session, number, asked_us, due_us; /* due: when it acts next, or loses patience */
    uint64_t node_ran_us;                       /* how long its node had run when it was asked */
    struct ask ask;
    uint64_t must_see;                         /* READING tokens: so long is the value at least */
    uint64_t committed;                        /* when its reads were asked: world_committed */
    uint64_t version, value;                   /* as watched and read */
    uint64_t set_number, set_asked_us, ttl_ms; /* EXPIRING: the newest SET, when it was first sent */
    bool gone;                                 /* ... and has been seen gone since */
    char owner[24];                            /* LOCKER: holds, or believes to */
    uint32_t lock_place;
    bool refused;       /* COUNTER: its newest transaction */
    uint64_t acked_end; /* APPENDER: what its newest acknowledgement said */
    struct {            /* ... and one before it, of this session; number 0: none */
        struct ask ask;
        uint64_t number, end;
    } earlier;
    struct pipe *pipe;
    struct wait *wait;
    uint32_t queue; /* TAKER: that it asks for */
};

/* A key that elements are pushed to and taken from. */
struct queue {
    char name[16];
    uint32_t slot, key; /* key: of `handed` */
};

/* A request whose client does not wait for it any more. */
struct given_up {
    uint64_t ticket, ran_us;
    uint32_t node;
    uint64_t claim, timeout_us; /* of one that waits for a key */
    bool for_ever;
    bool gone; /* its server has noticed that the connection is */
};

struct work {
    struct work_config config;
    struct world *world;
    struct prng chance;
    struct client clients[CLIENTS_MAX];
    uint64_t due_us[WORLD_NODES_MAX +
                    1]; /* by node: when one of its clients is due. NOWHERE: whoever waits too long */
    uint64_t ran_us[WORLD_NODES_MAX], turned_us[WORLD_NODES_MAX]; /* pauses do not count */
    uint64_t answers_from_us[WORLD_NODES_MAX]; /* of ran_us: who was asked earlier counts from here */
    struct place *places;
    uint32_t place_count, place_cap;
    uint32_t token_place[KEYS_MAX], register_place[KEYS_MAX], lock_place[LOCKS], pair_place;
    struct given_up *given_up;
    size_t given_up_count, given_up_cap;
    struct history *history;
    struct handed *handed;
    struct queue *queues;
    uint32_t queue_count, queue_cap, queue_slots[QUEUE_SLOTS];
    uint64_t increments[COUNTERS], maybe_increments[COUNTERS];
    uint64_t names; /* makes values differ */
    bool paused, asking, judged;
    struct work_counts counts;
    uint64_t last_ack_us;
    char failed[512];
};

static inline uint32_t client_number(const struct work *k, const struct client *c)
{
    return (uint32_t)(c - k->clients);
}

static inline uint64_t ticket_of(const struct work *k, const struct client *c)
{
    return (uint64_t)client_number(k, c) << 32 | c->attempt;
}

/* What is asked at once comes through one connection. */
static inline struct node_asker asker_of(const struct work *k, const struct client *c)
{
    return (struct node_asker){.ticket = ticket_of(k, c), .stream = ticket_of(k, c)};
}

/* work.c */
bool work_trusts_clocks(const struct work *k); /* no key may go early */
void work_wrong(struct work *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void work_due(struct work *k, struct client *c, uint64_t at_us);
/* Another node, by chance; a client finds out only there whether it runs. */
void work_move(struct work *k, struct client *c);
uint32_t work_place_new(struct work *k, char letter, uint32_t slot);

/* What was committed anywhere when a read was asked is applied where it runs, whatever its key (6.4). */
void work_check_fresh(struct work *k, const struct client *c, struct node *n);

/* work_choose.c */
void work_choose(struct work *k, struct client *c);
/* The operation at hand, asked for the first time now, goes into the history. `old`: of CAS, what was read. */
void work_record(struct work *k, struct client *c, struct slice old);
uint32_t work_counter_of(const struct work *k, const struct client *c);

/* work_ask.c */
enum node_outcome work_ask_write(struct work *k, struct client *c, struct node *n);
enum node_outcome work_ask_read(struct work *k, struct client *c, struct node *n);
void work_run_read(struct work *k, struct client *c, struct node *n, uint64_t now_ms);

/* work_answer.c */
void work_answered(struct work *k, struct client *c, enum phase next);
/* Not served here. In a session the same is asked again; without one it is left as it is. */
void work_elsewhere(struct work *k, struct client *c, bool surely_not_run);
void work_done(struct work *k, struct client *c, struct slice reply);
void work_read_done(struct work *k, struct client *c, struct slice reply, struct slice second);

/* work_pipe.c */
void work_pipe_send(struct work *k, struct client *c, struct node *n);
void work_pipe_answer(struct work *k, struct client *c, uint32_t attempt, const struct node_answer *a);
void work_pipe_read(struct work *k, struct client *c, uint32_t attempt, struct node *n,
                    enum node_outcome outcome, uint64_t now_ms);
bool work_pipe_owns(const struct client *c, uint32_t attempt);
void work_pipe_break(struct work *k, struct client *c); /* no answer will come any more */

/* work_wait.c */
void work_wait_begin(struct work *k);
void work_wait_end(struct work *k);
void work_wait_choose(struct work *k, struct client *c);
enum node_outcome work_wait_ask(struct work *k, struct client *c, struct node *n);
void work_wait_told(struct work *k, struct client *c, uint64_t claim); /* it waits */
uint64_t work_wait_claim(const struct client *c);                      /* 0: it does not */
bool work_wait_for_ever(const struct client *c);
uint64_t work_wait_timeout_us(const struct client *c); /* 0: it does not wait, or for ever */
void work_wait_gone(struct work *k, struct given_up *g);
void work_wait_look_after(struct work *k, struct client *c);
void work_wait_answer(struct client *c, struct node *n, uint64_t index); /* its reply comes, from here */
bool work_wait_done(struct work *k, struct client *c, struct slice reply);
void work_wait_settle(struct work *k, struct client *c, enum op_outcome outcome);
void work_wait_check(struct work *k, struct node *n);

/* The value of a bulk reply; data NULL: nil. false: no such reply. */
bool work_bulk(struct slice reply, struct slice *value);

#endif
