/* What the core knows of the entries: their sizes in a ring, rounded up, their terms as runs (a term is one run, 3.5: a
 * leader only appends), and every configuration with its index, so that a cut brings the one before it back
 * (4.1). Appending costs no allocation once the ring has grown; forgetting at either end costs nothing but
 * the runs dropped. */
#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "raft/raft_int.h"

enum { RING_START = 1024 };

/* A size in a byte, rounded up by an eighth at most: the first four bits, and by how many these are shifted. It paces what is sent,
 * and small entries are many between two snapshots. */
static uint8_t pack_size(uint32_t size)
{
    unsigned shift = size > 15 ? 28 - (unsigned)__builtin_clz(size) : 0;
    uint64_t bits = (size + ((uint64_t)1 << shift) - 1) >> shift;
    return (uint8_t)((shift << 3) + bits); /* the first bit counts as one more shift, and so does a carry */
}

static size_t unpack_size(uint8_t packed)
{
    unsigned shift = packed >> 3;
    return shift ? (size_t)(8 | (packed & 7)) << (shift - 1) : packed;
}

static void push_config(struct raft_log *log, uint64_t index, const struct raft_members *members)
{
    if (log->config_count == log->config_cap) {
        log->config_cap = log->config_cap ? log->config_cap * 2 : 4;
        log->configs = mem_realloc(log->configs, log->config_cap * sizeof *log->configs);
    }
    log->configs[log->config_count].index = index;
    log->configs[log->config_count].members = *members;
    log->config_count++;
}

void raft_log_init(struct raft_log *log, uint64_t base, uint64_t base_term,
                   const struct raft_members *members)
{
    memset(log, 0, sizeof *log);
    log->sizes = mem_alloc(RING_START);
    log->mask = RING_START - 1;
    raft_log_restart(log, base, base_term, members);
}

void raft_log_deinit(struct raft_log *log)
{
    mem_free(log->sizes);
    mem_free(log->runs);
    mem_free(log->configs);
}

void raft_log_restart(struct raft_log *log, uint64_t base, uint64_t base_term,
                      const struct raft_members *members)
{
    log->base = log->last = base;
    log->base_term = base_term;
    log->run_count = log->config_count = 0;
    push_config(log, base, members);
}

static void grow(struct raft_log *log)
{
    uint64_t mask = log->mask * 2 + 1;
    uint8_t *sizes = mem_alloc((size_t)mask + 1);
    for (uint64_t i = log->base + 1; i <= log->last; i++)
        sizes[i & mask] = log->sizes[i & log->mask];
    mem_free(log->sizes);
    log->sizes = sizes;
    log->mask = mask;
}

void raft_log_append(struct raft_log *log, uint64_t term, uint32_t size, const struct raft_members *members)
{
    assert(term >= raft_log_last_term(log));
    if (log->last - log->base > log->mask)
        grow(log);
    log->last++;
    log->sizes[log->last & log->mask] = pack_size(size);
    if (log->run_count == 0 || log->runs[log->run_count - 1].term != term) {
        if (log->run_count == log->run_cap) {
            log->run_cap = log->run_cap ? log->run_cap * 2 : 16;
            log->runs = mem_realloc(log->runs, log->run_cap * sizeof *log->runs);
        }
        log->runs[log->run_count++] = (struct raft_run){log->last, term};
    }
    if (members)
        push_config(log, log->last, members);
}

void raft_log_cut(struct raft_log *log, uint64_t from)
{
    assert(from > log->base && from <= log->last);
    log->last = from - 1;
    while (log->run_count > 0 && log->runs[log->run_count - 1].first >= from)
        log->run_count--;
    while (log->config_count > 1 && log->configs[log->config_count - 1].index >= from)
        log->config_count--;
}

void raft_log_compact(struct raft_log *log, uint64_t to)
{
    if (to <= log->base)
        return;
    assert(to <= log->last);
    log->base_term = raft_log_term(log, to);
    log->base = to;
    size_t gone = 0; /* runs that end at or below the new base */
    while (gone + 1 < log->run_count && log->runs[gone + 1].first <= to + 1)
        gone++;
    if (to == log->last)
        gone = log->run_count;
    log->run_count -= gone;
    memmove(log->runs, log->runs + gone, log->run_count * sizeof *log->runs);
    if (log->run_count > 0 && log->runs[0].first <= to)
        log->runs[0].first = to + 1;
    gone = 0;
    while (gone + 1 < log->config_count && log->configs[gone + 1].index <= to)
        gone++;
    log->config_count -= gone;
    memmove(log->configs, log->configs + gone, log->config_count * sizeof *log->configs);
}

uint64_t raft_log_term(const struct raft_log *log, uint64_t index)
{
    if (index == log->base)
        return log->base_term;
    if (index < log->base || index > log->last)
        return 0;
    size_t low = 0, high = log->run_count - 1;
    if (log->runs[high].first <= index) /* nearly always the newest term is asked for */
        return log->runs[high].term;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (log->runs[middle].first <= index)
            low = middle;
        else
            high = middle;
    }
    return log->runs[low].term;
}

uint64_t raft_log_batch(const struct raft_log *log, uint64_t first, size_t max_bytes, size_t *bytes)
{
    size_t sum = 0;
    uint64_t last = first - 1;
    while (last < log->last) {
        size_t size = unpack_size(log->sizes[(last + 1) & log->mask]);
        if (sum > 0 && sum + size > max_bytes)
            break;
        sum += size;
        last++;
    }
    *bytes = sum;
    return last;
}

uint64_t raft_log_agree(const struct raft_log *log, uint64_t index, uint64_t term)
{
    if (index < log->base)
        return index;
    if (index > log->last)
        index = log->last;
    for (size_t i = log->run_count; i > 0; i--) {
        if (log->runs[i - 1].first > index)
            continue;
        if (log->runs[i - 1].term <= term)
            return index;
        index = log->runs[i - 1].first - 1;
    }
    return log->base_term <= term || log->base == 0 ? log->base : log->base - 1;
}

const struct raft_config_at *raft_log_config(const struct raft_log *log)
{
    return &log->configs[log->config_count - 1];
}
