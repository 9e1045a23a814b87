/* The commands that tests/support/writes makes up, for the simulator and others: every command of the table that writes is among
 * them, and each of its rows does on keys of the right type what it is there for. */
#include "../../support/writes.h"
#include "machine.h"

#include <string.h>

#define TURNS 1000

static const char *const left_out[][2] = {
    {"migrate", "the server's: the log has the DELs that it makes"},
    {"flushall", "it empties what other clients write; FLUSHDB goes the same way"},
};

static bool is_left_out(const char *name)
{
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
        if (strcmp(left_out[i][0], name) == 0)
            return true;
    return false;
}

static bool has_row(const struct command *row, struct write *w)
{
    struct prng chance;
    prng_seed(&chance, 1);
    for (size_t i = 0; write_of_row(i, &chance, w); i++)
        if (command_find(w->argv, w->argc) == row)
            return true;
    return false;
}

static void needs_row(const struct command *row, struct write *w)
{
    if ((row->flags & (CMD_WRITE | CMD_BY_SCRIPT)) && has_row(row, w) == is_left_out(row->name))
        fail_msg("%s: %s", row->name,
                 is_left_out(row->name) ? "left out, and is there" : "not among the rows");
}

static void test_every_write_is_there(void **state)
{
    struct write w = {0};
    (void)state;
    for (size_t i = 0; i < command_count(); i++) {
        const struct command *row = command_at(i);
        if (!row->subcommands)
            needs_row(row, &w);
        for (const struct command *sub = row->subcommands; sub && sub->name; sub++)
            needs_row(sub, &w);
    }
    buf_deinit(&w.text);
}

/* What else entries change, and no row of the table says: every setting that may be, and users in each way that there is. */
static void test_every_change_is_there(void **state)
{
    static const char *const ways[] = {"setuser", "deluser", "load"};
    size_t found[3] = {0}, settings[64] = {0};
    struct write w = {0};
    struct prng chance;
    bool quiet;
    (void)state;
    prng_seed(&chance, 1);
    for (size_t i = 0; change_of_row(i, &chance, &w, &quiet); i++) {
        for (size_t n = 0; slice_equal(w.argv[0], RSM_USERS) && n < 3; n++)
            found[n] += slice_is_word(w.argv[1], ways[n]);
        for (size_t n = 1; slice_equal(w.argv[0], RSM_CONFIG) && n < w.argc; n += 2)
            for (size_t s = 0; rsm_setting_name(s); s++)
                settings[s] += slice_is_word(w.argv[n], rsm_setting_name(s));
    }
    for (size_t n = 0; n < 3; n++)
        if (!found[n])
            fail_msg("%s: not among the changes", ways[n]);
    for (size_t s = 0; rsm_setting_name(s); s++)
        if (!settings[s] && strcmp(rsm_setting_name(s), "databases")) /* which never changes */
            fail_msg("%s: not among the changes", rsm_setting_name(s));
    buf_deinit(&w.text);
}

/* Each is taken, and all but one to what is there already change something. */
static void test_every_change_works(void **state)
{
    struct machine m = machine_newest();
    struct write w = {0};
    struct prng chance;
    bool quiet;
    size_t changed[64] = {0};
    (void)state;
    prng_seed(&chance, test_seed());
    for (int turn = 0; turn < 20; turn++) {
        for (size_t i = 0; change_of_row(i, &chance, &w, &quiet); i++) {
            uint64_t before = rsm_digest(m.rsm);
            uint32_t count = (uint32_t)w.argc, db = 0;
            struct rsm_request q = {.kind = RSM_EXEC,
                                    .resp = 2,
                                    .argv = w.argv,
                                    .argc = w.argc,
                                    .counts = &count,
                                    .dbs = &db,
                                    .commands = 1};
            const char *reply = apply_request(&m, &q);
            if (strchr(reply, '-'))
                fail_msg("change %zu: %s", i, reply);
            changed[i] += rsm_digest(m.rsm) != before;
        }
    }
    for (size_t i = 0; change_of_row(i, &chance, &w, &quiet); i++)
        if (!changed[i])
            fail_msg("change %zu, %.*s...: nothing is another", i, (int)w.argv[1].len, w.argv[1].data);
    buf_deinit(&w.text);
    machine_free(&m);
}

/* Time passes so slowly that the keys which are given a few milliseconds are there for a while. */
static void test_every_row_works(void **state)
{
    struct machine m = machine_new();
    struct rsm_request q = {.kind = RSM_VERSION, .node = RSM_APPLY_VERSION};
    struct write w = {0};
    struct prng chance;
    size_t ran[256] = {0}, changed[256] = {0}, rows = 0;
    (void)state;
    apply_request(&m, &q);
    prng_seed(&chance, test_seed());
    for (int turn = 0; turn < TURNS; turn++) {
        clock_entry(&m, m.stamp_ms + 1);
        for (rows = 0; rows < 256 && write_of_row(rows, &chance, &w); rows++) {
            uint64_t before = rsm_digest(m.rsm);
            q = (struct rsm_request){
                .kind = RSM_COMMAND, .resp = 2, .db = w.db, .argv = w.argv, .argc = w.argc};
            const char *reply = apply_request(&m, &q);
            bool syntax =
                strstr(reply, "syntax") || strstr(reply, "unknown command") || strstr(reply, "wrong number");
            if (syntax)
                fail_msg("row %zu, %.*s: %s", rows, (int)w.text.len, w.text.data, reply);
            ran[rows] += reply[0] != '-';
            changed[rows] += rsm_digest(m.rsm) != before;
        }
    }
    assert_in_range(rows, 1, 255);
    for (size_t i = 0; write_of_row(i, &chance, &w); i++) {
        const struct command *row = command_find(w.argv, w.argc);
        if (!ran[i] || (!changed[i] && (row->flags & CMD_WRITE)))
            fail_msg("row %zu, %.*s...: ran %zu times, changed something %zu times", i, (int)w.argv[0].len,
                     w.argv[0].data, ran[i], changed[i]);
    }
    buf_deinit(&w.text);
    machine_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_write_is_there),
        cmocka_unit_test(test_every_row_works),
        cmocka_unit_test(test_every_change_is_there),
        cmocka_unit_test(test_every_change_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
