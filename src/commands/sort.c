/* SORT: a list, a set or a sorted set by itself or by what other keys hold, some of it, and in its place again what other keys hold.
 *
 * Numbers that are equal are put in the order of their bytes, so the outcome is one even when the input has no order of its own. */
#include "base/alloc.h"
#include "commands/commands_int.h"
#include "store/hash.h"
#include "store/quicklist.h"
#include "store/set.h"
#include "store/zset.h"

struct sort {
    bool descending, alpha, as_it_is;
    size_t by, store; /* arguments; 0: none */
    size_t *gets, get_count;
    int64_t offset, limit;
    /* The elements: copies, for they are sorted while keys are looked up. */
    struct buf bytes;
    struct element *elements;
    size_t count, cap;
};

struct element {
    size_t at, len; /* in bytes */
    size_t place;   /* as it came */
    double score;
    size_t by_at, by_len;
    bool has_by;
};

static struct slice text_of(const struct sort *s, size_t at, size_t len)
{
    return slice_of(s->bytes.data + at, len);
}

/* ---- arguments ---- */

static bool parse_limit(struct command_context *c, size_t i, struct sort *s)
{
    return arg_i64(c, i, &s->offset) && arg_i64(c, i + 1, &s->limit);
}

static bool parse_sort(struct command_context *c, bool read_only, struct sort *s)
{
    for (size_t i = 2; i < c->argc; i++) {
        size_t left = c->argc - i - 1;
        if (arg_is(c, i, "asc")) {
            s->descending = false;
        } else if (arg_is(c, i, "desc")) {
            s->descending = true;
        } else if (arg_is(c, i, "alpha")) {
            s->alpha = true;
        } else if (arg_is(c, i, "limit") && left >= 2) {
            if (!parse_limit(c, i + 1, s))
                return false;
            i += 2;
        } else if (!read_only && arg_is(c, i, "store") && left >= 1) {
            s->store = ++i;
        } else if (arg_is(c, i, "by") && left >= 1) {
            s->by = ++i;
            s->as_it_is = !memchr(c->argv[i].data, '*', c->argv[i].len);
        } else if (arg_is(c, i, "get") && left >= 1) {
            s->gets[s->get_count++] = ++i;
        } else {
            reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

int sort_find_keys(const struct slice *argv, size_t argc, int *out, int max)
{
    int count = 1;
    size_t store = 0;
    for (size_t i = 2; i < argc; i++) {
        if (slice_is_word(argv[i], "limit"))
            i += 2;
        else if (slice_is_word(argv[i], "get") || slice_is_word(argv[i], "by"))
            i++;
        else if (slice_is_word(argv[i], "store") && i + 1 < argc)
            store = ++i;
    }
    if (max > 0)
        out[0] = 1;
    if (store && max > count)
        out[count] = (int)store;
    return count + (store != 0);
}

int sort_ro_find_keys(const struct slice *argv, size_t argc, int *out, int max)
{
    (void)argv;
    (void)argc;
    if (max > 0)
        out[0] = 1;
    return 1;
}

/* ---- gathering ---- */

static void add(struct sort *s, struct slice text)
{
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 16;
        s->elements = mem_realloc(s->elements, s->cap * sizeof *s->elements);
    }
    s->elements[s->count] = (struct element){.at = s->bytes.len, .len = text.len, .place = s->count};
    s->count++;
    buf_append_slice(&s->bytes, text);
}

static void gather_list(struct sort *s, const struct collection *list)
{
    char scratch[LP_NUMBER_MAX];
    struct quicklist_at at;
    for (bool more = quicklist_seek(list, 0, &at); more; more = quicklist_step(list, &at, LIST_TAIL))
        add(s, quicklist_text(list, &at, scratch));
}

static void gather_set(struct sort *s, const struct collection *set)
{
    char scratch[SET_NUMBER_MAX];
    for (uint64_t i = 0; i < set_count(set); i++)
        add(s, set_at(set, i, scratch));
}

static void gather_zset(struct sort *s, const struct collection *zset)
{
    struct zset_walk walk;
    struct zset_item item;
    zset_walk(&walk, zset, 0, false);
    while (zset_walk_next(&walk, &item))
        add(s, item.member);
}

static void gather(struct sort *s, const struct store_key *k)
{
    struct collection value = store_collection(k);
    buf_reserve(&s->bytes, 1); /* texts are told by their places in it, also when all are empty */
    if (store_key_type(k) == STORE_LIST)
        gather_list(s, &value);
    else if (store_key_type(k) == STORE_SET)
        gather_set(s, &value);
    else
        gather_zset(s, &value);
}

/* ---- what other keys hold ---- */

static void append_text(struct buf *out, const struct store_key *k)
{
    char scratch[24];
    buf_append_slice(out, store_string(k, scratch));
}

static bool append_field(struct buf *out, const struct store_key *k, struct slice field)
{
    char scratch[LP_NUMBER_MAX];
    struct slice value;
    struct collection hash = store_collection(k);
    if (!hash_get(&hash, field, scratch, &value))
        return false;
    buf_append_slice(out, value);
    return true;
}

/* Where "->" begins behind a pattern's star, with something behind it; else the pattern's end. */
static size_t field_mark(struct slice pattern, size_t star)
{
    for (size_t i = star + 1; i + 2 < pattern.len; i++)
        if (pattern.data[i] == '-' && pattern.data[i + 1] == '>')
            return i;
    return pattern.len;
}

/* Appends what a pattern stands for: "#" the element; "a*b" the string at the key with the element in the star's place; "a*b->f" a
 * field of the hash there. false: there is none. `element` may lie in `out`. */
static bool append_pattern(struct command_context *c, struct slice pattern, struct slice element,
                           struct buf *out)
{
    if (slice_equal(pattern, SLICE_LITERAL("#"))) {
        buf_reserve(out, element.len);
        buf_append_slice(out, element);
        return true;
    }
    const char *star = memchr(pattern.data, '*', pattern.len);
    if (!star)
        return false;
    size_t before = (size_t)(star - pattern.data), mark = field_mark(pattern, before);
    struct buf name = BUF_EMPTY;
    buf_append(&name, pattern.data, before);
    buf_append_slice(&name, element);
    buf_append(&name, star + 1, mark - before - 1);
    const struct store_key *k = store_find(&c->view, buf_slice(&name));
    buf_deinit(&name);
    bool of_hash = mark < pattern.len;
    if (!k || store_key_type(k) != (of_hash ? STORE_HASH : STORE_STRING))
        return false;
    if (of_hash)
        return append_field(out, k, slice_drop(pattern, mark + 2));
    append_text(out, k);
    return true;
}

/* ---- sorting ---- */

static bool weigh(struct command_context *c, struct sort *s, struct element *e)
{
    struct slice text = text_of(s, e->at, e->len);
    e->has_by = true;
    e->by_at = e->at;
    e->by_len = e->len;
    if (s->by) {
        struct buf found = BUF_EMPTY;
        e->has_by = append_pattern(c, c->argv[s->by], text, &found);
        e->by_at = s->bytes.len;
        e->by_len = found.len;
        buf_append_slice(&s->bytes, buf_slice(&found));
        buf_deinit(&found);
    }
    bool outside = false;
    return s->alpha || !e->has_by ||
           (parse_double_lax(text_of(s, e->by_at, e->by_len), &e->score, &outside) && !outside);
}

static int compare_keys(const struct sort *s, const struct element *a, const struct element *b)
{
    if (!s->alpha) {
        if (a->score != b->score)
            return a->score < b->score ? -1 : 1;
        return slice_compare(text_of(s, a->at, a->len), text_of(s, b->at, b->len));
    }
    if (!a->has_by || !b->has_by)
        return (a->has_by > b->has_by) - (a->has_by < b->has_by);
    return slice_compare(text_of(s, a->by_at, a->by_len), text_of(s, b->by_at, b->by_len));
}

static bool stands_before(const struct sort *s, const struct element *a, const struct element *b)
{
    int order = compare_keys(s, a, b);
    order = s->descending ? -order : order;
    return order < 0 || (order == 0 && a->place < b->place);
}

/* Merging: stable, and never quadratic. */
static void merge_sort(const struct sort *s, struct element *e, size_t n, struct element *spare)
{
    if (n < 2)
        return;
    size_t half = n / 2, left = 0, right = half, out = 0;
    merge_sort(s, e, half, spare);
    merge_sort(s, e + half, n - half, spare);
    while (left < half && right < n)
        spare[out++] = stands_before(s, &e[right], &e[left]) ? e[right++] : e[left++];
    memcpy(spare + out, e + left, (half - left) * sizeof *e);
    memcpy(e, spare, (out + half - left) * sizeof *e);
}

static bool order(struct command_context *c, struct sort *s)
{
    if (s->as_it_is) {
        for (size_t i = 0; s->descending && i < s->count / 2; i++) {
            struct element swapped = s->elements[i];
            s->elements[i] = s->elements[s->count - 1 - i];
            s->elements[s->count - 1 - i] = swapped;
        }
        return true;
    }
    for (size_t i = 0; i < s->count; i++) {
        if (!weigh(c, s, &s->elements[i])) {
            resp_error(c->out, "ERR One or more scores can't be converted into double");
            return false;
        }
    }
    struct element *spare = mem_alloc((s->count + 1) * sizeof *spare);
    merge_sort(s, s->elements, s->count, spare);
    mem_free(spare);
    return true;
}

/* ---- answering ---- */

/* Elements [*from, *to) of them. */
static void cut(const struct sort *s, size_t *from, size_t *to)
{
    int64_t count = (int64_t)s->count;
    int64_t start = s->offset < 0 ? 0 : s->offset > count ? count : s->offset;
    int64_t most = s->limit < 0 || s->limit > count - start ? count - start : s->limit;
    *from = (size_t)start;
    *to = (size_t)(start + most);
}

struct sink { /* the reply, or the list that it is stored in */
    struct command_context *c;
    bool stores;
    size_t start; /* of the reply */
    struct collection list;
};

static void put(struct sink *to, bool there, struct slice text)
{
    if (to->stores)
        quicklist_push(&to->list, LIST_TAIL, there ? text : slice_of("", 0), to->c->view.limits);
    else if (there)
        resp_bulk(to->c->out, text);
    else
        reply_null(to->c);
}

/* false: no more, the reply is an error now. */
static bool put_element(struct sink *to, const struct sort *s, const struct element *e)
{
    struct slice text = text_of(s, e->at, e->len);
    if (!s->get_count)
        put(to, true, text);
    for (size_t i = 0; i < s->get_count; i++) {
        if (entry_reply_is_too_long(to->c, to->start))
            return false;
        struct buf found = BUF_EMPTY;
        bool there = append_pattern(to->c, to->c->argv[s->gets[i]], text, &found);
        put(to, there, there ? slice_of(found.data ? found.data : "", found.len) : text);
        buf_deinit(&found);
    }
    return true;
}

static void store_list(struct command_context *c, const struct sort *s, struct collection *list, size_t count)
{
    struct slice key = c->argv[s->store];
    bool there = store_find(&c->view, key) != NULL;
    store_put_collection(&c->view, key, STORE_LIST, *list);
    if (count)
        notify(c, EVENT_LIST, "sortstore", key);
    else if (there)
        notify(c, EVENT_GENERIC, "del", key);
    resp_integer(c->out, (int64_t)count);
}

static void answer(struct command_context *c, const struct sort *s)
{
    struct sink to = {.c = c, .stores = s->store != 0, .start = c->out->len, .list = {.form = FORM_PACKED}};
    size_t from, end;
    cut(s, &from, &end);
    size_t count = (end - from) * (s->get_count ? s->get_count : 1);
    if (!to.stores)
        resp_array(c->out, count);
    for (size_t i = from; i < end && put_element(&to, s, &s->elements[i]); i++) {
    }
    if (to.stores)
        store_list(c, s, &to.list, count);
}

static void sort(struct command_context *c, bool read_only)
{
    struct sort s = {.limit = -1, .gets = mem_alloc(c->argc * sizeof(size_t))};
    if (parse_sort(c, read_only, &s)) {
        const struct store_key *k = store_find(&c->view, c->argv[1]);
        enum store_type type = k ? store_key_type(k) : STORE_LIST;
        if (type != STORE_LIST && type != STORE_SET && type != STORE_ZSET) {
            check_type(c, k, STORE_LIST);
        } else {
            if (s.as_it_is && type == STORE_SET &&
                (s.store || c->in_script)) { /* what has no order gets one before it is kept */
                s.as_it_is = false;
                s.alpha = true;
                s.by = 0;
            }
            if (k)
                gather(&s, k);
            if (order(c, &s))
                answer(c, &s);
        }
    }
    mem_free(s.gets);
    mem_free(s.elements);
    buf_deinit(&s.bytes);
}

void sort_command(struct command_context *c)
{
    sort(c, false);
}

void sort_ro_command(struct command_context *c)
{
    sort(c, true);
}
