/* What was removed is freed here, in steps: flushed databases key by key, big values one by one. */
#include "store/store_int.h"

void sweep_value(struct store *s, char *data)
{
    memcpy(data, &s->dead_values, sizeof s->dead_values);
    s->dead_values = data;
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
    while (done < budget && (s->dead_values || s->dead_dbs)) {
        if (s->dead_values) {
            char *data = s->dead_values;
            memcpy(&s->dead_values, data, sizeof s->dead_values);
            mem_free(data);
            done++;
        } else {
            done += sweep_db(s, budget - done);
        }
    }
    return s->dead_values || s->dead_dbs;
}
