/* The settings that apply reads, or that every node must read alike. Founding takes them from the file,
 * afterwards an entry changes them. Values are kept as numbers and as the text that CONFIG GET shows. */
#include "rsm/rsm_int.h"

#include "base/number.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

enum setting_kind { NUMBER, MEMORY, CHOICE, EVENTS, SIGNED };

struct setting {
    const char *name;
    enum setting_kind kind;
    const char *initial; /* as CONFIG GET shows it */
    uint64_t min, max;
    const char *const *choices;
    const char *error; /* what is wrong with a value out of bounds */
    bool fixed;
    const char *old_name; /* before Redis 7, or NULL */
};

static const char *const policies[] = {"volatile-lru",   "volatile-lfu", "volatile-random",
                                       "volatile-ttl",   "allkeys-lru",  "allkeys-lfu",
                                       "allkeys-random", "noeviction",   NULL};
static const char *const channel_defaults[] = {"allchannels", "resetchannels", NULL};
static const char *const read_modes[] = {"quorum", "log", "local", NULL};

#define SIZE(name, kind, initial, old)                                                                       \
    {                                                                                                        \
        name, kind, initial, 0, INT64_MAX, NULL,                                                             \
            "argument must be between 0 and 9223372036854775807 inclusive", false, old                       \
    }

static const struct setting table[SETTING_COUNT] = {
    [SETTING_SESSION_WINDOW] = {"session-window", NUMBER, "128", 1, 65536, NULL,
                                "argument must be between 1 and 65536 inclusive", false, NULL},
    /* in seconds, like Redis's timeout */
    [SETTING_SESSION_TIMEOUT] = {"session-timeout", NUMBER, "86400", 1, 3153600000, NULL,
                                 "argument must be between 1 and 3153600000 inclusive", false, NULL},
    [SETTING_SESSION_MAX] = {"session-max", NUMBER, "10000", 0, 10000000, NULL,
                             "argument must be between 0 and 10000000 inclusive", false, NULL},
    /* An entry holds a whole request and is at most 1 GiB, hence the upper bound. */
    [SETTING_MAX_BULK] = {"proto-max-bulk-len", MEMORY, "536870912", 1 << 20, (1 << 30) - (1 << 20), NULL,
                          "argument must be between 1048576 and 1072693248 inclusive", false, NULL},
    [SETTING_DATABASES] = {"databases", NUMBER, "16", 1, 65536, NULL,
                           "argument must be between 1 and 65536 inclusive", true, NULL},
    [SETTING_MAXMEMORY] = {"maxmemory", MEMORY, "0", 0, UINT64_MAX, NULL, "argument must be a memory value",
                           false, NULL},
    [SETTING_MAXMEMORY_POLICY] =
        {"maxmemory-policy", CHOICE, "noeviction", 0, 0, policies,
         "argument(s) must be one of the following: volatile-lru, volatile-lfu, "
         "volatile-random, volatile-ttl, allkeys-lru, allkeys-lfu, allkeys-random, noeviction",
         false, NULL},
    [SETTING_READ_MODE] = {"read-mode", CHOICE, "quorum", 0, 0, read_modes,
                           "argument(s) must be one of the following: quorum, log, local", false, NULL},
    [SETTING_EVENTS] = {"notify-keyspace-events", EVENTS, "", 0, 0, NULL, NULL, false, NULL},
    [SETTING_LIST_SIZE] = {"list-max-listpack-size", SIGNED, "-2", 0, 0, NULL, NULL, false,
                           "list-max-ziplist-size"},
    [SETTING_HASH_ENTRIES] = SIZE("hash-max-listpack-entries", NUMBER, "512", "hash-max-ziplist-entries"),
    [SETTING_HASH_VALUE] = SIZE("hash-max-listpack-value", MEMORY, "64", "hash-max-ziplist-value"),
    [SETTING_INTSET_ENTRIES] = SIZE("set-max-intset-entries", NUMBER, "512", NULL),
    [SETTING_ZSET_ENTRIES] = SIZE("zset-max-listpack-entries", NUMBER, "128", "zset-max-ziplist-entries"),
    [SETTING_ZSET_VALUE] = SIZE("zset-max-listpack-value", MEMORY, "64", "zset-max-ziplist-value"),
    [SETTING_STREAM_BYTES] = SIZE("stream-node-max-bytes", MEMORY, "4096", NULL),
    [SETTING_STREAM_ENTRIES] = SIZE("stream-node-max-entries", NUMBER, "100", NULL),
    [SETTING_HLL_SPARSE] = SIZE("hll-sparse-max-bytes", MEMORY, "3000", NULL),
    [SETTING_ACL_PUBSUB] = {"acl-pubsub-default", CHOICE, "resetchannels", 0, 0, channel_defaults,
                            "argument(s) must be one of the following: allchannels, resetchannels", false,
                            NULL},
    [SETTING_SCRIPT_STEPS] = {"script-max-steps", NUMBER, "100000000", 10000, 1000000000000, NULL,
                              "argument must be between 10000 and 1000000000000 inclusive", false, NULL},
    [SETTING_SCRIPT_MEMORY] = {"script-max-memory", MEMORY, "268435456", 1 << 20, (uint64_t)2 << 30, NULL,
                               "argument must be between 1048576 and 2147483648 inclusive", false, NULL},
};

