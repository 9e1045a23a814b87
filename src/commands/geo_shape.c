/* Circles and boxes: what lies inside, and the cells to look into. */
#include <math.h>

#include "base/trig.h"
#include "commands/geo_int.h"

#define EARTH_RADIUS 6372797.560856 /* metres, as Redis has it */
#define MERCATOR_MAX 20037726.37
#define RADIANS      (3.14159265358979323846 / 180.0)

static double radians(double degrees)
{
    return degrees * RADIANS;
}

static double lat_distance(double a, double b)
{
    return EARTH_RADIUS * fabs(radians(b) - radians(a));
}

/* By the haversine formula. */
double geo_distance(struct geo_point a, struct geo_point b)
{
    double v = trig_sin((radians(b.lon) - radians(a.lon)) / 2);
    if (v == 0)
        return lat_distance(a.lat, b.lat);
    double lat_a = radians(a.lat), lat_b = radians(b.lat), u = trig_sin((lat_b - lat_a) / 2);
    double h = u * u + trig_cos(lat_a) * trig_cos(lat_b) * v * v;
    return 2.0 * EARTH_RADIUS * trig_asin(sqrt(h));
}

static bool box_holds(const struct geo_shape *s, struct geo_point p, double *distance)
{
    struct geo_point beside = {s->center.lon, p.lat};
    if (lat_distance(p.lat, s->center.lat) > s->height * s->unit / 2 ||
        geo_distance(p, beside) > s->width * s->unit / 2)
        return false;
    *distance = geo_distance(s->center, p);
    return true;
}

bool geo_shape_holds(const struct geo_shape *s, struct geo_point p, double *distance)
{
    if (s->is_box)
        return box_holds(s, p, distance);
    *distance = geo_distance(s->center, p);
    return *distance <= s->radius * s->unit;
}

/* ---- cells ---- */

/* The nearer to a pole, the longer the arc of longitude that a width spans. */
static struct geo_area bounds(const struct geo_shape *s)
{
    double height = s->unit * (s->is_box ? s->height / 2 : s->radius);
    double width = s->unit * (s->is_box ? s->width / 2 : s->radius);
    double lat = height / EARTH_RADIUS / RADIANS;
    double side = s->center.lat < 0 ? s->center.lat - lat : s->center.lat + lat;
    double lon = width / EARTH_RADIUS / trig_cos(radians(side)) / RADIANS;
    return (struct geo_area){s->center.lon - lon, s->center.lon + lon, s->center.lat - lat,
                             s->center.lat + lat};
}

/* So large that a cell and its neighbours cover the range nearly always. */
static unsigned estimate_steps(double range, double lat)
{
    int steps = 1;
    if (range == 0)
        return GEO_STEPS;
    for (; range < MERCATOR_MAX; range *= 2)
        steps++;
    steps -= 2;
    steps -= (fabs(lat) > 66) + (fabs(lat) > 80);
    return steps < 1 ? 1 : steps > GEO_STEPS ? GEO_STEPS : (unsigned)steps;
}

/* Does it reach beyond the neighbours? */
static bool reaches_beyond(struct geo_cell cell, const struct geo_area *b)
{
    return geo_cell_area(geo_cell_beside(cell, 0, 1)).max_lat < b->max_lat ||
           geo_cell_area(geo_cell_beside(cell, 0, -1)).min_lat > b->min_lat ||
           geo_cell_area(geo_cell_beside(cell, 1, 0)).max_lon < b->max_lon ||
           geo_cell_area(geo_cell_beside(cell, -1, 0)).min_lon > b->min_lon;
}

/* The own cell reaches beyond the shape on this side already. */
static bool is_needless(const struct geo_area *own, const struct geo_area *b, int east, int north)
{
    return (north < 0 && own->min_lat < b->min_lat) || (north > 0 && own->max_lat > b->max_lat) ||
           (east < 0 && own->min_lon < b->min_lon) || (east > 0 && own->max_lon > b->max_lon);
}

size_t geo_shape_cells(const struct geo_shape *s, struct geo_cell cells[GEO_CELLS])
{
    static const int beside[GEO_CELLS][2] = {{0, 0}, {0, 1},  {0, -1}, {1, 0},  {-1, 0},
                                             {1, 1}, {-1, 1}, {1, -1}, {-1, -1}};
    double range =
        s->is_box ? sqrt(s->width / 2 * (s->width / 2) + s->height / 2 * (s->height / 2)) : s->radius;
    struct geo_area b = bounds(s);
    unsigned steps = estimate_steps(range * s->unit, s->center.lat);
    struct geo_cell own = geo_cell_of(s->center, GEO_LAT_MAX, steps);
    if (steps > 1 && reaches_beyond(own, &b))
        own = geo_cell_of(s->center, GEO_LAT_MAX, --steps);
    struct geo_area area = geo_cell_area(own);
    size_t n = 0;
    for (size_t i = 0; i < GEO_CELLS; i++) {
        int east = beside[i][0], north = beside[i][1];
        struct geo_cell cell = geo_cell_beside(own, east, north);
        if (steps >= 2 && is_needless(&area, &b, east, north))
            continue;
        if (n > 1 && cells[n - 1].bits == cell.bits)
            continue; /* large ones: the same from both sides */
        cells[n++] = cell;
    }
    return n;
}
