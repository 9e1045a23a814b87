/* Scripts that take long. One whose first run is not known to end is tried before it becomes an entry, by the leader or by the node
 * whose proxy port it came in by: as far as it only reads, which can be ended. So what never ends does not get into the log, where
 * all nodes would have to get through it. And while any script runs for longer than busy-reply-threshold, in a trial, a read or an
 * entry, others are read and refused. */
#include <ctype.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/sha1.h"
#include "server/users.h"

enum {
    HINTS = 4096, /* a place for each value of the first three digits of a name */
    HINT_DIGITS = 3,
    TAG_DIGITS = 8,
    POLL_US = 5000,
};

void slow_scripts_init(struct server *s)
{
    list_init(&s->tries);
    s->script_hints = mem_calloc(HINTS, sizeof *s->script_hints);
}

void slow_scripts_deinit(struct server *s)
{
    mem_free(s->script_hints);
}

/* ---- what runs ---- */

static bool runs_on(struct server *s)
{
    struct running_script *r = &s->script;
    uint64_t now_us = clock_mono_us();
    if (r->since_us == 0)
        r->since_us = now_us;
    if (now_us - r->since_us < (uint64_t)s->config->busy_ms * 1000 || now_us - r->polled_us < POLL_US)
        return !r->killed;
    if (!r->busy)
        log_line(LOG_WARNING, "Slow script detected: still in execution after %llu milliseconds%s",
                 (unsigned long long)(now_us - r->since_us) / 1000,
                 r->what.entry      ? ""
                 : r->what.function ? ". You can try killing the function using the FUNCTION KILL command"
                                    : ". You can try killing the script using the SCRIPT KILL command");
    r->busy = true;
    sockets_poll(s);
    r->polled_us = clock_mono_us();
    return !r->killed;
}

bool slow_scripts_tell(void *arg, enum rsm_script_phase phase, const struct rsm_running *what)
{
    struct server *s = arg;
    struct client *client = s->script.client;
    if (phase == RSM_SCRIPT_RUNS)
        return runs_on(s);
    if (what->entry && phase == RSM_SCRIPT_BEGINS)
        s->entry_read = false;
    else if (what->entry && !s->entry_read)
        s->unread_scripts[s->unread_at++ % UNREAD_SCRIPTS] = rsm_applied(node_rsm(s->node)) + 1;
    s->passed_errors += what->passed_error && script_is_ours(s, what->entry);
    s->script = (struct running_script){.runs = phase == RSM_SCRIPT_BEGINS, .what = *what, .client = client};
    return true;
}

static void kill_running(struct running_script *r, struct buf *out)
{
    if (r->what.entry) {
        resp_error(
            out,
            "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either "
            "wait "
            "the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.");
    } else {
        r->killed = true;
        resp_simple(out, "OK");
    }
}

enum about { NOTHING, KILL_SCRIPT, KILL_FUNCTION, STATS };

/* What of a command is about the script that runs. */
static enum about about(const struct command *row)
{
    if (!(row->flags & CMD_ALLOW_BUSY))
        return NOTHING;
    return strcmp(row->name, "script|kill") == 0      ? KILL_SCRIPT
           : strcmp(row->name, "function|kill") == 0  ? KILL_FUNCTION
           : strcmp(row->name, "function|stats") == 0 ? STATS
                                                      : NOTHING;
}

const char *slow_scripts_objection(const struct server *s, const struct command *row)
{
    const struct running_script *r = &s->script;
    enum about what = about(row);
    if (!r->busy)
        return NULL;
    if (r->what.function)
        return !(row->flags & CMD_ALLOW_BUSY) || what == KILL_SCRIPT
                   ? "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN "
                     "NOSAVE."
                   : NULL;
    return !(row->flags & CMD_ALLOW_BUSY) || what == KILL_FUNCTION || what == STATS
               ? "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
               : NULL;
}

bool slow_scripts_answer(struct client *c, const struct command *row)
{
    struct server *s = c->server;
    struct running_script *r = &s->script;
    enum about what = about(row);
    if (what == NOTHING || (what == STATS && !r->busy))
        return false;
    struct buf *out = reply_begin(c);
    if (what == STATS)
        rsm_reply_function_stats(node_rsm(s->node), &r->what, (clock_mono_us() - r->since_us) / 1000, c->resp,
                                 out);
    else if (r->busy)
        kill_running(r, out);
    else
        resp_error(out, "NOTBUSY No scripts in execution right now.");
    return true;
}

/* ---- trials ---- */

static unsigned digits(const char *hex, int count)
{
    unsigned v = 0;
    for (int i = 0; i < count; i++)
        v = v << 4 | (unsigned)(isdigit((unsigned char)hex[i]) ? hex[i] - '0' : (hex[i] | 32) - 'a' + 10);
    return v;
}

