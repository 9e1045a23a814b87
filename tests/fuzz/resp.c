/* The request parser: however the bytes are cut, the same requests and the same error come out. */
#include "base/resp.h"
#include "fuzz.h"

/* What was parsed, flat: per request its size and arguments; at the end the error, or what it still waits with. */
struct seen {
    struct buf text;
    bool error;
};

static void note(struct seen *s, const struct resp_parser *p, enum resp_status status)
{
    if (status == RESP_ERROR) {
        put_u8(&s->text, 'E');
        put_bytes(&s->text, slice_cstr(p->error));
        s->error = true;
        return;
    }
    put_varint(&s->text, p->consumed);
    put_varint(&s->text, p->argc);
    for (size_t i = 0; i < p->argc; i++)
        put_bytes(&s->text, p->argv[i]);
}

/* Takes every request that is whole. The bytes given lie in memory of exactly that size, elsewhere each time. */
static size_t take(struct resp_parser *p, struct slice have, const struct resp_limits *limits, struct seen *s)
{
    size_t at = 0;
    while (!s->error) {
        size_t left = have.len - at;
        char *own = malloc(left ? left : 1);
        fuzz_check(own);
        if (left)
            memcpy(own, have.data + at, left);
        enum resp_status status = resp_parse(p, slice_of(own, left), limits);
        if (status != RESP_MORE)
            note(s, p, status);
        if (status == RESP_REQUEST) {
            fuzz_check(p->consumed > 0 && p->consumed <= left);
            at += p->consumed;
        }
        free(own);
        if (status == RESP_MORE)
            break;
    }
    return at;
}

static struct seen parse(struct slice input, const uint8_t *cuts, size_t cut_count,
                         const struct resp_limits *limits)
{
    struct resp_parser p;
    struct seen s = {BUF_EMPTY, false};
    size_t start = 0, end = 0;
    resp_parser_init(&p);
    for (size_t i = 0; end < input.len && !s.error; i++) {
        size_t step = cut_count ? (size_t)cuts[i % cut_count] + 1 : input.len;
        end = input.len - end < step ? input.len : end + step;
        start += take(&p, slice_of(input.data + start, end - start), limits, &s);
    }
    put_varint(&s.text, s.error ? 0 : start);
    resp_parser_deinit(&p);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct reader r = fuzz_reader(data, len);
    uint8_t how = get_u8(&r);
    uint8_t cuts[4] = {get_u8(&r), get_u8(&r), get_u8(&r), get_u8(&r)};
    struct resp_limits limits = {.max_args = how & 1 ? 16 : INT32_MAX,
                                 .max_bulk = how & 2 ? 64 : 512 << 20,
                                 .max_inline = how & 4 ? 32 : 65536,
                                 .before_auth = how & 8};
    struct slice input = get_raw(&r, reader_left(&r));
    if (how & 16) /* byte by byte, the hardest cut */
        memset(cuts, 0, sizeof cuts);
    struct seen whole = parse(input, NULL, 0, &limits), cut = parse(input, cuts, sizeof cuts, &limits);
    fuzz_check(slice_equal(buf_slice(&whole.text), buf_slice(&cut.text)));
    buf_deinit(&whole.text);
    buf_deinit(&cut.text);
    return 0;
}
