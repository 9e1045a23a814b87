/* Random commands that change keys of all types, for tests that compare what they leave behind: a row for each way to do it,
 * and at least one for every command of the table that writes; and of changes of settings and users (unit/rsm/test_writes sees to
 * that). */
#ifndef SUPPORT_WRITES_H
#define SUPPORT_WRITES_H

#include "base/bytes.h"
#include "base/prng.h"

#include <stddef.h>

/* On few keys and elements, so that they meet. Database 0 is left to the test; FLUSHDB comes in 3 alone. */
enum { WRITE_WORDS = 16 };
struct write {
    uint32_t db;
    size_t argc;
    struct slice argv[WRITE_WORDS];
    struct buf text; /* the words lie in it; BUF_EMPTY at first, buf_deinit in the end */
};

/* The i-th row; false: there are no more. All are valid, but a key may hold another type. */
bool write_of_row(size_t i, struct prng *chance, struct write *w);
void random_write(struct prng *chance, struct write *w);
/* A change of settings or of users, as a transaction has it: RSM_CONFIG or RSM_USERS, then what an entry of its own would hold. Of the
 * `quiet` ones no client notices anything that a test may judge. */
bool change_of_row(size_t i, struct prng *chance, struct write *w, bool *quiet);
void random_change(struct prng *chance, struct write *w, bool quiet);

#endif
