/* The frame of one log entry, the same bytes in memory, on the wire and on disk:
 *
 *     0   u32  length of the whole frame, this field included
 *     4   u32  CRC32C of bytes 8..length
 *     8   u64  index
 *    16   u64  term
 *    24   u8   kind (enum raft_entry_kind)
 *    25   ...  payload: empty (NOOP), raft_members (CONFIG), an rsm entry (DATA)
 *
 * All little-endian. Raft itself never looks at a DATA payload. */
#ifndef RAFT_ENTRY_H
#define RAFT_ENTRY_H

#include "raft/types.h"

enum raft_entry_kind { RAFT_ENTRY_DATA = 0, RAFT_ENTRY_NOOP = 1, RAFT_ENTRY_CONFIG = 2 };

#define RAFT_ENTRY_HEADER 25
/* One limit on the write and the read path: an entry accepted is an entry readable (etcd#14025). */
#define RAFT_ENTRY_MAX ((size_t)1 << 30)

struct raft_frame {
    uint64_t index, term;
    enum raft_entry_kind kind;
    struct slice payload;
    size_t len; /* of the whole frame */
};

/* Begin appends a header with the length and checksum still open and returns its offset in `out`; the caller
 * appends the payload and calls end. */
size_t raft_entry_begin(struct buf *out, uint64_t index, uint64_t term, enum raft_entry_kind kind);
void raft_entry_end(struct buf *out, size_t begin);
/* Reads the frame at the start of `in`. `verify` also checks the CRC. false: truncated or damaged. An entry of
 * a kind that only a newer build knows is whole: who takes entries in has to ask. */
bool raft_entry_read(struct slice in, bool verify, struct raft_frame *out);
bool raft_entry_known(const struct raft_frame *f);

#endif
