#include "handed.h"

#include "base/alloc.h"
#include "base/dict.h"

#include <assert.h>
#include <stdio.h>

enum { SLACK_US = 20000 };

struct element {
    char *text;
    uint32_t len, key;
    enum handed_fate fate;
    uint64_t asked_us, pushed_us; /* pushed: when that was known */
    size_t take;                  /* that got it, + 1 */
    bool left, away;
};

struct take {
    struct handed_ask ask;
    enum handed_fate fate;
    uint32_t got;
    uint64_t waits_us, taken_us, index;
    bool released;
};

struct key {
    bool in_order;
    size_t *elements, *takes;
    size_t element_count, element_cap, take_count, take_cap;
};

struct handed {
    struct element *elements;
    struct take *takes;
    struct key *keys;
    size_t element_count, element_cap, take_count, take_cap, key_count, key_cap;
    struct dict *by_text; /* its place + 1 */
};

#define SAY(...) (snprintf(wrong, size, __VA_ARGS__), false)
#define TEXT(e)  (int)(e)->len, (e)->text

static void *grow(void *at, size_t *cap, size_t count, size_t each)
{
    if (count < *cap)
        return at;
    *cap = *cap * 2 + 16;
    return mem_realloc(at, *cap * each);
}

struct handed *handed_new(void)
{
    struct handed *h = mem_calloc(1, sizeof(*h));
    h->by_text = dict_new(NULL);
    return h;
}

void handed_free(struct handed *h)
{
    for (size_t i = 0; i < h->element_count; i++)
        mem_free(h->elements[i].text);
    for (size_t i = 0; i < h->key_count; i++) {
        mem_free(h->keys[i].elements);
        mem_free(h->keys[i].takes);
    }
    mem_free(h->elements);
    mem_free(h->takes);
    mem_free(h->keys);
    dict_free(h->by_text);
    mem_free(h);
}

uint32_t handed_key(struct handed *h, bool in_order)
{
    h->keys = grow(h->keys, &h->key_cap, h->key_count, sizeof(*h->keys));
    h->keys[h->key_count] = (struct key){.in_order = in_order};
    return (uint32_t)h->key_count++;
}

uint64_t handed_keys_pushed(const struct handed *h, uint32_t key)
{
    return h->keys[key].element_count;
}

/* ---- pushes ------------------------------------------------------------------------------------------------ */

size_t handed_push(struct handed *h, uint32_t key, struct slice element, uint64_t asked_us)
{
    struct key *k = &h->keys[key];
    if (dict_get(h->by_text, element))
        return SIZE_MAX;
    h->elements = grow(h->elements, &h->element_cap, h->element_count, sizeof(*h->elements));
    k->elements = grow(k->elements, &k->element_cap, k->element_count, sizeof(*k->elements));
    char *text = mem_alloc(element.len);
    memcpy(text, element.data, element.len);
    h->elements[h->element_count++] = (struct element){.text = text,
                                                       .len = (uint32_t)element.len,
                                                       .key = key,
                                                       .asked_us = asked_us,
                                                       .pushed_us = UINT64_MAX};
    k->elements[k->element_count++] = h->element_count - 1;
    dict_put(h->by_text, element, (void *)(uintptr_t)h->element_count);
    return h->element_count - 1;
}

void handed_pushed(struct handed *h, size_t element, enum handed_fate fate, uint64_t now_us)
{
    assert(element < h->element_count);
    h->elements[element].fate = fate;
    h->elements[element].pushed_us = fate == HANDED_DONE ? now_us : UINT64_MAX;
}

static struct element *find(struct handed *h, struct slice text, char *wrong, size_t size)
{
    size_t at = (uintptr_t)dict_get(h->by_text, text);
    if (at == 0)
        snprintf(wrong, size, "nobody has pushed %.*s", (int)(text.len < 40 ? text.len : 40), text.data);
    return at ? &h->elements[at - 1] : NULL;
}

/* ---- takes ------------------------------------------------------------------------------------------------- */

size_t handed_take(struct handed *h, const struct handed_ask *ask)
{
    h->takes = grow(h->takes, &h->take_cap, h->take_count, sizeof(*h->takes));
    h->takes[h->take_count] = (struct take){.ask = *ask, .waits_us = UINT64_MAX};
    for (size_t i = 0; i < ask->key_count; i++) {
        struct key *k = &h->keys[ask->keys[i]];
        k->takes = grow(k->takes, &k->take_cap, k->take_count, sizeof(*k->takes));
        k->takes[k->take_count++] = h->take_count;
    }
    return h->take_count++;
}

void handed_waits(struct handed *h, size_t take, uint64_t now_us)
{
    h->takes[take].waits_us = now_us;
}

static bool asks_for(const struct take *t, uint32_t key)
{
    for (size_t i = 0; i < t->ask.key_count; i++)
        if (t->ask.keys[i] == key)
            return true;
    return false;
}

bool handed_got(struct handed *h, size_t take, struct slice element, char *wrong, size_t size)
{
    struct element *e = find(h, element, wrong, size);
    struct take *t = &h->takes[take];
    if (!e)
        return false;
    if (e->take)
        return SAY("%.*s is handed to client %u, and was to client %u", TEXT(e), t->ask.client,
                   h->takes[e->take - 1].ask.client);
    if (!asks_for(t, e->key))
        return SAY("%.*s is handed to client %u, who did not ask for its key", TEXT(e), t->ask.client);
    if (++t->got > t->ask.most)
        return SAY("client %u is handed %u elements and asked for %u", t->ask.client, t->got, t->ask.most);
    e->take = take + 1;
    return true;
}

