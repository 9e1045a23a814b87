/* What was removed is freed here, in steps: flushed databases key by key, big values one by one, collections element by element. */
#include "store/store_int.h"
#include "store/value.h"

struct dead_collection {
    struct dead_collection *next;
    struct collection value;
    enum store_type type;
};

/* One or two pieces are not worth the waiting. */
void sweep_collection(struct store *s, enum store_type type, const struct collection *c)
{
    struct collection value = *c;
    if (value.data)
        value_ops(type)->free_some(&value, 4);
    if (!value.data)
        return;
    struct dead_collection *dead = mem_alloc(sizeof *dead);
    *dead = (struct dead_collection){s->dead_collections, value, type};
    s->dead_collections = dead;
    s->unswept++;
}

static void swept(struct store *s)
{
    s->unswept--;
    s->stats.swept++;
}

size_t store_unswept(const struct store *s)
{
    return s->unswept;
}

static size_t sweep_first_collection(struct store *s, size_t budget)
{
    struct dead_collection *dead = s->dead_collections;
    size_t done = value_ops(dead->type)->free_some(&dead->value, budget);
    if (dead->value.data)
        return done;
    s->dead_collections = dead->next;
    mem_free(dead);
    swept(s);
    return done + 1;
}

void sweep_value(struct store *s, char *data)
{
    memcpy(data, &s->dead_values, sizeof s->dead_values);
    s->dead_values = data;
    s->unswept++;
}

void db_drop(struct store *s, uint32_t db)
{
    struct store_db *d = &s->dbs[db];
    if (!d->count)
        return;
    struct store_db *dead = mem_alloc(sizeof *dead);
    *dead = *d;
    dead->next_dead = s->dead_dbs;
    s->dead_dbs = dead;
    s->unswept += d->count;
    *d = (struct store_db){.store = s};
    s->soonest.known = false;
}

/* Frees keys from the end; the database itself once it has none. */
static size_t sweep_db(struct store *s, size_t budget)
{
    struct store_db *d = s->dead_dbs;
    size_t done = 0;
    while (d->count && done < budget) {
        key_free(s, d, db_key(d, --d->count));
        segments_shrink(&d->keys, d->count, sizeof(struct store_key *));
        swept(s);
        done++;
    }
    if (d->count)
        return done;
    s->dead_dbs = d->next_dead;
    segments_deinit(&d->keys);
    segments_deinit(&d->expiring);
    index_deinit(&d->index);
    mem_free(d);
    return done + 1;
}

bool store_sweep(struct store *s, size_t budget)
{
    size_t done = 0;
    while (done < budget && (s->dead_values || s->dead_collections || s->dead_dbs)) {
        if (s->dead_values) {
            char *data = s->dead_values;
            memcpy(&s->dead_values, data, sizeof s->dead_values);
            mem_free(data);
            swept(s);
            done++;
        } else if (s->dead_collections) {
            done += sweep_first_collection(s, budget - done);
        } else {
            done += sweep_db(s, budget - done);
        }
    }
    return s->dead_values || s->dead_collections || s->dead_dbs;
}
