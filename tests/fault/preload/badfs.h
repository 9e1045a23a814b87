/* The control file of badfs: made by a test, mapped by every process under test, and read and changed by the test while they
 * run (tests/fault/badfs.py has the same layout). Little-endian, no padding that is not named. */
#ifndef FAULT_BADFS_H
#define FAULT_BADFS_H

#include <stdint.h>

enum { BADFS_RULES = 8, BADFS_PATH = 96 };

enum badfs_call {
    BADFS_WRITE = 1,
    BADFS_SYNC = 2,
    BADFS_RENAME = 4,
    BADFS_UNLINK = 8,
    BADFS_CREATE = 16,
    BADFS_TRUNCATE = 32, /* and fallocate, which asks for room */
};

enum badfs_action {
    BADFS_NOTHING,
    BADFS_EIO,
    BADFS_ENOSPC,
    BADFS_SHORT, /* half of a write is done, as a disk that fills up does */
    BADFS_HANG,  /* for `ms`, or until the rule's action is another */
    BADFS_KILL,
};

struct badfs_rule {
    uint32_t action;
    uint32_t calls;        /* a set of enum badfs_call */
    uint64_t from;         /* the first call that it strikes, counted from 1 */
    uint64_t times;        /* how many it strikes; 0: all of them from there on */
    uint64_t ms;           /* HANG */
    uint64_t seen, fired;  /* by the processes */
    char path[BADFS_PATH]; /* what the file's path has to contain; "": any under the directory */
};

struct badfs_control {
    uint32_t magic;
    uint32_t lock;   /* the thread that holds it; 0: none */
    uint64_t bytes;  /* of the trace, complete records only */
    uint64_t events; /* records in it */
    struct badfs_rule rules[BADFS_RULES];
};

/* The trace: every change of the directory tree in the order in which it happened, files by their inode. */
enum badfs_event {
    BADFS_EV_CREATE = 1, /* dir, name, ino */
    BADFS_EV_MKDIR,      /* dir, name, ino */
    BADFS_EV_WRITE,      /* ino, offset, data */
    BADFS_EV_TRUNCATE,   /* ino, offset: the size now */
    BADFS_EV_SYNC,       /* ino, a directory's too */
    BADFS_EV_RENAME,     /* dir, name; dir2, name2 */
    BADFS_EV_UNLINK,     /* dir, name */
    BADFS_EV_RMDIR,      /* dir, name */
    BADFS_EV_LINK,       /* dir, name, ino */
};

/* name, name2 and data follow; the record is filled up to 8 bytes. */
struct badfs_record {
    uint32_t bytes, event;
    uint64_t dir, dir2, ino, offset;
    uint32_t name_len, name2_len, data_len, pid;
};

#define BADFS_MAGIC 0x31646162u

#endif
