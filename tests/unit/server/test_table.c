/* Every row of the command table has somebody who runs it, and every handler a row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those */
#include <cmocka.h>

#include "server/server_int.h"

static const struct handler *handler_of(const char *name)
{
    size_t count;
    const struct handler *table = handler_table(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

static void test_every_row_is_run(void **state)
{
    (void)state;
    assert_true(command_count() > 60);
    for (size_t i = 0; i < command_count(); i++) {
        const struct command *row = command_at(i);
        bool all_run = row->subcommands != NULL;
        for (const struct command *sub = row->subcommands; sub && sub->name; sub++)
            all_run &= sub->run != NULL;
        if (!row->run && !all_run && !handler_of(row->name))
            fail_msg("nobody runs %s", row->name);
        const struct handler *h = handler_of(row->name);
        if (row->run && h && !(h->flags & H_FIRST))
            fail_msg("%s is run twice", row->name);
    }
}

static void test_every_handler_has_a_row(void **state)
{
    size_t count;
    const struct handler *table = handler_table(&count);
    (void)state;
    for (size_t i = 0; i < count; i++)
        if (!command_lookup(slice_cstr(table[i].name)))
            fail_msg("%s has no row", table[i].name);
}

static void test_node_ids(void **state)
{
    char text[NODE_ID_TEXT + 1], other[NODE_ID_TEXT + 1];
    uint64_t id;
    (void)state;
    node_id_text(UINT64_C(0x0123456789abcdef), text);
    assert_int_equal(strlen(text), NODE_ID_TEXT);
    assert_memory_equal(text, "0123456789abcdef", 16);
    assert_true(node_id_parse(slice_cstr(text), &id) && id == UINT64_C(0x0123456789abcdef));
    node_id_text(UINT64_C(0x0123456789abcdee), other);
    assert_string_not_equal(text + 16, other + 16);
    for (size_t i = 0; i < NODE_ID_TEXT; i++) { /* one digit mistyped */
        char was = text[i];
        text[i] = was == '0' ? '1' : '0';
        assert_false(node_id_parse(slice_cstr(text), &id));
        text[i] = was;
    }
    assert_false(node_id_parse(slice_of(text, 39), &id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_is_run),
        cmocka_unit_test(test_every_handler_has_a_row),
        cmocka_unit_test(test_node_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
