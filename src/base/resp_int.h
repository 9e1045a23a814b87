/* What the two halves of the request parser share.
 *
 * Invariants between calls, while a request is unfinished: argc arguments lie at offsets[i] with length
 * argv[i].len, all before `at`; argv[i].data means nothing until the request is whole. */
#ifndef BASE_RESP_INT_H
#define BASE_RESP_INT_H

#include "base/resp.h"

/* Adds one argument; its slice's data is set later, from the offset. */
void resp_add_arg(struct resp_parser *p, size_t offset, size_t len);
/* Splits a line without its end into argv, unescaped into p->unquoted. false: quotes that do not close. */
bool resp_split_inline(struct resp_parser *p, struct slice line);

#endif
