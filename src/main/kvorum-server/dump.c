/* The state for replicas of Redis, one at a time: storage's pipe, filled by the node. */
#include "base/log.h"
#include "main/kvorum-server/process.h"

struct wanted {
    struct process *process;
    bool keys;
};

static bool write_state(void *arg, storage_emit_fn *emit, void *sink)
{
    const struct wanted *w = arg;
    return rsm_dump_write(node_rsm(w->process->node), w->keys, emit, sink);
}

int dump_begin(void *arg, const char *mark, bool keys)
{
    struct process *p = arg;
    struct wanted w = {p, keys};
    if (p->stopped && storage_pipe_stop(p->stopped))
        p->stopped = 0;
    if (p->dumping || p->stopped || !p->node)
        return -1;
    process_busy(p, true);
    int fd = storage_pipe_open(mark, write_state, &w, &p->dumping);
    process_busy(p, false);
    if (fd < 0) {
        log_line(LOG_WARNING, "No child can be started to write the state for a replica");
        p->dumping = 0;
    }
    return fd;
}

bool dump_ended(void *arg)
{
    struct process *p = arg;
    bool ok = storage_pipe_ended(p->dumping);
    p->dumping = 0;
    return ok;
}

void dump_stop(void *arg)
{
    struct process *p = arg;
    p->stopped = storage_pipe_stop(p->dumping) ? 0 : p->dumping;
    p->dumping = 0;
}
