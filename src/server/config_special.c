/* Directives with a syntax of their own: addresses, ports with a mode, limits by class, passwords, founders. */
#include <arpa/inet.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/checksum.h"
#include "base/number.h"
#include "rsm/rsm.h"
#include "server/config_int.h"

enum { PEER_PORT_OFFSET = 10000 };

static bool parse_port(struct slice s, uint16_t *port)
{
    int64_t v;
    if (!parse_i64(s, &v) || v < 1 || v > 65535)
        return false;
    *port = (uint16_t)v;
    return true;
}

bool config_parse_address(struct slice s, char host[RAFT_HOST_MAX], uint16_t *port, uint16_t *peer)
{
    const char *at = s.len ? memchr(s.data, '@', s.len) : NULL;
    *peer = 0;
    if (at) {
        if (!parse_port(slice_of(at + 1, (size_t)(s.data + s.len - at - 1)), peer))
            return false;
        s.len = (size_t)(at - s.data);
    }
    const char *colon = s.len ? memrchr(s.data, ':', s.len) : NULL;
    if (!colon || !parse_port(slice_of(colon + 1, (size_t)(s.data + s.len - colon - 1)), port))
        return false;
    struct slice name = {s.data, (size_t)(colon - s.data)};
    if (name.len >= 2 && name.data[0] == '[' && name.data[name.len - 1] == ']')
        name = slice_of(name.data + 1, name.len - 2);
    if (name.len == 0 || name.len >= RAFT_HOST_MAX || memchr(name.data, '\0', name.len))
        return false;
    memcpy(host, name.data, name.len);
    host[name.len] = '\0';
    return true;
}

bool config_parse_bind(struct config *c, const struct slice *args, size_t argc, struct buf *error)
{
    if (argc == 1 && args[0].len == 0)
        argc = 0;
    if (argc > CONFIG_BINDS_MAX) {
        buf_append_cstr(error, "too many bind addresses specified");
        return false;
    }
    c->bind_count = 0;
    for (size_t i = 0; i < argc; i++) {
        bool optional = args[i].len > 1 && args[i].data[0] == '-';
        struct slice host = slice_of(args[i].data + optional, args[i].len - optional);
        if (host.len == 0 || host.len >= sizeof c->bind[0].host) {
            buf_append_cstr(error, "not an address to bind to");
            return false;
        }
        memcpy(c->bind[i].host, host.data, host.len);
        c->bind[i].host[host.len] = '\0';
        c->bind[i].optional = optional;
        c->bind_count++;
    }
    return true;
}

void config_print_bind(const struct config *c, struct buf *out)
{
    for (size_t i = 0; i < c->bind_count; i++)
        buf_printf(out, "%s%s%s", i ? " " : "", c->bind[i].optional ? "-" : "", c->bind[i].host);
}

/* A word that is refused changes nothing. */
static bool read_mode(struct slice word, int *mode, struct buf *error)
{
    int read = config_choice(config_modes, word);
    if (read == MODE_READONLY)
        buf_append_cstr(error, "mode readonly serves Sentinel clients and is not there yet");
    else if (read < 0)
        buf_append_cstr(error, "argument(s) must be one of the following: redirect, proxy");
    if (read < 0 || read == MODE_READONLY)
        return false;
    *mode = read;
    return true;
}

bool config_parse_mode(struct config *c, const struct slice *args, size_t argc, struct buf *error)
{
    if (argc != 1) {
        buf_append_cstr(error, "wrong number of arguments");
        return false;
    }
    return read_mode(args[0], &c->follower_mode, error);
}

void config_print_mode(const struct config *c, struct buf *out)
{
    buf_append_cstr(out, config_modes[c->follower_mode]);
}

bool config_parse_extra_port(struct config *c, const struct slice *args, size_t argc, struct buf *error)
{
    if (argc == 1 && args[0].len == 0) {
        c->extra_port_count = 0;
        return true;
    }
    uint16_t port;
    int mode;
    if (argc != 2 || !parse_port(args[0], &port)) {
        buf_append_cstr(error, "expected <port> <mode>");
        return false;
    }
    if (!read_mode(args[1], &mode, error))
        return false;
    if (c->extra_port_count == CONFIG_EXTRA_PORTS_MAX) {
        buf_append_cstr(error, "too many extra ports");
        return false;
    }
    c->extra_ports[c->extra_port_count].port = port;
    c->extra_ports[c->extra_port_count++].mode = mode;
    return true;
}

