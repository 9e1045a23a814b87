/* Who is there, and may it talk to us? Both sides of the handshake whose bytes stand in transport_int.h.
 *
 * Identity is judged by the one who accepted, after the dialler has proven the secret; the verdict is
 * authentic as well, so that a node only believes to be removed, or a peer to be another process, when the
 * cluster's secret stands behind it. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "transport/transport_int.h"
#include <errno.h>
#include <stdio.h>

static const char label_dialler[] = "kvorum dialler", label_acceptor[] = "kvorum acceptor",
                  label_refusal[] = "kvorum refusal";

static void malformed(struct conn *c)
{
    c->t->stats.junk++;
    if (c->dial) {
        link_complain(c->dial->link, "the handshake went out of step; closed");
        link_conn_failed(c, EPROTO);
    } else {
        listener_complain(c->t, c->address, "a frame that has no place in a handshake; closed");
        conn_close(c);
    }
}

/* Sends our half of the opening and adds it to the transcript. */
static void open_up(struct conn *c, enum frame_type type)
{
    struct transport *t = c->t;
    struct shake_opening o = {
        .version = PROTOCOL_VERSION, .channel = c->channel, .has_secret = t->secret != NULL};
    snprintf(o.architecture, sizeof o.architecture, "%s", hello_architecture());
    if (c->dial) {
        c->target = o.target = c->dial->link->expected;
        o.tag = c->dial->link->handle;
    }
    o.node = t->self;
    os_random(o.random, sizeof o.random);
    struct buf b = BUF_EMPTY;
    opening_encode(&b, type, &o);
    buf_append_slice(&c->transcript, buf_slice(&b));
    conn_queue(c, type, buf_slice(&b));
    buf_deinit(&b);
}

void handshake_start(struct conn *c)
{
    c->state = CONN_OPENING;
    open_up(c, FRAME_HELLO);
}

static void transcript_hash(const struct conn *c, uint8_t out[32])
{
    sha256(c->transcript.data, c->transcript.len, out);
}

static void send_proof(struct conn *c, enum frame_type type, const char *label)
{
    uint8_t hash[32], proof[32];
    transcript_hash(c, hash);
    shake_proof(c->t->secret, label, hash, (struct slice){NULL, 0}, proof);
    conn_queue(c, type, slice_of(proof, sizeof proof));
}

static bool proof_holds(const struct conn *c, const char *label, struct slice extra, const void *proof)
{
    uint8_t hash[32], expected[32];
    transcript_hash(c, hash);
    shake_proof(c->t->secret, label, hash, extra, expected);
    return secret_equal(proof, expected, sizeof expected);
}

/* What both may object to in the other's opening; NULL: nothing. */
static const char *judge_opening(const struct conn *c, const struct shake_opening *o, enum refusal *reason)
{
    if (o->version != PROTOCOL_VERSION) {
        *reason = REFUSAL_VERSION;
        return "the two speak different versions of the peer protocol";
    }
    if (strcmp(o->architecture, hello_architecture()) != 0) {
        *reason = REFUSAL_ARCHITECTURE;
        return "the two run on different architectures, on which the same entry may give different results";
    }
    if (o->has_secret != (c->t->secret != NULL)) {
        *reason = REFUSAL_SECRET;
        return "masterauth is set on one of the two only";
    }
    return NULL;
}

/* -- the one who accepted
 * ---------------------------------------------------------------------------------------- */

static void refuse(struct conn *c, enum refusal reason, const char *why)
{
    bool removed = strcmp(why, TRANSPORT_REMOVED) == 0;
    struct buf said = BUF_EMPTY, b = BUF_EMPTY;
    put_u8(&said, (uint8_t)reason);
    put_u8(&said, removed);
    size_t len = strlen(why);
    buf_append(&said, why, len < REFUSAL_TEXT_MAX ? len : REFUSAL_TEXT_MAX);
    uint8_t hash[32], proof[32] = {0};
    transcript_hash(c, hash);
    if (c->proven)
        shake_proof(c->t->secret, label_refusal, hash, buf_slice(&said), proof);
    buf_append(&b, said.data, 2);
    buf_append(&b, proof, sizeof proof);
    buf_append(&b, said.data + 2, said.len - 2);
    conn_queue(c, FRAME_REFUSE, buf_slice(&b));
    buf_deinit(&said);
    buf_deinit(&b);
    c->t->stats.refused++;
    char line[REFUSAL_TEXT_MAX + 160];
    snprintf(line, sizeof line, "refused node %016llx%s%s: %s", (unsigned long long)c->peer.node_id,
             c->peer.name[0] ? " " : "", c->peer.name, why);
    listener_complain(c->t, c->address, line);
    conn_close(c);
}

static void take_hello(struct conn *c, const struct frame *f)
{
    struct shake_opening o;
    if (f->type != FRAME_HELLO || !opening_decode(f->payload, FRAME_HELLO, &o)) {
        malformed(c);
        return;
    }
    c->peer = o.node;
    c->target = o.target;
    c->tag = o.tag;
    c->channel = o.channel;
    buf_append_slice(&c->transcript, f->payload);
    enum refusal reason;
    const char *why = judge_opening(c, &o, &reason);
    if (why) {
        refuse(c, reason, why);
        return;
    }
    c->state = CONN_PROVING;
    open_up(c, FRAME_CHALLENGE);
}

/* A founded cluster that dials without knowing whom wants this node to join it. */
static const char *take_invitation(struct conn *c)
{
    struct transport *t = c->t;
    struct transport_hello hello = c->peer;
    hello.invites = true;
    if (c->channel == TRANSPORT_CONTROL && t->callbacks.hello)
        t->callbacks.hello(t->callbacks.arg, 0, &hello);
    return "it belongs to another cluster: invited to join";
}

