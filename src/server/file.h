/* Small files that are read and written whole: the configuration, an aclfile. */
#ifndef SERVER_FILE_H
#define SERVER_FILE_H

#include "base/bytes.h"

/* Appended to `out`. false: errno tells; EFBIG: it is longer than `max` bytes. */
bool file_read(const char *path, size_t max, struct buf *out);
bool file_read_fd(int fd, size_t max, struct buf *out); /* to its end; it stays open */

/* The file holds `text`, synced, or what it did before: then errno tells. `mode`: of the new file. */
bool file_replace(const char *path, unsigned mode, struct slice text);

#endif
