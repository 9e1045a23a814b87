/* Leaving in good order: hand leadership over, let the clients hear of it, close the disk. All of it bounded. */
#include "base/log.h"
#include "main/kvorum-server/process.h"

enum { HAND_OVER_US = 1000000, LEAVE_US = 2500000, GRACE_US = 100000 };

void leave_begin(struct process *p, bool now)
{
    if (p->leaving)
        return;
    p->leaving = true;
    p->exit_now = now;
    p->leave_by_us = p->now_us + (now ? 0 : HAND_OVER_US);
    if (now)
        return;
    p->handing_over = server_hand_over(p->server, NULL, NULL);
    log_line(LOG_NOTICE, p->handing_over ? "Leaving: handing leadership over" : "Leaving");
}

/* A new leader has been heard of: now the clients can be sent there. */
static bool is_handed_over(const struct process *p)
{
    return !node_is_serving(p->node) && node_leader(p->node) != 0;
}

bool leave_is_done(struct process *p)
{
    if (!p->leaving || p->exit_now)
        return p->leaving;
    if (p->handing_over && !is_handed_over(p) && p->now_us < p->leave_by_us)
        return false;
    if (p->handing_over) {
        p->handing_over = false;
        p->leave_by_us = p->now_us + LEAVE_US;
        server_stop_listening(p->server);
    }
    if (!server_is_quiet(p->server) && p->now_us < p->leave_by_us)
        return false;
    if (p->grace_until_us == 0)
        p->grace_until_us = p->now_us + GRACE_US;
    return p->now_us >= p->grace_until_us || p->now_us >= p->leave_by_us;
}
