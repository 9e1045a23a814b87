/* CLIENT TRACKING, CACHING, GETREDIR, TRACKINGINFO. */
#include "base/alloc.h"
#include "base/number.h"
#include "server/caches.h"

static struct client *client_by_id(struct server *s, int64_t id)
{
    list_for_each(it, &s->everyone)
    {
        struct client *c = list_entry(it, struct client, everyone_link);
        if (!c->doomed && c->id == (uint64_t)id)
            return c;
    }
    return NULL;
}

/* What CLIENT TRACKING ON asks for; prefixes are slices of argv. */
struct wish {
    struct cache cache;
    struct slice *prefixes;
    size_t prefix_count;
};

static bool read_redirect(struct client *c, struct slice text, struct wish *w, struct buf *out)
{
    int64_t id;
    if (w->cache.redirect) {
        resp_error(out, "ERR A client can only redirect to a single other client");
        return false;
    }
    if (!parse_i64(text, &id)) {
        resp_error(out, "ERR value is not an integer or out of range");
        return false;
    }
    const struct client *to = client_by_id(c->server, id);
    if (!to) {
        resp_error(out, "ERR The client ID you want redirect to does not exist");
        return false;
    }
    w->cache.redirect = to->id;
    w->cache.redirect_ticket = ticket_of(to, 0);
    return true;
}

static bool read_wish(struct client *c, const struct slice *argv, size_t argc, struct wish *w,
                      struct buf *out)
{
    for (size_t i = 3; i < argc; i++) {
        bool more = i + 1 < argc;
        if (slice_is_word(argv[i], "redirect") && more) {
            if (!read_redirect(c, argv[++i], w, out))
                return false;
        } else if (slice_is_word(argv[i], "bcast")) {
            w->cache.broadcast = true;
        } else if (slice_is_word(argv[i], "optin")) {
            w->cache.opt_in = true;
        } else if (slice_is_word(argv[i], "optout")) {
            w->cache.opt_out = true;
        } else if (slice_is_word(argv[i], "noloop")) {
            w->cache.no_loop = true;
        } else if (slice_is_word(argv[i], "prefix") && more) {
            w->prefixes[w->prefix_count++] = argv[++i];
        } else {
            resp_error(out, "ERR syntax error");
            return false;
        }
    }
    return true;
}

static bool overlap(struct slice a, struct slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    return slice_equal(slice_of(a.data, len), slice_of(b.data, len));
}

static bool refuse_overlap(struct buf *out, struct slice a, const char *what, struct slice b)
{
    resp_errorf(
        out,
        "ERR Prefix '%.*s' overlaps with %s prefix '%.*s'. Prefixes for a single client must not overlap.",
        (int)a.len, a.data, what, (int)b.len, b.data);
    return false;
}

static bool check_prefixes(struct client *c, const struct wish *w, struct buf *out)
{
    const struct tracking *t = caches_table(c->server);
    for (size_t i = 0; i < w->prefix_count; i++) {
        for (size_t j = 0; c->cache && j < tracking_prefixes(t); j++)
            if (tracking_wants(t, j, ticket_of(c, 0)) && overlap(w->prefixes[i], tracking_prefix_at(t, j)))
                return refuse_overlap(out, w->prefixes[i], "an existing", tracking_prefix_at(t, j));
        for (size_t j = i + 1; j < w->prefix_count; j++)
            if (overlap(w->prefixes[i], w->prefixes[j]))
                return refuse_overlap(out, w->prefixes[i], "another provided", w->prefixes[j]);
    }
    return true;
}

/* In Redis's order. */
static const char *incompatible(const struct cache *now, const struct wish *w)
{
    const struct cache *k = &w->cache;
    if (!k->broadcast && w->prefix_count)
        return "ERR PREFIX option requires BCAST mode to be enabled";
    if (now && now->broadcast != k->broadcast)
        return "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then "
               "re-enabling it with a different mode.";
    if (k->broadcast && (k->opt_in || k->opt_out))
        return "ERR OPTIN and OPTOUT are not compatible with BCAST";
    if (k->opt_in && k->opt_out)
        return "ERR You can't specify both OPTIN mode and OPTOUT mode";
    if (now && ((k->opt_in && now->opt_out) || (k->opt_out && now->opt_in)))
        return "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then "
               "re-enabling it with a different mode.";
    return NULL;
}

