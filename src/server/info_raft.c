/* INFO raft: what consensus looks like from here. */
#include <inttypes.h>

#include "server/cluster.h"
#include "server/info.h"
#include "server/messages.h"

static void put_peers(const struct node_status *st, struct buf *out)
{
    for (size_t i = 0; i < st->peer_count; i++) {
        const struct node_peer_status *p = &st->peers[i];
        char id[NODE_ID_TEXT + 1];
        node_id_text(p->id, id);
        buf_printf(out,
                   "node%zu:id=%s,name=%s,addr=%s,port=%u,peer_port=%u,voter=%d,self=%d,leader=%d,link=%s,"
                   "match=%" PRIu64 ",lag=%" PRIu64 ",round_trip_us=%" PRIu64 ",acked_ms_ago=%" PRIu64
                   ",clock_offset_ms=%lld,snapshot=%s,snapshot_percent=%u,diverged=%d\r\n",
                   i, id, p->name, p->host, p->port, p->peer_port, p->voter, p->self, p->leader,
                   p->self || p->link_up ? "up" : "down", p->match, p->lag, p->round_trip_us,
                   p->acked_ago_us / 1000, (long long)p->clock_offset_ms, p->snapshotting ? "sending" : "no",
                   p->snapshot_percent, p->diverged);
    }
}

static void put_counts(struct server *s, const struct node_status *st, struct buf *out)
{
    const struct server_stats *n = &s->stats;
    buf_printf(out,
               "elections_started:%" PRIu64 "\r\nelections_won:%" PRIu64 "\r\nleader_changes:%" PRIu64
               "\r\nentries_proposed:%" PRIu64 "\r\nentries_applied:%" PRIu64 "\r\nread_rounds:%" PRIu64
               "\r\nrequests_forwarded:%" PRIu64 "\r\nduplicates_suppressed:%" PRIu64
               "\r\nsnapshots_sent:%" PRIu64 "\r\nsnapshots_installed:%" PRIu64 "\r\n",
               st->elections_started, st->elections_won, st->leader_changes, st->proposed,
               st->entries_applied, st->reads_rounds, st->forwarded, st->duplicates, st->snapshots_sent,
               st->snapshots_installed);
    buf_printf(out,
               "redirects:%" PRIu64 "\r\nclusterdown:%" PRIu64 "\r\nmaybe:%" PRIu64 "\r\nparked:%" PRIu64
               "\r\nrefused_after_error:%" PRIu64 "\r\nclients_half_closed:%" PRIu64
               "\r\nmessages_dropped:%" PRIu64 "\r\nsessions:%zu\r\n",
               n->redirects, n->clusterdown, n->maybe, n->parked, n->refused_after, n->half_closed,
               messages_dropped(s), s->node ? rsm_session_count(node_rsm(s->node)) : 0);
}

static void put_disk(struct server *s, const struct node_status *st, struct buf *out)
{
    struct server_figures f = {0};
    if (s->hooks.figures)
        s->hooks.figures(s->hooks.arg, &f);
    buf_printf(out,
               "journal_bytes:%" PRIu64 "\r\njournal_written_bytes:%" PRIu64 "\r\nentry_cache_bytes:%" PRIu64
               "\r\nsnapshot_index:%" PRIu64 "\r\nsnapshot_term:%" PRIu64 "\r\nsnapshot_in_progress:%d\r\n"
               "disk_free_bytes:%" PRIu64 "\r\nfsync_count:%" PRIu64 "\r\nfsync_avg_us:%" PRIu64
               "\r\nfsync_max_us:%" PRIu64 "\r\n",
               st->journal_bytes, f.journal_written_bytes, st->cache_bytes, st->snapshot_index,
               st->snapshot_term, st->snapshot_writing, f.disk_free, f.fsync_count,
               f.fsync_count ? f.fsync_us_total / f.fsync_count : 0, f.fsync_us_max);
    buf_printf(out,
               "peer_bytes_in:%" PRIu64 "\r\npeer_bytes_out:%" PRIu64 "\r\npeer_frames_in:%" PRIu64
               "\r\npeer_frames_out:%" PRIu64 "\r\npeer_refused:%" PRIu64 "\r\npeer_junk:%" PRIu64
               "\r\npeer_reconnects:%" PRIu64 "\r\n",
               f.peer_bytes_in, f.peer_bytes_out, f.peer_frames_in, f.peer_frames_out, f.peer_refused,
               f.peer_junk, f.peer_reconnects);
}

void info_raft(struct server *s, struct buf *out)
{
    const struct node_status *st = topology(s);
    char self[NODE_ID_TEXT + 1], leader[NODE_ID_TEXT + 1] = "";
    node_id_text(st->node_id, self);
    if (st->leader)
        node_id_text(st->leader, leader);
    buf_printf(out, "%s# Raft\r\n", out->len ? "\r\n" : "");
    buf_printf(
        out,
        "node_id:%s\r\nnode_name:%s\r\ncluster_id:%016" PRIx64 "\r\nrole:%s\r\nserving:%d\r\nterm:%" PRIu64
        "\r\nleader_id:%s\r\nleader_addr:%s:%u\r\nleader_known_ms:%" PRIu64 "\r\n",
        self, s->config->node_name, st->cluster_id, s->node ? st->role : "loading", st->serving, st->term,
        leader, s->leader_host, s->leader_port, st->leader ? (s->now_us - st->term_start_us) / 1000 : 0);
    buf_printf(out,
               "commit_index:%" PRIu64 "\r\napplied_index:%" PRIu64 "\r\nlast_index:%" PRIu64
               "\r\npersisted_index:%" PRIu64 "\r\nfirst_index:%" PRIu64 "\r\ncluster_time_ms:%" PRIu64
               "\r\nshort_log:%d\r\ndiverged:%d\r\nstates_in_doubt:%d\r\nremoved:%d\r\nwrites_refused:%d\r\n",
               st->commit, st->applied, st->last_index, st->persisted, st->first_index, st->cluster_ms,
               st->short_log, st->diverged, st->in_doubt, st->removed, st->writes_refused);
    buf_printf(out, "loading:%d\r\nloading_what:%s\r\nloading_percent:%u\r\nloading_eta_seconds:%u\r\n",
               st->loading || !s->node, st->loading && st->loading_what ? st->loading_what : "",
               st->loading_percent, st->loading_eta_s);
    put_counts(s, st, out);
    put_disk(s, st, out);
    buf_printf(out, "nodes:%zu\r\n", st->peer_count);
    put_peers(st, out);
    info_phases(s, out);
}
