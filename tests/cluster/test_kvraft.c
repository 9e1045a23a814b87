/* time limit: 300 s
 *
 * The cluster tests of the MIT 6.5840 key/value labs, by name, against real processes: what a client was told
 * stands, each request runs once, and what is read is never older than what was known, whatever happens to
 * nodes and links. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those */
#include <cmocka.h>

#include "kv_load.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENTS = 5, ROUND_MS = 2500, CALL_MS = 20000 };

struct fixture {
    struct cluster cluster;
    struct load load;
    bool loaded;
    const char *const *options; /* of the servers */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->loaded)
        load_deinit(&f->load);
    cluster_stop(&f->cluster);
    free(f);
    return 0;
}

/* An assertion of this file: the nodes' logs are kept when it does not hold. */
#define CHECK(f, cond)                                                                                       \
    do {                                                                                                     \
        if (!(cond)) {                                                                                       \
            (f)->cluster.failed = true;                                                                      \
            fail_msg("%s", #cond);                                                                           \
        }                                                                                                    \
    } while (0)

static void start(struct fixture *f, int nodes, int clients)
{
    CHECK(f, cluster_start(&f->cluster, nodes, f->options));
    load_init(&f->load, &f->cluster, "shared", clients);
    f->loaded = true;
}

static void report(struct fixture *f, const char *name)
{
    uint64_t longest = 0, retries = 0;
    for (int i = 0; i < f->load.count; i++) {
        longest = f->load.clients[i].longest_ms > longest ? f->load.clients[i].longest_ms : longest;
        retries += f->load.clients[i].kv.retries;
    }
    print_message("# %s: %llu appends, %llu retries, the longest call %llu ms\n", name,
                  (unsigned long long)load_total(&f->load), (unsigned long long)retries,
                  (unsigned long long)longest);
}

/* SEED=n for other partitions at other moments. */
static unsigned chosen_seed(void)
{
    const char *text = getenv("SEED");
    return text ? (unsigned)strtoul(text, NULL, 10) : 20211;
}

/* Two random groups, each node in one of them. */
static bool random_partition(struct cluster *c, unsigned *seed)
{
    unsigned side = (unsigned)rand_r(seed) & c->all;
    const unsigned groups[2] = {side, c->all & ~side};
    return cluster_partition(c, groups, 2);
}

static bool kill_all_and_restart(struct cluster *c)
{
    bool good = true;
    for (int i = 0; i < c->count; i++)
        cluster_signal(c, i, SIGKILL);
    for (int i = 0; i < c->count; i++)
        cluster_kill(c, i);
    for (int i = 0; i < c->count; i++)
        good = cluster_spawn(c, i) && good;
    return good;
}

enum trouble { UNRELIABLE = 1, PARTITIONS = 2, RESTARTS = 4 };

/* The labs' generic test: load while there is trouble, then quiet, then look. */
static void generic(void **state, const char *name, int nodes, int clients, int rounds, unsigned trouble)
{
    struct fixture *f = *state;
    struct cluster *c = &f->cluster;
    unsigned seed = chosen_seed();
    start(f, nodes, clients);
    for (int round = 0; round < rounds; round++) {
        uint64_t before = load_total(&f->load);
        if (trouble & UNRELIABLE)
            CHECK(f, cluster_unreliable(c, 100, 20));
        load_start(&f->load);
        for (uint64_t end = test_now_ms() + ROUND_MS; test_now_ms() < end;) {
            if (trouble & PARTITIONS)
                CHECK(f, random_partition(c, &seed));
            test_sleep_ms(trouble & PARTITIONS ? 500 + rand_r(&seed) % 400 : ROUND_MS);
        }
        if (trouble & RESTARTS) /* under load, cut or not: everybody at once */
            CHECK(f, kill_all_and_restart(c));
        else if (trouble & PARTITIONS)
            CHECK(f, cluster_heal(c));
        bool good = load_stop(&f->load);
        CHECK(f, good);
        CHECK(f, load_check(&f->load));
        CHECK(f, load_total(&f->load) > before);
        CHECK(f, cluster_heal(c));
        CHECK(f, cluster_agrees(c, 10000));
    }
    report(f, name);
}

static void test_basic_kvraft(void **state)
{
    generic(state, "basic", 3, 1, 2, 0);
}

static void test_concurrent_kvraft(void **state)
{
    generic(state, "concurrent", 3, CLIENTS, 2, 0);
}

static void test_unreliable_kvraft(void **state)
{
    generic(state, "unreliable", 5, CLIENTS, 2, UNRELIABLE);
}

static void test_many_partitions(void **state)
{
    generic(state, "many partitions", 5, CLIENTS, 3, PARTITIONS);
}

static void test_many_partitions_unreliable(void **state)
{
    generic(state, "many partitions, unreliable", 5, CLIENTS, 2, PARTITIONS | UNRELIABLE);
}

static void test_persist_kvraft(void **state)
{
    generic(state, "persist", 3, 1, 3, RESTARTS);
}

static void test_persist_concurrent(void **state)
{
    generic(state, "persist, concurrent", 5, CLIENTS, 2, RESTARTS);
}

static void test_persist_partition(void **state)
{
    generic(state, "persist, partition", 5, CLIENTS, 2, RESTARTS | PARTITIONS);
}

/* The same with a checkpoint every few dozen entries: whoever comes back or was cut off is behind the journal's start. */
static const char *const small_journal[] = {"--checkpoint-bytes", "65536", NULL};

static bool snapshots_were_made(struct cluster *c, const char *field)
{
    char value[32];
    for (int i = 0; i < c->count; i++)
        if (c->nodes[i].pid > 0 && cluster_info(c, i, field, value, sizeof value) && atoi(value) > 0)
            return true;
    fprintf(stderr, "no node has %s > 0\n", field);
    return false;
}

static void test_snapshot_kvraft(void **state)
{
    struct fixture *f = *state;
    f->options = small_journal;
    generic(state, "snapshot, restarts", 3, CLIENTS, 3, RESTARTS);
    CHECK(f, snapshots_were_made(&f->cluster, "snapshot_index"));
}

static void test_snapshot_partition(void **state)
{
    struct fixture *f = *state;
    f->options = small_journal;
    generic(state, "snapshot, partitions", 5, CLIENTS, 3, PARTITIONS | RESTARTS);
    CHECK(f, snapshots_were_made(&f->cluster, "snapshot_index"));
}

/* A follower is away while the journal it would need is given up: it is sent a snapshot, under load. */
static void test_snapshot_install(void **state)
{
    struct fixture *f = *state;
    struct cluster *c = &f->cluster;
    f->options = small_journal;
    start(f, 3, CLIENTS);
    f->load.pause_ms = 0;
    for (int round = 0; round < 3; round++) {
        int leader = cluster_leader(c, c->all, 5000);
        CHECK(f, leader >= 0);
        int away = (leader + 1) % 3;
        cluster_kill(c, away);
        load_start(&f->load);
        test_sleep_ms(1500);
        CHECK(f, cluster_spawn(c, away));
        test_sleep_ms(500);
        cluster_kill(c, leader); /* what was installed has to do now */
        test_sleep_ms(500);
        bool good = load_stop(&f->load);
        CHECK(f, good);
        CHECK(f, cluster_spawn(c, leader));
        CHECK(f, load_check(&f->load));
    }
    CHECK(f, snapshots_were_made(c, "snapshots_installed"));
    CHECK(f, cluster_agrees(c, 10000));
    report(f, "snapshot install");
}

/* The leader's process is killed again and again; it comes back as a follower each time. */
static void test_leader_failure_kvraft(void **state)
{
    struct fixture *f = *state;
    struct cluster *c = &f->cluster;
    start(f, 3, CLIENTS);
    load_start(&f->load);
    for (int i = 0; i < 6; i++) {
        int leader = cluster_leader(c, c->all, 5000);
        CHECK(f, leader >= 0);
        test_sleep_ms(500);
        uint64_t before = load_total(&f->load), since = test_now_ms();
        if (i == 5) { /* stopped instead of killed: nobody refuses a connection */
            cluster_signal(c, leader, SIGSTOP);
            CHECK(f, cluster_leader(c, c->all & ~(1u << leader), 5000) >= 0);
            print_message("# leader stopped: another after %llu ms\n",
                          (unsigned long long)(test_now_ms() - since));
            test_sleep_ms(500);
            cluster_signal(c, leader, SIGCONT);
        } else {
            cluster_kill(c, leader);
            CHECK(f, cluster_leader(c, c->all, 5000) >= 0);
            print_message("# leader killed: another after %llu ms\n",
                          (unsigned long long)(test_now_ms() - since));
            test_sleep_ms(500);
            CHECK(f, load_total(&f->load) > before);
            CHECK(f, cluster_spawn(c, leader));
        }
    }
    bool good = load_stop(&f->load);
    CHECK(f, good);
    CHECK(f, load_check(&f->load));
    CHECK(f, cluster_agrees(c, 10000));
    report(f, "leader failure");
}

/* -- a minority can do nothing, and what it was asked is done once it may
 * ---------------------------------------- */

struct later {
    struct kv_client kv;
    pthread_t thread;
    const char *write; /* NULL: a read */
    char *value;
    bool done, good; /* done: atomic */
};

static void *do_later(void *arg)
{
    struct later *l = arg;
    if (l->write) {
        l->good = kv_set(&l->kv, "1", l->write, CALL_MS);
    } else {
        l->value = kv_get(&l->kv, "1", CALL_MS);
        l->good = l->value != NULL;
    }
    __atomic_store_n(&l->done, true, __ATOMIC_RELEASE);
    return NULL;
}

static bool value_is(struct kv_client *k, const char *expected)
{
    char *value = kv_get(k, "1", CALL_MS);
    bool good = value && strcmp(value, expected) == 0;
    if (!good)
        fprintf(stderr, "read \"%s\" where \"%s\" stands\n", value ? value : k->error, expected);
    free(value);
    return good;
}

static void test_partition_kvraft(void **state)
{
    struct fixture *f = *state;
    struct cluster *c = &f->cluster;
    start(f, 5, 0);
    struct kv_client majority;
    struct later write = {.write = "15"}, read = {0};
    kv_init(&majority, c, "majority");
    kv_init(&write.kv, c, "minority-writer");
    kv_init(&read.kv, c, "minority-reader");
    CHECK(f, kv_set(&majority, "1", "13", CALL_MS));
    CHECK(f, kv_set(&write.kv, "other", "x", CALL_MS)); /* opens the session */
    char *opened = kv_get(&read.kv, "1", CALL_MS);
    CHECK(f, opened);
    free(opened);

    int leader = cluster_leader(c, c->all, 5000);
    unsigned few = 1u << leader | 1u << (leader + 1) % 5, many = c->all & ~few;
    const unsigned groups[2] = {few, many};
    CHECK(f, cluster_partition(c, groups, 2)); /* the leader is on the short side */
    majority.mask = many;
    write.kv.mask = read.kv.mask = few;
    CHECK(f, kv_set(&majority, "1", "14", CALL_MS));
    CHECK(f, value_is(&majority, "14"));

    pthread_create(&write.thread, NULL, do_later, &write);
    pthread_create(&read.thread, NULL, do_later, &read);
    test_sleep_ms(1500);
    bool early =
        __atomic_load_n(&write.done, __ATOMIC_ACQUIRE) || __atomic_load_n(&read.done, __ATOMIC_ACQUIRE);
    bool went_on =
        value_is(&majority, "14") && kv_set(&majority, "1", "16", CALL_MS) && value_is(&majority, "16");
    bool healed = cluster_heal(c);
    __atomic_store_n(&write.kv.mask, c->all, __ATOMIC_RELAXED);
    __atomic_store_n(&read.kv.mask, c->all, __ATOMIC_RELAXED);
    pthread_join(write.thread, NULL);
    pthread_join(read.thread, NULL);
    CHECK(f, !early); /* neither answered while cut off */
    CHECK(f, went_on);
    CHECK(f, healed);
    CHECK(f, write.good && read.good);
    CHECK(f, strcmp(read.value, "16") == 0 || strcmp(read.value, "15") == 0);
    CHECK(f, value_is(&majority, "15"));
    free(read.value);
    kv_deinit(&majority);
    kv_deinit(&write.kv);
    kv_deinit(&read.kv);
}

/* -- a lock from SET NX PX, given back by WATCH
 * -------------------------------------------------------------------- */

enum { LOCK_CLIENTS = 5, LOCK_TTL_MS = 30000 };

struct lockers {
    struct cluster *cluster;
    bool stop;
    int inside; /* atomic; how many believe to hold the lock */
    uint64_t taken;
    char failure[200];
};
struct locker {
    struct lockers *all;
    int id;
    pthread_t thread;
};

/* Sessionless: after a doubt the value tells whether it was ours that took it. */
static bool lock_take(struct kv_client *k, const char *token)
{
    char ttl[16];
    snprintf(ttl, sizeof ttl, "%d", LOCK_TTL_MS);
    redisReply *reply =
        kv_call(k, CALL_MS, true, 6, (const char *const[]){"SET", "lock", token, "NX", "PX", ttl});
    bool taken = reply && reply->type == REDIS_REPLY_STATUS;
    if (reply)
        freeReplyObject(reply);
    if (taken)
        return true;
    char *holder = kv_get(k, "lock", CALL_MS);
    taken = holder && strcmp(holder, token) == 0;
    free(holder);
    return taken;
}

/* Deletes the lock if it is still ours. 1: done or no longer ours, 0: again from the start. */
static bool lock_give_back_once(struct kv_client *k, const char *token)
{
    static const char *const steps[][2] = {
        {"WATCH", "lock"}, {"GET", "lock"}, {"MULTI"}, {"DEL", "lock"}, {"EXEC"}};
    static const int argc[] = {2, 2, 1, 2, 1};
    for (int i = 0; i < 5; i++) {
        redisReply *reply = kv_once(k, argc[i], steps[i]);
        bool good = reply && reply->type != REDIS_REPLY_ERROR;
        bool ours = i != 1 || (good && reply->type == REDIS_REPLY_STRING && strcmp(reply->str, token) == 0);
        bool ran = i == 4 && good && reply->type == REDIS_REPLY_ARRAY;
        if (reply)
            freeReplyObject(reply);
        if (!good) {
            kv_disconnect(k);
            return false;
        }
        if (!ours) {
            kv_disconnect(k); /* and the WATCH with it */
            return true;
        }
        if (ran)
            return true;
    }
    return false; /* the watch was touched */
}

/* One token a try: a SET in doubt whose effect comes late leaves a lock that nobody but its owner can give
 * back. */
static void *lock_loop(void *arg)
{
    struct locker *me = arg;
    struct lockers *all = me->all;
    struct kv_client k;
    kv_init(&k, all->cluster, NULL);
    char token[48];
    snprintf(token, sizeof token, "owner-%d", me->id);
    while (!__atomic_load_n(&all->stop, __ATOMIC_RELAXED)) {
        if (!lock_take(&k, token)) {
            test_sleep_ms(3);
            continue;
        }
        if (__atomic_fetch_add(&all->inside, 1, __ATOMIC_ACQ_REL) != 0)
            snprintf(all->failure, sizeof all->failure, "client %d holds a lock that another holds", me->id);
        test_sleep_ms(2);
        all->taken++; /* the lock is what protects it */
        __atomic_fetch_sub(&all->inside, 1, __ATOMIC_ACQ_REL);
        uint64_t end = test_now_ms() + CALL_MS;
        while (!lock_give_back_once(&k, token) && test_now_ms() < end)
            test_sleep_ms(5);
    }
    kv_deinit(&k);
    return NULL;
}

static void test_lock(void **state)
{
    struct fixture *f = *state;
    struct cluster *c = &f->cluster;
    start(f, 3, 0);
    struct lockers all = {.cluster = c};
    struct locker lockers[LOCK_CLIENTS];
    for (int i = 0; i < LOCK_CLIENTS; i++) {
        lockers[i] = (struct locker){.all = &all, .id = i};
        pthread_create(&lockers[i].thread, NULL, lock_loop, &lockers[i]);
    }
    test_sleep_ms(2000);
    uint64_t calm = all.taken;
    bool unreliable = cluster_unreliable(c, 50, 10);
    test_sleep_ms(2000);
    int leader = cluster_leader(c, c->all, 5000);
    if (leader >= 0)
        cluster_kill(c, leader);
    test_sleep_ms(3000);
    bool back = leader >= 0 && cluster_spawn(c, leader) && cluster_heal(c);
    test_sleep_ms(1000);
    __atomic_store_n(&all.stop, true, __ATOMIC_RELAXED);
    for (int i = 0; i < LOCK_CLIENTS; i++)
        pthread_join(lockers[i].thread, NULL);
    print_message("# lock: taken %llu times, %llu of them in the first two seconds\n",
                  (unsigned long long)all.taken, (unsigned long long)calm);
    CHECK(f, unreliable && back);
    if (all.failure[0])
        fprintf(stderr, "%s\n", all.failure);
    CHECK(f, !all.failure[0]);
    CHECK(f, calm > 20 && all.taken > calm + 20);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_basic_kvraft),
        TEST(test_concurrent_kvraft),
        TEST(test_leader_failure_kvraft),
        TEST(test_unreliable_kvraft),
        TEST(test_partition_kvraft),
        TEST(test_many_partitions),
        TEST(test_many_partitions_unreliable),
        TEST(test_persist_kvraft),
        TEST(test_persist_concurrent),
        TEST(test_persist_partition),
        TEST(test_snapshot_kvraft),
        TEST(test_snapshot_partition),
        TEST(test_snapshot_install),
        TEST(test_lock),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("cluster/kvraft", tests, NULL, NULL);
}