size_t rsm_setting_find(struct slice name)
{
    size_t i = 0;
    while (i < SETTING_COUNT && !slice_is_word(name, table[i].name) &&
           !(table[i].old_name && slice_is_word(name, table[i].old_name)))
        i++;
    return i;
}

static const char *parse_choice(const struct setting *s, struct slice text, uint64_t *out)
{
    for (uint64_t i = 0; s->choices[i]; i++) {
        if (slice_is_word(text, s->choices[i])) {
            *out = i;
            return NULL;
        }
    }
    return s->error;
}

/* NULL: *out is the value. Else what is wrong, in Redis's words. */
static const char *parse(const struct setting *s, struct slice text, uint64_t *out)
{
    if (s->kind == CHOICE)
        return parse_choice(s, text, out);
    if (s->kind == EVENTS)
        return rsm_events_parse(text, out);
    if (s->kind == MEMORY) {
        if (!parse_memory(text, out))
            return "argument must be a memory value";
    } else {
        int64_t v;
        if (!parse_i64(text, &v))
            return "argument couldn't be parsed into an integer";
        if (s->kind == SIGNED && v >= INT32_MIN && v <= INT32_MAX) {
            *out = (uint64_t)v;
            return NULL;
        }
        if (v < 0)
            return s->error;
        *out = (uint64_t)v;
    }
    return *out < s->min || *out > s->max ? s->error : NULL;
}

bool rsm_setting_put(struct rsm_settings *s, size_t which, struct slice value)
{
    uint64_t v;
    if (parse(&table[which], value, &v))
        return false;
    s->value[which] = v;
    if (table[which].kind == CHOICE)
        snprintf(s->text[which], sizeof s->text[which], "%s", table[which].choices[v]);
    else if (table[which].kind == EVENTS)
        rsm_events_print(v, s->text[which]);
    else if (table[which].kind == SIGNED)
        snprintf(s->text[which], sizeof s->text[which], "%" PRId64, (int64_t)v);
    else
        snprintf(s->text[which], sizeof s->text[which], "%" PRIu64, v);
    return true;
}

bool rsm_setting_fixed(size_t which)
{
    return table[which].fixed;
}

void rsm_settings_init(struct rsm_settings *s)
{
    *s = (struct rsm_settings){0};
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        bool ok = rsm_setting_put(s, i, slice_cstr(table[i].initial));
        assert(ok);
    }
}

/* Over what differs from the default, by name: builds that know more settings agree with older ones until
 * such a setting is used. */
uint64_t rsm_settings_digest(const struct rsm_settings *s)
{
    static const struct hash_seed seed = {0, 0};
    uint64_t sum = 0;
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (strcmp(s->text[i], table[i].initial))
            sum += rsm_mix(siphash(&seed, table[i].name, strlen(table[i].name)), s->value[i]);
    }
    return sum;
}

