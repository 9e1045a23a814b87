/* SHA-1, by which scripts are named. Not for anything that has to withstand an attacker. */
#ifndef BASE_SHA1_H
#define BASE_SHA1_H

#include "base/bytes.h"

enum { SHA1_HEX = 40 };
/* In lower-case hex, with a final NUL. */
void sha1_hex(struct slice s, char out[SHA1_HEX + 1]);

#endif
