/* Lines for people, in Redis's form: `pid:R DD Mon YYYY HH:MM:SS.mmm L message`, R the role letter, L one of
 * `.` debug, `-` verbose, `*` notice, `#` warning. One write a line; safe from any thread. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_VERBOSE, LOG_NOTICE, LOG_WARNING };

void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);
/* NULL or "" is stdout. Reopened by path at each call of log_reopen. false: the path cannot be opened. */
bool log_set_file(const char *path);
void log_set_role(char letter); /* M, S or C */
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* An error of the disk or a broken invariant of the world: says it at warning and ends the process, exit 1. */
_Noreturn void log_fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
