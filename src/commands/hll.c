/* The bytes of HyperLogLogs, and what they count. */
#include "commands/hll.h"

#include <math.h>

enum { INDEX_BITS = 14, HASH_BITS = 64 - INDEX_BITS };
enum { RUN_ZERO_MAX = 64, RUN_XZERO_MAX = 16384, RUN_VALUE_MAX = 4, SPARSE_VALUE_MAX = 32 };

/* MurmurHash64A, as Redis seeds it. */
static uint64_t murmur(struct slice s)
{
    const uint64_t m = UINT64_C(0xc6a4a7935bd1e995);
    uint64_t h = UINT64_C(0xadc83b19) ^ (s.len * m);
    const char *at = s.data;
    size_t left = s.len;
    for (; left >= 8; at += 8, left -= 8) {
        uint64_t k = load_u64(at) * m;
        k = (k ^ k >> 47) * m;
        h = (h ^ k) * m;
    }
    if (left) {
        uint64_t k = 0;
        for (size_t i = left; i--;)
            k = k << 8 | (uint8_t)at[i];
        h = (h ^ k) * m;
    }
    h = (h ^ h >> 47) * m;
    return h ^ h >> 47;
}

struct hll_place hll_place_of(struct slice element)
{
    uint64_t hash = murmur(element);
    uint64_t rest = hash >> INDEX_BITS | UINT64_C(1) << HASH_BITS;
    return (struct hll_place){(uint32_t)(hash % HLL_REGISTERS), (uint8_t)(__builtin_ctzll(rest) + 1)};
}

bool hll_is_valid(struct slice text)
{
    if (text.len < HLL_HEADER || memcmp(text.data, "HYLL", 4) || (uint8_t)text.data[HLL_ENCODING_AT] > 1)
        return false;
    return !hll_is_dense(text) || text.len == HLL_DENSE_BYTES;
}

bool hll_is_dense(struct slice text)
{
    return text.data[HLL_ENCODING_AT] == 0;
}

static void put_header(struct buf *out, bool dense)
{
    static const char header[HLL_HEADER] = "HYLL";
    buf_append(out, header, sizeof header);
    out->data[HLL_ENCODING_AT] = !dense;
    out->data[HLL_VALID_AT] = (char)0x80;
}

static void put_zeroes(struct buf *out, uint32_t count)
{
    if (count > RUN_ZERO_MAX) {
        put_u8(out, (uint8_t)(0x40 | (count - 1) >> 8));
        put_u8(out, (uint8_t)(count - 1));
    } else if (count) {
        put_u8(out, (uint8_t)(count - 1));
    }
}

static void put_values(struct buf *out, uint32_t count, uint8_t value)
{
    for (; count > 0; count -= count < RUN_VALUE_MAX ? count : RUN_VALUE_MAX) {
        uint32_t run = count < RUN_VALUE_MAX ? count : RUN_VALUE_MAX;
        put_u8(out, (uint8_t)(0x80u | (value - 1u) << 2 | (run - 1)));
    }
}

void hll_init(struct buf *out)
{
    put_header(out, false);
    put_zeroes(out, RUN_XZERO_MAX);
}

/* ---- reading ---- */

struct run {
    uint32_t count;
    uint8_t value;
};

/* false: the last run, or damage: a run that is cut off, which leaves the reader failed. */
static bool next_run(struct reader *r, struct run *run)
{
    if (reader_left(r) == 0)
        return false;
    uint8_t first = get_u8(r);
    if (first & 0x80)
        *run = (struct run){(first & 3u) + 1, (uint8_t)((first >> 2 & 31) + 1)};
    else
        *run = (struct run){(first & 63u) + 1, 0};
    if ((first & 0xc0) == 0x40)
        run->count = ((first & 63u) << 8 | get_u8(r)) + 1;
    return !r->failed;
}

static struct reader runs_of(struct slice text)
{
    return reader_of(slice_drop(text, HLL_HEADER));
}

static bool merge_sparse(struct slice text, uint8_t registers[HLL_REGISTERS])
{
    struct reader r = runs_of(text);
    struct run run;
    uint32_t at = 0;
    while (next_run(&r, &run)) {
        if (run.count > HLL_REGISTERS - at)
            return false;
        for (uint32_t end = at + run.count; at < end; at++)
            if (registers[at] < run.value)
                registers[at] = run.value;
    }
    return !r.failed && at == HLL_REGISTERS;
}