static bool turn_on(struct client *c, const struct wish *w, struct buf *out)
{
    const char *wrong = incompatible(c->cache, w);
    if (wrong)
        resp_error(out, wrong);
    if (wrong || !check_prefixes(c, w, out))
        return false;
    caches_enable(c, &w->cache, w->prefixes, w->prefix_count);
    return true;
}

static void client_tracking(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    struct wish w = {.prefixes = mem_alloc(argc * sizeof *w.prefixes)};
    bool on = slice_is_word(argv[2], "on"), done = false;
    if (!read_wish(c, argv, argc, &w, out)) {
        done = false;
    } else if (on) {
        done = turn_on(c, &w, out);
    } else if (slice_is_word(argv[2], "off")) {
        caches_disable(c);
        done = true;
    } else {
        resp_error(out, "ERR syntax error");
    }
    if (done)
        resp_simple(out, "OK");
    mem_free(w.prefixes);
}

static void client_caching(struct client *c, struct slice word, struct buf *out)
{
    const char *wrong = NULL;
    bool yes = slice_is_word(word, "yes");
    if (!c->cache)
        wrong = "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or "
                "OPTOUT mode enabled";
    else if (!yes && !slice_is_word(word, "no"))
        wrong = "ERR syntax error";
    else if (yes && !c->cache->opt_in)
        wrong = "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.";
    else if (!yes && !c->cache->opt_out)
        wrong = "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.";
    if (wrong) {
        resp_error(out, wrong);
        return;
    }
    c->cache->caching = true;
    resp_simple(out, "OK");
}

static void put_flags(const struct cache *k, int resp, struct buf *out)
{
    const char *words[8];
    size_t count = 0;
    words[count++] = k ? "on" : "off";
    if (k && k->broadcast)
        words[count++] = "bcast";
    if (k && k->opt_in)
        words[count++] = "optin";
    if (k && k->opt_in && k->caching)
        words[count++] = "caching-yes";
    if (k && k->opt_out)
        words[count++] = "optout";
    if (k && k->opt_out && k->caching)
        words[count++] = "caching-no";
    if (k && k->no_loop)
        words[count++] = "noloop";
    if (k && k->broken)
        words[count++] = "broken_redirect";
    resp_set(out, resp, count);
    for (size_t i = 0; i < count; i++)
        resp_bulk_cstr(out, words[i]);
}

static void put_prefixes(struct client *c, struct buf *out)
{
    const struct tracking *t = caches_table(c->server);
    size_t count = 0;
    for (size_t i = 0; i < tracking_prefixes(t); i++)
        count += tracking_wants(t, i, ticket_of(c, 0));
    resp_array(out, count);
    for (size_t i = 0; i < tracking_prefixes(t); i++)
        if (tracking_wants(t, i, ticket_of(c, 0)))
            resp_bulk(out, tracking_prefix_at(t, i));
}

static void client_trackinginfo(struct client *c, struct buf *out)
{
    resp_map(out, c->resp, 3);
    resp_bulk_cstr(out, "flags");
    put_flags(c->cache, c->resp, out);
    resp_bulk_cstr(out, "redirect");
    resp_integer(out, c->cache ? (int64_t)c->cache->redirect : -1);
    resp_bulk_cstr(out, "prefixes");
    put_prefixes(c, out);
}

bool caches_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    if (slice_is_word(argv[1], "tracking"))
        client_tracking(c, argv, argc, out);
    else if (slice_is_word(argv[1], "caching"))
        client_caching(c, argv[2], out);
    else if (slice_is_word(argv[1], "getredir"))
        resp_integer(out, c->cache ? (int64_t)c->cache->redirect : -1);
    else if (slice_is_word(argv[1], "trackinginfo"))
        client_trackinginfo(c, out);
    else
        return false;
    return true;
}
