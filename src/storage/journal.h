/* The journal's logic, pure over kv.h: blocks of entries under ascending keys (storage_int.h has the bytes).
 */
#ifndef STORAGE_JOURNAL_H
#define STORAGE_JOURNAL_H

#include "raft/entry.h"
#include "storage/kv.h"

#define JOURNAL_HEADER 48

/* A block as it lies under its key. */
struct journal_block {
    uint64_t cluster_id, first, last;
    uint64_t prev_term, last_term;
    uint32_t checksum, prev_checksum;
    struct slice frames; /* borrowed */
};
/* Writes the header for `frames`, which hold `first`.. in order, and fills `b`. Frames are ours: a bad one is
 * an assert. */
void journal_block_seal(char header[JOURNAL_HEADER], struct journal_block *b);
/* NULL, or what is wrong. Payloads are not looked at. */
const char *journal_block_read(struct slice value, struct journal_block *b);
/* The index of the first entry whose own checksum is wrong; 0: all are whole. */
uint64_t journal_block_verify(const struct journal_block *b);
/* The index of the first entry of a kind that this build does not know; 0: it knows all. */
uint64_t journal_block_unknown(const struct journal_block *b);
/* The offset of entry `index` (first..last+1) within the frames. */
size_t journal_block_offset(const struct journal_block *b, uint64_t index);
uint64_t journal_block_term(const struct journal_block *b, uint64_t index);

/* Raft's order of logs by their ends (3.6.1): term first, then index. */
bool journal_ends_before(uint64_t term, uint64_t index, uint64_t other_term, uint64_t other_index);

/* What a reader on another thread has to know. */
struct journal_view {
    struct kv *kv;
    uint64_t cluster_id;
    uint64_t origin;      /* key of the block that holds `first` */
    uint64_t first, last; /* entries that may be read; last < first: none */
};

struct journal {
    struct kv *kv;
    uint64_t cluster_id; /* of blocks appended from now on */
    uint64_t origin, first;
    uint64_t last, last_term; /* the end, what is not yet committed included */
    uint64_t prev_term;       /* of the entry before `first` */
    uint32_t checksum;        /* of the last block */
    bool dirty;               /* changes wait for journal_commit */
    uint64_t batch_bytes;     /* of them */
    uint64_t written;         /* bytes of all blocks ever put through this struct */
    /* Where in `written` some entries came, about one a MiB: how much lies behind an index. */
    struct journal_milestone {
        uint64_t index, written;
    } * milestones;
    size_t milestone_count, milestone_cap;
    uint64_t start; /* `written` at `first` */
};

enum journal_state {
    JOURNAL_WHOLE,
    JOURNAL_CONFLICT, /* nothing behind the snapshot belongs to it: journal_drop_all is due */
    JOURNAL_DAMAGED,  /* whole up to j->last; what follows is not to be trusted, and not to be cut in place */
    JOURNAL_FOREIGN,  /* another cluster's blocks */
    JOURNAL_NEWER,    /* whole, and written by a build that knows more */
};

/* Reads everything behind the snapshot at (index, term) and sets `j` to the whole part. */
enum journal_state journal_recover(struct journal *j, struct kv *kv, uint64_t cluster_id, uint64_t index,
                                   uint64_t term, char what[KV_ERROR_MAX]);
void journal_deinit(struct journal *j);

/* These collect; journal_commit makes them happen. false: kv->error. Entries must follow the end. */
void journal_append(struct journal *j, const struct raft_block *block);
bool journal_commit(struct journal *j, bool sync);
/* Drops entries >= from. Nothing else may be waiting. false: cannot be read, or damaged; kv->error says. */
bool journal_cut(struct journal *j, uint64_t from);
/* The (index, term) where a cut at `from` would leave the end. */
bool journal_end_after_cut(struct journal *j, uint64_t from, uint64_t *term);
/* Drops everything that counts; keys below origin are dead: the log begins anew behind (index, term), which is not before the end. */
bool journal_drop_all(struct journal *j, uint64_t index, uint64_t term);
/* Forgets entries <= upto; returns the key below which kv->drop_below may give space back. Changes nothing on
 * disk: recovery goes by the snapshot. */
bool journal_compact(struct journal *j, uint64_t upto, uint64_t *limit);
/* Counts a block of `bytes` that starts at `first`: written, or found by recovery. */
void journal_pass(struct journal *j, uint64_t first, size_t bytes);
/* Bytes of the entries held. */
uint64_t journal_bytes(const struct journal *j);

struct journal_view journal_view(const struct journal *j);
/* Entries first..last, at least one and about max_bytes, in one new blob; `out` is empty when `first` is not
 * there. false: damaged, `error` says where. */
bool journal_read(const struct journal_view *view, uint64_t first, uint64_t last, size_t max_bytes,
                  struct raft_block *out, char error[KV_ERROR_MAX]);
/* Hands every entry from `from` on; false as above. */
bool journal_walk(const struct journal_view *view, uint64_t from,
                  void (*each)(void *arg, const struct raft_frame *frame), void *arg,
                  char error[KV_ERROR_MAX]);

/* Keys, big-endian so that they sort as numbers. */
struct journal_key {
    char bytes[8];
};
struct journal_key journal_key(uint64_t index);
struct slice journal_key_slice(const struct journal_key *k);
uint64_t journal_key_index(struct slice key); /* 0: not a key of ours */

#endif
