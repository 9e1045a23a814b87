/* Writing a snapshot: an RDB file of version 10 that redis-server loads. What is ours stands in AUX fields,
 * which Redis reads over; rsm_int.h lists them. Nothing here changes the state, so that a forked child may
 * write. */
#include "rsm/rsm_int.h"

#include "base/checksum.h"
#include "store/rdb.h"

#include <inttypes.h>
#include <stdio.h>

struct writer {
    struct buf buf;
    uint64_t crc;
    bool (*emit)(void *arg, const void *data, size_t len);
    void *arg;
    bool failed; /* while draining */
};

static bool flush(struct writer *w)
{
    w->crc = crc64(w->crc, w->buf.data, w->buf.len);
    bool ok = w->buf.len == 0 || w->emit(w->arg, w->buf.data, w->buf.len);
    buf_truncate(&w->buf, 0);
    return ok;
}

static bool flush_when_full(struct writer *w)
{
    return w->buf.len < RDB_OUT_BYTES || flush(w);
}

static void drain(void *arg)
{
    struct writer *w = arg;
    if (!w->failed && !flush(w))
        w->failed = true;
    buf_truncate(&w->buf, 0);
}

static void aux(struct writer *w, const char *name, struct slice value)
{
    put_u8(&w->buf, RDB_OP_AUX);
    rdb_put_string(&w->buf, slice_cstr(name));
    rdb_put_string(&w->buf, value);
}

static void aux_number(struct writer *w, const char *name, uint64_t v)
{
    char text[24];
    aux(w, name, slice_of(text, (size_t)snprintf(text, sizeof text, "%" PRIu64, v)));
}

static void write_settings(struct writer *w, const struct rsm *r)
{
    struct buf pair = BUF_EMPTY;
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        buf_truncate(&pair, 0);
        buf_printf(&pair, "%s=%s", rsm_setting_name(i), r->settings.text[i]);
        aux(w, "kvorum-setting", buf_slice(&pair));
    }
    buf_deinit(&pair);
}

static void write_magic(struct writer *w, const struct rsm *r)
{
    buf_append_cstr(&w->buf, "REDIS0010");
    aux(w, "redis-ver", SLICE_LITERAL("7.0.15"));
    aux_number(w, "redis-bits", 64);
    aux_number(w, "ctime", r->stamp_ms / 1000);
}

/* The seed and the settings come first: sessions and keys are read with their help. */
static void write_head(struct writer *w, const struct rsm *r, const struct rsm_snapshot_meta *meta)
{
    struct buf seed = BUF_EMPTY;
    write_magic(w, r);
    aux_number(w, "kvorum-format", SNAPSHOT_FORMAT);
    put_u64(&seed, r->seed.k0);
    put_u64(&seed, r->seed.k1);
    aux(w, "kvorum-seed", buf_slice(&seed));
    buf_deinit(&seed);
    aux_number(w, "kvorum-cluster", r->cluster_id);
    aux_number(w, "kvorum-index", r->applied);
    aux_number(w, "kvorum-term", r->applied_term);
    aux_number(w, "kvorum-members-index", meta->members_index);
    aux(w, "kvorum-members", meta->members);
    aux_number(w, "kvorum-chain", meta->chain);
    aux_number(w, "kvorum-stamp", r->stamp_ms);
    aux_number(w, "kvorum-apply-version", r->apply_version);
    aux_number(w, "kvorum-floor", store_version_floor(r->store));
    aux_number(w, "kvorum-digest-version", RSM_DIGEST_VERSION);
    aux_number(w, "kvorum-digest", rsm_digest(r));
    write_settings(w, r);
}

static bool write_sessions(struct writer *w, const struct rsm *r)
{
    struct buf bytes = BUF_EMPTY;
    bool ok = true;
    const struct list *head = &r->sessions.in_use_order;
    for (const struct list *it = head->next; ok && it != head; it = it->next) {
        buf_truncate(&bytes, 0);
        rsm_session_save(list_entry(it, const struct rsm_session, in_use_order), &bytes);
        aux(w, "kvorum-session", buf_slice(&bytes));
        ok = flush_when_full(w);
    }
    buf_deinit(&bytes);
    return ok;
}

static bool write_scripts(struct writer *w, const struct rsm *r)
{
    struct buf bytes = BUF_EMPTY;
    bool ok = true;
    const struct list *head = &r->scripts.in_use_order;
    for (const struct list *it = head->next; ok && it != head; it = it->next) {
        buf_truncate(&bytes, 0);
        scripts_save(list_entry(it, const struct stored_script, in_use_order), &bytes);
        aux(w, "kvorum-script", buf_slice(&bytes));
        ok = flush_when_full(w);
    }
    buf_deinit(&bytes);
    return ok;
}

