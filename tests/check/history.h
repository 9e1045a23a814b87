/* What clients did and were told: the input of every checker, of simulated clients and of real ones.
 *
 * As a file, a line is one operation, eight fields with one space between them:
 *
 *     CLIENT KEY OPERATION ARGUMENTS RESULT OUTCOME INVOKED RETURNED
 *
 *     3 k1 append <3.7> 12 ok 1000 1850           ran once, and the value was 12 bytes long after it
 *     4 k1 get - <3.6><3.7> ok 1900 2200
 *     4 k1 get - - ok 2300 2400                   nil
 *     4 k2 set x,500 - unknown 2500 -             SET k2 x PX 500; no answer came, so it may run at any later time
 *     5 k2 del - - notrun 2600 2650               -MOVED, -NOTLEADER, -CLUSTERDOWN, a refused connect: did not run
 *     5 k2 incr 1 - error 2700 2800               ran, and the answer was an error: changed nothing
 *
 *   * CLIENT is a number; of one client no operation is invoked before the one before it has returned, unless it pipelines.
 *     Numbers below 10^9.
 *   * KEY, and each argument and result that is a string: every byte outside of 33..126, and each of `%` and `,`, as %XX.
 *     The empty string is a lone `%`, nil (and "no arguments", "no result") a lone `-`, the string "-" is `%2D`.
 *     Python: see history.py beside this file.
 *   * INVOKED, RETURNED: microseconds on one monotonic clock for the whole file, before the request was sent and after its
 *     answer was read. A request that is sent again keeps the time of its first sending. RETURNED of `unknown` is `-`.
 *     Equal times count as overlapping.
 *   * Lines may come in any order. An empty line and one that begins with `#` say nothing.
 *
 *     operation  arguments      result       meaning
 *     get        -              value or -
 *     set        value[,ttl]    -            ttl: PX milliseconds
 *     setnx      value[,ttl]    1 or 0       SET NX, or SETNX
 *     getset     value          old value or -
 *     append     value          length after it
 *     incr       delta          value after it (INCR, INCRBY, DECR)
 *     del        -              1 or 0
 *     expire     ttl            1 or 0       PEXPIRE
 *     expireat   microseconds   1 or 0       PEXPIREAT, on the clock of INVOKED
 *     persist    -              1 or 0
 *     cas        old,new        1 or 0       WATCH, GET old, MULTI, SET new, EXEC; 0: EXEC said nil. From EXEC to its answer
 *     lock       owner,ttl      1 or 0       SET NX PX; the owner's name is used once. See locks.h
 *     unlock     owner          1 or 0       WATCH, GET, if it is the owner's MULTI, DEL, EXEC; 0: was not, or EXEC said nil
 */
#ifndef CHECK_HISTORY_H
#define CHECK_HISTORY_H

#include "value.h"

#include <stdio.h>

enum op_kind {
    OP_GET,
    OP_SET,
    OP_SETNX,
    OP_GETSET,
    OP_APPEND,
    OP_INCR,
    OP_DEL,
    OP_EXPIRE,
    OP_EXPIREAT,
    OP_PERSIST,
    OP_CAS,
    OP_LOCK,
    OP_UNLOCK,
    OP_KINDS
};

enum op_outcome { OUTCOME_OK, OUTCOME_UNKNOWN, OUTCOME_NOT_RUN, OUTCOME_ERROR };

#define OP_NO_RETURN UINT64_MAX

/* One operation with its strings, as it is asked, written and read. */
struct op_text {
    uint32_t client;
    struct slice key, arg, result; /* data NULL: nil or none. `arg`: of CAS the old value */
    struct slice next;             /* of CAS the new value */
    int64_t number;                /* ttl in ms, 0: none; delta; microseconds */
    enum op_kind kind;
    enum op_outcome outcome;
    uint64_t invoked_us, returned_us;
};

/* As it is kept. */
struct op {
    uint64_t invoked_us, returned_us; /* returned: OP_NO_RETURN while unknown */
    struct value arg, next, result;
    int64_t number;
    uint32_t client, key;
    uint32_t line; /* its place in the history, from 1 */
    uint8_t kind, outcome;
    const char *text; /* of an APPEND, arg.len bytes, when texts are kept */
};

struct history;

struct history *history_new(void);
void history_free(struct history *h);
/* From now on the texts of appends are kept, and of each key's last read: for tokens. */
void history_keep_texts(struct history *h);
/* The last one invoked; NULL: none, or texts are not kept. */
const struct op *history_last_read(const struct history *h, size_t key, struct slice *value);
/* The place of the new operation, to complete it with history_answer. Copies what it keeps. */
size_t history_add(struct history *h, const struct op_text *t);
/* `result`: data NULL is nil. */
void history_answer(struct history *h, size_t at, enum op_outcome outcome, struct slice result,
                    uint64_t returned_us);
size_t history_count(const struct history *h);
const struct op *history_at(const struct history *h, size_t at);
size_t history_keys(const struct history *h);
struct slice history_key(const struct history *h, size_t key);
/* The operations on one key in order of invocation; valid until the next history_add. */
const struct op **history_of_key(struct history *h, size_t key, size_t *count);

/* ---- text: history_text.c ------------------------------------------------------------------------------- */

const char *op_name(enum op_kind kind);
const char *outcome_name(enum op_outcome outcome);
/* One line; false: could not be written. */
bool history_print(FILE *to, const struct op_text *t);
/* Reads one line, without its end; strings lie in *space, which is emptied first. NULL, or what is wrong. A line that says
 * nothing leaves t->key.data NULL. */
const char *history_parse(struct slice line, struct op_text *t, struct buf *space);
/* Adds the file's lines. NULL, or what is wrong, in a static space. */
const char *history_load(struct history *h, const char *path);
/* Of a message: "line 17: client 3 get k1 -> nil [1900..2400]". */
void op_show(struct buf *out, const struct history *h, const struct op *o);

#endif
