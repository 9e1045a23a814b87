/* May this user run this? */
#include <string.h>

#include "acl/acl_int.h"
#include "base/alloc.h"
#include "base/glob.h"
#include "base/number.h"

enum { KEYS_ON_STACK = 32 };

/* The keys of the request, found when a selector first asks for them. */
struct request {
    const struct command *row;
    size_t place;
    const struct slice *argv;
    size_t argc;
    bool keys_known;
    struct command_key *keys, on_stack[KEYS_ON_STACK];
    size_t key_count;
};

static void find_keys(struct request *q)
{
    if (q->keys_known)
        return;
    q->keys_known = true;
    q->keys = q->on_stack;
    q->key_count = command_key_access(q->row, q->argv, q->argc, q->keys, KEYS_ON_STACK);
    if (q->key_count <= KEYS_ON_STACK)
        return;
    q->keys = mem_alloc(q->key_count * sizeof *q->keys);
    q->key_count = command_key_access(q->row, q->argv, q->argc, q->keys, q->key_count);
}

static bool allows_command(const struct selector *s, const struct request *q)
{
    if (s->all_commands || q->row->flags & CMD_NO_AUTH || selector_allows(s, q->place))
        return true;
    struct slice first;
    for (size_t i = 0; q->argc > 1 && (first = selector_first_arg(s, q->row, i)).data; i++)
        if (first.len == q->argv[1].len && strncasecmp(first.data, q->argv[1].data, first.len) == 0)
            return true;
    return false;
}

static bool allows_key(const struct selector *s, struct slice key, unsigned access)
{
    for (size_t i = 0; i < s->pattern_count; i++)
        if ((s->patterns[i].access & access) == access && glob_match(s->patterns[i].text, key, false))
            return true;
    return s->all_keys;
}

/* What is subscribed to as a pattern has to stand in the list as it is: no pattern can tell what another one covers. */
static bool allows_channel(const struct selector *s, struct slice channel, bool is_pattern)
{
    for (size_t i = 0; i < s->channels.count; i++) {
        struct slice own = s->channels.at[i];
        if (is_pattern ? slice_equal(own, channel) : glob_match(own, channel, false))
            return true;
    }
    return s->all_channels;
}

bool acl_may_hear(const struct acl_user *u, struct slice channel, bool is_pattern)
{
    for (size_t i = 0; i < u->selector_count; i++)
        if (allows_channel(u->selectors[i], channel, is_pattern))
            return true;
    return false;
}

/* The channels are argv[1], ... argv[last]; 0: it has none. To unsubscribe is free. */
static size_t last_channel(const struct request *q, bool *is_pattern)
{
    static const char *const many[] = {"subscribe", "ssubscribe", "psubscribe"};
    *is_pattern = strcmp(q->row->name, many[2]) == 0;
    for (size_t i = 0; i < sizeof many / sizeof many[0]; i++)
        if (strcmp(q->row->name, many[i]) == 0)
            return q->argc - 1;
    return strcmp(q->row->name, "publish") == 0 || strcmp(q->row->name, "spublish") == 0;
}

static enum acl_verdict judge(const struct selector *s, struct request *q, size_t *which)
{
    if (!allows_command(s, q))
        return ACL_NO_COMMAND;
    if (!s->all_keys) {
        find_keys(q);
        for (size_t i = 0; i < q->key_count; i++) {
            const struct command_key *k = &q->keys[i];
            unsigned access = (k->reads ? ACL_READ : 0u) | (k->writes ? ACL_WRITE : 0u);
            *which = k->at;
            if (!allows_key(s, q->argv[k->at], access))
                return ACL_NO_KEY;
        }
    }
    bool is_pattern;
    size_t last = s->all_channels || !(q->row->flags & CMD_PUBSUB) ? 0 : last_channel(q, &is_pattern);
    for (size_t i = 1; i <= last; i++) {
        *which = i;
        if (!allows_channel(s, q->argv[i], is_pattern))
            return ACL_NO_CHANNEL;
    }
    return ACL_GRANTED;
}

