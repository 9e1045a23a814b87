/* Private to config*.c: the shape of the table.
 *
 * Invariants: a name stands in one row only; `field` lies inside struct config and has the type that `type` says;
 * every row's `initial` is a value its own parser takes (a test walks the table and sees to it). */
#ifndef SERVER_CONFIG_INT_H
#define SERVER_CONFIG_INT_H

#include "server/config.h"

enum directive_type {
    TYPE_BOOL,    /* bool */
    TYPE_INT,     /* int64_t, min..max */
    TYPE_MEMORY,  /* uint64_t, min..max; "64mb" */
    TYPE_TEXT,    /* char * */
    TYPE_CHOICE,  /* int, index in `choices` */
    TYPE_SPECIAL, /* parse and print of its own */
    TYPE_INERT,   /* text in `texts` */
};

enum {
    MUTABLE = 1,
    REPEATS = 2, /* each line of the file adds one */
    ONLY_DEFAULT = 4,
    PERCENT = 8, /* memory, or a share of maxmemory: CONFIG_PERCENT and the number */
    HIDDEN = 16, /* CONFIG GET shows it to who calls it by its name */
};

struct directive {
    const char *name;
    enum directive_type type;
    unsigned flags;
    size_t field;
    const char *initial;
    int64_t min, max;
    const char *const *choices;
    const char *alias;
    bool (*parse)(struct config *c, const struct slice *args, size_t argc, struct buf *error);
    void (*print)(const struct config *c, struct buf *out);
};

extern const struct directive config_table[];
const struct directive *config_row(struct slice name); /* local and inert ones; by name or alias */
void config_print(const struct config *c, const struct directive *d, struct buf *out);
bool config_parse(struct config *c, const struct directive *d, const struct slice *args, size_t argc,
                  struct buf *error);

bool config_parse_bind(struct config *c, const struct slice *args, size_t argc, struct buf *error);
void config_print_bind(const struct config *c, struct buf *out);
bool config_parse_extra_port(struct config *c, const struct slice *args, size_t argc, struct buf *error);
void config_print_extra_port(const struct config *c, struct buf *out);
bool config_parse_output_limit(struct config *c, const struct slice *args, size_t argc, struct buf *error);
void config_print_output_limit(const struct config *c, struct buf *out);
bool config_parse_password(struct config *c, const struct slice *args, size_t argc, struct buf *error);
void config_print_password(const struct config *c, struct buf *out);
/* config_users.c: a line "user name rules ...", and what all of them make. */
bool config_user_line(struct config *c, const struct slice *words, size_t count, struct buf *error);
bool config_finish_users(struct config *c, struct buf *error);

bool config_parse_founders(struct config *c, const struct slice *args, size_t argc, struct buf *error);
void config_print_founders(const struct config *c, struct buf *out);
bool config_parse_join(struct config *c, const struct slice *args, size_t argc, struct buf *error);
void config_print_join(const struct config *c, struct buf *out);
bool config_parse_mode(struct config *c, const struct slice *args, size_t argc, struct buf *error);
void config_print_mode(const struct config *c, struct buf *out);

bool config_parse_percentiles(struct config *c, const struct slice *args, size_t argc, struct buf *error);
void config_print_percentiles(const struct config *c, struct buf *out);

void config_text(char **field, struct slice value);               /* replaces, "" for an empty one */
int config_choice(const char *const *choices, struct slice word); /* -1: none */
extern const char *const config_modes[];

#endif
