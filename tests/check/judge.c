/* judge [--slack-ms N] FILE...: judges the history that the files hold together (their form: history.h; one clock, one
 * cluster). Prints what was checked, and what is wrong. Exit 0: nothing; 1: something, or not decided; 2: not a history. */
#include "judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int usage(void)
{
    fprintf(stderr, "usage: judge [--slack-ms N] FILE...\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct judge_config config = {.slack_us = 0};
    struct judge_counts c;
    struct buf report = BUF_EMPTY;
    int first = 1;
    if (argc > 2 && strcmp(argv[1], "--slack-ms") == 0) {
        config.slack_us = strtoull(argv[2], NULL, 10) * 1000;
        first = 3;
    }
    if (first >= argc)
        return usage();
    struct history *h = history_new();
    history_keep_texts(h);
    for (int i = first; i < argc; i++) {
        const char *wrong = history_load(h, argv[i]);
        if (wrong) {
            fprintf(stderr, "%s\n", wrong);
            return 2;
        }
    }
    if (history_count(h) == 0) {
        fprintf(stderr, "no operation at all\n");
        return 2;
    }
    bool good = judge_history(h, &config, &c, &report);
    fwrite(report.data, 1, report.len, stdout);
    printf("%zu operations on %zu keys, %zu unknown, %zu not run; %zu linearized, %zu tokens, %zu locks: %s",
           c.operations, c.keys, c.unknown, c.not_run, c.linearized, c.tokens, c.locks, good ? "good\n" : "");
    if (!good)
        printf("%zu keys wrong, %zu not decided\n", c.bad_keys, c.undecided_keys);
    history_free(h);
    buf_deinit(&report);
    return good ? 0 : 1;
}
