/* Frames: from a socket's bytes to whole, checked frames in shared memory.
 *
 * Small frames share one blob of RECV_CHUNK bytes, which is filled to its end before the next is taken, so a
 * receiver that keeps entries where they arrived keeps little besides. A large frame gets memory as it
 * arrives, at most four times what has come: a length field alone buys nothing. */
#include "transport/transport_int.h"
#include <assert.h>
#include <errno.h>

static const char magic[4] = {'K', 'V', 'R', 'M'};

enum { READ_MIN = 4096 }; /* less room than this is not worth a system call */

void frame_in_deinit(struct frame_in *in)
{
    blob_unref(in->blob);
    *in = (struct frame_in){0};
}

static bool shared(struct blob *b)
{
    return __atomic_load_n(&b->refs, __ATOMIC_ACQUIRE) > 1;
}

/* How many bytes the frame at `start` takes as far as it is known. */
static size_t wanted(const struct frame_in *in)
{
    if (in->end - in->start < FRAME_HEADER)
        return FRAME_HEADER;
    return FRAME_HEADER + (size_t)load_u32(in->blob->data + in->start + 4);
}

static void move_to(struct frame_in *in, size_t cap)
{
    size_t have = in->end - in->start;
    struct blob *b = blob_new(NULL, cap);
    if (have > 0)
        memcpy(b->data, in->blob->data + in->start, have);
    blob_unref(in->blob);
    in->blob = b;
    in->start = 0;
    in->end = have;
    in->cap = cap;
}

static void make_room(struct frame_in *in)
{
    if (!in->blob) {
        move_to(in, RECV_CHUNK);
        return;
    }
    size_t have = in->end - in->start, want = wanted(in);
    if (have == 0) {
        if (in->cap != RECV_CHUNK) /* it held one large frame */
            move_to(in, RECV_CHUNK);
        else if (!shared(in->blob))
            in->start = in->end = 0;
    }
    if (in->cap - in->start >= want && in->cap > in->end)
        return;
    if (in->cap - in->end >= READ_MIN)
        return;
    if (want > RECV_CHUNK) {
        size_t cap = have * 4 > RECV_CHUNK ? have * 4 : RECV_CHUNK;
        move_to(in, cap < want ? cap : want);
    } else if (shared(in->blob) || in->cap != RECV_CHUNK) {
        move_to(in, RECV_CHUNK);
    } else {
        memmove(in->blob->data, in->blob->data + in->start, have);
        in->start = 0;
        in->end = have;
    }
}

ssize_t frame_in_recv(struct frame_in *in, int fd, bool *full)
{
    make_room(in);
    size_t room = in->cap - in->end;
    assert(room > 0);
    ssize_t n;
    do {
        n = recv(fd, in->blob->data + in->end, room, 0);
    } while (n < 0 && errno == EINTR);
    if (n > 0)
        in->end += (size_t)n;
    *full = n > 0 && (size_t)n == room;
    return n;
}

static uint32_t frame_crc(const char *header)
{
    return crc32c(crc32c(0, header, 8), header + 12, 4);
}

enum frame_status frame_in_next(struct frame_in *in, struct frame *out)
{
    size_t have = in->end - in->start;
    if (have == 0)
        return FRAME_MORE;
    const char *at = in->blob->data + in->start;
    if (memcmp(at, magic, have < sizeof magic ? have : sizeof magic) != 0)
        return FRAME_BAD; /* before the header is whole: a stranger who waits for an answer goes at once */
    if (have < FRAME_HEADER)
        return FRAME_MORE;
    size_t len = load_u32(at + 4);
    if (len > in->payload_max || at[13] || at[14] || at[15])
        return FRAME_BAD;
    if (have - FRAME_HEADER < len)
        return FRAME_MORE;
    if (load_u32(at + 8) != crc32c(frame_crc(at), at + FRAME_HEADER, len))
        return FRAME_BAD;
    out->type = (enum frame_type)(unsigned char)at[12];
    out->payload = slice_of(at + FRAME_HEADER, len);
    out->blob = in->blob;
    in->start += FRAME_HEADER + len;
    return FRAME_OK;
}

void frame_header(char out[FRAME_HEADER], enum frame_type type, size_t payload_len, struct slice head,
                  const struct raft_block *blocks, size_t count)
{
    memcpy(out, magic, sizeof magic);
    store_u32(out + 4, (uint32_t)payload_len);
    out[12] = (char)type;
    out[13] = out[14] = out[15] = 0;
    uint32_t crc = crc32c(frame_crc(out), head.data, head.len);
    for (size_t i = 0; i < count; i++)
        crc = crc32c(crc, blocks[i].blob->data + blocks[i].offset, blocks[i].len);
    store_u32(out + 8, crc);
}

void frame_append(struct buf *out, enum frame_type type, struct slice payload)
{
    char header[FRAME_HEADER];
    frame_header(header, type, payload.len, payload, NULL, 0);
    buf_append(out, header, sizeof header);
    buf_append_slice(out, payload);
}