static uint32_t *hint(const struct server *s, const char *name)
{
    return &s->script_hints[digits(name, HINT_DIGITS) % HINTS];
}

static bool contains(struct slice body, const char *word)
{
    return memmem(body.data, body.len, word, strlen(word)) != NULL;
}

/* Without a loop, and without functions that could call themselves, a script is done soon. */
static bool may_take_long(struct slice body)
{
    return contains(body, "while") || contains(body, "for") || contains(body, "repeat") ||
           contains(body, "function");
}

/* false: it is not to be tried. */
static bool find_function(const struct server *s, struct slice called, struct slice *body, char *name)
{
    static const struct hash_seed seed = {0, 0};
    struct slice own;
    struct buf text = BUF_EMPTY;
    if (!rsm_function_body(node_rsm(s->node), called, &own, body))
        return false;
    buf_append_slice(&text, own);
    put_u64(&text, siphash(&seed, body->data, body->len));
    sha1_hex(buf_slice(&text), name);
    buf_deinit(&text);
    return true;
}

static bool find_body(const struct server *s, const struct slice *argv, size_t argc, struct slice *body,
                      char *name)
{
    if (slice_is_word(argv[0], "script") || argc < 3)
        return false;
    if (slice_is_word(argv[0], "fcall"))
        return find_function(s, argv[1], body, name);
    if (!slice_is_word(argv[0], "evalsha")) {
        *body = argv[1];
        sha1_hex(*body, name);
        return true;
    }
    if (!rsm_script_body(node_rsm(s->node), argv[1], body))
        return false;
    memcpy(name, argv[1].data, SHA1_HEX);
    return true;
}

/* What comes by a proxy port is tried where it comes in, on whatever state this node has: so it is here that others hear BUSY
 * and that it can be ended, and the nodes that store writes go on. */
static bool may_try(const struct client *c)
{
    const struct server *s = c->server;
    return s->node && (node_is_serving(s->node) || (c->mode == MODE_PROXY && !node_is_loading(s->node)));
}

static bool is_to_be_tried(const struct client *c, const struct slice *argv, size_t argc)
{
    const struct server *s = c->server;
    char name[SHA1_HEX + 1];
    struct slice body;
    return may_try(c) && !c->poison && find_body(s, argv, argc, &body, name) && may_take_long(body) &&
           *hint(s, name) != (digits(name + HINT_DIGITS, TAG_DIGITS) | 1);
}

bool slow_scripts_hold(struct client *c, const struct slice *argv, size_t argc, enum verdict *verdict)
{
    struct server *s = c->server;
    if (c->trial == TRIAL_NONE && is_to_be_tried(c, argv, argc)) {
        buf_truncate(&c->trial_bytes, 0);
        slot_pack(&c->trial_bytes, argv, argc);
        c->trial = TRIAL_WANTED;
        list_push_back(&s->tries, &c->trial_link);
        s->again = true;
    }
    *verdict = WAIT;
    if (c->trial != TRIAL_DONE)
        return c->trial == TRIAL_WANTED;
    *verdict = TAKEN;
    if (c->trial_stopped) {
        buf_append_slice(reply_begin(c), buf_slice(&c->trial_bytes));
        count_error(s, buf_slice(&c->trial_bytes));
    }
    return c->trial_stopped;
}

static void try_script(struct server *s, struct client *c)
{
    struct command_trial trial = {.told = false};
    struct buf reply = BUF_EMPTY;
    char name[SHA1_HEX + 1];
    struct slice body;
    size_t argc = slot_unpack(s, buf_slice(&c->trial_bytes));
    bool there = find_body(s, s->argv, argc, &body, name);
    s->script.client = c;
    node_try(s->node, node_cluster_ms(s->node), c->db, c->resp, client_user(c), s->argv, argc, &reply,
             &trial);
    s->script.client = NULL;
    if (there && !trial.stopped)
        *hint(s, name) = digits(name + HINT_DIGITS, TAG_DIGITS) | 1;
    c->trial_stopped = trial.stopped;
    if (trial.stopped) {
        buf_truncate(&c->trial_bytes, 0);
        buf_append_slice(&c->trial_bytes, buf_slice(&reply));
    }
    buf_deinit(&reply);
}

void slow_scripts_turn(struct server *s)
{
    struct client *c = list_entry(s->tries.next, struct client, trial_link);
    list_remove(&c->trial_link);
    s->again = true;
    c->trial = TRIAL_DONE;
    c->trial_stopped = false;
    client_touch(c);
    if (c->doomed || !may_try(c))
        return;
    if (s->hooks.busy)
        s->hooks.busy(s->hooks.arg, true);
    try_script(s, c);
    if (s->hooks.busy)
        s->hooks.busy(s->hooks.arg, false);
}
