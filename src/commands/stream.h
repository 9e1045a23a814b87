/* What the commands on streams share: IDs as arguments, and entries as replies. */
#ifndef COMMANDS_STREAM_H
#define COMMANDS_STREAM_H

#include "commands/commands_int.h"
#include "store/stream.h"

/* The stream at argv[i], NULL: absent. false: it is something else, and the error was appended. */
bool find_stream(struct command_context *c, size_t i, struct store_key **k);

/* An ID whose sequence number may be left out; `any_seq`, where it is not NULL, says whether it was `*`. */
bool arg_stream_id(struct command_context *c, size_t i, uint64_t missing_seq, bool *any_seq,
                   struct stream_id *id);
/* One end of a range: - and + too, and ( before one that is not to be in it. */
bool arg_stream_bound(struct command_context *c, size_t i, bool is_end, struct stream_id *id);

void reply_stream_id(struct buf *out, struct stream_id id);
void reply_stream_entry(struct buf *out, const struct collection *stream, struct stream_at at);

#endif
