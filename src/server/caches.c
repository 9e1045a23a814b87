/* What clients hold copies of: see caches.h. What entries change is put down as it is heard and told at the end of the pass. */
#include "server/caches.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/dict.h"
#include "base/prng.h"
#include "server/messages.h"
#include "server/slots.h"

enum { FORGOTTEN_PER_TURN = 1000, PREFIX_WEIGHT = 96 };

struct caches {
    struct tracking *table;
    size_t clients;
    /* b key, v by, b clients (a u64 each); `by`: the index of the entry that changed it, 0: none of a client's. An empty list of
       clients: everything is gone. */
    struct buf heard;
    bool flush_was_last;
    struct prng chance;
};

void caches_init(struct server *s)
{
    struct caches *k = mem_calloc(1, sizeof *k);
    struct hash_seed seed;
    uint64_t chance;
    os_random(&seed, sizeof seed);
    os_random(&chance, sizeof chance);
    prng_seed(&k->chance, chance);
    k->table = tracking_new(seed);
    s->caches = k;
}

void caches_deinit(struct server *s)
{
    tracking_free(s->caches->table);
    buf_deinit(&s->caches->heard);
    mem_free(s->caches);
}

const struct tracking *caches_table(const struct server *s)
{
    return s->caches->table;
}

size_t caches_clients(const struct server *s)
{
    return s->caches->clients;
}

/* A client is known by the ticket of its connection, which nobody gets again. */
static uint64_t ticket(const struct client *c)
{
    return ticket_of(c, 0);
}

static void add_prefix(struct client *c, struct slice prefix)
{
    if (tracking_add_prefix(c->server->caches->table, prefix, ticket(c)))
        c->cache->prefix_bytes += PREFIX_WEIGHT + prefix.len;
}

void caches_enable(struct client *c, const struct cache *as, const struct slice *prefixes, size_t count)
{
    struct caches *k = c->server->caches;
    if (!c->cache) {
        c->cache = mem_calloc(1, sizeof *c->cache);
        c->cache->since = c->last_index;
        if (k->clients++ == 0)
            messages_listen(c->server);
    }
    struct cache had = *c->cache;
    *c->cache = *as;
    c->cache->prefix_bytes = had.prefix_bytes;
    c->cache->since = had.since;
    if (as->broadcast && count == 0)
        add_prefix(c, SLICE_LITERAL(""));
    for (size_t i = 0; i < count; i++)
        add_prefix(c, prefixes[i]);
}

void caches_disable(struct client *c)
{
    struct caches *k = c->server->caches;
    if (!c->cache)
        return;
    tracking_drop_prefixes(k->table, ticket(c));
    mem_free(c->cache);
    c->cache = NULL;
    if (--k->clients)
        return;
    tracking_forget_all(k->table); /* nobody listens any more, so nothing of it is known to hold */
    messages_listen(c->server);
}

/* ---- hearing ---- */

static void put_heard(struct caches *k, struct slice key, uint64_t by, struct slice clients)
{
    put_bytes(&k->heard, key);
    put_varint(&k->heard, by);
    put_bytes(&k->heard, clients);
    k->flush_was_last = clients.len == 0;
}

void caches_hear(struct server *s, enum store_event_class class, bool expired, struct slice key)
{
    struct caches *k = s->caches;
    struct buf clients = BUF_EMPTY;
    if (class == EVENT_FLUSHED) {
        if (!k->flush_was_last)
            put_heard(k, slice_of(NULL, 0), rsm_applied(node_rsm(s->node)) + 1, slice_of(NULL, 0));
        tracking_forget_all(k->table);
        return;
    }
    uint64_t by = expired ? 0 : rsm_applied(node_rsm(s->node)) + 1;
    tracking_note(k->table, key, by);
    if (tracking_forget(k->table, key, &clients))
        put_heard(k, key, by, buf_slice(&clients));
    buf_deinit(&clients);
}

/* ---- telling ---- */

/* Where the client wants to be told. NULL: nowhere. */
static struct client *target_of(struct client *c)
{
    struct client *to = c->cache->redirect ? ticket_owner(c->server, c->cache->redirect_ticket) : c;
    if (to)
        return to->resp == 3 || (to != c && client_is_subscribed(to)) ? to : NULL;
    c->cache->broken = true;
    if (c->resp != 3)
        return NULL;
    struct buf text = BUF_EMPTY;
    resp_push(&text, 3, 2);
    resp_bulk_cstr(&text, "tracking-redir-broken");
    resp_integer(&text, (int64_t)c->cache->redirect);
    client_push(c, buf_slice(&text));
    buf_deinit(&text);
    return NULL;
}

