/* Appending and reading in threads; see the header. cmocka's assertions are for the main thread: a client
 * that finds something wrong notes it and ends. */
#include "kv_load.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CALL_MS = 30000 };

void load_init(struct load *l, struct cluster *c, const char *key, int clients)
{
    memset(l, 0, sizeof *l);
    l->cluster = c;
    l->key = key;
    l->count = clients;
    l->pause_ms = 2;
    for (int i = 0; i < clients; i++) {
        char session[48];
        snprintf(session, sizeof session, "load-%s-%d", key, i);
        l->clients[i].load = l;
        l->clients[i].id = i;
        kv_init(&l->clients[i].kv, c, session);
    }
}

/* Walks over the tokens in `value`; next[c] becomes the number of client c's tokens. NULL: all as it should
 * be. */
static const char *walk(const char *value, int clients, uint64_t next[LOAD_MAX])
{
    static const char *const wrong = "a token is broken, missing, out of order or there twice";
    memset(next, 0, LOAD_MAX * sizeof next[0]);
    for (const char *at = value; *at;) {
        int client, len = 0;
        unsigned long long n;
        if (sscanf(at, "x %d %llu y%n", &client, &n, &len) != 2 || len == 0 || client < 0 ||
            client >= clients || n != next[client])
            return wrong;
        next[client]++;
        at += len;
    }
    return NULL;
}

/* What one client sees: all of its own, and never less than before. */
static bool read_and_judge(struct load_client *c, char **before)
{
    struct load *l = c->load;
    char *value = kv_get(&c->kv, l->key, CALL_MS);
    uint64_t next[LOAD_MAX];
    if (!value) {
        snprintf(c->failure, sizeof c->failure, "client %d: %s", c->id, c->kv.error);
        return false;
    }
    const char *wrong = walk(value, l->count, next);
    if (!wrong && next[c->id] != c->appended)
        wrong = "a read lacks (or has more than) what its own client has appended";
    if (!wrong && *before && strncmp(*before, value, strlen(*before)) != 0)
        wrong = "a read does not go on from the one before: stale, or something was lost";
    if (wrong)
        snprintf(c->failure, sizeof c->failure, "client %d after %llu: %s", c->id,
                 (unsigned long long)c->appended, wrong);
    free(*before);
    *before = value;
    return !wrong;
}

static void *run(void *arg)
{
    struct load_client *c = arg;
    struct load *l = c->load;
    char *before = NULL;
    for (unsigned turn = 0; !__atomic_load_n(&l->stop, __ATOMIC_RELAXED); turn++) {
        uint64_t since = test_now_ms();
        if (turn % 8 == 7) {
            if (!read_and_judge(c, &before))
                break;
        } else {
            char token[64];
            snprintf(token, sizeof token, "x %d %llu y", c->id, (unsigned long long)c->appended);
            if (!kv_append(&c->kv, l->key, token, CALL_MS)) {
                snprintf(c->failure, sizeof c->failure, "client %d, append %llu: %s", c->id,
                         (unsigned long long)c->appended, c->kv.error);
                break;
            }
            c->appended++;
        }
        uint64_t took = test_now_ms() - since;
        c->longest_ms = took > c->longest_ms ? took : c->longest_ms;
        if (l->pause_ms)
            test_sleep_ms(l->pause_ms);
    }
    free(before);
    return NULL;
}

void load_start(struct load *l)
{
    l->stop = false;
    l->running = true;
    for (int i = 0; i < l->count; i++)
        if (pthread_create(&l->clients[i].thread, NULL, run, &l->clients[i]) != 0)
            abort();
}

bool load_stop(struct load *l)
{
    bool good = true;
    __atomic_store_n(&l->stop, true, __ATOMIC_RELAXED);
    l->running = false;
    for (int i = 0; i < l->count; i++) {
        pthread_join(l->clients[i].thread, NULL);
        if (l->clients[i].failure[0]) {
            fprintf(stderr, "%s\n", l->clients[i].failure);
            good = false;
        }
    }
    return good;
}

bool load_check(struct load *l)
{
    struct kv_client k;
    uint64_t next[LOAD_MAX];
    kv_init(&k, l->cluster, NULL);
    char *value = kv_get(&k, l->key, CALL_MS);
    const char *wrong = value ? walk(value, l->count, next) : k.error;
    for (int i = 0; !wrong && i < l->count; i++)
        if (next[i] != l->clients[i].appended)
            wrong =
                "an acknowledged token is missing, or one that was never acknowledged nor retried is there";
    if (wrong)
        fprintf(stderr, "%s: %s\n", l->key, wrong);
    free(value);
    kv_deinit(&k);
    return !wrong;
}

void load_deinit(struct load *l)
{
    for (int i = 0; i < l->count; i++)
        __atomic_store_n(&l->clients[i].kv.cancel, true, __ATOMIC_RELAXED);
    if (l->running)
        (void)load_stop(l);
    for (int i = 0; i < l->count; i++)
        kv_deinit(&l->clients[i].kv);
}

uint64_t load_total(const struct load *l)
{
    uint64_t total = 0;
    for (int i = 0; i < l->count; i++)
        total += l->clients[i].appended;
    return total;
}
