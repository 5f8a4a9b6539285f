#include "project/project.h"

#include "base/list.h"
#include "gen/flyteidl2/project/project_service.pb.h"
#include "list/page.h"
#include "project/filter.h"
#include "store/project.h"

#include <stdlib.h>

#define ID_MAX 63
#define NAME_MAX_BYTES 255
#define DESCRIPTION_MAX 300 /* characters */
#define LIST_MAX 10000
#define LABELS_MAX 64
#define LABEL_BYTES 253

struct mf_projects {
    struct mf_store *store;
    struct pb_project_Domain *domains;
    struct pb_project_Domain **domain_list;
    size_t domain_count;
    char *names; /* text of the domains' names */
};

/* A project to be written; lives in the arena of its call. */
struct write {
    struct mf_command command;
    struct mf_call *call; /* NULL: seeding */
    bool update;
    bool may_exist;
    bool has_labels;
    struct mf_project_row row;
};

/* What an update leaves as it is; see the header. */
static void merge(const struct mf_project_row *old, bool has_labels, struct mf_project_row *row)
{
    bool whole = row->name.len > 0;
    bool only_id = !whole && row->description.len == 0 && !has_labels && row->state == 0;
    if (!whole)
        row->name = old->name;
    if (!whole && row->description.len == 0)
        row->description = old->description;
    if (!whole && row->state == 0 && !only_id)
        row->state = old->state;
    if (!has_labels)
        row->labels = old->labels;
}

static enum mf_code apply_write(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct write *write = MF_CONTAINER(command, struct write, command);
    struct mf_project_row row = write->row;
    struct mf_project_row old;
    row.created_at = mf_tx_now_ns(tx);
    row.updated_at = row.created_at;
    if (!write->update) {
        enum mf_code code = mf_project_insert(mf_tx_db(tx), &row, err);
        return code == MF_ALREADY_EXISTS && write->may_exist ? MF_OK : code;
    }
    enum mf_code code = mf_project_get(mf_tx_db(tx), mf_tx_arena(tx), row.id, &old, err);
    if (code != MF_OK)
        return code;
    merge(&old, write->has_labels, &row);
    return mf_project_update(mf_tx_db(tx), &row, err);
}

static void done_write(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct write *write = MF_CONTAINER(command, struct write, command);
    struct mf_call *call = write->call;
    const struct pb_project_CreateProjectResponse created = {0};
    const struct pb_project_UpdateProjectResponse updated = {0};
    if (code != MF_OK)
        mf_call_fail_error(call, err);
    else if (write->update)
        mf_call_reply(call, &updated);
    else
        mf_call_reply(call, &created);
    mf_call_unref(call);
}

/* Nearly a label of DNS (RFC 1123), since ids become parts of paths, of host names and of names in
 * Kubernetes; with "_", because the CLI's own example has it. */
static bool is_id(struct mf_str id)
{
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!letter && ((c != '-' && c != '_') || i == 0 || i + 1 == id.len))
            return false;
    }
    return id.len > 0 && id.len <= ID_MAX;
}

static enum mf_code check_labels(const struct pb_task_Labels *labels, struct mf_error *err)
{
    if (labels && labels->values.count > LABELS_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "project.labels must be at most %d", LABELS_MAX);
    for (uint32_t i = 0; labels && i < labels->values.count; i++) {
        const struct pb_task_Labels_ValuesEntry *label = labels->values.items[i];
        if (label->key.len == 0 || label->key.len > LABEL_BYTES || label->value.len > LABEL_BYTES)
            return mf_fail(err, MF_INVALID_ARGUMENT,
                           "project.labels: names must have 1 to %d bytes, values at most %d", LABEL_BYTES,
                           LABEL_BYTES);
    }
    return MF_OK;
}

static enum mf_code check(const struct pb_project_Project *project, bool update, struct mf_error *err)
{
    if (!project || project->id.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "project.id is required");
    if (!update && !is_id(project->id))
        return mf_fail(
            err, MF_INVALID_ARGUMENT,
            "project.id must have 1 to %d lower-case letters, digits, \"-\" and \"_\", and begin and "
            "end with a letter or digit",
            ID_MAX);
    if (project->name.len > NAME_MAX_BYTES)
        return mf_fail(err, MF_INVALID_ARGUMENT, "project.name must have at most %d bytes", NAME_MAX_BYTES);
    if (mf_utf8_count(project->description) > DESCRIPTION_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "project.description must have at most %d characters",
                       DESCRIPTION_MAX);
    if (project->state < 0 || project->state > pb_project_PROJECT_STATE_SYSTEM_ARCHIVED)
        return mf_fail(err, MF_INVALID_ARGUMENT, "project.state %d is unknown", (int)project->state);
    return check_labels(project->labels, err);
}