/* keys NULL: all of them. */
static void tell(struct client *c, const struct slice *keys, size_t count)
{
    struct client *to = target_of(c);
    struct buf text = BUF_EMPTY;
    if (!to)
        return;
    if (to->resp == 3) {
        resp_push(&text, 3, 2);
        resp_bulk_cstr(&text, "invalidate");
    } else {
        resp_array(&text, 3);
        resp_bulk_cstr(&text, "message");
        resp_bulk_cstr(&text, "__redis__:invalidate");
    }
    if (keys)
        resp_array(&text, count);
    else
        resp_null(&text, to->resp);
    for (size_t i = 0; keys && i < count; i++)
        resp_bulk(&text, keys[i]);
    client_push(to, buf_slice(&text));
    buf_deinit(&text);
}

void caches_drop_all(struct client *c)
{
    if (c->cache)
        tell(c, NULL, 0);
}

static bool is_own(const struct cache *cache, uint64_t by)
{
    if (!cache->no_loop || by == 0)
        return false;
    for (size_t i = 0; i < OWN_WRITES; i++)
        if (cache->own[i] == by)
            return true;
    return false;
}

/* Who has turned to prefixes meanwhile is told by these alone. */
static void tell_reader(struct server *s, uint64_t client, struct slice key, uint64_t by)
{
    struct client *c = ticket_owner(s, client);
    if (c && c->cache && !c->cache->broadcast && !is_own(c->cache, by))
        tell(c, &key, 1);
}

static void tell_of_prefix(void *arg, uint64_t client, const struct tracking_noted *keys, size_t count)
{
    struct client *c = ticket_owner(arg, client);
    if (!c || !c->cache)
        return;
    struct slice *foreign = mem_alloc(count * sizeof *foreign);
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (!is_own(c->cache, keys[i].by))
            foreign[n++] = keys[i].key;
    if (n)
        tell(c, foreign, n);
    mem_free(foreign);
}

/* But not who has begun since: behind a proxy port the flush was answered before it came here. */
static void tell_all(struct server *s, uint64_t by)
{
    list_for_each(it, &s->everyone)
    {
        struct client *c = list_entry(it, struct client, everyone_link);
        if (!c->doomed && c->cache && c->cache->since < by)
            caches_drop_all(c);
    }
}

static void tell_heard(struct server *s)
{
    struct caches *k = s->caches;
    struct reader r = reader_of(buf_slice(&k->heard));
    while (reader_left(&r)) {
        struct slice key = get_bytes(&r);
        uint64_t by = get_varint(&r);
        struct reader clients = reader_of(get_bytes(&r));
        if (reader_left(&clients) == 0)
            tell_all(s, by);
        while (reader_left(&clients))
            tell_reader(s, get_u64(&clients), key, by);
    }
    buf_deinit(&k->heard);
    k->flush_was_last = false;
}

/* Keys at random, as many as are too many; their readers are told as if they had changed. */
static void bound_table(struct server *s)
{
    struct caches *k = s->caches;
    uint64_t most = (uint64_t)s->config->tracking_keys_max;
    for (size_t i = 0; i < FORGOTTEN_PER_TURN && most && tracking_keys(k->table) > most; i++) {
        struct buf key = BUF_EMPTY;
        buf_append_slice(&key, tracking_key_at(k->table, prng_below(&k->chance, tracking_keys(k->table))));
        caches_hear(s, EVENT_CHANGED, true, buf_slice(&key));
        buf_deinit(&key);
    }
    s->again |= most && tracking_keys(k->table) > most;
}

void caches_turn(struct server *s)
{
    struct caches *k = s->caches;
    if (k->clients == 0)
        return;
    bound_table(s);
    if (k->heard.len)
        tell_heard(s);
    tracking_tell(k->table, tell_of_prefix, s);
}

/* ---- remembering ---- */

bool caches_tracks(const struct client *c, const struct command *row)
{
    const struct cache *k = c->cache;
    if (!k || k->broadcast || !(row->flags & (CMD_READONLY | CMD_BY_SCRIPT)))
        return false;
    return k->opt_in ? k->caching : !(k->opt_out && k->caching);
}

/* Calls with each key of a request. */
static void each_key(const struct command *row, const struct slice *argv, size_t argc,
                     void (*each)(void *arg, struct slice key), void *arg)
{
    int *at = mem_alloc(argc * sizeof *at);
    int count = command_keys(row, argv, argc, at, (int)argc);
    for (int i = 0; i < count; i++)
        each(arg, argv[at[i]]);
    mem_free(at);
}

static void remember(void *arg, struct slice key)
{
    struct client *c = arg;
    tracking_remember(c->server->caches->table, key, ticket(c));
}

void caches_remember(struct client *c, const struct command *row, const struct slice *argv, size_t argc)
{
    if (c->cache && (!(row->flags & CMD_BY_SCRIPT) || c->server->script_read))
        each_key(row, argv, argc, remember, c);
}

