/* The send queue of one connection: a ring of pieces of shared memory. Heads and short blocks are copied one
 * behind the other into a chunk and make one piece together; long blocks stay where they are. So a turn's
 * frames leave with one system call and, mostly, without an allocation. */
#include "base/alloc.h"
#include "transport/transport_int.h"
#include <errno.h>
#include <sys/uio.h>

static void pop(struct outq *q)
{
    blob_unref(q->ring[q->first].blob);
    q->first = (q->first + 1) & (q->cap - 1);
    q->count--;
}

void outq_deinit(struct outq *q)
{
    while (q->count > 0)
        pop(q);
    mem_free(q->ring);
    blob_unref(q->chunk);
    *q = (struct outq){0};
}

size_t outq_memory(const struct outq *q)
{
    return q->bytes + q->cap * sizeof *q->ring;
}

static struct segment *last(struct outq *q)
{
    return q->count ? &q->ring[(q->first + q->count - 1) & (q->cap - 1)] : NULL;
}

static void push(struct outq *q, struct blob *blob, size_t offset, size_t len)
{
    if (q->count == q->cap) {
        size_t cap = q->cap ? q->cap * 2 : 32;
        struct segment *ring = mem_alloc(cap * sizeof *ring);
        for (size_t i = 0; i < q->count; i++)
            ring[i] = q->ring[(q->first + i) & (q->cap - 1)];
        mem_free(q->ring);
        q->ring = ring;
        q->first = 0;
        q->cap = cap;
    }
    q->count++;
    *last(q) = (struct segment){blob_ref(blob), offset, len};
}

static void append_copy(struct outq *q, const char *data, size_t len)
{
    while (len > 0) {
        if (!q->chunk || q->chunk_used == SEND_CHUNK) {
            blob_unref(q->chunk);
            q->chunk = blob_new(NULL, SEND_CHUNK);
            q->chunk_used = 0;
        }
        size_t n = SEND_CHUNK - q->chunk_used < len ? SEND_CHUNK - q->chunk_used : len;
        memcpy(q->chunk->data + q->chunk_used, data, n);
        struct segment *s = last(q);
        if (s && s->blob == q->chunk && s->offset + s->len == q->chunk_used)
            s->len += n;
        else
            push(q, q->chunk, q->chunk_used, n);
        q->chunk_used += n;
        q->bytes += n;
        data += n;
        len -= n;
    }
}

void outq_frame(struct outq *q, enum frame_type type, struct slice head, const struct raft_block *blocks,
                size_t count)
{
    if (q->count == 0)
        q->chunk_used = 0; /* nobody but the queue ever holds the chunk */
    size_t len = head.len;
    for (size_t i = 0; i < count; i++)
        len += blocks[i].len;
    char header[FRAME_HEADER];
    frame_header(header, type, len, head, blocks, count);
    append_copy(q, header, sizeof header);
    append_copy(q, head.data, head.len);
    for (size_t i = 0; i < count; i++) {
        if (blocks[i].len <= SEND_COPY_MAX) {
            append_copy(q, blocks[i].blob->data + blocks[i].offset, blocks[i].len);
        } else {
            push(q, blocks[i].blob, blocks[i].offset, blocks[i].len);
            q->bytes += blocks[i].len;
        }
    }
}

static void consume(struct outq *q, size_t n)
{
    q->bytes -= n;
    while (n > 0) {
        struct segment *s = &q->ring[q->first];
        if (n < s->len) {
            s->offset += n;
            s->len -= n;
            return;
        }
        n -= s->len;
        pop(q);
    }
}

enum outq_status outq_write(struct outq *q, int fd, size_t budget, uint64_t *written)
{
    size_t done = 0;
    while (q->count > 0) {
        if (done >= budget)
            return OUTQ_MORE;
        struct iovec iov[SEND_IOV];
        size_t n = 0, offered = 0;
        for (; n < q->count && n < SEND_IOV && offered < budget; n++) {
            struct segment *s = &q->ring[(q->first + n) & (q->cap - 1)];
            size_t len = s->len < budget - offered ? s->len : budget - offered;
            iov[n] = (struct iovec){s->blob->data + s->offset, len};
            offered += len;
        }
        struct msghdr msg = {.msg_iov = iov, .msg_iovlen = n};
        ssize_t sent = sendmsg(fd, &msg, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EINTR)
                continue;
            return errno == EAGAIN || errno == EWOULDBLOCK ? OUTQ_BLOCKED : OUTQ_BROKEN;
        }
        consume(q, (size_t)sent);
        done += (size_t)sent;
        *written += (uint64_t)sent;
        if ((size_t)sent < offered)
            return OUTQ_BLOCKED;
    }
    return OUTQ_DRAINED;
}
