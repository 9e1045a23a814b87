/* Lines for people, in Redis's form: `pid:R DD Mon YYYY HH:MM:SS.mmm L message`, R the role letter, L one of
 * `.` debug, `-` verbose, `*` notice, `#` warning. One write a line; safe from any thread.
 *
 * Level, file and role are the process's and not an object's: a line can be due anywhere, in the allocator
 * too, and a process has one log. So log.c holds the only writable global outside main/; tests/lint names it.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_VERBOSE, LOG_NOTICE, LOG_WARNING };

void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);
/* NULL or "" is stdout. false: the path cannot be opened, and the log goes where it went before. This and
 * log_reopen are for the main thread; the rest is for any. */
bool log_set_file(const char *path);
/* Opens the path again, for log rotation. */
bool log_reopen(void);
void log_set_role(char letter); /* M, S or C */
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* An error of the disk or a broken invariant of the world: says it at warning and ends the process, exit 1.
 */
_Noreturn void log_fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
