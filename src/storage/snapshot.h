/* Snapshot files: their names, their checksum, reading them in pieces, receiving one. */
#ifndef STORAGE_SNAPSHOT_H
#define STORAGE_SNAPSHOT_H

#include "base/bytes.h"

#define SNAPSHOT_NAME_MAX 96

struct snapshot_id {
    uint64_t generation, index, term, bytes; /* index 0: none */
};

void snapshot_name(char out[SNAPSHOT_NAME_MAX], const struct snapshot_id *id);
bool snapshot_parse_name(const char *name, struct snapshot_id *id); /* false: not a snapshot's */

/* An RDB file ends with the CRC64 of all before, little-endian. This sums what comes in pieces of any size,
 * holding the last eight bytes back. */
struct snapshot_sum {
    uint64_t crc, bytes;
    char tail[8];
    size_t tail_len;
    char head[5];
};
void snapshot_sum_add(struct snapshot_sum *s, const void *data, size_t len);
bool snapshot_sum_good(const struct snapshot_sum *s);

/* Reads the whole file; the page cache is left as it was found, near enough. */
bool snapshot_verify(int dir_fd, const char *name, uint64_t *bytes);

/* Files open for peers that take them piece by piece: a file that a newer one replaced stays readable while
 * somebody does. */
enum { SNAPSHOT_READERS = 4 };
struct snapshot_readers {
    struct snapshot_reader {
        int fd; /* valid while id.index != 0 */
        struct snapshot_id id;
        uint64_t used_us;
    } at[SNAPSHOT_READERS];
};
/* The one open on `index`, else the newest, opened. NULL: there is none. */
struct snapshot_reader *snapshot_readers_get(struct snapshot_readers *r, int dir_fd, uint64_t index,
                                             const struct snapshot_id *newest, uint64_t now_us);
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
/* Syncs and verifies; false: damaged, thrown away. */
bool snapshot_receive_end(struct snapshot_receiver *r, int dir_fd);
void snapshot_receive_abort(struct snapshot_receiver *r, int dir_fd);

/* Starts writing back what has come since *flushed once it is a few megabytes, and waits for what came
 * before: the sync at the end must not stall the journal's. */
void snapshot_write_back(int fd, uint64_t written, uint64_t *flushed);
/* Writes everything; false: errno. */
bool snapshot_write_all(int fd, const void *data, size_t len);

#endif
