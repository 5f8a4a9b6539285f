/*
 * Follows all objects of one kind in a cluster: a list in pages, then a watch that goes on from there.
 *
 * A stream that ends is taken up again where it was left; when the server no longer knows that place (410),
 * or says that it cannot, everything is listed anew. In between waits grow from a quarter of a second to 30 s
 * with chance in them. Nothing is kept but the place: whoever follows is told of every object of a list and
 * of every change after it, so that the newest state of each comes last.
 *
 * All callbacks come on the client's loop. A follower that is slow is not flooded: the stream is cut and
 * taken up when what has come is done with.
 */
#ifndef MF_KUBE_WATCH_H
#define MF_KUBE_WATCH_H

#include "kube/client.h"

struct mf_kube_watch;

struct mf_kube_watch_config {
    struct mf_kube *kube;
    struct mf_str path;     /* of the collection, e.g. "/apis/flyte.org/v1/taskactions" */
    struct mf_str selector; /* of labels; empty: all */
    uint32_t page;          /* objects of one answer; 0: 100 */
    void *ctx;
    /* Objects live until the callback returns. */
    void (*on_list)(void *ctx);                          /* a list begins */
    void (*on_object)(void *ctx, const mf_node *object); /* it is there, in this state */
    void (*on_gone)(void *ctx, const mf_node *object);   /* it was deleted; its last state */
    void (*on_synced)(void *ctx); /* the list is complete: what it has not named is not there */
    /* The cluster cannot be followed for now, and why; tried again by itself. MF_OK: it is followed again. */
    void (*on_state)(void *ctx, enum mf_code code, const struct mf_error *err);
    void (*on_stopped)(void *ctx); /* after mf_kube_watch_stop, last */
};

/* Copies path and selector. Begins at once. */
enum mf_code mf_kube_watch_start(const struct mf_kube_watch_config *config, struct mf_kube_watch **out,
                                 struct mf_error *err) MF_CHECK_RESULT;
/* No more callbacks but on_stopped, after which it is gone. Not to be called by a callback. */
void mf_kube_watch_stop(struct mf_kube_watch *watch);

#endif
