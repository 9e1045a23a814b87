/* One key as a register: what each operation may do to it and answer. */
#ifndef CHECK_MODEL_H
#define CHECK_MODEL_H

#include "history.h"

enum { DUE_ANY_TIME = 1 };

struct state {
    struct value value;
    uint64_t
        due_us; /* not gone before this; 0: stays. May be gone at any time after it: expiry may be late */
    const struct op *by; /* who wrote it, for messages; NULL: nobody */
    bool any;            /* nothing is known of the value; due_us 0: but that it has no time to live */
};

static inline bool state_equal(const struct state *a, const struct state *b)
{
    return a->any == b->any && (a->any || (a->due_us == b->due_us && value_equal(&a->value, &b->value)));
}

/* Runs `o`, whose moment is at `now_us` at the latest: what it leaves behind, in at most two forms. 0: with this answer it
 * cannot have run here, or it would change nothing and nobody has seen an answer. */
size_t model_step(const struct state *s, const struct op *o, uint64_t now_us, struct state out[2]);
/* Changes nothing, whatever it finds. */
bool model_only_reads(const struct op *o);
/* With this answer it has changed nothing: it found nothing to delete, the key was there already, and so on. */
bool model_changed_nothing(const struct op *o);

#endif
