/* Checksums and hashes, each in the one variant that a format of ours or of Redis fixes. */
#ifndef BASE_CHECKSUM_H
#define BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* CRC32C (Castagnoli), as in journal entries and frames. Start with 0; chainable.
 * Uses SSE4.2 where the CPU has it. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);
/* The same without SSE4.2; public for the test that both agree. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len);
/* CRC64 (Jones), as at the end of an RDB file and a DUMP payload. Start with 0; chainable. Uses PCLMULQDQ likewise. */
uint64_t crc64(uint64_t crc, const void *data, size_t len);
uint64_t crc64_portable(uint64_t crc, const void *data, size_t len);
/* CRC16 (XMODEM), as in Redis Cluster's key slots. */
uint16_t crc16(const void *data, size_t len);
/* The slot 0..16383 of a key, hash tags honoured. */
uint16_t key_slot(const void *key, size_t len);

struct hash_seed {
    uint64_t k0, k1;
};
/* SipHash-1-2. */
uint64_t siphash(const struct hash_seed *seed, const void *data, size_t len);

/* SHA-256 and HMAC-SHA-256 for the proof of masterauth between peers and for stored password hashes. */
void sha256(const void *data, size_t len, uint8_t out[32]);
void sha256_hex(const void *data, size_t len, char out[64]); /* in lower case, no terminator */
void hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, uint8_t out[32]);
/* Constant time in `len`; 1 when equal. */
int secret_equal(const void *a, const void *b, size_t len);

#endif
