/* Small sorted sets: pairs in a listpack, walked. */
#include <math.h>

#include "base/number.h"
#include "store/zset_int.h"

enum { FEW = 128 };                     /* so many are compared each with each */
#define WHOLE_MAX 4611686018427387904.0 /* 2^62: whole numbers up to here are held as such */

uint64_t packed_count(const uint8_t *lp)
{
    return lp_count(lp) / 2;
}

size_t packed_find(const uint8_t *lp, struct slice member)
{
    return lp_find(lp, lp_first(lp), member, 1);
}

size_t packed_at(const uint8_t *lp, uint64_t rank)
{
    return rank < packed_count(lp) ? lp_seek(lp, (int64_t)rank * 2) : 0;
}

static bool parse_score(const uint8_t *lp, size_t at, double *score)
{
    struct lp_value v = lp_get(lp, at);
    if (v.text.data)
        return parse_double(v.text, score);
    *score = (double)v.number;
    return true;
}

double packed_score(const uint8_t *lp, size_t at)
{
    double score = 0;
    parse_score(lp, lp_next(lp, at), &score);
    return score;
}

static bool stands_before(const uint8_t *lp, size_t at, const struct bound *b)
{
    char number[LP_NUMBER_MAX];
    double score = packed_score(lp, at);
    return score != b->score ? score < b->score : is_before(score, lp_text(lp, at, number), b);
}

static size_t next_member(const uint8_t *lp, size_t at)
{
    return lp_next(lp, lp_next(lp, at));
}

/* The first member that does not stand before the bound, and how many do. */
static size_t behind(const uint8_t *lp, const struct bound *b, uint64_t *rank)
{
    size_t at = lp_first(lp);
    for (*rank = 0; at && stands_before(lp, at, b); ++*rank)
        at = next_member(lp, at);
    return at;
}

uint64_t packed_rank(const uint8_t *lp, const struct bound *b)
{
    uint64_t rank;
    behind(lp, b, &rank);
    return rank;
}

size_t zset_packed_score(char *out, double score)
{
    bool whole = score >= -WHOLE_MAX && score <= WHOLE_MAX && score == trunc(score);
    return whole ? format_i64(out, (int64_t)score) : format_double(out, score);
}

void packed_put(uint8_t **lp, struct slice member, double score)
{
    uint64_t rank;
    struct bound b = {score, BEFORE_MEMBER, member};
    size_t at = behind(*lp, &b, &rank);
    lp_insert(lp, at, member);
    char text[NUMBER_TEXT_MAX];
    lp_insert(lp, at ? lp_next(*lp, at) : 0, slice_of(text, zset_packed_score(text, score)));
}

/* ---- bytes from elsewhere ---- */

static bool is_ordered(const uint8_t *lp)
{
    char number[LP_NUMBER_MAX];
    double score;
    for (size_t at = lp_first(lp), last = 0; at; last = at, at = next_member(lp, at)) {
        if (!parse_score(lp, lp_next(lp, at), &score))
            return false;
        if (!last)
            continue;
        struct bound b = {packed_score(lp, last), BEHIND_MEMBER, lp_text(lp, last, number)};
        if (stands_before(lp, at, &b))
            return false;
    }
    return true;
}

/* The order does not show it, as the scores may differ. */
static bool has_twice(const uint8_t *lp, struct hash_seed seed)
{
    char number[LP_NUMBER_MAX];
    if (packed_count(lp) <= FEW) {
        for (size_t at = lp_first(lp); at; at = next_member(lp, at))
            if (lp_find(lp, next_member(lp, at), lp_text(lp, at, number), 1))
                return true;
        return false;
    }
    struct table *seen = table_new(seed);
    bool twice = false;
    for (size_t at = lp_first(lp); at && !twice; at = next_member(lp, at)) {
        struct slice member = lp_text(lp, at, number);
        struct table_spot spot = table_find(seen, member);
        twice = spot.place != PLACE_NONE;
        if (!twice)
            table_add(seen, &spot, member, slice_of("", 0));
    }
    while (seen)
        table_free_some(&seen, SIZE_MAX);
    return twice;
}

bool packed_is_sound(const uint8_t *lp, struct hash_seed seed)
{
    return lp_count(lp) > 0 && lp_count(lp) % 2 == 0 && is_ordered(lp) && !has_twice(lp, seed);
}