static bool reads_everything(const struct selector *s)
{
    for (size_t i = 0; i < s->pattern_count; i++)
        if (s->patterns[i].access & ACL_READ && slice_equal(s->patterns[i].text, SLICE_LITERAL("*")))
            return true;
    return s->all_keys;
}

/* SORT looks up keys whose names come out of the data. The options are looked at in order, as far as they make sense: what is
 * wrong before is for the command to say. */
static enum acl_verdict judge_sort(const struct request *q)
{
    for (size_t i = 2; i < q->argc; i++) {
        size_t left = q->argc - i - 1;
        int64_t number;
        struct slice word = q->argv[i];
        if (slice_is_word(word, "asc") || slice_is_word(word, "desc") || slice_is_word(word, "alpha"))
            continue;
        if (slice_is_word(word, "limit") && left >= 2 && parse_i64(q->argv[i + 1], &number) &&
            parse_i64(q->argv[i + 2], &number)) {
            i += 2;
            continue;
        }
        if (slice_is_word(word, "get") && left >= 1)
            return ACL_NO_SORT_GET;
        bool by = slice_is_word(word, "by") && left >= 1;
        if (by && q->argv[i + 1].len && memchr(q->argv[i + 1].data, '*', q->argv[i + 1].len))
            return ACL_NO_SORT_BY;
        bool store = slice_is_word(word, "store") && left >= 1 && strcmp(q->row->name, "sort") == 0;
        if (!by && !store)
            break;
        i++;
    }
    return ACL_GRANTED;
}

/* Denied by all: the reason of the selector that came furthest, and of its kind the last argument. */
static enum acl_verdict judge_all(const struct acl_user *u, struct request *q, size_t *which)
{
    enum acl_verdict worst = ACL_NO_COMMAND;
    bool sorts = strcmp(q->row->name, "sort") == 0 || strcmp(q->row->name, "sort_ro") == 0, granted = false;
    *which = 0;
    for (size_t i = 0; i < u->selector_count; i++) {
        const struct selector *s = u->selectors[i];
        size_t at = 0;
        enum acl_verdict verdict = judge(s, q, &at);
        if (verdict == ACL_GRANTED && (!sorts || reads_everything(s)))
            return ACL_GRANTED;
        granted |= verdict == ACL_GRANTED;
        if (verdict != ACL_GRANTED && (verdict > worst || (verdict == worst && at > *which))) {
            worst = verdict;
            *which = at;
        }
    }
    return granted ? judge_sort(q) : worst;
}

enum acl_verdict acl_check(const struct acl *a, const struct acl_user *u, const struct command *row,
                           const struct slice *argv, size_t argc, size_t *which)
{
    if (u->unlimited)
        return ACL_GRANTED;
    struct request q = {.row = row, .place = catalog_place(a->catalog, row), .argv = argv, .argc = argc};
    enum acl_verdict verdict = judge_all(u, &q, which);
    if (q.keys != q.on_stack)
        mem_free(q.keys);
    return verdict;
}

void acl_refusal(enum acl_verdict verdict, const struct command *row, struct buf *out)
{
    static const char none[] = "NOPERM this user has no permissions to";
    static const char sort[] = "option of SORT denied due to insufficient ACL permissions.";
    switch (verdict) {
    case ACL_NO_COMMAND:
        buf_printf(out, "%s run the '%s' command", none, row->name);
        break;
    case ACL_NO_KEY:
        buf_printf(out, "%s access one of the keys used as arguments", none);
        break;
    case ACL_NO_CHANNEL:
        buf_printf(out, "%s access one of the channels used as arguments", none);
        break;
    case ACL_NO_SORT_BY:
    case ACL_NO_SORT_GET:
        buf_printf(out, "ERR %s %s", verdict == ACL_NO_SORT_BY ? "BY" : "GET", sort);
        break;
    case ACL_GRANTED:
        break;
    }
}