void config_print_extra_port(const struct config *c, struct buf *out)
{
    for (size_t i = 0; i < c->extra_port_count; i++)
        buf_printf(out, "%s%u %s", i ? " " : "", c->extra_ports[i].port,
                   config_modes[c->extra_ports[i].mode]);
}

static const char *const class_names[] = {"normal", "slave", "pubsub", NULL};

static int class_of(struct slice word)
{
    return slice_is_word(word, "replica") ? CLASS_REPLICA : config_choice(class_names, word);
}

/* CONFIG SET passes several words as one value. More than `max`: max + 1. */
static size_t split_words(const struct slice *args, size_t argc, struct slice *words, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < argc; i++) {
        const char *at = args[i].data, *end = at + args[i].len;
        while (at < end) {
            const char *space = memchr(at, ' ', (size_t)(end - at));
            const char *stop = space ? space : end;
            if (stop > at) {
                if (count == max)
                    return max + 1;
                words[count++] = slice_of(at, (size_t)(stop - at));
            }
            at = stop + 1;
        }
    }
    return count;
}

bool config_parse_output_limit(struct config *c, const struct slice *args, size_t argc, struct buf *error)
{
    struct slice words[CLASS_COUNT * 4];
    size_t count = split_words(args, argc, words, CLASS_COUNT * 4);
    if (count == 0 || count > CLASS_COUNT * 4 || count % 4)
        goto malformed;
    struct output_limit limits[CLASS_COUNT];
    memcpy(limits, c->output_limits, sizeof limits);
    for (size_t i = 0; i < count; i += 4) {
        int class = class_of(words[i]);
        int64_t soft_s;
        struct output_limit limit;
        if (class < 0) {
            buf_append_cstr(error, "Invalid client class specified in buffer limit configuration.");
            return false;
        }
        if (!parse_memory(words[i + 1], &limit.hard) || !parse_memory(words[i + 2], &limit.soft) ||
            !parse_i64(words[i + 3], &soft_s) || soft_s < 0) {
            buf_append_cstr(error,
                            "Error in hard, soft or soft_seconds setting in buffer limit configuration.");
            return false;
        }
        limit.soft_s = (uint64_t)soft_s;
        limits[class] = limit;
    }
    memcpy(c->output_limits, limits, sizeof limits);
    return true;
malformed:
    buf_append_cstr(error, "Wrong number of arguments in buffer limit configuration.");
    return false;
}

void config_print_output_limit(const struct config *c, struct buf *out)
{
    for (int i = 0; i < CLASS_COUNT; i++) {
        const struct output_limit *l = &c->output_limits[i];
        buf_printf(out, "%s%s %llu %llu %llu", i ? " " : "", class_names[i], (unsigned long long)l->hard,
                   (unsigned long long)l->soft, (unsigned long long)l->soft_s);
    }
}

void config_hash_password(struct slice password, char hex[65])
{
    struct slice given;
    if (rsm_password_hash(password, &given))
        memcpy(hex, given.data, given.len);
    else
        sha256_hex(password.data, password.len, hex);
    hex[64] = '\0';
}

/* A list that is refused changes nothing. */
bool config_parse_percentiles(struct config *c, const struct slice *args, size_t argc, struct buf *error)
{
    struct slice words[CONFIG_PERCENTILES_MAX];
    double read[CONFIG_PERCENTILES_MAX];
    size_t count = split_words(args, argc, words, CONFIG_PERCENTILES_MAX);
    const char *wrong = count > CONFIG_PERCENTILES_MAX ? "too many percentiles" : NULL;
    for (size_t i = 0; i < count && !wrong; i++) {
        if (!parse_double(words[i], &read[i]))
            wrong = "latency-tracking-info-percentiles should contain only numbers";
        else if (read[i] < 0 || read[i] > 100)
            wrong = "latency-tracking-info-percentiles should contain a percentile between 0.0 and 100.0";
    }
    if (wrong) {
        buf_append_cstr(error, wrong);
        return false;
    }
    memcpy(c->percentiles, read, count * sizeof read[0]);
    c->percentile_count = count;
    return true;
}

