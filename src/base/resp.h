/* The Redis protocol: a parser that is fed bytes, and a builder of replies.
 *
 * Parser: resp_parse looks at the unread input, and either finds one whole request, or needs more, or names
 * the protocol error. Arguments are slices into the input: nothing is copied, nothing is allocated from a
 * declared length. It keeps its place between calls, so a request that arrives in many pieces is scanned
 * once; after growing or moving the input the caller passes the new base and the parser goes on. After
 * RESP_REQUEST the caller drops `consumed` bytes from the front of the input, and argv stays good until then
 * or until the next call, whichever is first; after RESP_ERROR the parser is not called again. As in Redis,
 * the two bytes behind an argument, and the one behind a length's CR, are skipped without a look. */
#ifndef BASE_RESP_H
#define BASE_RESP_H

#include "base/bytes.h"

enum resp_status {
    RESP_MORE,    /* no whole request yet */
    RESP_REQUEST, /* argc arguments (argc may be 0: an empty line or `*0`; skip it); `consumed` bytes are done
                   */
    RESP_ERROR,   /* `error` holds the text after "Protocol error: "; close after sending it */
};

struct resp_limits {
    uint64_t max_args;   /* Redis 7.0: INT32_MAX */
    uint64_t max_bulk;   /* proto-max-bulk-len */
    uint64_t max_inline; /* 65536; also for the line of a count or a length */
    bool before_auth;    /* Redis's further limits for strangers: 10 arguments of 16384 bytes */
};

struct resp_parser {
    struct slice *argv; /* reused between requests; grown as arguments arrive, never ahead of them */
    size_t argc, cap;
    size_t consumed; /* bytes of the finished request */
    size_t wanted;   /* a hint: how many bytes the pending bulk still lacks (0: unknown) */
    char error[128];
    /* private: the place in an unfinished request, in offsets because the input may move between calls */
    size_t at;           /* everything before it is understood */
    size_t searched;     /* no end of line between `at` and here */
    uint64_t args_left;  /* 0: the next byte starts a request */
    int64_t bulk_len;    /* of the argument at `at`; -1: its length is not known yet */
    size_t *offsets;     /* where the arguments found so far begin; parallel to argv */
    struct buf unquoted; /* an inline request is unescaped into here */
};

void resp_parser_init(struct resp_parser *p);
void resp_parser_deinit(struct resp_parser *p);
enum resp_status resp_parse(struct resp_parser *p, struct slice input, const struct resp_limits *limits);
/* Forgets how far it came with a request that has not arrived whole: the next input begins somewhere else. */
void resp_parser_restart(struct resp_parser *p);

/* Builder. `resp` is 2 or 3 where the two differ. */
void resp_simple(struct buf *out, const char *text); /* +text */
void resp_error(struct buf *out, const char *text);  /* -text, newlines made spaces */
void resp_errorf(struct buf *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void resp_integer(struct buf *out, int64_t v);
void resp_bulk(struct buf *out, struct slice s);
void resp_bulk_cstr(struct buf *out, const char *s);
void resp_null(struct buf *out, int resp);       /* $-1 or _ */
void resp_null_array(struct buf *out, int resp); /* *-1 or _ */
void resp_array(struct buf *out, size_t n);
void resp_map(struct buf *out, int resp, size_t pairs); /* *2n or %n */
void resp_set(struct buf *out, int resp, size_t n);     /* *n or ~n */
void resp_push(struct buf *out, int resp, size_t n);    /* *n or >n: nobody has asked for it */
void resp_double(struct buf *out, int resp, double v);
void resp_bool(struct buf *out, int resp, bool v); /* :1/:0 or #t/#f */
void resp_verbatim(struct buf *out, int resp, const char *kind, struct slice s);

/* The length of the one whole reply at the start of `s`, 0 when it is incomplete. Used to split a
 * transaction's or a forwarded peer's replies; `s` comes from ourselves, so malformed input is an assert. */
size_t resp_reply_len(struct slice s);

#endif