bool handed_taken(struct handed *h, size_t take, enum handed_fate fate, uint64_t now_us, uint64_t index,
                  bool released, bool ended, char *wrong, size_t size)
{
    struct take *t = &h->takes[take];
    bool in_vain = fate == HANDED_DONE && t->got == 0 && !ended;
    t->fate = fate;
    t->taken_us = now_us;
    t->index = index;
    t->released = released;
    if (in_vain && t->ask.timeout_us && now_us + SLACK_US < t->ask.asked_us + t->ask.timeout_us)
        return SAY("client %u is told after %llu us that the %llu us are over for which it waits",
                   t->ask.client, (unsigned long long)(now_us - t->ask.asked_us),
                   (unsigned long long)t->ask.timeout_us);
    return true;
}

/* ---- the end ----------------------------------------------------------------------------------------------- */

bool handed_left(struct handed *h, uint32_t key, struct slice element, char *wrong, size_t size)
{
    struct element *e = find(h, element, wrong, size);
    if (!e)
        return false;
    if (e->take)
        return SAY("%.*s was handed to client %u, and is still there", TEXT(e),
                   h->takes[e->take - 1].ask.client);
    if (e->left)
        return SAY("%.*s is there twice", TEXT(e));
    if (e->key != key)
        return SAY("%.*s is under another key", TEXT(e));
    e->left = true;
    return true;
}

bool handed_put_away(struct handed *h, struct slice element, char *wrong, size_t size)
{
    struct element *e = find(h, element, wrong, size);
    if (!e)
        return false;
    if (e->left || e->away)
        return SAY("%.*s was put away, and is there once more", TEXT(e));
    e->away = true;
    return true;
}

/* Room for so many elements that nobody was told of, in takes of which nothing is known. */
static bool check_lost(const struct handed *h, uint32_t key, char *wrong, size_t size)
{
    const struct key *k = &h->keys[key];
    const struct element *lost = NULL;
    size_t missing = 0, room = 0;
    for (size_t i = 0; i < k->element_count; i++) {
        const struct element *e = &h->elements[k->elements[i]];
        bool there = e->take || e->left || e->away;
        if (there && e->fate == HANDED_NOT_RUN)
            return SAY("%.*s was pushed, and its client was told that it was not", TEXT(e));
        if (there || e->fate != HANDED_DONE)
            continue;
        missing++;
        lost = e;
    }
    for (size_t i = 0; i < k->take_count; i++) {
        const struct take *t = &h->takes[k->takes[i]];
        room += t->fate == HANDED_UNKNOWN ? t->ask.most : 0;
    }
    if (missing > room)
        return SAY("%.*s was pushed, nobody got it and it is not there; %zu like it, and room for %zu",
                   TEXT(lost), missing, room);
    return true;
}

/* `late` was taken before anybody asked for `early`, or that is even still there. */
static bool overtaken(const struct handed *h, const struct element *early, const struct element *late)
{
    if (early->pushed_us >= late->asked_us || !late->take)
        return false;
    return early->left ||
           (early->take && h->takes[early->take - 1].ask.asked_us > h->takes[late->take - 1].taken_us);
}

static bool check_order(const struct handed *h, uint32_t key, char *wrong, size_t size)
{
    const struct key *k = &h->keys[key];
    for (size_t i = 0; k->in_order && i < k->element_count; i++) {
        const struct element *early = &h->elements[k->elements[i]];
        for (size_t j = i + 1; j < k->element_count; j++) {
            const struct element *late = &h->elements[k->elements[j]];
            if (overtaken(h, early, late))
                return SAY("%.*s was pushed before %.*s, and taken after it", TEXT(early), TEXT(late));
        }
    }
    return true;
}

/* While `t` waited for this key somebody was served who came later. */
static bool passed_over(const struct take *t, const struct take *by)
{
    return t != by && t->released && by->got && by->index && t->waits_us < by->ask.asked_us &&
           by->index < t->index;
}

static bool served(const struct handed *h, size_t take, uint32_t key)
{
    const struct key *k = &h->keys[key];
    for (size_t i = 0; i < k->element_count; i++)
        if (h->elements[k->elements[i]].take == take + 1)
            return true;
    return false;
}

static bool check_service(const struct handed *h, uint32_t key, char *wrong, size_t size)
{
    const struct key *k = &h->keys[key];
    for (size_t i = 0; i < k->take_count; i++) {
        const struct take *t = &h->takes[k->takes[i]];
        for (size_t j = 0; t->released && j < k->take_count; j++) {
            const struct take *by = &h->takes[k->takes[j]];
            if (passed_over(t, by) && served(h, k->takes[j], key))
                return SAY("client %u was served at %llu, and came after client %u, who waited up to %llu",
                           by->ask.client, (unsigned long long)by->index, t->ask.client,
                           (unsigned long long)t->index);
        }
    }
    return true;
}

bool handed_check(struct handed *h, char *wrong, size_t size)
{
    for (uint32_t key = 0; key < h->key_count; key++)
        if (!check_lost(h, key, wrong, size) || !check_order(h, key, wrong, size) ||
            !check_service(h, key, wrong, size))
            return false;
    return true;
}
