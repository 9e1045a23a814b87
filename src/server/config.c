/* The values behind the table: parsing by type, printing, defaults. */
#include "server/config.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/dict.h"
#include "base/log.h"
#include "base/number.h"
#include "server/config_int.h"

enum { PEER_PORT_OFFSET = 10000 };

static void *field_of(const struct config *c, const struct directive *d)
{
    return (char *)(uintptr_t)c + d->field;
}

void config_text(char **field, struct slice value)
{
    char *text = mem_alloc(value.len + 1);
    if (value.len)
        memcpy(text, value.data, value.len);
    text[value.len] = '\0';
    mem_free(*field);
    *field = text;
}

int config_choice(const char *const *choices, struct slice word)
{
    for (int i = 0; choices[i]; i++)
        if (slice_is_word(word, choices[i]))
            return i;
    return -1;
}

const struct directive *config_row(struct slice name)
{
    for (const struct directive *d = config_table; d->name; d++)
        if (slice_is_word(name, d->name) || (d->alias && slice_is_word(name, d->alias)))
            return d;
    return NULL;
}

const char *config_replicated_name(struct slice name)
{
    return rsm_setting_named(name);
}

bool config_is_replicated(struct slice name)
{
    return config_replicated_name(name) != NULL;
}

bool config_is_known(struct slice name)
{
    return config_replicated_name(name) || config_row(name);
}

bool config_is_mutable(struct slice name)
{
    const struct directive *d = config_row(name);
    return config_replicated_name(name) || (d && (d->flags & MUTABLE));
}

bool config_is_inert(const char *name)
{
    const struct directive *d = config_row(slice_cstr(name));
    return !config_replicated_name(slice_cstr(name)) && d && d->type == TYPE_INERT;
}

bool config_is_hidden(const char *name)
{
    const struct directive *d = config_row(slice_cstr(name));
    return d && (d->flags & HIDDEN);
}

/* The local rows, less those the state machine has taken over, then the replicated ones. */
const char *config_next_name(size_t *at)
{
    size_t rows = 0;
    while (config_table[rows].name)
        rows++;
    while (*at < rows) {
        const char *name = config_table[(*at)++].name;
        const char *replicated = config_replicated_name(slice_cstr(name));
        if (!replicated || strcmp(replicated, name)) /* an older name of one is listed too */
            return name;
    }
    return rsm_setting_name((*at)++ - rows);
}

static bool parse_int(const struct directive *d, struct slice text, int64_t *out, struct buf *error)
{
    int64_t v;
    if (!parse_i64(text, &v)) {
        buf_append_cstr(error, "argument couldn't be parsed into an integer");
        return false;
    }
    if (v < d->min || v > d->max) {
        buf_printf(error, "argument must be between %lld and %lld inclusive", (long long)d->min,
                   (long long)d->max);
        return false;
    }
    *out = v;
    return true;
}

static bool parse_size(const struct directive *d, struct slice text, uint64_t *out, struct buf *error)
{
    uint64_t v;
    int64_t percent;
    if ((d->flags & PERCENT) && text.len && text.data[text.len - 1] == '%') {
        if (!parse_i64(slice_of(text.data, text.len - 1), &percent) || percent < 0 || percent > 100) {
            buf_append_cstr(error, "percentage argument must be less or equal to 100");
            return false;
        }
        *out = CONFIG_PERCENT | (uint64_t)percent;
        return true;
    }
    if (!parse_memory(text, &v)) {
        buf_append_cstr(error, d->flags & PERCENT ? "argument must be a memory or percent value"
                                                  : "argument must be a memory value");
        return false;
    }
    if (v < (uint64_t)d->min || v > (uint64_t)d->max) {
        buf_printf(error, "argument must be between %lld and %lld inclusive", (long long)d->min,
                   (long long)d->max);
        return false;
    }
    *out = v;
    return true;
}

static bool parse_choice(const struct directive *d, struct slice text, int *out, struct buf *error)
{
    int v = config_choice(d->choices, text);
    if (v < 0) {
        buf_append_cstr(error, "argument(s) must be one of the following: ");
        for (int i = 0; d->choices[i]; i++)
            buf_printf(error, "%s%s", i ? ", " : "", d->choices[i]);
        return false;
    }
    *out = v;
    return true;
}

static bool parse_bool(struct slice text, bool *out, struct buf *error)
{
    if (!slice_is_word(text, "yes") && !slice_is_word(text, "no")) {
        buf_append_cstr(error, "argument must be 'yes' or 'no'");
        return false;
    }
    *out = slice_is_word(text, "yes");
    return true;
}

