/* Inside commands/: a command as Redis sends it to its replicas, written from its arguments, its reply, and the state behind it. */
#ifndef COMMANDS_PROPAGATE_H
#define COMMANDS_PROPAGATE_H

#include "commands/commands_int.h"

struct writing {
    const struct command_context *c;
    struct slice reply; /* what has not been read of it */
    const struct propagation *to;
};

/* false: in no words. */
typedef bool propagate_fn(struct writing *w);
/* propagate_stream.c */
propagate_fn propagate_xadd, propagate_xtrim, propagate_xreadgroup, propagate_xclaim, propagate_xautoclaim;

/* The reply, element by element: how many elements one has, of a map keys and values; a text; one that does not matter. */
size_t reply_next_count(struct writing *w);
struct slice reply_next_text(struct writing *w);
void reply_skip(struct writing *w);

const struct store_key *propagate_peek(const struct writing *w, struct slice key);
void propagate(const struct writing *w, const struct slice *argv, size_t argc);
#define PROPAGATE(w, ...)                                                                                    \
    propagate(w, (const struct slice[]){__VA_ARGS__},                                                        \
              sizeof((const struct slice[]){__VA_ARGS__}) / sizeof(struct slice))
#define WORD(s) SLICE_LITERAL(s)

#endif
