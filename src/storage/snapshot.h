/* Snapshot files: their names, their checksums, reading them in pieces, receiving one. */
#ifndef STORAGE_SNAPSHOT_H
#define STORAGE_SNAPSHOT_H

#include "raft/types.h"

#define SNAPSHOT_NAME_MAX 96

struct snapshot_id {
    uint64_t generation, index, term, bytes; /* index 0: none */
};

void snapshot_name(char out[SNAPSHOT_NAME_MAX], const struct snapshot_id *id);
bool snapshot_parse_name(const char *name, struct snapshot_id *id); /* false: not a snapshot's */

/* An RDB file ends with the CRC64 of all before, little-endian. This sums what comes in pieces of any size,
 * holding the last eight bytes back. A file may rot once it has been verified, and that sum tells only who
 * reads all of it: so each of its blocks is summed as well, for who reads a piece later. */
#define SNAPSHOT_BLOCK ((size_t)64 << 10)
struct snapshot_sum {
    uint64_t crc, bytes;
    char tail[8];
    size_t tail_len;
    char head[5];
    struct buf blocks; /* the CRC32C of each, the last one being added to */
};
void snapshot_sum_add(struct snapshot_sum *s, const void *data, size_t len);
/* All has been added. The blocks' sums, the caller's reference; NULL: it is damaged. */
struct blob *snapshot_sum_end(struct snapshot_sum *s);
void snapshot_sum_deinit(struct snapshot_sum *s);
/* Where the blocks begin that `len` bytes at `offset` lie in, and how long they are, in a file of `bytes`. */
uint64_t snapshot_blocks_around(uint64_t bytes, uint64_t offset, size_t *len);
/* Such blocks, as they have been read, against their sums. */
bool snapshot_blocks_good(const struct blob *sums, uint64_t offset, struct slice blocks);

/* Reads the whole file; the page cache is left as it was found, near enough. The blocks' sums; NULL: it is
 * damaged. */
struct blob *snapshot_verify(int dir_fd, const char *name, uint64_t *bytes);

/* Files open for peers that take them piece by piece: a file that a newer one replaced stays readable while
 * somebody does. */
enum { SNAPSHOT_READERS = 4 };
struct snapshot_readers {
    struct snapshot_reader {
        int fd; /* valid while id.index != 0 */
        struct snapshot_id id;
        struct blob *sums; /* of its blocks */
        uint64_t used_us;
    } at[SNAPSHOT_READERS];
};
/* The one open on `index`, else the newest, opened. NULL: there is none. */
struct snapshot_reader *snapshot_readers_get(struct snapshot_readers *r, int dir_fd, uint64_t index,
                                             const struct snapshot_id *newest, struct blob *sums,
                                             uint64_t now_us);
/* `len` bytes at `offset`, fewer at its end. false: what lies there is not what was verified. */
bool snapshot_reader_read(const struct snapshot_reader *r, uint64_t offset, size_t len,
                          struct raft_block *out);
void snapshot_reader_close(struct snapshot_reader *r);
/* Closes what nobody has read for a minute; true: some are still open. */
bool snapshot_readers_expire(struct snapshot_readers *r, uint64_t now_us);
void snapshot_readers_close(struct snapshot_readers *r);

/* The one file being received, `receive.tmp`. */
struct snapshot_receiver {
    int fd; /* -1: none */
    struct snapshot_id id;
    struct snapshot_sum sum;
    uint64_t flushed; /* bytes handed to the disk so far */
};
#define SNAPSHOT_RECEIVE_NAME "receive.tmp"
/* false: the piece does not follow what is there; receiver->sum.bytes is what is wanted next. */
bool snapshot_receive(struct snapshot_receiver *r, int dir_fd, const struct snapshot_id *id, uint64_t offset,
                      struct slice piece);
/* Syncs and verifies: the blocks' sums; NULL: damaged, thrown away. */
struct blob *snapshot_receive_end(struct snapshot_receiver *r, int dir_fd);
void snapshot_receive_abort(struct snapshot_receiver *r, int dir_fd);

/* Starts writing back what has come since *flushed once it is a few megabytes, and waits for what came
 * before: the sync at the end must not stall the journal's. */
void snapshot_write_back(int fd, uint64_t written, uint64_t *flushed);
/* Writes everything; false: errno. */
bool snapshot_write_all(int fd, const void *data, size_t len);

#endif
