/* Cells of the map: what scores are made of. */
#include <math.h>

#include "commands/geo_int.h"

/* Every (2 * width)-th group of `width` bits. */
static uint64_t groups(unsigned width)
{
    return UINT64_MAX / ((UINT64_C(1) << width) + 1);
}

/* Bit i goes to 2i. */
static uint64_t spread(uint32_t v)
{
    uint64_t bits = v;
    for (unsigned width = 16; width > 0; width /= 2)
        bits = (bits | bits << width) & groups(width);
    return bits;
}

static uint32_t gather(uint64_t bits)
{
    bits &= groups(1);
    for (unsigned width = 1; width < 32; width *= 2)
        bits = (bits | bits >> width) & groups(2 * width);
    return (uint32_t)bits;
}

static struct geo_cell cell_at(uint32_t lon, uint32_t lat, unsigned steps)
{
    return (struct geo_cell){spread(lat) | spread(lon) << 1, steps};
}

struct geo_cell geo_cell_of(struct geo_point p, double lat_max, unsigned steps)
{
    double cells = (double)(UINT64_C(1) << steps);
    double lon = (p.lon + GEO_LON_MAX) / (2 * GEO_LON_MAX), lat = (p.lat + lat_max) / (2 * lat_max);
    return cell_at((uint32_t)(lon * cells), (uint32_t)(lat * cells), steps);
}

static double edge(uint32_t at, unsigned steps, double max)
{
    return -max + at * 1.0 / (double)(UINT64_C(1) << steps) * (2 * max);
}

struct geo_area geo_cell_area(struct geo_cell cell)
{
    uint32_t lon = gather(cell.bits >> 1), lat = gather(cell.bits);
    return (struct geo_area){edge(lon, cell.steps, GEO_LON_MAX), edge(lon + 1, cell.steps, GEO_LON_MAX),
                             edge(lat, cell.steps, GEO_LAT_MAX), edge(lat + 1, cell.steps, GEO_LAT_MAX)};
}

static uint32_t moved(uint32_t at, int by, unsigned steps)
{
    return by ? (at + (uint32_t)by) & ((UINT32_C(1) << steps) - 1) : at;
}

struct geo_cell geo_cell_beside(struct geo_cell cell, int east, int north)
{
    return cell_at(moved(gather(cell.bits >> 1), east, cell.steps),
                   moved(gather(cell.bits), north, cell.steps), cell.steps);
}

void geo_cell_scores(struct geo_cell cell, double *from, double *to)
{
    unsigned shift = 2 * (GEO_STEPS - cell.steps);
    *from = (double)(cell.bits << shift);
    *to = (double)((cell.bits + 1) << shift);
}

/* As amd64 converts what C leaves open. */
static uint64_t bits_of(double score)
{
    if (score >= 0)
        return score < 0x1p64 ? (uint64_t)score : 0;
    return score >= -0x1p63 ? (uint64_t)(int64_t)score : UINT64_C(1) << 63;
}

static double within(double v, double max)
{
    return v > max ? max : v < -max ? -max : v;
}

struct geo_point geo_point_of(double score)
{
    struct geo_area a = geo_cell_area((struct geo_cell){bits_of(score), GEO_STEPS});
    return (struct geo_point){within((a.min_lon + a.max_lon) / 2, GEO_LON_MAX),
                              within((a.min_lat + a.max_lat) / 2, GEO_LAT_MAX)};
}
