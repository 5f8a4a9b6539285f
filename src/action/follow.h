/*
 * A server stream that follows the store: it shows what there is, then every change, until the client leaves
 * or there is nothing more to come. The hub only says that something changed; refresh then reads the rows
 * whose number is above the last one it has shown, so changes that come faster than they are read coalesce
 * and none is lost.
 *
 * refresh runs on a worker thread, never twice at once for one stream: at the start, after changes of the
 * topics, when output that was full has room again, and every 20 s. It owns its ctx, usually in the arena of
 * the call. A client that does not read has little more than the mark waiting for it, however much happens.
 */
#ifndef MF_ACTION_FOLLOW_H
#define MF_ACTION_FOLLOW_H

#include "rpc/call.h"
#include "rpc/parcel.h"
#include "store/store.h"

#define MF_FOLLOW_TOPICS 4

struct mf_follow;

/* Sends what is new. db is a reader, scratch is memory for this one time (both NULL for a light one). It
 * stops early when mf_follow_room says so, and calls mf_call_end when the stream is complete. An error ends
 * the stream with it. */
typedef enum mf_code (*mf_follow_refresh)(void *ctx, struct mf_follow *follow, struct mf_db *db,
                                          struct mf_arena *scratch, struct mf_error *err);

struct mf_follow_config {
    struct mf_store *store;
    struct mf_topic topics[MF_FOLLOW_TOPICS];
    size_t topic_count;
    mf_follow_refresh refresh;
    void *ctx;
    void (*done)(void *ctx); /* once, after the last refresh; may be NULL */
    bool light;              /* refresh seldom reads, and then takes a reader of its own */
    size_t mark;             /* bytes that may wait for the client before it stops; 0: 64 KiB */
};

/* From the handler of a server-streaming method, as the last thing it does. Fails the call when it cannot
 * begin (done is then called as well). */
void mf_follow_start(struct mf_call *call, const struct mf_follow_config *config);

/* For refresh. */
struct mf_call *mf_follow_call(struct mf_follow *follow);
void mf_follow_send(struct mf_follow *follow, const void *msg);
void mf_follow_send_parcel(struct mf_follow *follow, struct mf_parcel *parcel);
/* False: stop now; refresh is called again when there is room. */
bool mf_follow_room(struct mf_follow *follow);
/* There is more than refresh wanted to do in one go: it is called again, after others had their turn. */
void mf_follow_again(struct mf_follow *follow);
/* The stream has been silent for so long that it should show that it lives. */
bool mf_follow_silent(struct mf_follow *follow);

#endif
