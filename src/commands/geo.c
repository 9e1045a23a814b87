/* Places in a sorted set: added, told, and how far it is between two. */
#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "commands/geo_int.h"

/* ---- arguments and replies ---- */

bool arg_point(struct command_context *c, size_t i, struct geo_point *p)
{
    static const char error[] = "ERR value is not a valid float";
    if (!arg_score(c, i, error, &p->lon) || !arg_score(c, i + 1, error, &p->lat))
        return false;
    if (fabs(p->lon) <= GEO_LON_MAX && fabs(p->lat) <= GEO_LAT_MAX)
        return true;
    resp_errorf(c->out, "ERR invalid longitude,latitude pair %f,%f", p->lon, p->lat);
    return false;
}

bool arg_unit(struct command_context *c, size_t i, double *unit)
{
    static const struct {
        const char *name;
        double metres;
    } units[] = {{"m", 1}, {"km", 1000}, {"ft", 0.3048}, {"mi", 1609.34}};
    for (size_t u = 0; u < sizeof units / sizeof *units; u++)
        if (arg_is(c, i, units[u].name)) {
            *unit = units[u].metres;
            return true;
        }
    resp_error(c->out, "ERR unsupported unit provided. please use M, KM, FT, MI");
    return false;
}

/* Four places, halves to the even. */
void reply_distance(struct command_context *c, double distance)
{
    char text[40];
    long long units = llrint(distance * 10000);
    int len = snprintf(text, sizeof text, "%lld.%04lld", units / 10000, units % 10000);
    resp_bulk(c->out, slice_of(text, (size_t)len));
}

static void reply_degrees(struct command_context *c, double degrees)
{
    char text[NUMBER_TEXT_MAX];
    size_t len = format_long_double(text, degrees);
    if (c->resp == 2)
        resp_bulk(c->out, slice_of(text, len));
    else
        buf_printf(c->out, ",%s\r\n", text);
}

void reply_point(struct command_context *c, struct geo_point p)
{
    resp_array(c->out, 2);
    reply_degrees(c, p.lon);
    reply_degrees(c, p.lat);
}

/* ---- GEOADD ---- */

static bool read_points(struct command_context *c, struct additions *a)
{
    a->scores = mem_alloc(a->count * sizeof *a->scores);
    for (size_t i = 0; i < a->count; i++) {
        struct geo_point p;
        if (!arg_point(c, a->first - 2 + i * a->step, &p)) {
            mem_free(a->scores);
            return false;
        }
        a->scores[i] = (double)geo_cell_of(p, GEO_LAT_MAX, GEO_STEPS).bits;
    }
    return true;
}

void geoadd_command(struct command_context *c)
{
    struct additions a = {.step = 3};
    size_t first = 2;
    for (; first < c->argc; first++)
        if (arg_is(c, first, "nx"))
            a.flags |= ADD_NX;
        else if (arg_is(c, first, "xx"))
            a.flags |= ADD_XX;
        else if (arg_is(c, first, "ch"))
            a.flags |= ADD_CH;
        else
            break;
    a.first = first + 2;
    a.count = (c->argc - first) / 3;
    bool both = a.flags & ADD_NX && a.flags & ADD_XX;
    if ((c->argc - first) % 3 || both || a.count == 0) {
        reply_syntax_error(c);
        return;
    }
    if (!read_points(c, &a))
        return;
    add_members(c, &a);
    mem_free(a.scores);
}

/* ---- GEOPOS, GEOHASH, GEODIST ---- */

/* One reply for each member; *z is empty when the key is not there. */
static bool begin_members(struct command_context *c, struct collection *z)
{
    struct store_key *k = store_find(&c->view, c->argv[1]);
    if (!check_type(c, k, STORE_ZSET))
        return false;
    *z = k ? store_collection(k) : (struct collection){.form = FORM_PACKED};
    resp_array(c->out, c->argc - 2);
    return true;
}

void geopos_command(struct command_context *c)
{
    struct collection z;
    double score;
    if (!begin_members(c, &z))
        return;
    for (size_t i = 2; i < c->argc; i++)
        if (zset_score(&z, c->argv[i], &score))
            reply_point(c, geo_point_of(score));
        else
            resp_null_array(c->out, c->resp);
}

/* The usual geohash: its map reaches to the poles, and it has letters for five bits each. 52 bits make ten; the eleventh was
 * always there, and says nothing. */
static void reply_geohash(struct command_context *c, double score)
{
    static const char letters[] = "0123456789bcdefghjkmnpqrstuvwxyz";
    uint64_t bits = geo_cell_of(geo_point_of(score), 90, GEO_STEPS).bits;
    char text[11];
    for (int i = 0; i < 10; i++)
        text[i] = letters[bits >> (52 - 5 * (i + 1)) & 31];
    text[10] = letters[0];
    resp_bulk(c->out, slice_of(text, sizeof text));
}

void geohash_command(struct command_context *c)
{
    struct collection z;
    double score;
    if (!begin_members(c, &z))
        return;
    for (size_t i = 2; i < c->argc; i++)
        if (zset_score(&z, c->argv[i], &score))
            reply_geohash(c, score);
        else
            reply_null(c);
}

void geodist_command(struct command_context *c)
{
    double unit = 1, a, b;
    struct collection z;
    if (c->argc > 5) {
        reply_syntax_error(c);
        return;
    }
    if ((c->argc == 5 && !arg_unit(c, 4, &unit)) || !find_zset(c, 1, reply_null, &z))
        return;
    if (zset_score(&z, c->argv[2], &a) && zset_score(&z, c->argv[3], &b))
        reply_distance(c, geo_distance(geo_point_of(a), geo_point_of(b)) / unit);
    else
        reply_null(c);
}
