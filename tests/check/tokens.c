#include "tokens.h"

#include "base/alloc.h"
#include "base/dict.h"

#include <assert.h>

struct token {
    char *text;
    uint32_t len, client;
    enum token_fate fate;
    uint64_t end; /* DONE: length of the value right after it */
};

struct tokens {
    struct token *at; /* in the order in which they were asked for */
    size_t count, cap;
    struct dict *by_text; /* its place + 1 */
    uint64_t end;
};

struct tokens *tokens_new(void)
{
    struct tokens *t = mem_calloc(1, sizeof(*t));
    t->by_text = dict_new(NULL);
    return t;
}

void tokens_free(struct tokens *t)
{
    for (size_t i = 0; i < t->count; i++)
        mem_free(t->at[i].text);
    mem_free(t->at);
    dict_free(t->by_text);
    mem_free(t);
}

static bool is_token(struct slice s)
{
    return s.len >= 2 && s.data[0] == '<' && memchr(s.data + 1, '<', s.len - 1) == NULL &&
           memchr(s.data, '>', s.len) == s.data + s.len - 1;
}

size_t tokens_add(struct tokens *t, uint32_t client, struct slice token)
{
    if (!is_token(token) || dict_get(t->by_text, token))
        return SIZE_MAX;
    if (t->count == t->cap) {
        t->cap = t->cap * 2 + 16;
        t->at = mem_realloc(t->at, t->cap * sizeof(*t->at));
    }
    char *text = mem_alloc(token.len);
    memcpy(text, token.data, token.len);
    t->at[t->count++] = (struct token){.text = text, .len = (uint32_t)token.len, .client = client};
    dict_put(t->by_text, token, (void *)(uintptr_t)t->count);
    return t->count - 1;
}

void tokens_fate(struct tokens *t, size_t at, enum token_fate fate, uint64_t end)
{
    assert(at < t->count);
    t->at[at].fate = fate;
    t->at[at].end = end;
    if (fate == TOKEN_DONE && end > t->end)
        t->end = end;
}

size_t tokens_count(const struct tokens *t)
{
    return t->count;
}

uint64_t tokens_end(const struct tokens *t)
{
    return t->end;
}

bool tokens_is_unknown(const struct tokens *t, size_t at)
{
    return t->at[at].fate == TOKEN_UNKNOWN;
}

static bool stands_at(const struct token *k, struct slice value)
{
    return k->end <= value.len && k->end >= k->len &&
           memcmp(value.data + k->end - k->len, k->text, k->len) == 0;
}

#define SAY(...) (snprintf(wrong, size, __VA_ARGS__), false)
#define TEXT(k)  (int)((k)->len < 40 ? (k)->len : 40), (k)->text

/* The newest 64 of them: older ones were looked at by reads before, and all are in the end. */
bool tokens_seen(const struct tokens *t, struct slice value, uint64_t upto, char *wrong, size_t size)
{
    if (value.len < upto)
        return SAY("%zu bytes, and %llu were acknowledged before it was asked for", value.len,
                   (unsigned long long)upto);
    for (size_t i = t->count, looked = 0; i-- > 0 && looked < 64;) {
        const struct token *k = &t->at[i];
        if (k->fate != TOKEN_DONE || k->end > upto)
            continue;
        looked++;
        if (!stands_at(k, value))
            return SAY("%.*s is not at %llu", TEXT(k), (unsigned long long)k->end);
    }
    return true;
}

/* What stands at one place of the value. */
static bool stands(const struct tokens *t, struct slice text, uint64_t end, bool *seen, size_t *last,
                   char *wrong, size_t size)
{
    size_t place = (uintptr_t)dict_get(t->by_text, text);
    if (place == 0)
        return SAY("%.*s stands there, and nobody asked for it", (int)(text.len < 40 ? text.len : 40),
                   text.data);
    const struct token *k = &t->at[place - 1];
    if (seen[place - 1])
        return SAY("%.*s stands twice", TEXT(k));
    seen[place - 1] = true;
    if (k->fate == TOKEN_NOT_RUN)
        return SAY("%.*s stands, and its client was told that it did not run", TEXT(k));
    if (k->fate == TOKEN_UNKNOWN)
        return true;
    if (k->end != end)
        return SAY("%.*s ends at %llu, its reply said %llu", TEXT(k), (unsigned long long)end,
                   (unsigned long long)k->end);
    for (size_t i = *last; i > place; i--) /* usually none */
        if (t->at[i - 1].client == k->client && t->at[i - 1].fate == TOKEN_DONE && seen[i - 1])
            return SAY("%.*s stands out of order", TEXT(k));
    if (place > *last)
        *last = place;
    return true;
}

bool tokens_check(const struct tokens *t, struct slice value, char *wrong, size_t size)
{
    bool *seen = mem_calloc(t->count + 1, sizeof(*seen)), good = true;
    size_t last = 0;
    for (size_t at = 0; good && at < value.len;) {
        const char *begin = value.data + at, *end = memchr(begin, '>', value.len - at);
        if (*begin != '<' || !end) {
            good = SAY("no token at %zu", at);
            break;
        }
        at += (size_t)(end + 1 - begin);
        good = stands(t, slice_of(begin, (size_t)(end + 1 - begin)), at, seen, &last, wrong, size);
    }
    for (size_t i = 0; good && i < t->count; i++)
        if (t->at[i].fate == TOKEN_DONE && !seen[i])
            good = SAY("%.*s was acknowledged and is lost", TEXT(&t->at[i]));
    mem_free(seen);
    return good;
}
