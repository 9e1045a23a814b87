/* Places on the earth, as scores of a sorted set: 26 bits of longitude and 26 of latitude, interleaved, so that what is near
 * often has a near score. All numbers come from base/trig and plain arithmetic: which member is found, and how far away it is
 * stored, is the same on every node. */
#ifndef COMMANDS_GEO_INT_H
#define COMMANDS_GEO_INT_H

#include "commands/zset_int.h"

/* The latitudes of the Mercator projection. */
#define GEO_LAT_MAX 85.05112878
#define GEO_LON_MAX 180.0

enum { GEO_STEPS = 26 };

struct geo_point {
    double lon, lat; /* degrees */
};

/* One of the 2^steps x 2^steps cells of the map. */
struct geo_cell {
    uint64_t bits; /* of the longitude the odd ones */
    unsigned steps;
};

struct geo_area {
    double min_lon, max_lon, min_lat, max_lat;
};

/* geo_cell.c. The map reaches from -lat_max to lat_max; the point lies on it. */
struct geo_cell geo_cell_of(struct geo_point p, double lat_max, unsigned steps);
struct geo_area geo_cell_area(struct geo_cell cell);
/* So many cells to the east and to the north, around the edges of the map. */
struct geo_cell geo_cell_beside(struct geo_cell cell, int east, int north);
/* Scores of members in the cell: [from, to). */
void geo_cell_scores(struct geo_cell cell, double *from, double *to);
/* What a score stands for; whatever it is. */
struct geo_point geo_point_of(double score);

/* geo_shape.c */
struct geo_shape {
    bool is_box;
    struct geo_point center;
    double unit; /* metres */
    double radius;
    double width, height;
};
double geo_distance(struct geo_point a, struct geo_point b); /* metres, on a sphere */
/* Is it inside? Its distance from the centre then. */
bool geo_shape_holds(const struct geo_shape *s, struct geo_point p, double *distance);
/* The cells that cover it, none twice in a row; their number. */
enum { GEO_CELLS = 9 };
size_t geo_shape_cells(const struct geo_shape *s, struct geo_cell cells[GEO_CELLS]);

/* geo.c: arguments, the error appended when they return false. */
bool arg_point(struct command_context *c, size_t i, struct geo_point *p);
bool arg_unit(struct command_context *c, size_t i, double *unit);
void reply_distance(struct command_context *c, double distance);
void reply_point(struct command_context *c, struct geo_point p);

#endif
