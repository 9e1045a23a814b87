/* Private to acl/.
 *
 * Invariants
 *  - A table has a user "default". Its first selector is there in every user.
 *  - `commands` of a selector holds its rules in the order given, less those that a later one outdoes; `allowed` and `all_commands`
 *    follow from them, and from this build's command table.
 *  - Rules, names and patterns have no spaces and no zero bytes in them. */
#ifndef ACL_ACL_INT_H
#define ACL_ACL_INT_H

#include "acl/acl.h"

enum { ACL_WORDS = 12, ACL_COMMANDS_MAX = ACL_WORDS * 64, ACL_HEX = 64 /* a SHA-256 */ };

/* Every row of the command table, subcommands behind their command, and where a row stands. */
struct catalog {
    size_t count;
    const struct command *rows[ACL_COMMANDS_MAX];
    uint16_t by_address[ACL_COMMANDS_MAX];
};
struct catalog *catalog_new(void);
size_t catalog_place(const struct catalog *c, const struct command *row); /* ACL_COMMANDS_MAX: nowhere */
/* "get", "config|set"; NULL: unknown. */
const struct command *catalog_find(struct slice name);

enum { ACL_READ = 1, ACL_WRITE = 2, ACL_ALL = 3 };

struct key_pattern {
    unsigned access;
    struct slice text; /* its own */
};

struct selector {
    bool all_keys, all_channels;
    bool future; /* begins with +@all: also what a newer build will have */
    struct key_pattern *patterns;
    size_t pattern_count;
    struct acl_words channels;
    struct acl_words commands;
    /* derived */
    bool all_commands;
    uint64_t allowed[ACL_WORDS];
};

enum sanitize { SANITIZE_UNSAID, SANITIZE_YES, SANITIZE_NO };

struct acl_user {
    struct slice name; /* its own */
    uint64_t born, digest;
    bool enabled, nopass, unlimited;
    enum sanitize sanitize;
    char (*passwords)[ACL_HEX]; /* lower-case hex */
    size_t password_count;
    struct selector **selectors;
    size_t selector_count;
};

struct acl {
    struct catalog *catalog;
    struct acl_user **users; /* by name */
    size_t count;
    uint64_t digest; /* the sum of theirs */
};

enum fault {
    FINE,
    FAULT_SYNTAX,
    FAULT_UNKNOWN,      /* command or category */
    FAULT_ALL_KEYS,     /* a pattern behind ~* */
    FAULT_ALL_CHANNELS, /* ... behind &* */
    FAULT_NO_PASSWORD,
    FAULT_BAD_HASH,
    FAULT_FIRST_ARG,
};

/* table.c */
struct slice slice_copy(struct slice s);
void slice_free(struct slice s);

/* selector.c */
struct selector *selector_new(bool all_channels);
struct selector *selector_copy(const struct selector *s);
void selector_free(struct selector *s);
enum fault selector_rule(struct selector *s, const struct catalog *c, struct slice rule);
bool selector_allows(const struct selector *s, size_t place);
void selector_category(struct selector *s, const struct catalog *c, uint32_t category, bool allow);
/* A command without subcommands may be allowed with some first arguments only: +select|0. The i-th of them; `data` NULL at the end. */
struct slice selector_first_arg(const struct selector *s, const struct command *row, size_t i);
void selector_set(struct selector *s, const struct catalog *c, const struct command *row, bool allow);
void selector_line(const struct selector *s, struct buf *out);

/* user.c */
struct acl_user *user_new(struct slice name, uint64_t born, bool all_channels);
struct acl_user *user_copy(const struct acl_user *u);
void user_free(struct acl_user *u);
enum fault user_rule(struct acl_user *u, const struct catalog *c, struct slice rule, bool all_channels);
void user_settle(struct acl_user *u); /* after its rules */

/* prepare.c: one rule as given, appended to `out` in the form that user_rule takes. */
enum fault rule_prepare(struct slice rule, struct buf *out);
const char *fault_text(enum fault f);
void fault_report(struct slice rule, enum fault f, struct buf *error);
bool has_spaces(struct slice s);

#endif
