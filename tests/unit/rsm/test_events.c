/* What happens to keys is told as entries are applied: to those who asked for it, in Redis's words and order. */
#include "machine.h"

static struct buf heard;

static void hear(void *arg, enum store_event_class class, const char *event, uint32_t db, struct slice key)
{
    assert_ptr_equal(arg, &heard);
    assert_true(class && (class & (class - 1)) == 0);
    const char *word = event;
    if (class == EVENT_CHANGED)
        word = event ? "(gone)" : "(changed)";
    if (class == EVENT_FLUSHED)
        word = "(flushed)";
    assert_non_null(word);
    buf_printf(&heard, "%s%u:%s:%.*s", heard.len ? " " : "", (unsigned)db, word, (int)key.len, key.data);
}

static const char *since_last(void)
{
    static char text[512];
    snprintf(text, sizeof text, "%.*s", (int)heard.len, heard.data);
    buf_truncate(&heard, 0);
    return text;
}

static void listen(struct machine *m, unsigned classes)
{
    rsm_listen(m->rsm, &(struct rsm_listener){.arg = &heard, .heard = hear}, classes);
}

static void set(struct machine *m, const char *classes)
{
    char words[64];
    snprintf(words, sizeof words, "notify-keyspace-events %s", classes);
    assert_string_equal(setting(m, words), "+OK\r\n");
}

static void does(struct machine *m, const char *words, const char *events)
{
    command(m, words);
    assert_string_equal(since_last(), events);
}

static void test_commands(void **state)
{
    struct machine m = machine_new();
    (void)state;
    listen(&m, 0);
    does(&m, "SET k 1", ""); /* the setting's default: nothing */
    set(&m, "KEAn");
    assert_string_equal(rsm_setting(m.rsm, "notify-keyspace-events"), "AKE");
    does(&m, "SET k 1", "0:set:k");
    does(&m, "SET n 1", "0:new:n 0:set:n");
    does(&m, "SET k 1 EX 100", "0:set:k 0:expire:k");
    does(&m, "SET k 2 NX", "");
    does(&m, "INCR k", "0:incrby:k");
    does(&m, "INCRBYFLOAT k 1.5", "0:incrbyfloat:k");
    does(&m, "APPEND k x", "0:append:k");
    does(&m, "APPEND fresh x", "0:new:fresh 0:append:fresh");
    does(&m, "SETRANGE k 1 x", "0:setrange:k");
    does(&m, "MSET a 1 k 2", "0:new:a 0:set:a 0:set:k");
    does(&m, "EXPIRE k 100", "0:expire:k");
    does(&m, "GETEX k EX 200", "0:expire:k");
    does(&m, "GETEX k PERSIST", "0:persist:k");
    does(&m, "PERSIST k", "");
    does(&m, "RENAME k q", "0:new:q 0:rename_from:k 0:rename_to:q");
    does(&m, "COPY q z DB 2", "2:new:z 2:copy_to:z");
    does(&m, "MOVE q 3", "3:new:q 0:move_from:q 3:move_to:q");
    does(&m, "DEL a missing n", "0:del:a 0:del:n");
    does(&m, "GETDEL fresh", "0:del:fresh");
    does(&m, "SET k 1", "0:new:k 0:set:k");
    does(&m, "EXPIRE k -1", "0:del:k");
    does(&m, "INCR k", "0:new:k 0:incrby:k");
    does(&m, "SET k x EX 0", "");
    does(&m, "FLUSHALL", "");
    machine_free(&m);
}

/* Whether the key is met by a command or goes by itself. */
static void test_expired(void **state)
{
    struct machine m = machine_new();
    (void)state;
    listen(&m, 0);
    set(&m, "Ex");
    does(&m, "SET k 1 PX 10", "");
    does(&m, "SET l 1 PX 10", "");
    clock_entry(&m, MACHINE_START + 11);
    assert_string_equal(since_last(), "0:expired:k 0:expired:l");
    machine_free(&m);
}

static void test_classes(void **state)
{
    struct machine m = machine_new();
    (void)state;
    listen(&m, 0);
    set(&m, "g$"); /* neither K nor E: nowhere to tell it */
    does(&m, "SET k 1", "");
    set(&m, "Kg");
    does(&m, "SET k 1 EX 9", "0:expire:k");
    set(&m, "E$");
    does(&m, "SET k 1 EX 9", "0:set:k");
    assert_string_equal(rsm_setting(m.rsm, "notify-keyspace-events"), "$E");
    machine_free(&m);
}

/* Those who hold copies ask for every change, whatever the setting says. */
static void test_changes(void **state)
{
    struct machine m = machine_new();
    (void)state;
    listen(&m, EVENT_CHANGED | EVENT_FLUSHED);
    does(&m, "SET k 1", "0:(changed):k");
    does(&m, "APPEND k 1", "0:(changed):k");
    does(&m, "EXPIRE k 9", "0:(changed):k");
    does(&m, "RENAME k q", "0:(changed):q 0:(changed):k");
    does(&m, "DEL q", "0:(changed):q");
    does(&m, "SET k 1 PX 10", "0:(changed):k 0:(changed):k");
    clock_entry(&m, MACHINE_START + 11);
    assert_string_equal(since_last(), "0:(gone):k");
    does(&m, "FLUSHDB", "0:(flushed):");
    rsm_listen(m.rsm, &(struct rsm_listener){0}, EVENT_CHANGED);
    does(&m, "SET k 1", "");
    machine_free(&m);
}

static void test_misses(void **state)
{
    struct machine m = machine_new();
    uint64_t due_ms;
    (void)state;
    listen(&m, 0);
    set(&m, "Km");
    command(&m, "SET k 1 PX 10");
    query(&m, MACHINE_START, "MGET k missing", &due_ms);
    assert_string_equal(since_last(), "0:keymiss:missing");
    query(&m, MACHINE_START + 11, "MGET k missing", &due_ms); /* k is due: it will be asked again */
    assert_string_equal(since_last(), "");
    machine_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands), cmocka_unit_test(test_expired), cmocka_unit_test(test_classes),
        cmocka_unit_test(test_changes),  cmocka_unit_test(test_misses),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_deinit(&heard);
    return failed;
}
