/* What is asked of the operating system: descriptors, the background, a pid file; and warnings about its settings. */
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "main/kvorum-server/process.h"

bool system_daemonize(void)
{
    pid_t child = fork();
    if (child < 0)
        return false;
    if (child > 0)
        _exit(0);
    setsid();
    int null = open("/dev/null", O_RDWR);
    if (null < 0)
        return false;
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    if (null > STDERR_FILENO)
        close(null);
    return true;
}

bool system_write_pidfile(const char *path)
{
    FILE *f = fopen(path, "we");
    if (!f)
        return false;
    bool ok = fprintf(f, "%d\n", (int)getpid()) > 0;
    return fclose(f) == 0 && ok;
}

/* Clients get what the reserve leaves: a flood of connections must not cost a peer link or the journal (FAULTS 32). */
void system_raise_descriptors(struct config *config)
{
    int64_t granted = server_grant_clients(config->maxclients);
    if (granted == config->maxclients)
        return;
    log_line(LOG_WARNING,
             "maxclients has been reduced from %lld to %lld: the system grants no more file descriptors",
             (long long)config->maxclients, (long long)granted);
    config->maxclients = granted;
}

/* A UDP socket that is connected sends nothing, but the kernel has chosen the address it would send from. */
void system_find_host(struct config *config)
{
    if (config_knows_host(config))
        return;
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *to = NULL;
    struct sockaddr_storage mine;
    socklen_t len = sizeof mine;
    char port[8];
    snprintf(port, sizeof port, "%u", config->join_port);
    if (*config->join && getaddrinfo(config->join_host, port, &hints, &to) == 0) {
        int fd = socket(to->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, to->ai_addr, to->ai_addrlen) == 0 &&
            getsockname(fd, (struct sockaddr *)&mine, &len) == 0)
            getnameinfo((struct sockaddr *)&mine, len, config->local_host, sizeof config->local_host, NULL, 0,
                        NI_NUMERICHOST);
        if (fd >= 0)
            close(fd);
        freeaddrinfo(to);
    }
    log_line(
        LOG_NOTICE,
        "Others are told to reach this node at %s; cluster-announce-ip says otherwise where that is wrong",
        config_host(config));
}

static int read_setting(const char *path)
{
    int value = -1;
    FILE *f = fopen(path, "re");
    if (!f)
        return -1;
    if (fscanf(f, "%d", &value) != 1)
        value = -1;
    fclose(f);
    return value;
}

void system_warn(const struct config *config)
{
    int somaxconn = read_setting("/proc/sys/net/core/somaxconn");
    if (somaxconn > 0 && somaxconn < config->tcp_backlog)
        log_line(LOG_WARNING, "tcp-backlog %lld cannot be had: /proc/sys/net/core/somaxconn is %d",
                 (long long)config->tcp_backlog, somaxconn);
    if (read_setting("/proc/sys/vm/overcommit_memory") == 2)
        log_line(LOG_WARNING, "vm.overcommit_memory is 2: a snapshot's fork may fail when memory is short");
}