void config_print_percentiles(const struct config *c, struct buf *out)
{
    for (size_t i = 0; i < c->percentile_count; i++)
        buf_printf(out, "%s%.10g", i ? " " : "", c->percentiles[i]);
}

bool config_parse_password(struct config *c, const struct slice *args, size_t argc, struct buf *error)
{
    if (argc != 1) {
        buf_append_cstr(error, "wrong number of arguments");
        return false;
    }
    c->password[0] = '\0';
    if (args[0].len)
        config_hash_password(args[0], c->password);
    return true;
}

void config_print_password(const struct config *c, struct buf *out)
{
    if (c->password[0])
        buf_printf(out, RSM_HASH_PREFIX "%s", c->password);
}

/* One "name=host:port[@peer]". */
static bool read_founder(struct slice item, struct raft_member *m)
{
    const char *equals = memchr(item.data, '=', item.len);
    size_t name = equals ? (size_t)(equals - item.data) : 0;
    if (name == 0 || name >= RAFT_NAME_MAX)
        return false;
    *m = (struct raft_member){.voter = true};
    memcpy(m->name, item.data, name);
    struct slice address = {equals + 1, item.len - name - 1};
    if (!config_parse_address(address, m->host, &m->port, &m->peer_port))
        return false;
    if (m->peer_port == 0 && m->port > 65535 - PEER_PORT_OFFSET)
        return false;
    if (m->peer_port == 0)
        m->peer_port = (uint16_t)(m->port + PEER_PORT_OFFSET);
    return true;
}

static bool stands_already(const struct raft_members *list, const struct raft_member *m)
{
    for (uint32_t i = 0; i < list->count; i++) {
        const struct raft_member *other = &list->at[i];
        if (strcmp(other->name, m->name) == 0)
            return true;
        if (strcmp(other->host, m->host) == 0 && (other->port == m->port || other->peer_port == m->peer_port))
            return true;
    }
    return false;
}

bool config_parse_founders(struct config *c, const struct slice *args, size_t argc, struct buf *error)
{
    if (argc != 1) {
        buf_append_cstr(error, "expected name=host:port[@peerport],...");
        return false;
    }
    struct raft_members list = {0};
    const char *at = args[0].data, *end = at + args[0].len;
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma ? comma : end;
        struct raft_member m;
        if (list.count == RAFT_MEMBERS_MAX || !read_founder(slice_of(at, (size_t)(stop - at)), &m) ||
            stands_already(&list, &m)) {
            buf_printf(error,
                       "expected name=host:port[@peerport],... with each name and address once, at '%.*s'",
                       (int)(stop - at), at);
            return false;
        }
        list.at[list.count++] = m;
        at = stop + 1;
    }
    c->founders = list;
    config_text(&c->initial_cluster, args[0]);
    return true;
}

void config_print_founders(const struct config *c, struct buf *out)
{
    buf_append_cstr(out, c->initial_cluster);
}

bool config_parse_join(struct config *c, const struct slice *args, size_t argc, struct buf *error)
{
    if (argc == 1 && args[0].len == 0) {
        config_text(&c->join, args[0]);
        c->join_port = 0;
        return true;
    }
    if (argc != 1 || !config_parse_address(args[0], c->join_host, &c->join_port, &c->join_peer_port) ||
        (c->join_peer_port == 0 && c->join_port > 65535 - PEER_PORT_OFFSET)) {
        buf_append_cstr(error, "expected host:port[@peerport]");
        return false;
    }
    if (c->join_peer_port == 0)
        c->join_peer_port = (uint16_t)(c->join_port + PEER_PORT_OFFSET);
    config_text(&c->join, args[0]);
    return true;
}

void config_print_join(const struct config *c, struct buf *out)
{
    buf_append_cstr(out, c->join);
}
