/* What the files about sorted sets share. */
#ifndef COMMANDS_ZSET_INT_H
#define COMMANDS_ZSET_INT_H

#include "commands/commands_int.h"
#include "store/zset.h"

/* The sorted set at argv[i]; false: there is none, and `absent` was the reply, or an error. */
typedef void reply_fn(struct command_context *c);
bool find_zset(struct command_context *c, size_t i, reply_fn *absent, struct collection *z);
void reply_zero(struct command_context *c);
void reply_empty_array(struct command_context *c);
void reply_score(struct command_context *c, double score);
/* n members, with their scores: one array, in RESP3 an array of pairs. Each follows by reply_member. */
void reply_members(struct command_context *c, size_t n, bool scores);
void reply_member(struct command_context *c, const struct zset_item *item, bool scores);
bool arg_score(struct command_context *c, size_t i, const char *error, double *score);

/* What ZADD does once its arguments are read, GEOADD too. */
enum { ADD_NX = 1, ADD_XX = 2, ADD_GT = 4, ADD_LT = 8, ADD_CH = 16, ADD_INCR = 32 };
struct additions {
    unsigned flags;
    size_t first, step; /* the members: every step-th argument */
    size_t count;
    double *scores;
};
void add_members(struct command_context *c, const struct additions *a);

/* Puts a result in the place of what is at argv[i], tells that, and says how many members it has. */
void store_result(struct command_context *c, size_t i, struct collection *result, const char *event);
/* Ends a change that took members away from the set at `key`: tells `event`, and "del" when none is left. */
void end_removal(struct command_context *c, struct store_edit *e, bool changed, const char *event,
                 struct slice key);

#endif
