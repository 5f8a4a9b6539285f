#include "run/subject.h"

#include "action/machine.h"
#include "base/list.h"
#include "base/map.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "run/details.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Forms of one state that are kept; clients of more dialects than that share less. */
#define FORMS 4

/* The state as a message in one dialect. */
struct form {
    uint32_t key;             /* dialect and kind of message, from 1; 0: not used */
    uint64_t generation;      /* of the state it was made from */
    uint64_t version;         /* changes when the bytes do */
    uint64_t hash;            /* of the bytes */
    struct mf_parcel *parcel; /* kept while several watch */
    bool final;
};

struct mf_subject {
    struct mf_subjects *subjects;
    struct mf_subscription subscription;
    _Atomic bool stale; /* there may be a newer state than that of the generation */
    size_t refs;        /* under the lock of subjects */
    pthread_mutex_t lock;
    /* guarded by lock */
    uint64_t generation, version;
    struct form forms[FORMS];
    uint32_t next_form; /* the one to be replaced next */
    int64_t run_id;
    struct mf_str key;    /* the run's number, then the action's name */
    struct mf_str action; /* in key */
    char bytes[];
};

struct mf_subjects {
    struct mf_store *store;
    pthread_mutex_t lock;
    struct mf_map *map; /* guarded by lock */
};

enum mf_code mf_subjects_new(struct mf_store *store, struct mf_subjects **out, struct mf_error *err)
{
    uint64_t seed = 0;
    const struct mf_sys *sys = mf_store_sys(store);
    struct mf_subjects *subjects = calloc(1, sizeof *subjects);
    if (!subjects)
        return mf_fail_memory(err);
    sys->random(sys->ctx, &seed, sizeof seed);
    subjects->store = store;
    subjects->map = mf_map_new(seed);
    if (!subjects->map || pthread_mutex_init(&subjects->lock, NULL) != 0) {
        mf_map_free(subjects->map, NULL);
        free(subjects);
        return mf_fail_memory(err);
    }
    *out = subjects;
    return MF_OK;
}

void mf_subjects_free(struct mf_subjects *subjects)
{
    if (!subjects)
        return;
    mf_map_free(subjects->map, NULL);
    pthread_mutex_destroy(&subjects->lock);
    free(subjects);
}

static void on_change(struct mf_subscription *subscription)
{
    atomic_store(&MF_CONTAINER(subscription, struct mf_subject, subscription)->stale, true);
}

static void free_subject(struct mf_subject *subject)
{
    for (size_t i = 0; i < FORMS; i++)
        mf_parcel_unref(subject->forms[i].parcel);
    pthread_mutex_destroy(&subject->lock);
    free(subject);
}

static struct mf_subject *new_subject(struct mf_subjects *subjects, int64_t run_id, struct mf_str action)
{
    size_t len = sizeof run_id + action.len;
    struct mf_subject *subject = calloc(1, sizeof *subject + len);
    if (!subject)
        return NULL;
    if (pthread_mutex_init(&subject->lock, NULL) != 0) {
        free(subject);
        return NULL;
    }
    memcpy(subject->bytes, &run_id, sizeof run_id);
    memcpy(subject->bytes + sizeof run_id, action.ptr, action.len);
    subject->key = mf_str_make(subject->bytes, len);
    subject->action = mf_str_skip(subject->key, sizeof run_id);
    subject->subjects = subjects;
    subject->run_id = run_id;
    atomic_init(&subject->stale, true);
    return subject;
}

struct mf_subject *mf_subject_get(struct mf_subjects *subjects, int64_t run_id, struct mf_str action)
{
    struct mf_subject *made = new_subject(subjects, run_id, action);
    if (!made)
        return NULL;
    pthread_mutex_lock(&subjects->lock);
    struct mf_subject *subject = mf_map_get(subjects->map, made->key);
    if (!subject && mf_map_put(subjects->map, made->key, made, NULL)) {
        const struct mf_topic topic = {
            .kind = MF_TOPIC_ACTION, .run_id = run_id, .hash = mf_topic_hash(action)};
        subject = made;
        made = NULL;
        mf_hub_subscribe(mf_store_hub(subjects->store), &subject->subscription, topic, on_change);
    }
    if (subject)
        subject->refs++;
    pthread_mutex_unlock(&subjects->lock);
    if (made)
        free_subject(made);
    return subject;
}

void mf_subject_put(struct mf_subject *subject)
{
    if (!subject)
        return;
    struct mf_subjects *subjects = subject->subjects;
    pthread_mutex_lock(&subjects->lock);
    bool last = --subject->refs == 0;
    if (last) {
        mf_map_remove(subjects->map, subject->key);
        mf_hub_unsubscribe(mf_store_hub(subjects->store), &subject->subscription);
    }
    pthread_mutex_unlock(&subjects->lock);
    if (last)
        free_subject(subject);
}

