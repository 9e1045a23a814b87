/* What the commands on consumer groups share. */
#ifndef COMMANDS_STREAM_GROUP_H
#define COMMANDS_STREAM_GROUP_H

#include "commands/stream.h"
#include "store/stream_group.h"

/* The stream at argv[key] and in it the group that argv[name] names, NULL: absent. false: another type, and the error was
 * appended. */
bool find_group(struct command_context *c, size_t key, size_t name, struct store_key **k,
                struct stream_group **g);
/* false: there is none either. */
bool find_group_or_reply(struct command_context *c, size_t key, size_t name, struct store_key **k,
                         struct stream_group **g);
void reply_bad_subcommand(struct command_context *c, const char *name); /* of the command `name` */
void reply_no_group_at(struct command_context *c, size_t key, size_t name);

/* Around what changes a group of the stream at argv[key], which is there, and no entry. */
void group_edit_begin(struct command_context *c, struct store_edit *e, size_t key);
void group_edit_end(struct command_context *c, struct store_edit *e, size_t key);
/* The consumer, made if there is none; it has been seen now. */
struct stream_consumer *see_consumer(struct command_context *c, struct store_edit *e, struct stream_group *g,
                                     size_t key, struct slice name);

#endif
