/* MEMORY. */
#include "base/number.h"
#include "server/info.h"

/* Between MULTI and EXEC: a read of its own on this node's state. What a key takes is not the same on all nodes, so it has no place
 * in an entry's reply. */
static void memory_usage(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    struct rsm *rsm = node_rsm(c->server->node);
    uint64_t due_ms;
    if (!rsm_query(rsm, rsm_stamp_ms(rsm), c->db, c->resp, SLICE_LITERAL("default"), argv, argc, NULL, out,
                   &due_ms))
        resp_null(out, c->resp);
}

void memory_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    if (slice_is_word(argv[1], "usage")) {
        if (c->server->node)
            memory_usage(c, argv, argc, out);
        else
            resp_error(out, "LOADING Redis is loading the dataset in memory");
    } else if (slice_is_word(argv[1], "purge")) {
        resp_simple(out, "OK");
    } else if (slice_is_word(argv[1], "doctor")) {
        resp_verbatim(out, c->resp, "txt",
                      SLICE_LITERAL("Sam, I can't find any memory issue in your instance.\n"));
    } else if (slice_is_word(argv[1], "malloc-stats")) {
        struct buf text = BUF_EMPTY;
        info_memory(c->server, &text);
        resp_verbatim(out, c->resp, "txt", buf_slice(&text));
        buf_deinit(&text);
    } else if (slice_is_word(argv[1], "stats")) {
        resp_map(out, c->resp, 2);
        resp_bulk_cstr(out, "keys.count");
        size_t keys = 0;
        for (uint32_t db = 0; c->server->node && db < c->server->limits.databases; db++)
            keys += store_count(rsm_store(node_rsm(c->server->node)), db);
        resp_integer(out, (int64_t)keys);
        resp_bulk_cstr(out, "dataset.bytes");
        resp_integer(out, c->server->node ? (int64_t)store_memory(rsm_store(node_rsm(c->server->node))) : 0);
    } else {
        resp_array(out, 1);
        resp_simple(out, "MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are: DOCTOR "
                         "MALLOC-STATS PURGE STATS USAGE");
    }
}
