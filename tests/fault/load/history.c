/* See the header. Values here are printable, without the bytes that the format would have escaped. */
#include "../tests/fault/load/history.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void history_open(struct history *h, const char *path)
{
    h->file = path ? fopen(path, "w") : NULL;
    if (h->file)
        setvbuf(h->file, NULL, _IOFBF, 1 << 20);
    if (path && !h->file) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(2);
    }
}

/* OK and nil of a conditional SET are 1 and 0 there; the OK of a plain one is no result. */
static void put_result(FILE *f, const struct operation *op)
{
    const redisReply *reply = op->reply;
    bool conditional = strcmp(op->name, "setnx") == 0 || strcmp(op->name, "lock") == 0;
    if (reply->type == REDIS_REPLY_INTEGER)
        fprintf(f, "%lld ok", reply->integer);
    else if (reply->type == REDIS_REPLY_ERROR)
        fprintf(f, "- error");
    else if (conditional)
        fprintf(f, "%d ok", reply->type == REDIS_REPLY_STATUS);
    else if (reply->type == REDIS_REPLY_STRING)
        fprintf(f, "%s ok", reply->len ? reply->str : "%");
    else
        fprintf(f, "- ok");
}

void history_add(struct history *h, const struct operation *op)
{
    FILE *f = h->file;
    if (!f)
        return;
    flockfile(f);
    fprintf(f, "%d %s %s ", op->client, op->key, op->name);
    if (op->arg && op->number)
        fprintf(f, "%s,%lld ", op->arg, op->number);
    else if (op->number)
        fprintf(f, "%lld ", op->number);
    else
        fprintf(f, "%s ", op->arg ? op->arg : "-");
    if (op->outcome == DONE)
        put_result(f, op);
    else
        fprintf(f, "- %s", op->outcome == NOT_RUN ? "notrun" : "unknown");
    fprintf(f, " %" PRIu64, op->began_ns / 1000);
    /* Rounded outward: what overlapped still does. */
    if (op->outcome == UNKNOWN)
        fprintf(f, " -\n");
    else
        fprintf(f, " %" PRIu64 "\n", op->ended_ns / 1000 + 1);
    funlockfile(f);
}

bool history_close(struct history *h)
{
    bool good = !h->file || (!ferror(h->file) && fflush(h->file) == 0);
    if (h->file)
        fclose(h->file);
    h->file = NULL;
    return good;
}
