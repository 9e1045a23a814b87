/* A file of users, in the syntax of Redis's aclfile: "user name rules ...", one a line. */
#ifndef SERVER_ACL_FILE_H
#define SERVER_ACL_FILE_H

#include "acl/acl.h"

/* One user's rules as people write them; whoever had the name is forgotten. */
bool acl_file_user(struct acl *a, struct slice name, const struct slice *rules, size_t count,
                   bool all_channels, struct buf *error);
/* All users are those of the file, or, where anything is wrong with it, as before; `error` tells all that is, in Redis's words. */
bool acl_file_load(struct acl *a, const char *path, bool all_channels, struct buf *error);
void acl_file_line(const struct acl *a, const struct acl_user *u, struct buf *out); /* without its newline */
bool acl_file_save(const struct acl *a, const char *path);                          /* false: errno tells */

#endif
