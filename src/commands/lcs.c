/* LCS: the longest common subsequence of two strings, by the table of the lengths for all pairs of prefixes. */
#include "base/alloc.h"
#include "commands/commands_int.h"

struct lcs {
    struct slice a, b;
    bool want_len, want_ranges, with_lengths;
    int64_t least; /* shorter ranges are not told */
    uint32_t *table;
};

static uint32_t *at(const struct lcs *l, size_t i, size_t j)
{
    return &l->table[i * (l->b.len + 1) + j];
}

static void fill_table(struct lcs *l)
{
    for (size_t i = 0; i <= l->a.len; i++) {
        for (size_t j = 0; j <= l->b.len; j++) {
            uint32_t *here = at(l, i, j);
            if (i == 0 || j == 0)
                *here = 0;
            else if (l->a.data[i - 1] == l->b.data[j - 1])
                *here = *at(l, i - 1, j - 1) + 1;
            else
                *here = *at(l, i - 1, j) > *at(l, i, j - 1) ? *at(l, i - 1, j) : *at(l, i, j - 1);
        }
    }
}

/* The walk from the ends back to a front, along the longest. A range is a run of matches in both strings. */
struct walk {
    size_t i, j;
    bool open;
    size_t a_first, a_last, b_first, b_last; /* of the range that is open */
};

static void tell_range(const struct lcs *l, struct walk *w, struct buf *ranges, size_t *count)
{
    int64_t len = (int64_t)(w->a_last - w->a_first + 1);
    w->open = false;
    if (len < l->least)
        return;
    resp_array(ranges, l->with_lengths ? 3 : 2);
    resp_array(ranges, 2);
    resp_integer(ranges, (int64_t)w->a_first);
    resp_integer(ranges, (int64_t)w->a_last);
    resp_array(ranges, 2);
    resp_integer(ranges, (int64_t)w->b_first);
    resp_integer(ranges, (int64_t)w->b_last);
    if (l->with_lengths)
        resp_integer(ranges, len);
    ++*count;
}

/* A step over a byte that both have. True: the range ends here, as it does at a front of either string. */
static bool step_match(struct walk *w)
{
    bool ends = false;
    if (!w->open) {
        *w = (struct walk){w->i, w->j, true, w->i - 1, w->i - 1, w->j - 1, w->j - 1};
    } else if (w->a_first == w->i && w->b_first == w->j) {
        w->a_first--;
        w->b_first--;
    } else {
        ends = true;
    }
    w->i--;
    w->j--;
    return ends || w->a_first == 0 || w->b_first == 0;
}

/* The text into `out`, the ranges into `ranges`. */
static void walk_back(const struct lcs *l, char *out, struct buf *ranges, size_t *count)
{
    struct walk w = {.i = l->a.len, .j = l->b.len};
    size_t left = *at(l, w.i, w.j);
    while (w.i > 0 && w.j > 0) {
        bool ends;
        if (l->a.data[w.i - 1] == l->b.data[w.j - 1]) {
            out[--left] = l->a.data[w.i - 1];
            ends = step_match(&w);
        } else {
            ends = w.open;
            if (*at(l, w.i - 1, w.j) > *at(l, w.i, w.j - 1))
                w.i--;
            else
                w.j--;
        }
        if (ends)
            tell_range(l, &w, ranges, count);
    }
}

static bool parse_options(struct command_context *c, struct lcs *l)
{
    for (size_t i = 3; i < c->argc; i++) {
        if (arg_is(c, i, "idx")) {
            l->want_ranges = true;
        } else if (arg_is(c, i, "len")) {
            l->want_len = true;
        } else if (arg_is(c, i, "withmatchlen")) {
            l->with_lengths = true;
        } else if (arg_is(c, i, "minmatchlen") && i + 1 < c->argc) {
            if (!arg_i64(c, ++i, &l->least))
                return false;
        } else {
            reply_syntax_error(c);
            return false;
        }
    }
    if (l->want_len && l->want_ranges)
        resp_error(c->out, "ERR If you want both the length and indexes, please just use IDX.");
    return !(l->want_len && l->want_ranges);
}

static void answer(struct command_context *c, struct lcs *l)
{
    fill_table(l);
    size_t len = *at(l, l->a.len, l->b.len), count = 0;
    if (l->want_len) {
        resp_integer(c->out, (int64_t)len);
        return;
    }
    char *text = mem_alloc(len + 1);
    struct buf ranges = BUF_EMPTY;
    walk_back(l, text, &ranges, &count);
    if (l->want_ranges) {
        resp_map(c->out, c->resp, 2);
        resp_bulk_cstr(c->out, "matches");
        resp_array(c->out, count);
        buf_append_slice(c->out, buf_slice(&ranges));
        resp_bulk_cstr(c->out, "len");
        resp_integer(c->out, (int64_t)len);
    } else {
        resp_bulk(c->out, slice_of(text, len));
    }
    buf_deinit(&ranges);
    mem_free(text);
}

void lcs_command(struct command_context *c)
{
    char scratch[2][24];
    struct lcs l = {.least = 0};
    const struct store_key *a = store_find(&c->view, c->argv[1]), *b = store_find(&c->view, c->argv[2]);
    if ((a && store_key_type(a) != STORE_STRING) || (b && store_key_type(b) != STORE_STRING)) {
        resp_error(c->out, "ERR The specified keys must contain string values");
        return;
    }
    if (!parse_options(c, &l))
        return;
    l.a = a ? store_string(a, scratch[0]) : slice_of("", 0);
    l.b = b ? store_string(b, scratch[1]) : slice_of("", 0);
    uint64_t cells;
    if (__builtin_mul_overflow((uint64_t)l.a.len + 1, (uint64_t)l.b.len + 1, &cells) ||
        cells > c->max_bulk / sizeof *l.table) {
        resp_error(c->out, "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
        return;
    }
    l.table = mem_alloc(cells * sizeof *l.table);
    answer(c, &l);
    mem_free(l.table);
}