static void write_project(struct mf_projects *projects, struct mf_call *call,
                          const struct pb_project_Project *project, bool update)
{
    struct mf_error err;
    struct mf_arena *arena = mf_call_arena(call);
    struct write *write = MF_NEW(arena, struct write);
    struct mf_str labels = MF_STR_EMPTY;
    enum mf_code code = check(project, update, &err);
    if (code == MF_OK && !write)
        code = mf_fail_memory(&err);
    if (code == MF_OK && project->labels)
        code = pb_encode_stable(arena, &pb_task_Labels_type, project->labels, &labels, &err);
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    write->command.apply = apply_write;
    write->command.done = done_write;
    write->call = mf_call_ref(call);
    write->update = update;
    write->has_labels = project->labels != NULL;
    write->row = (struct mf_project_row){
        .id = project->id,
        .name = update || project->name.len > 0 ? project->name : project->id,
        .description = project->description,
        .labels = labels,
        .state = project->state,
    };
    mf_writer_submit(mf_store_writer(projects->store), &write->command);
}

static void on_create(void *service, struct mf_call *call)
{
    const struct pb_project_CreateProjectRequest *request = mf_call_request(call);
    write_project(service, call, request->project, false);
}

static void on_update(void *service, struct mf_call *call)
{
    const struct pb_project_UpdateProjectRequest *request = mf_call_request(call);
    write_project(service, call, request->project, true);
}

static struct pb_project_Project *to_message(const struct mf_projects *projects, struct mf_arena *arena,
                                             const struct mf_project_row *row, struct mf_error *err)
{
    struct pb_project_Project *project = MF_NEW(arena, struct pb_project_Project);
    if (!project) {
        mf_fail_memory(err);
        return NULL;
    }
    project->id = row->id;
    project->name = row->name;
    project->description = row->description;
    project->state = row->state;
    project->domains.items = projects->domain_list;
    project->domains.count = (uint32_t)projects->domain_count;
    if (row->labels.len > 0) {
        void *labels = NULL;
        enum mf_code code = pb_decode(arena, &pb_task_Labels_type, row->labels, &labels, err);
        if (code == MF_INVALID_ARGUMENT)
            mf_fail(err, MF_DATA_LOSS, "the stored labels of project %.*s cannot be read", MF_FMT(row->id));
        if (code != MF_OK)
            return NULL;
        project->labels = labels;
    }
    return project;
}

static void on_get(void *service, struct mf_call *call)
{
    const struct mf_projects *projects = service;
    const struct pb_project_GetProjectRequest *request = mf_call_request(call);
    struct mf_arena *arena = mf_call_arena(call);
    struct pb_project_GetProjectResponse response = {0};
    struct mf_error err;
    struct mf_project_row row;
    struct mf_db *db = NULL;
    enum mf_code code = MF_OK;
    if (request->id.len == 0)
        code = mf_fail(&err, MF_INVALID_ARGUMENT, "id is required");
    if (code == MF_OK)
        code = mf_store_reader(projects->store, &db, &err);
    if (code == MF_OK)
        code = mf_project_get(db, arena, request->id, &row, &err);
    mf_store_reader_done(projects->store, db);
    if (code == MF_OK) {
        response.project = to_message(projects, arena, &row, &err);
        code = response.project ? MF_OK : err.code;
    }
    if (code == MF_OK)
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, &err);
}

struct listing {
    const struct mf_projects *projects;
    struct mf_arena *arena;
    struct pb_project_Projects *out;
    struct mf_place last; /* of those in out */
    size_t limit;
    bool more;
    struct mf_error err;
    enum mf_code code;
};

static bool add_to_list(void *ctx, const struct mf_project_row *row, const struct mf_place *place)
{
    struct listing *listing = ctx;
    if (listing->out->projects.count == listing->limit) {
        listing->more = true;
        return false;
    }
    struct pb_project_Project *project = to_message(listing->projects, listing->arena, row, &listing->err);
    listing->last = *place;
    if (!project)
        listing->code = listing->err.code;
    else if (!PB_PUSH(listing->arena, listing->out->projects, project))
        listing->code = mf_fail_memory(&listing->err);
    return listing->code == MF_OK;
}

static enum mf_code page_of(struct mf_arena *arena, const struct pb_project_ListProjectsRequest *request,
                            struct mf_page *page, struct mf_error *err)
{
    static const struct mf_str scope[] = {{"projects", sizeof "projects" - 1}};
    struct mf_filter *filters = NULL;
    struct mf_sort *sort = MF_NEW(arena, struct mf_sort);
    if (!sort)
        return mf_fail_memory(err);
    enum mf_code code = mf_project_filters(arena, request->filters, &filters, &page->filter_count, err);
    if (code != MF_OK)
        return code;
    page->filters = filters;
    page->limit = request->limit == 0 || request->limit > LIST_MAX ? LIST_MAX : request->limit;
    if (request->sort_by && request->sort_by->key.len > 0) {
        sort->field = request->sort_by->key;
        sort->ascending = request->sort_by->direction == pb_common_Sort_ASCENDING;
        page->sorts = sort;
        page->sort_count = 1;
    }
    return mf_page_resume(arena, request->token, scope, 1, page, err);
}

