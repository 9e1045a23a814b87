/* What users may do is judged where their connection is, by the state as that node has applied it. Another one may be behind: so the
 * leader looks at what is handed to it once more, by its own, which has every change that anybody was told of. Like all verdicts it is
 * made before there is an entry, never at apply (DESIGN 4). */
#include "node/node_int.h"

#include "base/alloc.h"

#include <string.h>

static bool judge(const struct acl *a, const struct acl_user *u, const struct slice *argv, size_t argc,
                  struct buf *error)
{
    const struct command *row = command_find(argv, argc);
    size_t which;
    if (!row)
        return true; /* nothing that runs */
    enum acl_verdict verdict = u ? acl_check(a, u, row, argv, argc, &which) : ACL_NO_COMMAND;
    if (verdict == ACL_GRANTED)
        return true;
    put_u8(error, '-');
    acl_refusal(verdict, row, error);
    buf_append_cstr(error, "\r\n");
    return false;
}

/* As the client asked for it: `first` and `second` in front of what the entry has. */
static bool judge_as(const struct acl *a, const struct acl_user *u, const char *first, struct slice second,
                     const struct slice *rest, size_t count, struct buf *error)
{
    struct slice *argv = mem_alloc((count + 2) * sizeof *argv);
    size_t argc = 0;
    argv[argc++] = slice_cstr(first);
    argv[argc++] = second;
    for (size_t i = 0; i < count; i++)
        argv[argc++] = rest[i];
    bool ok = judge(a, u, argv, argc, error);
    mem_free(argv);
    return ok;
}

/* A PUBLISH in it carries more than a client sent. */
static bool judge_queued(const struct acl *a, const struct acl_user *u, const struct slice *argv, size_t argc,
                         struct buf *error)
{
    bool shard = slice_equal(argv[0], RSM_SPUBLISH);
    if (argc == 5 && (shard || slice_equal(argv[0], RSM_PUBLISH))) {
        struct slice sent[] = {shard ? SLICE_LITERAL("spublish") : SLICE_LITERAL("publish"), argv[2],
                               argv[3]};
        return judge(a, u, sent, 3, error);
    }
    if (slice_equal(argv[0], RSM_CONFIG))
        return judge_as(a, u, "config", SLICE_LITERAL("set"), argv + 1, argc - 1, error);
    if (argc > 1 && slice_equal(argv[0], RSM_USERS))
        return judge_as(a, u, "acl", argv[1], argv + 2, argc - 2, error);
    return judge(a, u, argv, argc, error);
}

static bool judge_exec(const struct acl *a, const struct acl_user *u, const struct rsm_request *req,
                       struct buf *error)
{
    struct slice exec = SLICE_LITERAL("exec");
    const struct slice *at = req->argv;
    bool ok = judge(a, u, &exec, 1, error);
    for (size_t i = 0; ok && i < req->commands; at += req->counts[i++])
        ok = judge_queued(a, u, at, req->counts[i], error);
    return ok;
}

static bool judge_request(const struct acl *a, const struct acl_user *u, const struct rsm_request *req,
                          struct buf *error)
{
    switch (req->kind) {
    case RSM_COMMAND:
        return judge(a, u, req->argv, req->argc, error);
    case RSM_EXEC:
        return judge_exec(a, u, req, error);
    case RSM_SETTING:
        return judge_as(a, u, "config", SLICE_LITERAL("set"), req->argv, req->argc, error);
    case RSM_SESSION:
        return judge_as(a, u, "client", SLICE_LITERAL("setname"), req->argv, req->argc, error);
    case RSM_ACL: /* "begin" puts in what is in force already */
        return slice_is_word(req->argv[0], "begin") ||
               judge_as(a, u, "acl", req->argv[0], req->argv + 1, req->argc - 1, error);
    default:
        return true;
    }
}

bool permit(const struct node *n, const struct rsm_request *req, struct buf *error)
{
    const struct acl *a = rsm_acl(n->rsm);
    if (req->judged || !a)
        return true;
    const struct acl_user *u = acl_find(a, req->user);
    return (u && acl_is_unlimited(u)) || judge_request(a, u, req, error);
}
