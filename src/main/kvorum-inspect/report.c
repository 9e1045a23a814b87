/* Everything in a directory, line by line, every checksum verified. */
#include "main/kvorum-inspect/inspect.h"

#include <inttypes.h>

#include "storage/inspect.h"

enum { HEAD_BYTES = 1 << 20 };

static long report_slots(const struct storage_inspection *i)
{
    long problems = 0, good = 0;
    for (int n = 0; n < 2; n++) {
        struct storage_slot s = storage_inspect_slot(i, n);
        printf("vote slot=%c ", 'A' + n);
        if (s.state != STORAGE_SLOT_GOOD) {
            printf("%s\n", s.state == STORAGE_SLOT_DAMAGED ? "DAMAGED" : "DAMAGED: of a newer format");
            problems++;
            continue;
        }
        good++;
        printf("node=%016" PRIx64 " cluster=%016" PRIx64 " term=%" PRIu64 " voted-for=%016" PRIx64
               " sequence=%" PRIu64 " generation=%" PRIu64,
               s.vote.node_id, s.vote.cluster_id, s.vote.term, s.vote.voted_for, s.sequence, s.generation);
        if (s.vote.short_log)
            printf(" short-log until=%" PRIu64, s.vote.short_log_until);
        if (s.vote.diverged)
            printf(" diverged");
        if (s.vote.had_others)
            printf(" had-others");
        printf("\n");
    }
    if (good == 0)
        printf("vote DAMAGED in both slots: the identity of this node is gone\n");
    return problems;
}

static long report_mark(const struct storage_inspection *i)
{
    uint64_t term, index;
    bool clean;
    if (!storage_inspect_mark(i, &term, &index, &clean)) {
        printf("mark DAMAGED\n");
        return 1;
    }
    printf("mark term=%" PRIu64 " index=%" PRIu64 " closed=%s\n", term, index, clean ? "in order" : "no");
    return 0;
}

static long report_snapshots(const struct storage_inspection *i)
{
    struct storage_inspected_snapshot s;
    long problems = 0;
    for (size_t n = 0; storage_inspect_snapshot(i, n, &s); n++) {
        printf("snapshot file=%s index=%" PRIu64 " term=%" PRIu64 " bytes=%" PRIu64 "%s\n", s.name, s.index,
               s.term, s.bytes, s.whole ? "" : " DAMAGED: its checksum is wrong");
        problems += !s.whole;
        struct buf head = BUF_EMPTY;
        if (s.whole && storage_inspect_snapshot_head(i, s.name, HEAD_BYTES, &head))
            print_snapshot_head(stdout, buf_slice(&head));
        buf_deinit(&head);
    }
    return problems;
}

static void tell_entry(void *arg, const struct raft_frame *frame, bool good)
{
    print_entry(stdout, frame, good);
    ++*(uint64_t *)arg;
}

static void tell_problem(void *arg, const char *what)
{
    (void)arg;
    printf("journal DAMAGED: %s\n", what);
}

long report(const char *dir)
{
    char error[512];
    struct storage_inspection *i = storage_inspect(dir, error, sizeof error);
    if (!i) {
        fprintf(stderr, "kvorum-inspect: %s\n", error);
        return -1;
    }
    uint64_t entries = 0;
    long problems = report_slots(i) + report_mark(i) + report_snapshots(i);
    problems += (long)storage_inspect_journal(i, tell_entry, tell_problem, &entries);
    printf("journal entries=%" PRIu64 "\n", entries);
    if (problems)
        printf("%ld problem%s\n", problems, problems == 1 ? "" : "s");
    else
        printf("every checksum is right\n");
    storage_inspect_close(i);
    return problems;
}
