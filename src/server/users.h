/* Who a connection is and what it may do; what was denied. */
#ifndef SERVER_USERS_H
#define SERVER_USERS_H

#include "server/server_int.h"

void users_init(struct server *s);
void users_deinit(struct server *s);
void users_cron(struct server *s);
void users_begin(struct server *s); /* before the first change goes into the log */
/* The table in force may be another one: every connection is looked at anew. */
void users_refresh(struct server *s);
void users_changed(void *server); /* for rsm_listener */

struct slice client_user(const struct client *c); /* its name */
void client_become(struct client *c, const struct acl_user *u);
void client_become_default(struct client *c); /* as one that has just connected */

/* c->unlimited is not set: may it run this? false: it was noted in ACL LOG, and `error` is the text of the reply. */
bool user_permits(struct client *c, const struct command *row, const struct slice *argv, size_t argc,
                  struct buf *error);
enum acl_verdict user_judges(struct client *c, const struct command *row, const struct slice *argv,
                             size_t argc, size_t *which);

/* acl_log.c: what was denied here; `object`: the command, key or channel. ACL_GRANTED: AUTH was. */
void acl_log_note(struct client *c, enum acl_verdict why, struct slice object, struct slice user);
void acl_log_clear(struct server *s);
void acl_log_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out);

/* acl_cmds.c: is it a change of users? Then what the entry is to have of it. false: the error was appended. */
bool acl_is_change(struct slice subcommand);
bool acl_change_words(struct client *c, const struct slice *argv, size_t argc, struct acl_words *words,
                      struct buf *out);
/* A CONFIG SET has its answer: the directives in the slot's bytes, this node's, are set if it was done. */
void config_set_answered(struct server *s, const struct slot *slot, struct slice reply);
/* config_cmds.c: the same of a CONFIG SET, and of settings; slot_pack's form, behind `head`. */
bool config_is_change(const struct slice *argv, size_t argc);
bool config_change_words(struct client *c, const struct slice *argv, size_t argc, struct slice head,
                         struct buf *words, struct buf *out);
/* acl_cmds.c: a change that was asked for is answered. */
void acl_answered(struct client *c, const struct slot *slot, struct slice reply, struct buf *out);

#endif