static enum mf_code list(const struct mf_projects *projects, struct mf_arena *arena,
                         const struct pb_project_ListProjectsRequest *request,
                         struct pb_project_Projects *out, struct mf_error *err)
{
    struct mf_page page = {0};
    struct mf_db *db = NULL;
    enum mf_code code = page_of(arena, request, &page, err);
    if (code != MF_OK)
        return code;
    struct listing listing = {.projects = projects, .arena = arena, .out = out, .limit = page.limit};
    page.limit++; /* one more tells whether there is another page */
    code = mf_store_reader(projects->store, &db, err);
    if (code == MF_OK)
        code = mf_project_list(db, arena, &page, add_to_list, &listing, err);
    mf_store_reader_done(projects->store, db);
    if (code == MF_OK && listing.code != MF_OK) {
        *err = listing.err;
        code = listing.code;
    }
    if (code == MF_OK && listing.more) {
        out->token = mf_page_next(arena, &listing.last);
        code = out->token.ptr ? MF_OK : mf_fail_memory(err);
    }
    return code;
}

static void on_list(void *service, struct mf_call *call)
{
    struct pb_project_Projects projects = {0};
    struct pb_project_ListProjectsResponse response = {.projects = &projects};
    struct mf_error err;
    if (list(service, mf_call_arena(call), mf_call_request(call), &projects, &err) == MF_OK)
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, &err);
}

/* "development" -> "Development". */
static struct mf_str display_name(struct mf_str id, char *memory)
{
    memcpy(memory, id.ptr, id.len);
    if (id.len > 0 && memory[0] >= 'a' && memory[0] <= 'z')
        memory[0] = (char)(memory[0] - 'a' + 'A');
    return mf_str_make(memory, id.len);
}

enum mf_code mf_projects_new(const struct mf_projects_config *config, struct mf_projects **out,
                             struct mf_error *err)
{
    size_t names = 1;
    for (size_t i = 0; i < config->domain_count; i++)
        names += config->domains[i].len;
    struct mf_projects *projects = calloc(1, sizeof *projects);
    struct pb_project_Domain *domains = calloc(config->domain_count + 1, sizeof *domains);
    struct pb_project_Domain **list_of = calloc(config->domain_count + 1, sizeof *list_of);
    char *text = calloc(names, 1);
    if (!projects || !domains || !list_of || !text) {
        free(projects);
        free(domains);
        free(list_of);
        free(text);
        return mf_fail_memory(err);
    }
    projects->store = config->store;
    projects->domains = domains;
    projects->domain_list = list_of;
    projects->domain_count = config->domain_count;
    projects->names = text;
    for (size_t i = 0; i < config->domain_count; i++) {
        domains[i].id = config->domains[i];
        domains[i].name = display_name(config->domains[i], text);
        text += config->domains[i].len;
        list_of[i] = &domains[i];
    }
    *out = projects;
    return MF_OK;
}

void mf_projects_free(struct mf_projects *projects)
{
    if (!projects)
        return;
    free(projects->names);
    free(projects->domain_list);
    free(projects->domains);
    free(projects);
}

enum mf_code mf_projects_serve(struct mf_projects *projects, struct mf_rpc *rpc, struct mf_error *err)
{
    static const struct {
        size_t method;
        mf_handler handler;
    } methods[] = {
        {pb_project_ProjectService_CreateProject, on_create},
        {pb_project_ProjectService_UpdateProject, on_update},
        {pb_project_ProjectService_GetProject, on_get},
        {pb_project_ProjectService_ListProjects, on_list},
    };
    enum mf_code code = MF_OK;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0] && code == MF_OK; i++)
        code = mf_rpc_handle(rpc, &pb_project_ProjectService_service, methods[i].method, methods[i].handler,
                             projects, err);
    return code;
}

enum mf_code mf_projects_seed(struct mf_projects *projects, const struct mf_str *ids, size_t count,
                              struct mf_error *err)
{
    enum mf_code code = MF_OK;
    for (size_t i = 0; i < count && code == MF_OK; i++) {
        const struct pb_project_Project project = {.id = ids[i], .name = ids[i]};
        struct write write = {
            .command = {.apply = apply_write},
            .may_exist = true,
            .row = {.id = ids[i], .name = ids[i], .description = MF_STR_EMPTY, .labels = MF_STR_EMPTY},
        };
        code = check(&project, false, err);
        if (code == MF_OK)
            code = mf_writer_run(mf_store_writer(projects->store), &write.command, err);
    }
    return code;
}
