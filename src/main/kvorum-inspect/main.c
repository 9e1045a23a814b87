/* kvorum-inspect DIR [--new-cluster | --restore FILE ADDRESS]: what a stopped node has on its disk; exit 1 when anything is damaged. */
#include "main/kvorum-inspect/inspect.h"

#include <string.h>

static int usage(FILE *out, int code)
{
    fprintf(
        out,
        "Usage: kvorum-inspect DIR                 print vote, snapshot and journal, verify every checksum\n"
        "       kvorum-inspect DIR --new-cluster   the majority is lost for good: make a new cluster of\n"
        "                                          one out of this survivor, keeping all it holds\n"
        "       kvorum-inspect DIR --restore FILE NAME=HOST:PORT[@PEERPORT]\n"
        "                                          make a new cluster of one in the empty DIR, from a\n"
        "                                          snapshot or from a dump.rdb of Redis\n"
        "The node has to be stopped.\n");
    return code;
}

int main(int argc, char **argv)
{
    const char *dir = NULL, *file = NULL, *address = NULL;
    bool new_cluster = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return usage(stdout, 0);
        if (strcmp(argv[i], "--new-cluster") == 0)
            new_cluster = true;
        else if (strcmp(argv[i], "--restore") == 0 && i + 2 < argc) {
            file = argv[++i];
            address = argv[++i];
        } else if (argv[i][0] == '-' || dir)
            return usage(stderr, 1);
        else
            dir = argv[i];
    }
    if (!dir || (file && new_cluster))
        return usage(stderr, 1);
    if (file)
        return restore(dir, file, address);
    if (new_cluster)
        return rescue(dir);
    return report(dir) == 0 ? 0 : 1;
}