static uint64_t version_of(struct server *s, uint32_t db, struct slice key)
{
    struct rsm *r = node_rsm(s->node);
    struct store_view view = rsm_view(r, rsm_stamp_ms(r), db);
    return db < store_databases(view.store) ? store_version(&view, key) : 0;
}

/* What a slot keeps of each key: v db, v mark, b key. The mark of a read is the key's version when it was sent; that of a
 * transaction's read is whether a later command of it may change the key. An XREAD that may wait is like the last of one, and a
 * script like one that more comes behind: its keys are those that it declares. */
static void keep(struct slot *slot, uint32_t db, uint64_t mark, struct slice key)
{
    slot->tracked = true;
    put_varint(&slot->bytes, db);
    put_varint(&slot->bytes, mark);
    put_bytes(&slot->bytes, key);
}

static bool may_write(const struct command *row)
{
    return row->flags & CMD_BY_SCRIPT && !(row->flags & CMD_READONLY);
}

struct keeping {
    struct client *client;
    struct slot *slot;
    uint32_t db;
    struct dict *changed; /* by later commands of the transaction; keys alone, whatever their database */
    bool all_changed;
};

static void keep_sent(void *arg, struct slice key)
{
    const struct keeping *k = arg;
    keep(k->slot, k->db, k->slot->write ? may_write(k->slot->row) : version_of(k->client->server, k->db, key),
         key);
}

void caches_sent(struct client *c, struct slot *slot, const struct command *row, const struct slice *argv,
                 size_t argc)
{
    struct keeping k = {.client = c, .slot = slot, .db = slot->db};
    each_key(row, argv, argc, keep_sent, &k);
}

static void keep_queued(void *arg, struct slice key)
{
    const struct keeping *k = arg;
    keep(k->slot, k->db, k->all_changed || dict_get(k->changed, key), key);
}

static void note_changed(void *arg, struct slice key)
{
    struct keeping *k = arg;
    k->all_changed = false;
    dict_put(k->changed, key, k);
}

struct keeping *caches_exec_begin(struct client *c, struct slot *slot)
{
    struct keeping *k = mem_calloc(1, sizeof *k);
    k->client = c;
    k->slot = slot;
    k->changed = dict_new(NULL);
    return k;
}

void caches_exec_command(struct keeping *k, uint32_t db, const struct command *row, const struct slice *argv,
                         size_t argc)
{
    k->db = db;
    k->all_changed |= may_write(row);
    if (caches_tracks(k->client, row)) {
        each_key(row, argv, argc, keep_queued, k);
    } else if (row->run && !(row->flags & CMD_READONLY) && !may_write(row)) {
        bool before = k->all_changed;
        k->all_changed = true; /* FLUSHALL and the like name no key */
        each_key(row, argv, argc, note_changed, k);
        k->all_changed |= before;
    }
}

void caches_exec_end(struct keeping *k)
{
    dict_free(k->changed);
    mem_free(k);
}

static void note_own(struct cache *cache, uint64_t index)
{
    cache->own[cache->own_at++ % OWN_WRITES] = index;
}

/* Remembered, or told to have changed since. */
static void settle_key(struct client *c, struct slice key, bool same)
{
    struct caches *k = c->server->caches;
    char text[8];
    store_u64(text, ticket(c));
    if (same)
        tracking_remember(k->table, key, ticket(c));
    else
        put_heard(k, key, 0, slice_of(text, sizeof text));
}

/* A script that has read nothing gives nothing to keep. Where it was answered from memory, that is not known, nor where it runs here
 * only later. */
static bool read_nothing(const struct client *c, const struct slot *slot, uint64_t index)
{
    const struct server *s = c->server;
    if (!slot->write || slot->kind != KIND_COMMAND || c->session || !(slot->row->flags & CMD_BY_SCRIPT))
        return false;
    for (size_t i = 0; i < UNREAD_SCRIPTS; i++)
        if (s->unread_scripts[i] == index)
            return index > 0;
    return false;
}

void caches_answered(struct client *c, struct slot *slot, const struct node_answer *answer, bool in_turn)
{
    if (c->cache && slot->write && answer->index)
        note_own(c->cache, answer->index);
    if (!slot->tracked)
        return;
    slot->tracked = false;
    if (read_nothing(c, slot, answer->index))
        return;
    slot->drop_copies = !in_turn; /* what is told now would stand in front of the reply */
    struct reader r = reader_of(buf_slice(&slot->bytes));
    while (c->cache && in_turn && answer->outcome == NODE_DONE && reader_left(&r)) {
        uint32_t db = (uint32_t)get_varint(&r);
        uint64_t mark = get_varint(&r);
        struct slice key = get_bytes(&r);
        uint64_t now = version_of(c->server, db, key), own = 2 * answer->index;
        settle_key(c, key, slot->write ? now < own || (now == own && !mark) : now == mark);
    }
}
