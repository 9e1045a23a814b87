/* A collection taken out of its key to be changed, and put back. */
#include "store/collection.h"

#include "store/store_int.h"
#include "store/value.h"

struct collection store_collection(const struct store_key *k)
{
    struct held_value held;
    assert(key_is_collection(k));
    memcpy(&held, key_value(k), sizeof held);
    return (struct collection){.data = held.data,
                               .digest = held.digest,
                               .form = (enum collection_form)(key_encoding(k) - ENC_PACKED)};
}

struct collection store_collection_new(const struct store_view *v)
{
    return (struct collection){.form = FORM_PACKED, .seed = &v->store->seed};
}

void collection_put(struct store_key *k, enum store_type type, const struct collection *c)
{
    struct held_value held = {c->data, c->digest};
    memcpy(key_value(k), &held, sizeof held);
    key_set_encoding(k, type, (enum encoding)(ENC_PACKED + c->form));
}

uint64_t store_key_size(const struct store_key *k)
{
    if (!key_is_collection(k))
        return store_string_len(k);
    struct collection c = store_collection(k);
    return c.data ? value_ops(store_key_type(k))->count(&c) : 0;
}

static size_t bytes_of(const struct collection *c, enum store_type type)
{
    return c->data ? value_ops(type)->bytes(c) : 0;
}

/* A key for a collection at a spot where none is; not yet in the digest. */
static void make_key(struct store_view *v, struct spot *at, struct slice key, enum store_type type,
                     const struct collection *c)
{
    struct store_key *k = key_new(at->db, key, false, sizeof(struct held_value));
    collection_put(k, type, c);
    db_insert(v, at, k);
}

void store_edit_begin(struct store_edit *e, struct store_view *v, struct slice key, enum store_type type)
{
    assert(v->writing && value_ops(type));
    struct spot at = db_find(v, v->db, key);
    if (!at.k)
        make_key(v, &at, key, type, &(struct collection){.form = FORM_PACKED});
    else
        db_digest_subtract(&at);
    assert(store_key_type(at.k) == type);
    *e = (struct store_edit){store_collection(at.k), at.k, v, at.db, at.hash, 0};
    e->value.seed = &v->store->seed;
    e->bytes = bytes_of(&e->value, type);
}

/* Nothing is in it any more: the key goes. Its place may have changed, as other keys came and went. */
static void remove_emptied(struct store_edit *e, bool changed)
{
    struct store *s = e->view->store;
    uint32_t db = db_number(e->db);
    struct spot at = db_spot(s, db, key_slice(e->key));
    if (changed) {
        versions_deleted(s, db, at.hash, e->view->index);
        store_tell(e->view, EVENT_CHANGED, NULL, db, key_slice(e->key));
    }
    db_remove(s, &at);
}

bool store_edit_end(struct store_edit *e, bool changed)
{
    enum store_type type = store_key_type(e->key);
    const struct value_ops *ops = value_ops(type);
    e->db->memory += bytes_of(&e->value, type) - e->bytes;
    collection_put(e->key, type, &e->value);
    struct spot at = {.db = e->db, .hash = e->hash, .k = e->key};
    db_digest_add(&at);
    bool stays = ops->stays_when_empty || (e->value.data && ops->count(&e->value));
    if (!stays)
        remove_emptied(e, changed);
    else if (changed)
        db_changed(e->view, &at);
    return stays;
}

struct store_key *store_put_collection(struct store_view *v, struct slice key, enum store_type type,
                                       struct collection value)
{
    assert(v->writing);
    const struct value_ops *ops = value_ops(type);
    store_delete(v, key);
    if (!ops->stays_when_empty && (!value.data || ops->count(&value) == 0)) {
        collection_free(&value, type);
        return NULL;
    }
    struct spot at = db_spot(v->store, v->db, key);
    make_key(v, &at, key, type, &value);
    at.db->memory += bytes_of(&value, type);
    db_changed(v, &at);
    db_digest_add(&at);
    return at.k;
}

void store_discard(struct store_view *v, enum store_type type, const struct collection *value)
{
    sweep_collection(v->store, type, value);
}

void collection_free(struct collection *value, enum store_type type)
{
    while (value->data)
        value_ops(type)->free_some(value, SIZE_MAX);
}
