/* Random commands that change collections, for tests that compare what they leave behind. */
#ifndef SUPPORT_COLLECTIONS_H
#define SUPPORT_COLLECTIONS_H

#include "base/prng.h"

#include <stddef.h>

/* Words with single spaces between them, on few keys and elements, so that they meet: at most COLLECTION_WORDS, in at most
 * COLLECTION_TEXT bytes with the 0. All are valid, but a key may hold another type. */
enum { COLLECTION_WORDS = 10, COLLECTION_TEXT = 1024 };
void collection_command(struct prng *chance, char *out);

#endif