static bool is_shared(struct mf_subject *subject)
{
    pthread_mutex_lock(&subject->subjects->lock);
    bool shared = subject->refs > 1;
    pthread_mutex_unlock(&subject->subjects->lock);
    return shared;
}

/* ---- the subject is locked ---- */

static struct form *find_form(struct mf_subject *subject, uint32_t key)
{
    for (size_t i = 0; i < FORMS; i++) {
        if (subject->forms[i].key == key)
            return &subject->forms[i];
    }
    struct form *form = &subject->forms[subject->next_form++ % FORMS];
    mf_parcel_unref(form->parcel);
    *form = (struct form){.key = key};
    return form;
}

static enum mf_code read_state(struct mf_subject *subject, struct mf_db *db, struct mf_arena *scratch,
                               struct pb_workflow_RunDetails *out, bool *final, struct mf_error *err)
{
    struct mf_run_pair pair;
    enum mf_code code = mf_db_snapshot_begin(db, err);
    if (code != MF_OK)
        return code;
    code = mf_action_get(db, scratch, subject->run_id, subject->action, &pair.action, err);
    if (code == MF_OK)
        code = mf_run_get(db, scratch, subject->run_id, &pair.run, err);
    if (code == MF_OK)
        code = mf_run_run_details(db, scratch, &pair, out, err);
    mf_db_snapshot_end(db);
    *final = code == MF_OK && mf_phase_is_terminal(pair.action.phase);
    return code;
}

static enum mf_code pack(struct mf_call *call, bool whole_run, struct pb_workflow_RunDetails *details,
                         struct mf_parcel **out, struct mf_error *err)
{
    const struct pb_workflow_WatchRunDetailsResponse run = {.details = details};
    const struct pb_workflow_WatchActionDetailsResponse action = {.details = details->action};
    return mf_call_pack(call, whole_run ? (const void *)&run : &action, out, err);
}

static enum mf_code make_form(struct mf_subject *subject, struct mf_call *call, bool whole_run,
                              struct form *form, struct mf_error *err)
{
    struct mf_store *store = subject->subjects->store;
    struct pb_workflow_RunDetails details = {0};
    struct mf_db *db = NULL;
    struct mf_parcel *parcel = NULL;
    struct mf_arena *scratch = mf_arena_new(0);
    enum mf_code code = scratch ? mf_store_reader(store, &db, err) : mf_fail_memory(err);
    if (code == MF_OK)
        code = read_state(subject, db, scratch, &details, &form->final, err);
    mf_store_reader_done(store, db);
    if (code == MF_OK)
        code = pack(call, whole_run, &details, &parcel, err);
    mf_arena_free(scratch);
    if (code != MF_OK)
        return code;
    uint64_t hash = mf_topic_hash(mf_parcel_bytes(parcel));
    if (form->version == 0 || form->hash != hash)
        form->version = ++subject->version;
    form->hash = hash;
    form->generation = subject->generation;
    mf_parcel_unref(form->parcel);
    form->parcel = parcel;
    return MF_OK;
}

static enum mf_code look(struct mf_subject *subject, struct mf_call *call, struct mf_subject_view *view,
                         bool again, struct mf_parcel **out, bool *final, struct mf_error *err)
{
    struct form *form = find_form(subject, 1 + mf_call_dialect(call) * 2 + view->whole_run);
    enum mf_code code = MF_OK;
    /* Reset before reading, so that a change meanwhile makes it stale again. */
    if (atomic_exchange(&subject->stale, false))
        subject->generation++;
    bool fresh = form->version > 0 && form->generation == subject->generation;
    bool wanted = again || !fresh || form->version != view->version;
    if (!fresh || (wanted && !form->parcel))
        code = make_form(subject, call, view->whole_run, form, err);
    if (code != MF_OK) {
        /* Whoever looks next must not take the old state for the new one. */
        atomic_store(&subject->stale, true);
        return code;
    }
    *final = form->final;
    if (again || form->version != view->version)
        *out = mf_parcel_ref(form->parcel);
    view->version = form->version;
    if (form->parcel && !is_shared(subject)) {
        mf_parcel_unref(form->parcel);
        form->parcel = NULL;
    }
    return MF_OK;
}

enum mf_code mf_subject_look(struct mf_subject *subject, struct mf_call *call, struct mf_subject_view *view,
                             bool again, struct mf_parcel **out, bool *final, struct mf_error *err)
{
    *out = NULL;
    *final = false;
    pthread_mutex_lock(&subject->lock);
    enum mf_code code = look(subject, call, view, again, out, final, err);
    pthread_mutex_unlock(&subject->lock);
    return code;
}