/* Version, architecture and secret hold. Does the caller want us, and do we want the caller? */
static const char *judge_identity(struct conn *c, enum refusal *reason)
{
    struct transport *t = c->t;
    *reason = REFUSAL_CLUSTER;
    if (!transport_same_cluster(c->peer.cluster_id, t->self.cluster_id) && c->target == 0)
        return take_invitation(c);
    if (!transport_same_cluster(c->peer.cluster_id, t->self.cluster_id))
        return "the two belong to different clusters";
    *reason = REFUSAL_SELF;
    if (c->peer.node_id == t->self.node_id)
        return c->peer.boot_nonce == t->self.boot_nonce
                   ? "a node dials itself"
                   : "another node has the same id: was a directory copied?";
    *reason = REFUSAL_TARGET;
    if (c->target != 0 && c->target != t->self.node_id)
        return "the node looked for is not at this address";
    *reason = REFUSAL_ADMIT;
    if (c->channel == TRANSPORT_CONTROL && t->callbacks.hello)
        t->callbacks.hello(t->callbacks.arg, 0, &c->peer);
    return t->callbacks.admit ? t->callbacks.admit(t->callbacks.arg, &c->peer) : NULL;
}

static void take_proof(struct conn *c, const struct frame *f)
{
    if (f->type != FRAME_PROOF || f->payload.len != SECRET_BYTES) {
        malformed(c);
        return;
    }
    if (!proof_holds(c, label_dialler, (struct slice){NULL, 0}, f->payload.data)) {
        refuse(c, REFUSAL_SECRET, "masterauth differs");
        return;
    }
    c->proven = true;
    if (inject_cut(c->t->inject, c->peer.node_id)) {
        conn_close(c);
        return;
    }
    enum refusal reason;
    const char *why = judge_identity(c, &reason);
    if (c->state == CONN_CLOSED)
        return; /* by a callback */
    if (why) {
        refuse(c, reason, why);
        return;
    }
    c->state = CONN_READY;
    c->ready_us = clock_mono_us();
    send_proof(c, FRAME_WELCOME, label_acceptor);
    listener_ready(c);
}

/* -- the dialler
 * ------------------------------------------------------------------------------------------------- */

static void take_refusal(struct conn *c, struct slice in)
{
    struct reader r = reader_of(in);
    uint8_t reason = get_u8(&r), removed = get_u8(&r);
    struct slice proof = get_raw(&r, SECRET_BYTES);
    struct slice text = get_raw(&r, reader_left(&r));
    if (r.failed || text.len > REFUSAL_TEXT_MAX || removed > 1) {
        malformed(c);
        return;
    }
    struct buf said = BUF_EMPTY;
    put_u8(&said, reason);
    put_u8(&said, removed);
    buf_append_slice(&said, text);
    bool authentic = c->state == CONN_PROVING && reason != REFUSAL_SECRET &&
                     proof_holds(c, label_refusal, buf_slice(&said), proof.data);
    buf_deinit(&said);
    char why[REFUSAL_TEXT_MAX + 1];
    for (size_t i = 0; i < text.len; i++)
        why[i] = text.data[i] >= ' ' && text.data[i] <= '~' ? text.data[i] : '?';
    why[text.len] = 0;
    c->t->stats.refused++;
    link_conn_refused(c, authentic, removed == 1, why);
}

static void take_challenge(struct conn *c, struct slice in)
{
    struct shake_opening o;
    if (!opening_decode(in, FRAME_CHALLENGE, &o) ||
        (o.version == PROTOCOL_VERSION && o.channel != c->channel)) {
        malformed(c);
        return;
    }
    c->peer = o.node;
    buf_append_slice(&c->transcript, in);
    enum refusal reason;
    const char *why = judge_opening(c, &o, &reason);
    if (why) {
        c->t->stats.refused++;
        link_conn_refused(c, false, false, why);
        return;
    }
    c->state = CONN_PROVING;
    send_proof(c, FRAME_PROOF, label_dialler);
}

static void take_welcome(struct conn *c, struct slice in)
{
    if (in.len != SECRET_BYTES) {
        malformed(c);
        return;
    }
    const char *why = NULL;
    bool authentic = proof_holds(c, label_acceptor, (struct slice){NULL, 0}, in.data);
    if (!authentic)
        why = "it does not know masterauth";
    else if (!transport_same_cluster(c->peer.cluster_id, c->t->self.cluster_id))
        why = "it belongs to another cluster";
    else if (c->target != 0 && c->target != c->peer.node_id)
        why = "another node answers there";
    if (why) {
        c->t->stats.refused++;
        link_conn_refused(c, authentic, false, why);
        return;
    }
    c->proven = true;
    c->state = CONN_READY;
    c->ready_us = clock_mono_us();
    buf_deinit(&c->transcript);
    link_conn_ready(c);
}

void handshake_frame(struct conn *c, const struct frame *f)
{
    if (!c->dial) {
        if (c->state == CONN_OPENING)
            take_hello(c, f);
        else
            take_proof(c, f);
    } else if (f->type == FRAME_REFUSE) {
        take_refusal(c, f->payload);
    } else if (c->state == CONN_OPENING && f->type == FRAME_CHALLENGE) {
        take_challenge(c, f->payload);
    } else if (c->state == CONN_PROVING && f->type == FRAME_WELCOME) {
        take_welcome(c, f->payload);
    } else {
        malformed(c);
    }
}
