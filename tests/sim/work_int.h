/* Private to work.c, which asks, and work_check.c, which judges. */
#ifndef SIM_WORK_INT_H
#define SIM_WORK_INT_H

#include "work.h"

enum { CLIENTS_MAX = 32, KEYS_MAX = 8, COUNTERS = 2, ANSWER_US = 15000000 };

enum kind { IN_SESSION, PLAIN, COUNTER, EXPIRING };
enum phase { OPENING, IDLE, WRITING, READING, WATCHING, GETTING, LOOKING };
enum fate { FATE_UNKNOWN, FATE_DONE, FATE_NOT_RUN };

/* What became of one client's token. */
struct token {
    enum fate fate;
    uint32_t key;
    uint64_t end; /* DONE: length of the value right after it */
};

struct client {
    enum kind kind;
    enum phase phase;
    bool waiting; /* a request is out */
    bool forwarded;
    uint32_t node, key, attempt;
    uint64_t session, number, asked_us, think_until_us;
    uint64_t must_see[CLIENTS_MAX]; /* READING: the newest acknowledged token of each client in this key */
    struct token *tokens;           /* by number */
    size_t token_cap;
    uint64_t version, value; /* COUNTER: as watched and read */
    /* EXPIRING: the newest SET, when it was first sent, whether the key has been seen gone since. */
    uint64_t set_number, set_asked_us, ttl_ms;
    bool gone;
};

struct work {
    struct world *world;
    struct prng chance;
    uint32_t count, keys;
    struct client clients[CLIENTS_MAX];
    uint64_t acked[CLIENTS_MAX][KEYS_MAX]; /* the newest number acknowledged */
    uint64_t increments[COUNTERS];
    size_t big_bytes;
    uint64_t think_us, patience_us, patient_from_us;
    bool paused, clocks_trusted, asking;
    uint64_t acks, reads, unknown, last_ack_us;
    char failed[256];
};

static inline uint32_t client_number(const struct work *k, const struct client *c)
{
    return (uint32_t)(c - k->clients);
}

void work_wrong(struct work *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
size_t work_token(char *out, size_t max, uint32_t client, uint64_t number);
struct token *work_token_of(struct client *c, uint64_t number);
struct slice work_key(char *space, char kind, uint32_t number); /* space of 8 */
/* The value of a bulk reply; data NULL: nil. false: no such reply. */
bool work_bulk(struct slice reply, struct slice *value);

void work_check_read(struct work *k, struct client *c, struct slice reply);
void work_check_look(struct work *k, struct client *c, struct slice reply);

#endif
