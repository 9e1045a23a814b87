/* Values with elements: what lists, sets, sorted sets, hashes and streams have in common. Each type's own header
 * (list.h, ...) works on a struct collection that is held in the hand; this one takes it out of its key to be changed and
 * puts it back, so that no type knows of keys, versions, memory or the database's digest.
 *
 *     struct store_edit e;
 *     store_edit_begin(&e, &c->view, key, STORE_LIST);     checked before: absent, or a list
 *     list_push(&e.value, ...);
 *     store_edit_end(&e, true);                            an empty collection takes its key with it
 *
 * While it is held other keys may be edited, put or deleted, this one must not. */
#ifndef STORE_COLLECTION_H
#define STORE_COLLECTION_H

#include "store/store.h"

/* How it lies in memory. Clients see it in OBJECT ENCODING, so it is part of the state: it depends on the calls alone. */
enum collection_form {
    FORM_PACKED, /* a listpack */
    FORM_INTSET,
    FORM_LARGE, /* the type's own structure */
};

struct collection {
    void *data; /* NULL: empty, and nothing allocated yet */
    /* A sum (or the like) over the elements, kept up by every change; equal contents have equal digests, whatever the
     * form. 0 when empty. */
    uint64_t digest;
    enum collection_form form;
    const struct hash_seed
        *seed; /* the store's, for tables that a change makes; NULL where nothing is to be changed */
};

struct store_edit {
    struct collection value;
    struct store_key *key; /* the key that holds it */
    /* private */
    struct store_view *view;
    struct store_db *db;
    uint64_t hash;
    size_t bytes;
};

/* Takes the value at `key` in hand; one that is absent is made, empty. What is there must be of this type. */
void store_edit_begin(struct store_edit *e, struct store_view *v, struct slice key, enum store_type type);
/* Puts it back. `changed`: the key gets the entry's version. When nothing is in it the key goes (a stream's stays), and
 * false is returned. */
bool store_edit_end(struct store_edit *e, bool changed);

/* An empty one that is in no key yet. */
struct collection store_collection_new(const struct store_view *v);
/* For readers. The elements are the store's. */
struct collection store_collection(const struct store_key *k);
/* Number of elements; of a string its length. */
uint64_t store_key_size(const struct store_key *k);
/* Puts a whole value (SUNIONSTORE, SORT STORE, RESTORE) in the place of whatever is at `key`, its expiry dropped; it is the
 * store's from then on. An empty one just deletes; NULL then. */
struct store_key *store_put_collection(struct store_view *v, struct slice key, enum store_type type,
                                       struct collection value);
/* Frees what was taken out of one in the store, in steps if it is large. */
void store_discard(struct store_view *v, enum store_type type, const struct collection *value);
/* Frees what is not in the store. */
void collection_free(struct collection *value, enum store_type type);

#endif
