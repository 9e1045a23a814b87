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
/* The same, or - or + for the ends of all IDs. */
bool arg_stream_id_or_end(struct command_context *c, size_t i, struct stream_id *id);
/* false: it is none. */
bool stream_id_parse(struct slice s, struct stream_id *id);
/* One end of a range: - and + too, and ( before one that is not to be in it. */
bool arg_stream_bound(struct command_context *c, size_t i, bool is_end, struct stream_id *id);

enum { STREAM_ID_TEXT_MAX = 41 };
size_t stream_id_print(char *out, struct stream_id id); /* its length */
void reply_stream_id(struct buf *out, struct stream_id id);
void reply_stream_entry(struct buf *out, const struct collection *stream, struct stream_at at);

#endif
