/* The bytes of the handshake: what a node says of itself, and how it proves that it knows the secret. */
#include "transport/transport_int.h"
#include <assert.h>

/* Entries are computed alike only where floating point, long double and byte order are alike (DESIGN 4). */
const char *hello_architecture(void)
{
#if defined(__x86_64__)
    return "x86_64";
#elif defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return "aarch64";
#elif defined(__riscv) && __riscv_xlen == 64
    return "riscv64";
#else
    return sizeof(void *) == 8 ? "other64" : "other32";
#endif
}

bool text_is_plain(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] < '!' || s.data[i] > '~')
            return false;
    return true;
}

/* Names and hosts go into logs and into CLUSTER NODES: nothing that could end a line gets in. */
static bool get_text(struct reader *r, char *out, size_t out_len)
{
    struct slice s = get_bytes(r);
    if (r->failed || s.len >= out_len || !text_is_plain(s))
        return false;
    memcpy(out, s.data, s.len);
    memset(out + s.len, 0, out_len - s.len);
    return true;
}

void hello_encode(struct buf *out, const struct transport_hello *h)
{
    put_u64(out, h->node_id);
    put_u64(out, h->cluster_id);
    put_u64(out, h->boot_nonce);
    put_u64(out, h->term);
    put_u8(out, h->has_entries);
    put_bytes(out, slice_cstr(h->name));
    put_bytes(out, slice_cstr(h->host));
    put_u16(out, h->port);
    put_u16(out, h->peer_port);
    put_u16(out, h->port_redirect);
    put_u16(out, h->port_readonly);
    put_u16(out, h->port_proxy);
    put_u64(out, h->apply_version);
}

bool hello_decode(struct reader *r, struct transport_hello *h)
{
    *h = (struct transport_hello){0};
    h->node_id = get_u64(r);
    h->cluster_id = get_u64(r);
    h->boot_nonce = get_u64(r);
    h->term = get_u64(r);
    uint8_t has_entries = get_u8(r);
    h->has_entries = has_entries == 1;
    if (!get_text(r, h->name, sizeof h->name) || !get_text(r, h->host, sizeof h->host))
        return false;
    h->port = get_u16(r);
    h->peer_port = get_u16(r);
    h->port_redirect = get_u16(r);
    h->port_readonly = get_u16(r);
    h->port_proxy = get_u16(r);
    h->apply_version = get_u64(r);
    return !r->failed && has_entries <= 1 && h->node_id != 0;
}

void opening_encode(struct buf *out, enum frame_type type, const struct shake_opening *o)
{
    put_u16(out, o->version);
    put_u8(out, o->channel);
    put_u8(out, o->has_secret);
    put_bytes(out, slice_cstr(o->architecture));
    if (type == FRAME_HELLO) {
        put_u64(out, o->target);
        put_u32(out, o->tag);
    }
    buf_append(out, o->random, sizeof o->random);
    hello_encode(out, &o->node);
}

bool opening_decode(struct slice in, enum frame_type type, struct shake_opening *o)
{
    struct reader r = reader_of(in);
    *o = (struct shake_opening){0};
    o->version = get_u16(&r);
    if (r.failed)
        return false;
    if (o->version != PROTOCOL_VERSION)
        return true;
    o->channel = get_u8(&r);
    uint8_t has_secret = get_u8(&r);
    o->has_secret = has_secret == 1;
    if (!get_text(&r, o->architecture, sizeof o->architecture))
        return false;
    if (type == FRAME_HELLO) {
        o->target = get_u64(&r);
        o->tag = get_u32(&r);
    }
    struct slice random = get_raw(&r, sizeof o->random);
    if (r.failed || has_secret > 1 || o->channel >= LINK_CHANNELS)
        return false;
    memcpy(o->random, random.data, sizeof o->random);
    return hello_decode(&r, &o->node) && reader_left(&r) == 0;
}

void shake_proof(const char *secret, const char *label, const uint8_t transcript[32], struct slice extra,
                 uint8_t out[32])
{
    memset(out, 0, 32);
    if (!secret)
        return;
    char text[32 + 32 + REFUSAL_TEXT_MAX + 2];
    size_t label_len = strlen(label), len = label_len + 32 + extra.len;
    assert(len <= sizeof text);
    memcpy(text, label, label_len);
    memcpy(text + label_len, transcript, 32);
    if (extra.len > 0)
        memcpy(text + label_len + 32, extra.data, extra.len);
    hmac_sha256(secret, strlen(secret), text, len, out);
}
