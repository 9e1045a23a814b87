/* SipHash-1-2 (Aumasson and Bernstein): keyed, so that whoever chooses the keys cannot choose collisions. */
#include "base/bytes.h"
#include "base/checksum.h"

struct sip {
    uint64_t a, b, c, d;
};

static inline uint64_t rotl(uint64_t v, unsigned by)
{
    return v << by | v >> (64 - by);
}

static inline void sip_round(struct sip *s)
{
    s->a += s->b;
    s->c += s->d;
    s->b = rotl(s->b, 13) ^ s->a;
    s->d = rotl(s->d, 16) ^ s->c;
    s->a = rotl(s->a, 32);
    s->c += s->b;
    s->a += s->d;
    s->b = rotl(s->b, 17) ^ s->c;
    s->d = rotl(s->d, 21) ^ s->a;
    s->c = rotl(s->c, 32);
}

static inline void absorb(struct sip *s, uint64_t word)
{
    s->d ^= word;
    sip_round(s);
    s->a ^= word;
}

/* The last word: what is left of the input, and in the top byte its length. */
static inline uint64_t tail_word(const unsigned char *p, size_t len)
{
    uint64_t word = (uint64_t)len << 56;
    for (unsigned i = 0; i < (len & 7); i++)
        word |= (uint64_t)p[i] << 8 * i;
    return word;
}

uint64_t siphash(const struct hash_seed *seed, const void *data, size_t len)
{
    struct sip s = {seed->k0 ^ 0x736f6d6570736575u, seed->k1 ^ 0x646f72616e646f6du,
                    seed->k0 ^ 0x6c7967656e657261u, seed->k1 ^ 0x7465646279746573u};
    const unsigned char *p = data;
    for (size_t words = len / 8; words > 0; words--, p += 8)
        absorb(&s, load_u64(p));
    absorb(&s, tail_word(p, len));
    s.c ^= 0xff;
    sip_round(&s);
    sip_round(&s);
    return s.a ^ s.b ^ s.c ^ s.d;
}
