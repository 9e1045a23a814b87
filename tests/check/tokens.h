/* Exactly once, by what stands in the end. Clients append tokens to a key, each token used once in it: `<` name `>`, the name
 * without either. Then
 *
 *   - a token whose append was acknowledged stands once, and ends where the reply said that the value did
 *   - those of one client stand in the order in which it asked for them
 *   - one that was told not to have run stands nowhere; one of which nothing is known stands at most once
 *   - nothing else stands there */
#ifndef CHECK_TOKENS_H
#define CHECK_TOKENS_H

#include "history.h"

struct tokens;

enum token_fate { TOKEN_UNKNOWN, TOKEN_DONE, TOKEN_NOT_RUN };

struct tokens *tokens_new(void);
void tokens_free(struct tokens *t);
/* Asked for, nothing known of it yet; its place. SIZE_MAX: no token, or used before. */
size_t tokens_add(struct tokens *t, uint32_t client, struct slice token);
void tokens_fate(struct tokens *t, size_t at, enum token_fate fate, uint64_t end);
size_t tokens_count(const struct tokens *t);
/* The length that the value has at least when everything acknowledged so far is in it. */
uint64_t tokens_end(const struct tokens *t);
/* Nothing known of it yet? */
bool tokens_is_unknown(const struct tokens *t, size_t at);
/* Is everything that was acknowledged up to a length of `upto` in its place? For a value read on the way. */
bool tokens_seen(const struct tokens *t, struct slice value, uint64_t upto, char *wrong, size_t size);
/* The value in the end. false: `wrong` says what is. */
bool tokens_check(const struct tokens *t, struct slice value, char *wrong, size_t size);

#endif