const char *rsm_setting_name(size_t i)
{
    return i < SETTING_COUNT ? table[i].name : NULL;
}

const char *rsm_setting_named(struct slice name)
{
    return rsm_setting_name(rsm_setting_find(name));
}

const char *rsm_setting_default(const char *name)
{
    size_t i = rsm_setting_find(slice_cstr(name));
    return i < SETTING_COUNT ? table[i].initial : NULL;
}

const char *rsm_setting_check(const char *name, struct slice value)
{
    uint64_t v;
    size_t i = rsm_setting_find(slice_cstr(name));
    if (i == SETTING_COUNT)
        return "Unknown option or number of arguments";
    return parse(&table[i], value, &v);
}

const char *rsm_setting(const struct rsm *r, const char *name)
{
    size_t i = rsm_setting_find(slice_cstr(name));
    return i < SETTING_COUNT ? r->settings.text[i] : NULL;
}

static bool has_changes(const struct rsm_request *exec)
{
    const struct slice *argv = exec->argv;
    struct rsm_request q;
    for (size_t i = 0; exec->kind == RSM_EXEC && i < exec->commands; argv += exec->counts[i++])
        if (rsm_queued_change(argv, exec->counts[i], &q))
            return true;
    return false;
}

/* Does the entry change a setting that older builds do not have? They would have to stop at it. */
static bool names_new_setting(const struct rsm_request *q)
{
    for (size_t i = 0; q->kind == RSM_SETTING && i < q->argc; i += 2) {
        size_t which = rsm_setting_find(q->argv[i]);
        if ((which >= SETTING_EVENTS && which < SETTING_COUNT) || rsm_is_requirepass(q->argv[i]))
            return true;
    }
    return false;
}

const char *rsm_too_new(const struct rsm *r, const struct rsm_request *q)
{
    if (r->apply_version < 3 && names_new_setting(q))
        return "ERR not all nodes have this setting yet: finish the upgrade first";
    if (r->apply_version < 3 && has_changes(q))
        return "ERR not all nodes change settings or users in transactions yet: finish the upgrade first";
    if (r->apply_version < 3 && q->kind == RSM_ACL)
        return "ERR not all nodes have users yet: finish the upgrade first";
    return NULL;
}

struct rsm_limits rsm_limits(const struct rsm *r)
{
    const uint64_t *v = r->settings.value;
    struct rsm_limits limits = {.max_bulk = v[SETTING_MAX_BULK],
                                .maxmemory = v[SETTING_MAXMEMORY],
                                .databases = (uint32_t)v[SETTING_DATABASES],
                                .events = (unsigned)v[SETTING_EVENTS]};
    limits.read_mode = v[SETTING_READ_MODE] == 0   ? RSM_READ_QUORUM
                       : v[SETTING_READ_MODE] == 1 ? RSM_READ_LOG
                                                   : RSM_READ_LOCAL;
    return limits;
}

void rsm_settings_limits(const struct rsm_settings *s, struct store_limits *out)
{
    const uint64_t *v = s->value;
    *out = (struct store_limits){.list_max_listpack_size = (int64_t)v[SETTING_LIST_SIZE],
                                 .hash_max_listpack_entries = v[SETTING_HASH_ENTRIES],
                                 .hash_max_listpack_value = v[SETTING_HASH_VALUE],
                                 .set_max_intset_entries = v[SETTING_INTSET_ENTRIES],
                                 .zset_max_listpack_entries = v[SETTING_ZSET_ENTRIES],
                                 .zset_max_listpack_value = v[SETTING_ZSET_VALUE],
                                 .stream_node_max_bytes = v[SETTING_STREAM_BYTES],
                                 .stream_node_max_entries = v[SETTING_STREAM_ENTRIES],
                                 .hll_sparse_max_bytes = v[SETTING_HLL_SPARSE]};
}
