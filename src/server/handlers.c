/* The rows of the command table that the server answers itself. */
#include "server/server_int.h"

static const struct handler table[] = {
    {"ping", ping_command, H_NOW | H_IN_EXEC | H_SUBSCRIBED},
    {"echo", echo_command, H_NOW | H_IN_EXEC},
    {"quit", quit_command, H_NOW | H_NO_MULTI | H_SUBSCRIBED},
    {"reset", reset_command, H_NO_MULTI | H_SUBSCRIBED},
    {"hello", hello_command, 0},
    {"auth", auth_command, H_IN_EXEC},
    {"select", select_command, H_NOW | H_IN_EXEC},
    {"readonly", readonly_command, H_NOW | H_IN_EXEC},
    {"readwrite", readwrite_command, H_NOW | H_IN_EXEC},
    {"asking", asking_command, H_NOW | H_IN_EXEC},
    {"time", time_command, H_IN_EXEC},
    {"command", command_command_here, H_IN_EXEC},
    {"client", client_command, H_IN_EXEC},
    {"acl", acl_command, H_IN_EXEC},
    {"config", config_command, H_IN_EXEC},
    {"info", info_command, H_IN_EXEC},
    {"cluster", cluster_command, H_IN_EXEC},
    {"role", role_command, H_IN_EXEC | H_LEADER},
    {"wait", wait_command, H_IN_EXEC},
    {"save", save_command, 0},
    {"bgsave", bgsave_command, 0},
    {"bgrewriteaof", bgrewriteaof_command, H_IN_EXEC},
    {"lastsave", lastsave_command, H_IN_EXEC},
    {"shutdown", shutdown_command, 0},
    {"debug", debug_command, H_IN_EXEC},
    {"replicaof", replicaof_command, H_IN_EXEC},
    {"slaveof", replicaof_command, H_IN_EXEC},
    {"failover", failover_command, H_IN_EXEC},
    {"memory", memory_command, H_IN_EXEC},
    {"latency", latency_command, H_IN_EXEC},
    {"subscribe", subscribe_command, H_IN_EXEC | H_SUBSCRIBED},
    {"psubscribe", psubscribe_command, H_IN_EXEC | H_SUBSCRIBED},
    {"ssubscribe", ssubscribe_command, H_IN_EXEC | H_SUBSCRIBED},
    {"unsubscribe", unsubscribe_command, H_IN_EXEC | H_SUBSCRIBED},
    {"punsubscribe", punsubscribe_command, H_IN_EXEC | H_SUBSCRIBED},
    {"sunsubscribe", sunsubscribe_command, H_IN_EXEC | H_SUBSCRIBED},
    {"publish", publish_command, H_IN_EXEC},
    {"spublish", spublish_command, H_IN_EXEC},
    {"pubsub", pubsub_command, H_IN_EXEC},
    {"slowlog", slowlog_command, H_IN_EXEC},
    {"monitor", monitor_command, H_IN_EXEC},
    {"multi", multi_command, H_NOW | H_NO_MULTI},
    {"exec", exec_command, H_NOW | H_NO_MULTI | H_ROUTES},
    {"discard", discard_command, H_NOW | H_NO_MULTI},
    {"watch", watch_command, H_NO_MULTI},
    {"unwatch", unwatch_command, H_NOW | H_IN_EXEC},
};

const struct handler *handler_table(size_t *count)
{
    *count = sizeof table / sizeof table[0];
    return table;
}
