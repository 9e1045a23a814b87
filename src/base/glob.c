/* Redis's glob patterns. Every element but `*` takes exactly one byte of the text, so when a match fails
 * only the last `*` can be worth another try: it takes one byte more, and earlier ones stay as they are. */
#include "base/glob.h"

#include <ctype.h>

static int fold(char c, bool ignore_case)
{
    return ignore_case ? tolower((unsigned char)c) : (unsigned char)c;
}

/* One `[...]` at pattern[at]; leaves *next behind it. As in Redis: `^` first negates, `\` takes the next byte
 * as it is, a range may be written backwards, and a class that is not closed ends with the pattern. */
static bool class_match(struct slice pattern, size_t at, char c, bool ignore_case, size_t *next)
{
    const char *p = pattern.data;
    size_t i = at + 1;
    bool negated = i < pattern.len && p[i] == '^';
    bool found = false;
    if (negated)
        i++;
    for (; i < pattern.len && p[i] != ']'; i++) {
        if (p[i] == '\\' && pattern.len - i >= 2) {
            i++;
            found |= p[i] == c;
        } else if (pattern.len - i >= 3 && p[i + 1] == '-') {
            int low = fold(p[i], ignore_case), high = fold(p[i + 2], ignore_case);
            int folded = fold(c, ignore_case);
            found |= low <= high ? folded >= low && folded <= high : folded >= high && folded <= low;
            i += 2;
        } else {
            found |= fold(p[i], ignore_case) == fold(c, ignore_case);
        }
    }
    *next = i < pattern.len ? i + 1 : i;
    return found != negated;
}

/* The element at pattern[at], not a `*`, against one byte. */
static bool element_match(struct slice pattern, size_t at, char c, bool ignore_case, size_t *next)
{
    const char *p = pattern.data;
    if (p[at] == '[')
        return class_match(pattern, at, c, ignore_case, next);
    if (p[at] == '\\' && pattern.len - at >= 2)
        at++;
    else if (p[at] == '?') {
        *next = at + 1;
        return true;
    }
    *next = at + 1;
    return fold(p[at], ignore_case) == fold(c, ignore_case);
}

bool glob_match(struct slice pattern, struct slice text, bool ignore_case)
{
    size_t p = 0, t = 0;
    size_t after_star = 0, star_text = 0;
    bool star = false;
    while (t < text.len) {
        size_t next;
        if (p < pattern.len && pattern.data[p] == '*') {
            star = true;
            after_star = ++p;
            star_text = t;
            if (p == pattern.len)
                return true;
        } else if (p < pattern.len && element_match(pattern, p, text.data[t], ignore_case, &next)) {
            p = next;
            t++;
        } else if (star) {
            p = after_star;
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.data[p] == '*')
        p++;
    return p == pattern.len;
}
