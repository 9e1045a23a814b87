/* The vote file: who this node is, what it promised. Three sectors of 4096 bytes, so that a write of one that
 * a power cut tears harms no other:
 *
 *     0      slot A, 4096  slot B: the same record twice, written and synced one after the other
 *
 *            0   8 bytes "KVRMVOTE"
 *            8   u32  version, 1
 *           12   u32  flags: 1 = short_log, 2 = diverged, 4 = had_others
 *           16   u64  sequence, one more with each save
 *           24   u64  node id
 *           32   u64  cluster id
 *           40   u64  term
 *           48   u64  voted for
 *           56   u64  short_log_until
 *           64   u64  generation of journal and snapshots (storage_int.h)
 *           72   u32  CRC32C of bytes 0..72
 *
 *     8192   mark, rewritten often and synced about once a second:
 *
 *            0   8 bytes "KVRMMARK"
 *            8   u64  term
 *           16   u64  index
 *           24   16 bytes: id of the boot in which the directory was opened last
 *           40   u8   1 = closed in order
 *           41   u8   appendfsync of the last run (enum storage_fsync)
 *           42   u16  0
 *           44   u32  CRC32C of bytes 0..44
 *
 * The rest is zero and means nothing. A save is done when both slots are synced, so either of them alone
 * tells the newest vote that was ever acted upon: one damaged slot costs nothing, and is repaired on opening.
 * Two cost the identity: no peer can say what this node voted. */
#ifndef STORAGE_VOTE_H
#define STORAGE_VOTE_H

#include "storage/storage.h"

#define VOTE_SECTOR      4096
#define VOTE_FILE_BYTES  (3 * VOTE_SECTOR)
#define VOTE_MARK_OFFSET (2 * VOTE_SECTOR)

struct vote_record {
    struct storage_vote vote;
    uint64_t sequence, generation;
};

struct vote_mark {
    uint64_t term, index;
    uint8_t boot[16];
    bool clean;
    enum storage_fsync fsync;
};

/* Pure: bytes of one sector from and to the structs. */
void vote_encode(char sector[VOTE_SECTOR], const struct vote_record *r);
void vote_mark_encode(char sector[VOTE_SECTOR], const struct vote_mark *m);
enum vote_state { VOTE_GOOD, VOTE_DAMAGED, VOTE_NEWER_FORMAT };
enum vote_state vote_decode(const char sector[VOTE_SECTOR], struct vote_record *r);
bool vote_mark_decode(const char sector[VOTE_SECTOR], struct vote_mark *m);
/* The record that counts, out of both slots. *repair: they differ, or one is damaged. */
enum vote_state vote_choose(const char file[VOTE_FILE_BYTES], struct vote_record *r, bool *repair);

/* The vote file, for those who write it: `write` puts len bytes at offset, `sync` makes durable what was written. false: it
 * failed, and nothing may be tried again. */
struct vote_io {
    void *arg;
    bool (*write)(void *arg, const char *data, size_t len, size_t offset);
    bool (*sync)(void *arg);
};
/* A new file: a blank record, a clean mark at nothing. */
void vote_blank(char file[VOTE_FILE_BYTES]);

/* vote_file.c, on the file system. A failure to write or sync ends the process. */
enum vote_open { VOTE_OPENED, VOTE_ABSENT, VOTE_FAILED };
/* Opens and reads; changes nothing. */
enum vote_open vote_file_read(int *fd, int dir_fd, char file[VOTE_FILE_BYTES], char *error, size_t error_len);
/* In place at once or not at all. */
bool vote_file_create(int dir_fd, char *error, size_t error_len);
void vote_file_sync(int fd);
/* *fd is looked at with each call. */
struct vote_io vote_file_io(int *fd);

#endif