/* Four registers lie in three bytes. */
static void merge_dense(struct slice text, uint8_t registers[HLL_REGISTERS])
{
    const uint8_t *from = (const uint8_t *)text.data + HLL_HEADER;
    for (uint32_t i = 0; i < HLL_REGISTERS; i += 4, from += 3) {
        uint32_t bits = from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16;
        for (uint32_t k = 0; k < 4; k++, bits >>= 6)
            if (registers[i + k] < (bits & 63))
                registers[i + k] = bits & 63;
    }
}

bool hll_merge(struct slice text, uint8_t registers[HLL_REGISTERS])
{
    if (!hll_is_dense(text))
        return merge_sparse(text, registers);
    merge_dense(text, registers);
    return true;
}

uint8_t hll_dense_get(struct slice text, uint32_t at)
{
    const uint8_t *from = (const uint8_t *)text.data + HLL_HEADER + at * 6 / 8;
    unsigned shift = at * 6 % 8;
    unsigned bits = from[0];
    if (shift > 2)
        bits |= (unsigned)from[1] << 8;
    return bits >> shift & 63;
}

size_t hll_dense_set(struct slice text, struct hll_place to, size_t *from, char bytes[2])
{
    unsigned shift = to.at * 6 % 8;
    size_t count = shift > 2 ? 2 : 1;
    *from = HLL_HEADER + to.at * 6 / 8;
    unsigned bits = (uint8_t)text.data[*from];
    if (count == 2)
        bits |= (unsigned)(uint8_t)text.data[*from + 1] << 8;
    bits = (bits & ~(63u << shift)) | (unsigned)to.value << shift;
    bytes[0] = (char)(bits & 255);
    bytes[1] = (char)(bits >> 8 & 255);
    return count;
}

int hll_sparse_get(struct slice text, uint32_t at)
{
    struct reader r = runs_of(text);
    struct run run;
    uint32_t end = 0;
    while (next_run(&r, &run)) {
        end += run.count;
        if (at < end)
            return run.value;
    }
    return -1;
}

/* ---- writing ---- */

static void encode_dense(const uint8_t registers[HLL_REGISTERS], struct buf *out)
{
    put_header(out, true);
    for (uint32_t i = 0; i < HLL_REGISTERS; i += 4) {
        uint32_t bits = registers[i] | (uint32_t)registers[i + 1] << 6 | (uint32_t)registers[i + 2] << 12 |
                        (uint32_t)registers[i + 3] << 18;
        put_u8(out, (uint8_t)bits);
        put_u8(out, (uint8_t)(bits >> 8));
        put_u8(out, (uint8_t)(bits >> 16));
    }
}

/* false: a value is too large for a run. */
static bool encode_sparse(const uint8_t registers[HLL_REGISTERS], struct buf *out)
{
    put_header(out, false);
    for (uint32_t i = 0, end; i < HLL_REGISTERS; i = end) {
        for (end = i + 1; end < HLL_REGISTERS && registers[end] == registers[i];)
            end++;
        if (registers[i] > SPARSE_VALUE_MAX)
            return false;
        if (registers[i])
            put_values(out, end - i, registers[i]);
        else
            put_zeroes(out, end - i);
    }
    return true;
}

void hll_encode(const uint8_t registers[HLL_REGISTERS], bool dense, uint64_t sparse_max, struct buf *out)
{
    buf_truncate(out, 0);
    if (!dense && encode_sparse(registers, out) && out->len <= sparse_max)
        return;
    buf_truncate(out, 0);
    encode_dense(registers, out);
}

/* ---- counting ---- */

static double sigma(double x)
{
    if (x == 1.)
        return INFINITY;
    double y = 1, sum = x, before;
    do {
        x *= x;
        before = sum;
        sum += x * y;
        y += y;
    } while (sum != before);
    return sum;
}

static double tau(double x)
{
    if (x == 0. || x == 1.)
        return 0.;
    double y = 1, sum = 1 - x, before;
    do {
        x = sqrt(x);
        before = sum;
        y *= 0.5;
        sum -= (1 - x) * (1 - x) * y;
    } while (sum != before);
    return sum / 3;
}

uint64_t hll_count(const uint8_t registers[HLL_REGISTERS])
{
    const double m = HLL_REGISTERS, alpha = 0.721347520444481703680; /* 1 / (2 ln 2) */
    uint32_t having[64] = {0};
    for (uint32_t i = 0; i < HLL_REGISTERS; i++)
        having[registers[i] & 63]++;
    double z = m * tau((m - having[HASH_BITS + 1]) / m);
    for (int value = HASH_BITS; value >= 1; value--)
        z = (z + having[value]) * 0.5;
    z += m * sigma(having[0] / m);
    return (uint64_t)llround(alpha * m * m / z);
}
