/* Elements that are pushed, and commands that take them and wait while there are none. Every element is used once, in one key.
 *
 *   - none is handed twice, nor handed and still there, nor handed though its push was told not to have run
 *   - one whose push was acknowledged is handed or still there; where neither, a take of which nothing is known has it, which
 *     takes so many at most. A take that was told not to have run has none
 *   - of two pushed one behind the other to the same end of a key that is taken from at the other end, the first comes first
 *   - who was told that he waits is served before those who asked for the same key later; while he waits nobody else is
 *   - who waits for a time is not told before that it is over */
#ifndef CHECK_HANDED_H
#define CHECK_HANDED_H

#include "history.h"

struct handed;

enum handed_fate { HANDED_UNKNOWN, HANDED_DONE, HANDED_NOT_RUN };
enum { HANDED_KEYS = 2, HANDED_MOST = 4 };

/* A take, when it is asked for. */
struct handed_ask {
    uint32_t client;
    uint32_t keys[HANDED_KEYS];
    size_t key_count;
    uint32_t most;       /* it takes so many elements at most */
    uint64_t asked_us;   /* first, whatever is asked again */
    uint64_t timeout_us; /* 0: for ever, or not to be judged */
};

struct handed *handed_new(void);
void handed_free(struct handed *h);
/* Its number. in_order: what is pushed first is taken first. */
uint32_t handed_key(struct handed *h, bool in_order);
uint64_t handed_keys_pushed(const struct handed *h, uint32_t key);

/* An element's place. SIZE_MAX: it was used before. */
size_t handed_push(struct handed *h, uint32_t key, struct slice element, uint64_t asked_us);
void handed_pushed(struct handed *h, size_t element, enum handed_fate fate, uint64_t now_us);

size_t handed_take(struct handed *h, const struct handed_ask *ask);
/* It was told that it waits. */
void handed_waits(struct handed *h, size_t take, uint64_t now_us);
/* Its reply names this element. false: `wrong` says why it must not. */
bool handed_got(struct handed *h, size_t take, struct slice element, char *wrong, size_t size);
/* DONE: with what it got, or in vain. `index`: of an entry, no older than the one that served it; 0: not known. `released`: it was
 * told to wait, and the entry at `index` is the one that ended that. `ended`: somebody else made it wait no longer. */
bool handed_taken(struct handed *h, size_t take, enum handed_fate fate, uint64_t now_us, uint64_t index,
                  bool released, bool ended, char *wrong, size_t size);

/* In the end: what is still there, in its order, or was put away by one that took it. */
bool handed_left(struct handed *h, uint32_t key, struct slice element, char *wrong, size_t size);
bool handed_put_away(struct handed *h, struct slice element, char *wrong, size_t size);
bool handed_check(struct handed *h, char *wrong, size_t size);

#endif
