/* Who may do what: the ACLs of Redis 7.0. A user has passwords and selectors; a selector is a set of commands, of patterns for keys
 * and of patterns for channels, and whatever one of them grants by itself may be done.
 *
 * A table is replicated state (rsm/ holds it). Rules arrive in two steps: acl_prepare, at the node that takes a change, judges what
 * this build's command table decides, hashes passwords and spells commands out; what it gives is put into an entry, which every
 * node applies alike by acl_set_user, whatever commands its build knows. So the state is the rules, not the sets of
 * commands, which are worked out of them.
 *
 * No password is kept, only its SHA-256, as in Redis. */
#ifndef ACL_ACL_H
#define ACL_ACL_H

#include "base/bytes.h"
#include "commands/commands.h"

struct acl;
struct acl_user;

/* Strings of its own. */
struct acl_words {
    struct slice *at;
    size_t count, cap;
};
void acl_words_add(struct acl_words *w, struct slice text);
void acl_words_deinit(struct acl_words *w);

struct acl *acl_new(void); /* the user "default" alone, who may do everything without a password */
void acl_free(struct acl *a);

/* In the order of their names. Users stay where they are until they are removed or loaded anew. */
size_t acl_count(const struct acl *a);
const struct acl_user *acl_at(const struct acl *a, size_t i);
const struct acl_user *acl_find(const struct acl *a, struct slice name); /* NULL: none */

/* ---- questions ---- */

struct slice acl_user_name(const struct acl_user *u);
uint64_t
acl_user_born(const struct acl_user *u); /* the entry that made it: one of the same name may be another */
bool acl_is_unlimited(const struct acl_user *u); /* acl_check always grants */
bool acl_is_open(const struct acl_user *u);      /* enabled, and needs no password */
bool acl_needs_password(const struct acl_user *u);
/* Enabled, and this is a password of it. Takes as long for any wrong one. */
bool acl_lets_in(const struct acl_user *u, struct slice password);

enum acl_verdict { ACL_GRANTED, ACL_NO_COMMAND, ACL_NO_KEY, ACL_NO_CHANNEL, ACL_NO_SORT_BY, ACL_NO_SORT_GET };
/* May `u` run this, its arity being right? `row`: command_find's. *which: the argument (a key or channel) that it may not touch. Of
 * several selectors, the reason that Redis gives. */
enum acl_verdict acl_check(const struct acl *a, const struct acl_user *u, const struct command *row,
                           const struct slice *argv, size_t argc, size_t *which);
/* The error that goes with it, as Redis words it at dispatch. */
void acl_refusal(enum acl_verdict verdict, const struct command *row, struct buf *out);
/* May it (still) subscribe to this? */
bool acl_may_hear(const struct acl_user *u, struct slice channel, bool is_pattern);

/* ---- changes ---- */

/* Rules as a client or a file gives them, to those that an entry holds. false: no entry is to be made of them, and `error` says why, as
 * Redis does. true with an `error`: so would this table answer, as it is now. */
bool acl_prepare(const struct acl *a, struct slice name, const struct slice *rules, size_t count,
                 bool all_channels, struct acl_words *out, struct buf *error);
bool acl_name_is_good(struct slice name);

/* The following change the table, all of it or nothing; false: `error` says why. Rules are acl_prepare's; others are refused or
 * without effect. `born`: the entry's index. `all_channels`: acl-pubsub-default. */
bool acl_set_user(struct acl *a, uint64_t born, struct slice name, const struct slice *rules, size_t count,
                  bool all_channels, struct buf *error);
bool acl_remove_user(struct acl *a, struct slice name); /* false: there is none */
/* Each line is a name and its rules, separated by spaces. All users but "default" are new ones. */
bool acl_load(struct acl *a, uint64_t born, const struct slice *lines, size_t count, bool all_channels,
              struct buf *error);
/* A SHA-256 in lower-case hex, as users keep their passwords? */
bool acl_is_hash(struct slice hex);
/* requirepass; a SHA-256 in hex, "": no password is needed. false: it is none. */
bool acl_set_default_password(struct acl *a, struct slice hex);

/* ---- as text ---- */

/* What acl_load takes for one user, and a snapshot keeps of it: the state, exactly. */
void acl_user_line(const struct acl_user *u, struct buf *out);
void acl_lines(const struct acl *a, struct acl_words *out); /* of all users */
bool acl_restore_user(struct acl *a, uint64_t born, struct slice line);
uint64_t acl_digest(const struct acl *a);

/* As ACL LIST shows it: "on #... ~key* &chan +@all", without the name. */
void acl_describe(const struct acl *a, const struct acl_user *u, struct buf *out);
const char *acl_flag(const struct acl_user *u, size_t i); /* i-th, NULL at the end */
size_t acl_password_count(const struct acl_user *u);
struct slice acl_password_hex(const struct acl_user *u, size_t i);
size_t acl_selector_count(const struct acl_user *u); /* the first one is the user's own */
void acl_describe_commands(const struct acl *a, const struct acl_user *u, size_t selector, struct buf *out);
void acl_describe_keys(const struct acl_user *u, size_t selector, struct buf *out);
void acl_describe_channels(const struct acl_user *u, size_t selector, struct buf *out);

#endif