/* The values given to one inert or replicated directive, joined as they stood. */
static void keep_text(struct config *c, const char *name, const struct slice *args, size_t argc)
{
    struct buf joined = BUF_EMPTY;
    for (size_t i = 0; i < argc; i++) {
        if (i)
            put_u8(&joined, ' ');
        buf_append_slice(&joined, args[i]);
    }
    char *text = NULL;
    config_text(&text, buf_slice(&joined));
    buf_deinit(&joined);
    mem_free(dict_put(c->texts, slice_cstr(name), text));
}

static bool keep_inert(struct config *c, const struct directive *d, const struct slice *args, size_t argc,
                       struct buf *error)
{
    keep_text(c, d->name, args, argc);
    struct slice now = slice_cstr(dict_get(c->texts, slice_cstr(d->name))), initial = slice_cstr(d->initial);
    uint64_t a, b;
    if (slice_equal(now, initial) || (parse_memory(now, &a) && parse_memory(initial, &b) && a == b))
        return true;
    if (d->flags & ONLY_DEFAULT) {
        buf_append_cstr(error, "is not supported");
        return false;
    }
    buf_printf(&c->inert, "%s%s", c->inert.len ? ", " : "", d->name);
    return true;
}

bool config_parse(struct config *c, const struct directive *d, const struct slice *args, size_t argc,
                  struct buf *error)
{
    if (d->type == TYPE_SPECIAL)
        return d->parse(c, args, argc, error);
    if (d->type == TYPE_INERT)
        return keep_inert(c, d, args, argc, error);
    if (argc != 1) {
        buf_append_cstr(error, "wrong number of arguments");
        return false;
    }
    void *field = field_of(c, d);
    switch (d->type) {
    case TYPE_BOOL:
        return parse_bool(args[0], field, error);
    case TYPE_INT:
        return parse_int(d, args[0], field, error);
    case TYPE_MEMORY:
        return parse_size(d, args[0], field, error);
    case TYPE_CHOICE:
        return parse_choice(d, args[0], field, error);
    default:
        break;
    }
    if (args[0].len && memchr(args[0].data, '\0', args[0].len)) {
        buf_append_cstr(error, "argument has a byte of zero");
        return false;
    }
    config_text(field, args[0]);
    return true;
}

static void print_size(uint64_t v, struct buf *out)
{
    buf_printf(out, "%llu%s", (unsigned long long)(v & ~CONFIG_PERCENT), v & CONFIG_PERCENT ? "%" : "");
}

void config_print(const struct config *c, const struct directive *d, struct buf *out)
{
    const void *field = field_of(c, d);
    const char *text = NULL;
    switch (d->type) {
    case TYPE_BOOL:
        text = *(const bool *)field ? "yes" : "no";
        break;
    case TYPE_INT:
        buf_printf(out, "%lld", (long long)*(const int64_t *)field);
        return;
    case TYPE_MEMORY:
        print_size(*(const uint64_t *)field, out);
        return;
    case TYPE_CHOICE:
        text = d->choices[*(const int *)field];
        break;
    case TYPE_TEXT:
        text = *(char *const *)field;
        break;
    case TYPE_SPECIAL:
        d->print(c, out);
        return;
    case TYPE_INERT:
        text = dict_get(c->texts, slice_cstr(d->name));
        text = text ? text : d->initial;
        break;
    }
    buf_append_cstr(out, text);
}

bool config_set(struct config *c, struct slice name, const struct slice *args, size_t argc, bool starting,
                struct buf *error)
{
    const char *replicated = config_replicated_name(name);
    if (replicated) {
        const char *wrong = argc == 1 ? rsm_setting_check(replicated, args[0]) : "wrong number of arguments";
        if (wrong)
            buf_append_cstr(error, wrong);
        else
            keep_text(c, replicated, args, 1);
        return !wrong;
    }
    const struct directive *d = config_row(name);
    if (!d) {
        buf_append_cstr(error, "Bad directive or wrong number of arguments");
        return false;
    }
    if (!starting && !(d->flags & MUTABLE)) {
        buf_append_cstr(error, "can't set immutable config");
        return false;
    }
    return config_parse(c, d, args, argc, error);
}

bool config_get(const struct config *c, const char *name, struct buf *out)
{
    const char *replicated = config_replicated_name(slice_cstr(name));
    if (replicated) {
        const char *text = dict_get(c->texts, slice_cstr(replicated));
        buf_append_cstr(out, text ? text : rsm_setting_default(replicated));
        return true;
    }
    const struct directive *d = config_row(slice_cstr(name));
    if (d)
        config_print(c, d, out);
    return d != NULL;
}

struct config *config_new(void)
{
    struct config *c = mem_calloc(1, sizeof *c);
    c->texts = dict_new(NULL);
    struct buf error = BUF_EMPTY;
    for (const struct directive *d = config_table; d->name; d++) {
        if (d->type == TYPE_INERT)
            continue;
        /* "a b" is one value here but for bind, the only one that takes several words apart. */
        struct slice words[CONFIG_BINDS_MAX];
        size_t count = 1;
        words[0] = slice_cstr(d->initial);
        if (d->parse == config_parse_bind) {
            const char *space = strchr(d->initial, ' ');
            words[0].len = (size_t)(space - d->initial);
            words[count++] = slice_cstr(space + 1);
        }
        bool ok = config_parse(c, d, words, count, &error);
        assert(ok);
    }
    buf_deinit(&error);
    return c;
}

