/* What the commands on lists share with those that wait for a list to have something. A key handed in is a list, or, where it is
 * pushed to, absent. */
#ifndef COMMANDS_LIST_H
#define COMMANDS_LIST_H

#include "commands/commands_int.h"
#include "store/quicklist.h"

void list_push(struct command_context *c, struct slice key, enum list_end where, const struct slice *elements,
               size_t n);
/* Takes up to n elements away and replies them: as an array, or the one as a string. */
void list_take(struct command_context *c, struct slice key, enum list_end where, uint64_t n, bool as_array);
/* Moves one element and replies it. */
void list_move(struct command_context *c, struct slice from_key, struct slice to_key, enum list_end from,
               enum list_end to);

/* LEFT or RIGHT; false: neither, and the error was appended. */
bool arg_list_end(struct command_context *c, size_t i, enum list_end *where);

/* LMPOP and BLMPOP: numkeys stands at argv[at], then come the keys, the end, and COUNT. */
struct list_pop {
    enum list_end where;
    int64_t count;
};
bool arg_lmpop(struct command_context *c, size_t at, size_t *keys, struct list_pop *p);
/* Takes from the first of these keys that is there, and replies its name and the elements; or that it is not a list.
 * false: none is there, and nothing was replied. */
bool list_pop_first(struct command_context *c, const struct slice *keys, size_t n, const struct list_pop *p);

#endif