static void put_library(const struct library *l, struct buf *out)
{
    put_u8(out, RDB_OP_FUNCTION2);
    rdb_put_string(out, l->code);
}

void rsm_put_libraries(const struct rsm *r, struct buf *out)
{
    const struct list *head = &r->libraries.in_order;
    for (const struct list *it = head->next; it != head; it = it->next)
        put_library(list_entry(it, const struct library, in_order), out);
}

static bool write_libraries(struct writer *w, const struct rsm *r)
{
    bool ok = true;
    const struct list *head = &r->libraries.in_order;
    for (const struct list *it = head->next; ok && it != head; it = it->next) {
        put_library(list_entry(it, const struct library, in_order), &w->buf);
        ok = flush_when_full(w);
    }
    return ok;
}

static bool write_users(struct writer *w, const struct rsm *r)
{
    struct buf bytes = BUF_EMPTY;
    bool ok = true;
    for (size_t i = 0; ok && r->acl_said && i < acl_count(r->acl); i++) {
        buf_truncate(&bytes, 0);
        rsm_user_save(acl_at(r->acl, i), &bytes);
        aux(w, "kvorum-user", buf_slice(&bytes));
        ok = flush_when_full(w);
    }
    buf_deinit(&bytes);
    return ok;
}

static bool write_blocked(struct writer *w, const struct rsm *r)
{
    struct buf bytes = BUF_EMPTY;
    bool ok = true;
    const struct list *head = &r->blocked.in_order;
    for (const struct list *it = head->next; ok && it != head; it = it->next) {
        buf_truncate(&bytes, 0);
        blocked_save(list_entry(it, const struct blocked, in_order), &bytes);
        aux(w, "kvorum-blocked", buf_slice(&bytes));
        ok = flush_when_full(w);
    }
    buf_deinit(&bytes);
    return ok;
}

static bool write_db(struct writer *w, const struct store *s, uint32_t db)
{
    size_t count = store_count(s, db);
    if (count == 0)
        return true;
    put_u8(&w->buf, RDB_OP_SELECTDB);
    rdb_put_length(&w->buf, db);
    put_u8(&w->buf, RDB_OP_RESIZEDB);
    rdb_put_length(&w->buf, count);
    rdb_put_length(&w->buf, store_count_expiring(s, db));
    for (size_t i = 0; i < count; i++) {
        const struct store_key *k = store_at(s, db, i);
        if (store_key_expiry_ms(k) != STORE_NEVER) {
            put_u8(&w->buf, RDB_OP_EXPIRETIME_MS);
            put_u64(&w->buf, store_key_expiry_ms(k));
        }
        put_u8(&w->buf, (uint8_t)store_rdb_type(k));
        rdb_put_string(&w->buf, store_key_name(k));
        store_rdb_save(k, &(struct rdb_out){&w->buf, drain, w});
        if (w->failed || !flush_when_full(w))
            return false;
    }
    return true;
}

static bool write_keys(struct writer *w, const struct store *s)
{
    for (uint32_t db = 0; db < store_databases(s); db++) {
        if (!write_db(w, s, db))
            return false;
    }
    return true;
}

static bool write_end(struct writer *w)
{
    put_u8(&w->buf, RDB_OP_EOF);
    if (!flush(w))
        return false;
    put_u64(&w->buf, w->crc);
    return flush(w);
}

/* What memory has lost could not be loaded again, and must not take the place of what can. */
static bool write_file(struct writer *w, const struct rsm *r, const struct rsm_snapshot_meta *meta)
{
    if (!store_is_sound(r->store))
        return false;
    write_head(w, r, meta);
    return write_sessions(w, r) && write_blocked(w, r) && write_users(w, r) && write_scripts(w, r) &&
           write_libraries(w, r) && write_keys(w, r->store) && write_end(w);
}

bool rsm_snapshot_write(struct rsm *r, const struct rsm_snapshot_meta *meta,
                        bool (*emit)(void *arg, const void *data, size_t len), void *arg)
{
    struct writer w = {.emit = emit, .arg = arg};
    bool ok = write_file(&w, r, meta);
    buf_deinit(&w.buf);
    return ok;
}

bool rsm_dump_write(struct rsm *r, bool keys, bool (*emit)(void *arg, const void *data, size_t len),
                    void *arg)
{
    struct writer w = {.emit = emit, .arg = arg};
    write_magic(&w, r);
    bool ok = store_is_sound(r->store) && write_libraries(&w, r) && (!keys || write_keys(&w, r->store)) &&
              write_end(&w);
    buf_deinit(&w.buf);
    return ok;
}
