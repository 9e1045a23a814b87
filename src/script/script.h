/* Running a script: one call, one reply. What a script sees is the same on every node: it runs in a Lua state that is made anew for it
 * (nothing a script does survives it), its memory and its steps are counted, never its time, and everything else comes from the host.
 *
 * The Lua state lives in an arena that begins at a multiple of 4 GiB. What a script can see of addresses, the order of keys that are tables
 * or functions, and the texts that tostring makes of them, depends on the lower 32 bits alone, which are therefore the same on all nodes. */
#ifndef SCRIPT_SCRIPT_H
#define SCRIPT_SCRIPT_H

#include "base/bytes.h"
#include "base/sha1.h"

struct script_engine;
struct script_engine *script_engine_new(void); /* takes memory when it first runs something */
void script_engine_free(struct script_engine *e);

enum {
    SCRIPT_NO_WRITES = 1,
    SCRIPT_ALLOW_OOM = 2,
    SCRIPT_ALLOW_STALE = 4,
    SCRIPT_NO_CLUSTER = 8,
    SCRIPT_CROSS_SLOT = 16,
    SCRIPT_DECLARED = 32, /* it has a shebang, and so it says all of the above */
};
/* What the shebang says; *code: the rest, its lines still counted from the start. false: the error's text, without code. */
bool script_shebang(struct slice body, unsigned *flags, struct slice *code, struct buf *error);

/* A flag by its name. false: there is none. */
bool script_flag(struct slice name, unsigned *flags);
const char *script_flag_name(size_t i, unsigned *flag); /* the i-th, NULL at the end */

struct script_limits {
    uint64_t max_steps, max_memory;
};
struct script_run {
    struct slice code;
    const void *
        library; /* NULL: a script. Else the code is a library's, which is told from others by this address, and `name` its function's */
    const char *name; /* the SHA-1 of a script, for error texts */
    /* NULL: compiled for this run alone. Else the compiled script is kept under this address, which stands for the same code until script_forget. */
    const void *script;
    const struct slice *keys, *args;
    size_t key_count, arg_count;
    int resp; /* the protocol of its reply */
    uint64_t chance;
    struct script_limits limits;
    void *host;
    /* A command: appends exactly one reply in protocol `resp`. false: the script ends at once, and its run has no reply. `error` is what
     * is wrong with the call itself, rather than the command's reply. */
    bool (*call)(void *host, const struct slice *argv, size_t argc, int resp, struct buf *reply, bool *error);
    /* Might it be called? -1: there is no such command. */
    int (*permits)(void *host, const struct slice *argv, size_t argc);
    void (*log)(void *host, int level, struct slice line); /* 0 debug .. 3 warning. May be NULL */
    /* Called now and then while it runs; false: it is to end, with an error. May be NULL */
    bool (*pulse)(void *host);
};
enum script_end {
    SCRIPT_ENDED,     /* appended one reply */
    SCRIPT_STOPPED,   /* likewise: the error that it ran over its budget of steps, or was told to end */
    SCRIPT_ABANDONED, /* none, for `call` has said so */
};
enum script_end script_run(struct script_engine *e, const struct script_run *run, struct buf *reply);
/* Of the last run: is its reply the error of a command, as `call` gave it, rather than one of its own? */
bool script_passed_error(const struct script_engine *e);
/* Is it a chunk of Lua? Else the error's text. */
bool script_compiles(struct script_engine *e, struct slice code, const struct script_limits *limits,
                     struct buf *error);

/* What a library registers; slices borrowed. */
struct script_function {
    struct slice name, description; /* data NULL: none */
    unsigned flags;
};
/* Runs a library's code; `found` hears of each function, also of those before one that is refused. false: and why. Every node, at any time,
 * decides the same of the same code. */
bool script_library(struct script_engine *e, struct slice code,
                    void (*found)(void *arg, const struct script_function *f), void *arg, struct buf *error);
/* The library, or the script, at this address is gone. */
void script_forget(struct script_engine *e, const void *program);
/* May a library, or a function, be called that? */
bool script_name_ok(struct slice name);

#endif
