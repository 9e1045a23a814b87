/* Checksums and hashes against published vectors, and the fast ways against bit-by-bit ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/prng.h"

static const char check_input[] = "123456789";

static void crcs_give_the_published_check_values(void **state)
{
    (void)state;
    assert_int_equal(crc32c(0, check_input, 9), 0xe3069283);
    assert_int_equal(crc32c_portable(0, check_input, 9), 0xe3069283);
    assert_true(crc64(0, check_input, 9) == 0xe9c6d914c4b8d9ca);
    assert_int_equal(crc16(check_input, 9), 0x31c3);
    char zeroes[32] = {0}; /* RFC 3720, B.4 */
    assert_int_equal(crc32c(0, zeroes, 32), 0x8a9136aa);
    assert_int_equal(crc32c(0, NULL, 0), 0);
    assert_true(crc64(0, NULL, 0) == 0);
}

static uint32_t slow_crc32c(uint32_t crc, const unsigned char *p, size_t len)
{
    crc = ~crc;
    for (; len > 0; p++, len--) {
        crc ^= *p;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
    }
    return ~crc;
}

static uint64_t slow_crc64(uint64_t crc, const unsigned char *p, size_t len)
{
    for (; len > 0; p++, len--) {
        crc ^= *p;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0x95ac9329ac4bc9b5 : crc >> 1;
    }
    return crc;
}

static void every_way_agrees_at_every_length_and_cut(void **state)
{
    (void)state;
    unsigned char data[300];
    struct prng p;
    prng_seed(&p, 1);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)prng_next(&p);
    for (size_t len = 0; len < 260; len++) {
        const unsigned char *at = data + len % 9;
        size_t cut = prng_below(&p, len + 1);
        uint32_t want = slow_crc32c(0, at, len);
        assert_int_equal(crc32c(0, at, len), want);
        assert_int_equal(crc32c_portable(0, at, len), want);
        assert_int_equal(crc32c(crc32c(0, at, cut), at + cut, len - cut), want);
        uint64_t want64 = slow_crc64(0, at, len);
        assert_true(crc64(0, at, len) == want64);
        assert_true(crc64_portable(0, at, len) == want64);
        assert_true(crc64(crc64(0, at, cut), at + cut, len - cut) == want64);
    }
}

/* The slots are what redis-server 7.0.15 answers to CLUSTER KEYSLOT. */
static void key_slots_are_those_of_redis(void **state)
{
    (void)state;
    static const struct {
        struct slice key;
        uint16_t slot;
    } cases[] = {
        {SLICE_LITERAL("foo"), 12182},
        {SLICE_LITERAL("bar"), 5061},
        {SLICE_LITERAL(""), 0},
        {SLICE_LITERAL("{"), 4092},
        {SLICE_LITERAL("a{b"), 13340},
        {SLICE_LITERAL("{}"), 15257},
        {SLICE_LITERAL("foo{}{bar}"), 8363},
        {SLICE_LITERAL("foo{{bar}}zap"), 4015},
        {SLICE_LITERAL("foo{bar}{zap}"), 5061},
        {SLICE_LITERAL("{user1000}.following"), 3443},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(key_slot(cases[i].key.data, cases[i].key.len), cases[i].slot);
}

/* The vectors come from a separate implementation, which gave the paper's vector for SipHash-2-4. */
static void siphash_gives_its_vectors(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        uint64_t hash;
    } cases[] = {
        {0, 0xcea28b51565c12e2}, {1, 0x94aaf38c34ce7ba6},  {7, 0xf03c4cbcf492b05a},
        {8, 0x606845b4d093af74}, {15, 0xec8f61bc1c8966a6}, {63, 0xff6d07afacbad6d9},
    };
    unsigned char input[64];
    for (unsigned char i = 0; i < 64; i++)
        input[i] = i;
    struct hash_seed seed = {load_u64(input), load_u64(input + 8)};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true(siphash(&seed, input, cases[i].len) == cases[i].hash);
}

static void assert_digest(const uint8_t digest[32], const char *hex)
{
    static const char digits[] = "0123456789abcdef";
    char text[65] = {0};
    for (int i = 0; i < 32; i++) {
        text[2 * i] = digits[digest[i] >> 4];
        text[2 * i + 1] = digits[digest[i] & 15];
    }
    assert_string_equal(text, hex);
}

static void sha256_gives_its_vectors(void **state)
{
    (void)state;
    uint8_t out[32];
    sha256(NULL, 0, out);
    assert_digest(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256("abc", 3, out);
    assert_digest(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, out);
    assert_digest(out, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    struct buf million = BUF_EMPTY;
    memset(buf_reserve(&million, 1000000), 'a', 1000000);
    sha256(million.data, 1000000, out);
    assert_digest(out, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    buf_deinit(&million);
}

/* RFC 4231, cases 1, 2, 3 and 6 (a key longer than a block). */
static void hmac_gives_its_vectors(void **state)
{
    (void)state;
    uint8_t out[32];
    char key[131], data[50];
    memset(key, 0x0b, 20);
    hmac_sha256(key, 20, "Hi There", 8, out);
    assert_digest(out, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out);
    assert_digest(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    memset(data, 0xdd, sizeof data);
    hmac_sha256(key, 20, data, 50, out);
    assert_digest(out, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    hmac_sha256(key, 131, "Test Using Larger Than Block-Size Key - Hash Key First", 54, out);
    assert_digest(out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void secrets_differ_wherever_they_differ(void **state)
{
    (void)state;
    char a[32] = "thirty-two bytes of a secret...", b[32];
    memcpy(b, a, 32);
    assert_true(secret_equal(a, b, 32));
    for (int i = 0; i < 32; i++) {
        b[i] = (char)(b[i] ^ 0x80);
        assert_false(secret_equal(a, b, 32));
        b[i] = a[i];
    }
    assert_true(secret_equal(a, "", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crcs_give_the_published_check_values),
        cmocka_unit_test(every_way_agrees_at_every_length_and_cut),
        cmocka_unit_test(key_slots_are_those_of_redis),
        cmocka_unit_test(siphash_gives_its_vectors),
        cmocka_unit_test(sha256_gives_its_vectors),
        cmocka_unit_test(hmac_gives_its_vectors),
        cmocka_unit_test(secrets_differ_wherever_they_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
