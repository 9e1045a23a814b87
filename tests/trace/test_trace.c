/* Conversations between Raft cores, as text: each file runs its commands and what happens has to be, byte by byte, what
 * the file says. `test_trace --record [NAME...]` writes the files anew, for a reader to judge by their diff. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t len = 0;
    if (!file || getdelim(&text, &len, '\0', file) < 0) {
        free(text);
        text = NULL;
    }
    if (file)
        fclose(file);
    return text;
}

/* Comments, blank lines and commands (behind "> ") are kept, everything else is what the commands say now. */
static char *perform(const char *text, bool *broken)
{
    char *said = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&said, &len);
    struct world *w = world_new(out);
    while (*text && !w->broken) {
        size_t n = strcspn(text, "\n");
        char line[256];
        snprintf(line, sizeof line, "%.*s", (int)n, text);
        text += n + (text[n] == '\n');
        if (line[0] == '#' || line[0] == '\0')
            fprintf(out, "%s\n", line);
        if (line[0] != '>')
            continue;
        fprintf(out, "%s\n", line);
        if (!script_command(w, line + 1 + (line[1] == ' ')))
            world_violation(w, "no such command");
    }
    *broken = w->broken;
    world_free(w);
    fclose(out);
    return said;
}

/* The first line where they part, with the one before it. */
static void print_difference(const char *path, const char *want, const char *got)
{
    uint32_t line = 1;
    const char *start = got;
    for (; *want && *want == *got; want++, got++)
        if (*got == '\n') {
            line++;
            start = got + 1;
        }
    size_t same = (size_t)(got - start);
    print_message("%s:%u\n  recorded: %.*s%.*s\n  now:      %.*s\n", path, line, (int)same, start,
                  (int)strcspn(want, "\n"), want, (int)strcspn(start, "\n"), start);
}

static void conversation(void **state)
{
    const char *path = *state;
    char *want = read_file(path);
    bool broken;
    assert_non_null(want);
    char *got = perform(want, &broken);
    bool same = strcmp(want, got) == 0;
    if (!same)
        print_difference(path, want, got);
    free(want);
    free(got);
    assert_true(same && !broken);
}

static bool record(const char *path)
{
    char *old = read_file(path);
    bool broken = true;
    char *new = old ? perform(old, &broken) : NULL;
    FILE *file = broken ? NULL : fopen(path, "w");
    if (broken)
        fprintf(stderr, "%s: not recorded\n%s", path, new ? new : "cannot be read\n");
    else
        broken = !file || fputs(new, file) < 0 || fclose(file) != 0;
    free(old);
    free(new);
    return !broken;
}

static bool wanted(const char *path, int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (strstr(path, argv[i]))
            return true;
    return argc == 0;
}

int main(int argc, char **argv)
{
    glob_t files;
    bool recording = argc > 1 && strcmp(argv[1], "--record") == 0, good = true;
    if (glob("tests/trace/*.txt", 0, NULL, &files) != 0)
        return 1;
    struct CMUnitTest *tests = calloc(files.gl_pathc, sizeof *tests);
    size_t count = 0;
    for (size_t i = 0; i < files.gl_pathc; i++) {
        if (recording && wanted(files.gl_pathv[i], argc - 2, argv + 2))
            good &= record(files.gl_pathv[i]);
        tests[count++] = (struct CMUnitTest){
            .name = files.gl_pathv[i], .test_func = conversation, .initial_state = files.gl_pathv[i]};
    }
    int failed = recording ? !good : _cmocka_run_group_tests("conversations", tests, count, NULL, NULL);
    free(tests);
    globfree(&files);
    return failed;
}