void config_free(struct config *c)
{
    for (const struct directive *d = config_table; d->name; d++)
        if (d->type == TYPE_TEXT)
            mem_free(*(char **)field_of(c, d));
    mem_free(c->initial_cluster);
    mem_free(c->join);
    mem_free(c->file);
    for (size_t i = 0; i < dict_count(c->texts); i++)
        mem_free(dict_at(c->texts, i, NULL));
    dict_free(c->texts);
    acl_free(c->users);
    buf_deinit(&c->user_lines);
    buf_deinit(&c->warnings);
    buf_deinit(&c->inert);
    mem_free(c);
}

const char **config_settings(const struct config *c)
{
    const char **list = mem_calloc(2 * dict_count(c->texts) + 1, sizeof *list);
    size_t count = 0;
    const char *name;
    for (size_t i = 0; (name = rsm_setting_name(i)); i++) {
        const char *text = dict_get(c->texts, slice_cstr(name));
        if (!text)
            continue;
        list[count++] = name;
        list[count++] = text;
    }
    return list;
}

static bool is_wildcard(const char *host)
{
    return strcmp(host, "*") == 0 || strcmp(host, "0.0.0.0") == 0 || strchr(host, ':');
}

static const struct raft_member *own_row(const struct config *c)
{
    for (uint32_t i = 0; i < c->founders.count; i++)
        if (strcmp(c->founders.at[i].name, c->node_name) == 0)
            return &c->founders.at[i];
    return NULL;
}

static const char *said_host(const struct config *c)
{
    if (*c->announce_host)
        return c->announce_host;
    if (own_row(c))
        return own_row(c)->host;
    for (size_t i = 0; i < c->bind_count; i++)
        if (!is_wildcard(c->bind[i].host))
            return c->bind[i].host;
    return NULL;
}

bool config_knows_host(const struct config *c)
{
    return said_host(c) != NULL;
}

const char *config_host(const struct config *c)
{
    const char *said = said_host(c);
    if (said)
        return said;
    return *c->local_host ? c->local_host : "127.0.0.1";
}

uint16_t config_announced_port(const struct config *c)
{
    if (c->announce_port)
        return (uint16_t)c->announce_port;
    return own_row(c) ? own_row(c)->port : (uint16_t)c->port;
}

uint16_t config_announced_peer_port(const struct config *c)
{
    if (c->announce_peer_port)
        return (uint16_t)c->announce_peer_port;
    return own_row(c) ? own_row(c)->peer_port : (uint16_t)c->peer_port;
}

/* The peer port we listen on follows from the founders' list where it is not said. */
static bool finish_peer_port(struct config *c, struct buf *error)
{
    if (c->peer_port)
        return true;
    if (own_row(c)) {
        c->peer_port = own_row(c)->peer_port;
        return true;
    }
    bool alone = c->founders.count == 0 && !*c->join && !c->cluster_enabled;
    if (c->port > 65535 - PEER_PORT_OFFSET && alone) {
        buf_printf(&c->warnings, "No peer port: %lld + 10000 is none; give cluster-port to let nodes join\n",
                   (long long)c->port);
        return true;
    }
    if (c->port > 65535 - PEER_PORT_OFFSET) {
        buf_printf(error, "port %lld leaves no room for the peer port at +10000: give cluster-port",
                   (long long)c->port);
        return false;
    }
    c->peer_port = c->port + PEER_PORT_OFFSET;
    return true;
}

bool config_finish(struct config *c, struct buf *error)
{
    if (c->heartbeat_ms * 4 > c->election_ms) {
        buf_printf(error, "election-timeout must be at least four times heartbeat-interval");
        return false;
    }
    if (c->founders.count && *c->join) {
        buf_printf(error, "initial-cluster and join exclude each other");
        return false;
    }
    if (c->founders.count && !own_row(c)) {
        buf_printf(error, "node-name '%s' does not stand in initial-cluster", c->node_name);
        return false;
    }
    if (!finish_peer_port(c, error) || !config_finish_users(c, error))
        return false;
    if (!*c->node_name) {
        char name[RAFT_NAME_MAX];
        snprintf(name, sizeof name, "%.48s:%u", config_host(c), config_announced_port(c));
        config_text(&c->node_name, slice_cstr(name));
    }
    if (strlen(c->node_name) >= RAFT_NAME_MAX || strlen(config_host(c)) >= RAFT_HOST_MAX) {
        buf_printf(error, "node-name or host is too long");
        return false;
    }
    return true;
}
