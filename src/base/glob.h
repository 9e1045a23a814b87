/* Redis's glob patterns (KEYS, SCAN MATCH, CONFIG GET), iterative so that no pattern costs exponential time.
 */
#ifndef BASE_GLOB_H
#define BASE_GLOB_H

#include "base/bytes.h"

bool glob_match(struct slice pattern, struct slice text, bool ignore_case);

#endif
