/* What a node is told: the directives of redis.conf, one table for the file, the command line and CONFIG.
 *
 * Directives are of three sorts. Local ones are fields of `struct config`. Replicated ones belong to the state machine
 * (rsm_setting_name lists them): a value given here counts at founding only, afterwards CONFIG SET is an entry. Inert
 * ones are Redis's own which have no meaning here: they are accepted, kept as text, and said to be without effect. */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include "acl/acl.h"
#include "base/bytes.h"
#include "node/node.h"

enum follower_mode { MODE_REDIRECT, MODE_READONLY, MODE_PROXY, MODE_COUNT };

enum { CONFIG_BINDS_MAX = 16, CONFIG_EXTRA_PORTS_MAX = 8, CONFIG_PERCENTILES_MAX = 16 };

enum client_class { CLASS_NORMAL, CLASS_REPLICA, CLASS_PUBSUB, CLASS_COUNT };

struct output_limit {
    uint64_t hard, soft; /* bytes, 0: none */
    uint64_t soft_s;
};

struct config {
    /* network */
    int64_t port, tcp_backlog, tcp_keepalive_s, timeout_s, maxclients, client_gather_us;
    struct {
        char host[64];
        bool optional; /* written with a leading '-': a family that the machine lacks is no error */
    } bind[CONFIG_BINDS_MAX];
    size_t bind_count;
    bool protected_mode;
    int follower_mode;
    struct {
        uint16_t port;
        int mode;
    } extra_ports[CONFIG_EXTRA_PORTS_MAX];
    size_t extra_port_count;
    struct output_limit output_limits[CLASS_COUNT];
    uint64_t query_buffer_limit;         /* bytes */
    uint64_t clients_memory;             /* bytes, or CONFIG_PERCENT | percent of maxmemory */
    int64_t repl_ping_s, repl_timeout_s; /* a replica that does not read is given up */
    int64_t tracking_keys_max;

    /* who may do what */
    char password[65]; /* requirepass: its SHA-256 in hex, "": none */
    char *aclfile;
    struct buf user_lines; /* "name rules", one a line, as acl_load takes them */
    struct acl *users;     /* what these three make, until server_new takes it */
    int64_t acllog_max_len;
    char *masterauth;
    int debug_command, protected_configs; /* enum allowed */

    /* the cluster */
    char *node_name, *initial_cluster, *join;
    struct raft_members founders; /* initial_cluster, read */
    char join_host[RAFT_HOST_MAX];
    uint16_t join_port, join_peer_port;
    bool cluster_enabled; /* a node alone says cluster_enabled:1 and answers CLUSTER */
    char *announce_host;
    int64_t announce_port, announce_peer_port, peer_port;
    int64_t election_ms, heartbeat_ms, client_wait_ms;

    /* the disk */
    char *dir;
    int appendfsync; /* enum storage_fsync's order */
    uint64_t checkpoint_bytes, disk_reserve_bytes;
    int64_t slow_fsync_ms;

    /* the process */
    int loglevel; /* enum log_level */
    char *logfile, *pidfile;
    bool daemonize;
    bool latency_tracking;
    int64_t slowlog_us, slowlog_max_len;        /* us below 0: nothing is slow */
    int64_t busy_ms;                            /* busy-reply-threshold */
    int64_t spike_ms;                           /* latency-monitor-threshold; 0: none is looked for */
    double percentiles[CONFIG_PERCENTILES_MAX]; /* of INFO latencystats */
    size_t percentile_count;

    struct dict *texts;  /* inert and replicated directives that were given: name -> char * */
    char local_host[64]; /* what main found out when nothing else says where we are; "" */
    char *file;          /* absolute path, NULL: none */
    struct buf inert;    /* names of inert directives that were given another value than Redis's default */
    struct buf warnings; /* lines for the log, once there is one */
};

#define CONFIG_PERCENT ((uint64_t)1 << 63)

enum allowed { ALLOWED_NO, ALLOWED_YES, ALLOWED_LOCAL };

struct config *config_new(void);
void config_free(struct config *c);

/* As redis-server takes them: [FILE | -] [--directive value ...]. false: `error` holds one line for people. */
bool config_load(struct config *c, int argc, char **argv, struct buf *error);
bool config_load_text(struct config *c, struct slice text, const char *where, struct buf *error);
/* Fits what depends on other directives (heartbeat below election, own row among the founders). */
bool config_finish(struct config *c, struct buf *error);

/* CONFIG SET of one directive that is not replicated; `args` as many values as were given. `starting`: from the file or
 * the command line, so immutable ones may be set. false: the reason, in Redis's words, is appended to `error`. */
bool config_set(struct config *c, struct slice name, const struct slice *args, size_t argc, bool starting,
                struct buf *error);
/* The present value as CONFIG GET shows it. false: unknown. Replicated ones: the text given at the start, or the default. */
bool config_get(const struct config *c, const char *name, struct buf *out);
/* Every name, aliases too, one a call, NULL at the end; *at begins as 0. */
const char *config_next_name(size_t *at);
bool config_is_replicated(struct slice name);
const char *config_replicated_name(struct slice name); /* as rsm spells it, NULL: is not */
bool config_is_known(struct slice name);
bool config_is_mutable(struct slice name);
bool config_is_inert(const char *name);
bool config_is_hidden(const char *name);
/* Some lines of the file replaced, others appended, its comments kept; written aside, synced, renamed. `changed` are
 * the names whose present value differs from the file's or the default. */
bool config_rewrite(const struct config *c, struct buf *error);
/* The replicated settings given at the start: name, value, ..., NULL; the caller frees the array only. */
const char **config_settings(const struct config *c);

/* SHA-256 in hex; of what CONFIG GET requirepass shows, the one that it names. */
void config_hash_password(struct slice password, char hex[65]);
/* Its path, for a name that is not one from the root is in `dir`. */
void config_aclfile(const struct config *c, struct buf *out);

/* The address others are told to find this node's clients at. */
const char *config_host(const struct config *c);
bool config_knows_host(const struct config *c); /* false: config_host is a guess */
uint16_t config_announced_port(const struct config *c);
uint16_t config_announced_peer_port(const struct config *c);
/* host:port[@peer], [v6]:port too. peer 0 when left out. */
bool config_parse_address(struct slice s, char host[RAFT_HOST_MAX], uint16_t *port, uint16_t *peer);

#endif
