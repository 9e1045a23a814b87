/* A place in the order of a sorted set: members by their scores, those of equal scores by their bytes. Where a range begins and
 * ends are two of them, whatever it is a range of. */
#ifndef STORE_BOUND_H
#define STORE_BOUND_H

#include "base/bytes.h"

enum bound_side {
    BEFORE_SCORE,  /* all of this score are behind it */
    BEFORE_MEMBER, /* this member of this score is behind it, whether it is there or not */
    BEHIND_MEMBER,
    BEHIND_SCORE,
};

struct bound {
    double score; /* never nan */
    enum bound_side side;
    struct slice member; /* for the sides that name one */
};

/* Does the member stand before the bound? */
static inline bool is_before(double score, struct slice member, const struct bound *b)
{
    if (score != b->score)
        return score < b->score;
    if (b->side == BEFORE_SCORE || b->side == BEHIND_SCORE)
        return b->side == BEHIND_SCORE;
    int order = slice_compare(member, b->member);
    return order < 0 || (order == 0 && b->side == BEHIND_MEMBER);
}

#endif
