/* HyperLogLogs in Redis's bytes, so that a string made by either server counts in the other. 2^14 registers of 6 bits:
 *
 *     "HYLL" | encoding (0 dense, 1 sparse) | 3 bytes 0 | cached count, u64 little-endian; its top bit: not valid
 *
 *     dense    12,288 bytes: register i in the 6 bits from bit 6 * i on, lowest bits first
 *     sparse   runs:  00xxxxxx           x + 1 registers of zero
 *                     01xxxxxx yyyyyyyy  xy + 1 registers of zero
 *                     1vvvvvxx           x + 1 registers of v + 1
 *
 * The count is Ertl's estimator (New cardinality estimation algorithms for HyperLogLog sketches, 2017). It is only ever told, never
 * kept, so that no node's floating point is in the state: the cached count stays invalid. */
#ifndef COMMANDS_HLL_H
#define COMMANDS_HLL_H

#include "base/bytes.h"

enum {
    HLL_REGISTERS = 1 << 14,
    HLL_HEADER = 16,
    HLL_ENCODING_AT = 4,
    HLL_VALID_AT = 15, /* top bit of this byte */
    HLL_DENSE_BYTES = HLL_HEADER + HLL_REGISTERS * 6 / 8,
    HLL_VALUE_MAX = 51,
};

struct hll_place { /* what adding an element means: this register is at least this value */
    uint32_t at;
    uint8_t value;
};
struct hll_place hll_place_of(struct slice element);

/* The header is one, and the length is right where it is known. */
bool hll_is_valid(struct slice text);
bool hll_is_dense(struct slice text);
/* An empty one, sparse. */
void hll_init(struct buf *out);
/* Raises registers[i] to what `text` has. false: its runs are damaged. */
bool hll_merge(struct slice text, uint8_t registers[HLL_REGISTERS]);
/* All registers into a new text, dense, or sparse when that takes at most `sparse_max` bytes (its header apart). */
void hll_encode(const uint8_t registers[HLL_REGISTERS], bool dense, uint64_t sparse_max, struct buf *out);
uint64_t hll_count(const uint8_t registers[HLL_REGISTERS]);

/* One register of a dense text, and of a sparse one (-1: damaged). */
uint8_t hll_dense_get(struct slice text, uint32_t at);
int hll_sparse_get(struct slice text, uint32_t at);
/* The bytes of a dense text that hold the register, changed to `value`: at offset *from, the number is returned. */
size_t hll_dense_set(struct slice text, struct hll_place to, size_t *from, char bytes[2]);

#endif
