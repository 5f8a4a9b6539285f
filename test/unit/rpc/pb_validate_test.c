#include "testing.h"

#include "base/arena.h"
#include "rpc/pb.h"

#include "gen/flyteidl2/actions/actions_service.pb.h"
#include "gen/flyteidl2/app/app_definition.pb.h"
#include "gen/flyteidl2/artifact/artifact.pb.h"
#include "gen/flyteidl2/cluster/payload.pb.h"
#include "gen/flyteidl2/common/identifier.pb.h"
#include "gen/flyteidl2/common/run.pb.h"
#include "gen/flyteidl2/core/artifact_id.pb.h"
#include "gen/flyteidl2/core/literals.pb.h"
#include "gen/flyteidl2/core/tasks.pb.h"
#include "gen/flyteidl2/dataproxy/dataproxy_service.pb.h"
#include "gen/flyteidl2/imagebuilder/payload.pb.h"
#include "gen/flyteidl2/notification/definition.pb.h"
#include "gen/flyteidl2/org/domain_definition.pb.h"
#include "gen/flyteidl2/secret/definition.pb.h"
#include "gen/flyteidl2/task/common.pb.h"
#include "gen/flyteidl2/task/run.pb.h"
#include "gen/flyteidl2/trigger/trigger_service.pb.h"
#include "gen/flyteidl2/workflow/internal_run_service.pb.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"

#include <stdio.h>

/* The verdict on a message that is given as JSON: NULL when it is valid, else the message of the error. */
static const char *verdict(const struct pb_type *type, const char *json, struct mf_error *err)
{
    struct mf_arena *arena = mf_arena_new(0);
    void *msg = NULL;
    assert_non_null(arena);
    if (pb_from_json(arena, type, mf_str_from_c(json), NULL, &msg, err) != MF_OK)
        fail_msg("%s: %s", json, err->message);
    enum mf_code code = pb_validate(type, msg, err);
    mf_arena_free(arena);
    if (code == MF_OK)
        return NULL;
    assert_int_equal(code, MF_INVALID_ARGUMENT);
    assert_int_equal(err->code, MF_INVALID_ARGUMENT);
    return err->message;
}

static void valid(const struct pb_type *type, const char *json)
{
    struct mf_error err;
    const char *found = verdict(type, json, &err);
    if (found)
        fail_msg("%s: %s", json, found);
}

static void invalid(const struct pb_type *type, const char *json, const char *expected)
{
    struct mf_error err;
    const char *found = verdict(type, json, &err);
    if (!found)
        fail_msg("%s is accepted", json);
    assert_string_equal(found, expected);
}

#define RUN "{\"project\":\"p\",\"domain\":\"d\",\"name\":\"r\"}"
#define ACTION "{\"run\":" RUN ",\"name\":\"a0\"}"

static void bounds_lengths_in_characters(void **state)
{
    const struct pb_type *type = &pb_workflow_GetRunDetailsRequest_type;
    (void)state;
    valid(type, "{\"runId\":" RUN "}");
    valid(type,
          "{\"runId\":{\"project\":\"p\",\"domain\":\"d\",\"name\":\"123456789012345678901234567890\"}}");
    invalid(type,
            "{\"runId\":{\"project\":\"p\",\"domain\":\"d\",\"name\":\"1234567890123456789012345678901\"}}",
            "run_id.name: value length must be at most 30 characters");
    valid(type, "{\"runId\":{\"project\":\"p\",\"domain\":\"d\",\"name\":"
                "\"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
                "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3"
                "\xa4\xc3\xa4\"}}");
    invalid(type, "{\"runId\":{\"domain\":\"d\",\"name\":\"r\"}}",
            "run_id.project: value length must be at least 1 characters");
}

static void asks_for_what_is_required(void **state)
{
    (void)state;
    invalid(&pb_workflow_GetRunDetailsRequest_type, "{}", "run_id: value is required");
    invalid(&pb_workflow_AbortActionRequest_type, "{\"actionId\":{\"name\":\"a\"}}",
            "action_id.run: value is required");
    invalid(&pb_workflow_CreateRunRequest_type, "{}", "id: one of run_id, project_id is required");
    invalid(&pb_workflow_CreateRunRequest_type, "{\"runId\":" RUN "}",
            "task: one of task_id, task_spec, trigger_name is required");
    valid(&pb_workflow_CreateRunRequest_type, "{\"runId\":" RUN ",\"taskSpec\":{\"taskTemplate\":{}}}");
    invalid(&pb_workflow_RecordActionEventsRequest_type, "{}", "events: value is required");
}

static void names_elements(void **state)
{
    (void)state;
    invalid(&pb_trigger_UpdateTriggersRequest_type, "{}", "names: value must contain at least 1 items");
    invalid(&pb_trigger_UpdateTriggersRequest_type,
            "{\"names\":[{\"project\":\"p\",\"domain\":\"d\",\"name\":\"n\",\"taskName\":\"t\"},{}]}",
            "names[1].project: value length must be at least 1 characters");
    invalid(&pb_artifact_ArtifactPartitionSchema_type, "{\"partitionKeys\":[\"a\",\"\"]}",
            "partition_keys[1]: value length must be at least 1 characters");
    invalid(&pb_artifact_ArtifactPartitionSchema_type,
            "{\"partitionKeys\":[\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\","
            "\"\",\"\"]}",
            "partition_keys: value must contain at most 16 items");
    invalid(&pb_notification_ProviderEmailTemplate_type,
            "{\"templateId\":\"t\",\"templateData\":{\"\":\"x\"}}",
            "template_data[\"\"]: value length must be at least 1 characters");
}

static void bounds_numbers(void **state)
{
    (void)state;
    invalid(&pb_task_FixedRate_type, "{\"unit\":\"FIXED_RATE_UNIT_DAY\"}",
            "value: value must be greater than 0");
    valid(&pb_task_FixedRate_type, "{\"unit\":\"FIXED_RATE_UNIT_DAY\",\"value\":4294967295}");
    invalid(&pb_task_FixedRate_type, "{\"value\":1}", "unit: value must not be FIXED_RATE_UNIT_UNSPECIFIED");
    invalid(&pb_core_ReusePolicy_type, "{\"minReplicas\":-1}",
            "min_replicas: value must be greater than or equal to 0");
    invalid(&pb_app_TimeoutConfig_type, "{\"requestTimeout\":\"3600.000000001s\"}",
            "request_timeout: value must be less than or equal to 3600s");
    invalid(&pb_app_TimeoutConfig_type, "{\"requestTimeout\":\"-0.000000001s\"}",
            "request_timeout: value must be greater than or equal to 0s");
    valid(&pb_app_TimeoutConfig_type, "{\"requestTimeout\":\"3600s\"}");
    valid(&pb_app_TimeoutConfig_type, "{}");
    invalid(&pb_core_Backoff_type, "{\"factor\":0.5}", "factor: value must be greater than or equal to 1");
    invalid(&pb_core_Backoff_type, "{\"factor\":\"NaN\"}",
            "factor: value must be greater than or equal to 1");
    valid(&pb_core_Backoff_type, "{\"factor\":1}");
}

static void checks_between_fields(void **state)
{
    (void)state;
    invalid(&pb_core_Backoff_type, "{\"factor\":1.5}",
            "cap is required when factor > 1 to prevent unbounded retry delay growth");
    valid(&pb_core_Backoff_type, "{\"factor\":1.5,\"cap\":\"1s\"}");
    valid(&pb_core_Backoff_type, "{\"base\":\"1s\"}");
    invalid(&pb_common_QueueIdentifier_type, "{\"name\":\"q\",\"project\":\"p\"}",
            "project requires domain to be specified");
    valid(&pb_common_QueueIdentifier_type, "{\"name\":\"q\",\"project\":\"p\",\"domain\":\"d\"}");
    valid(&pb_common_QueueIdentifier_type, "{\"name\":\"q\",\"domain\":\"d\"}");
    invalid(&pb_core_ReusePolicy_type, "{\"minReplicas\":3,\"maxReplicas\":2,\"concurrency\":1}",
            "max_replicas must be >= min_replicas");
    valid(&pb_core_ReusePolicy_type, "{\"minReplicas\":2,\"maxReplicas\":2,\"concurrency\":1}");
    invalid(&pb_core_ReusePolicy_type, "{\"maxReplicas\":2,\"concurrency\":1,\"scope\":9}",
            "scope: value must be one of the defined enum values");
    invalid(&pb_common_Relation_type, "{\"relatedTo\":" RUN "}", "relation_type: value is required");
    invalid(&pb_common_Relation_type, "{\"relatedTo\":" RUN ",\"relationType\":-1}",
            "relation_type: Relation type must be greater than 0 (cannot be UNSPECIFIED)");
    invalid(&pb_notification_DeliveryConfigTemplate_type, "{}",
            "at least one of the delivery options must be set");
}

static void checks_lists_of_enums(void **state)
{
    const struct pb_type *type = &pb_task_InlineRule_type;
    (void)state;
    valid(type, "{\"deliveryConfigName\":\"n\",\"onPhases\":[9]}");
    valid(type, "{\"deliveryConfigName\":\"n\",\"onPhases\":[5,6,7,8]}");
    invalid(type, "{\"deliveryConfigName\":\"n\",\"onPhases\":[5,9]}",
            "a rule subscribing to ACTION_PHASE_PAUSED must not subscribe to other phases");
    invalid(type, "{\"deliveryConfigName\":\"n\",\"onPhases\":[5,6,5]}",
            "on_phases: value must contain each item only once");
    invalid(type, "{\"deliveryConfigName\":\"n\",\"onPhases\":[5,1]}",
            "on_phases[1]: value must be one of ACTION_PHASE_SUCCEEDED, ACTION_PHASE_FAILED, "
            "ACTION_PHASE_ABORTED, "
            "ACTION_PHASE_TIMED_OUT, ACTION_PHASE_PAUSED");
    invalid(type, "{\"deliveryConfigName\":\"n\"}", "on_phases: value must contain at least 1 items");
    invalid(type, "{\"onPhases\":[5]}",
            "delivery: one of delivery_config_name, delivery_template is required");
}

/* A million distinct numbers must not cost a million times a million comparisons. */
static void stays_fast_on_long_lists(void **state)
{
    static int32_t items[1 << 20];
    struct pb_task_InlineRule rule = {.delivery_case = pb_task_InlineRule_tag_delivery_config_name,
                                      .delivery.delivery_config_name = MF_STR("n"),
                                      .on_phases = {.items = items, .count = 1 << 20}};
    struct mf_error err;
    (void)state;
    for (int32_t i = 0; i < 1 << 20; i++)
        items[i] = i + 100;
    assert_int_equal(pb_validate(&pb_task_InlineRule_type, &rule, &err), MF_INVALID_ARGUMENT);
    assert_string_equal(err.message, "on_phases: value must contain each item only once");
}

static void matches_patterns(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "a-b", "A9-9z"};
    static const char *const bad[] = {"-", "a-", "-a", "a_b", "a.b", "\xc3\xa4", "a b"};
    char json[128];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(json, sizeof json, "{\"project\":\"p\",\"domain\":\"d\",\"name\":\"%s\"}", good[i]);
        valid(&pb_app_Identifier_type, json);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(json, sizeof json, "{\"project\":\"p\",\"domain\":\"d\",\"name\":\"%s\"}", bad[i]);
        invalid(&pb_app_Identifier_type, json,
                "name: value must match the pattern ^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$");
    }
    valid(&pb_core_ArtifactKey_type, "{}");
    valid(&pb_core_ArtifactKey_type, "{\"name\":\"a._-\"}");
    invalid(&pb_core_ArtifactKey_type, "{\"name\":\"a/\"}",
            "name: value must match the pattern ^[A-Za-z0-9._-]*$");
    invalid(&pb_core_ArtifactKey_type, "{\"name\":\"a\\u0000\"}",
            "name: value must match the pattern ^[A-Za-z0-9._-]*$");
    valid(&pb_org_Domain_type, "{\"id\":\"a-1\"}");
    invalid(&pb_org_Domain_type, "{\"id\":\"A\"}",
            "id: value must match the pattern ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$");
}

static void knows_uris(void **state)
{
    static const char *const good[] = {"http://h",
                                       "https://u:p@h.example:80/p/%41?q=1/?#f",
                                       "http://[::1]:8090/",
                                       "urn:a:b",
                                       "mailto:a@b",
                                       "file:///x",
                                       "a+b-c.d:"};
    static const char *const bad[] = {"h",
                                      "//h/p",
                                      ":x",
                                      "1a:b",
                                      "http://h/%4",
                                      "http://h/%zz",
                                      "http://h/a b",
                                      "http://[::1",
                                      "http://h:x/",
                                      "http://h/<",
                                      "http://a@b@c/",
                                      "http://h/#a#b",
                                      "http://h/\xc3\xa4",
                                      "http://[::1]x/",
                                      "http://h/[1]"};
    char json[128];
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(json, sizeof json, "{\"publicUrl\":\"%s\"}", good[i]);
        valid(&pb_app_Ingress_type, json);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(json, sizeof json, "{\"publicUrl\":\"%s\"}", bad[i]);
        invalid(&pb_app_Ingress_type, json, "public_url: value must be a valid URI");
    }
    valid(&pb_app_Ingress_type, "{}");
}

/* The traffic of the real SDK that the rules by their letter would refuse. */
static void lets_through_what_clients_send(void **state)
{
    (void)state;
    /* No organization anywhere, or one that no rule would allow. */
    valid(&pb_workflow_GetRunDetailsRequest_type,
          "{\"runId\":{\"org\":\"An organization, of more than sixty-three characters, which says nothing.\","
          "\"project\":\"p\",\"domain\":\"d\",\"name\":\"r\"}}");
    valid(&pb_cluster_SelectClusterRequest_type, "{\"operation\":1,\"orgId\":{}}");
    valid(&pb_cluster_SelectClusterRequest_type, "{\"operation\":1,\"projectId\":{}}");
    valid(&pb_imagebuilder_GetImageRequest_type, "{\"id\":{\"name\":\"i\"},\"projectId\":{}}");
    /* Lists of everything. */
    valid(&pb_workflow_ListRunsRequest_type, "{}");
    valid(&pb_workflow_ListRunsRequest_type, "{\"org\":\"\"}");
    valid(&pb_trigger_ListTriggersRequest_type, "{}");
    /* Uploads of image builds; the MD5 sum is checked where the upload is. */
    valid(&pb_dataproxy_CreateUploadLocationRequest_type, "{\"filename\":\"f\"}");
    /* Events before the first attempt, and children whose task has no version. */
    valid(&pb_workflow_RecordActionEventsRequest_type, "{\"events\":[{\"id\":" ACTION "}]}");
    valid(&pb_workflow_UpdateActionStatusRequest_type, "{\"actionId\":" ACTION ",\"status\":{}}");
    valid(&pb_actions_EnqueueRequest_type,
          "{\"action\":{\"actionId\":" ACTION ",\"inputUri\":\"i\",\"runOutputBase\":\"o\","
          "\"task\":{\"id\":{\"name\":\"t\"},\"spec\":{\"taskTemplate\":{}}}}}");
    valid(&pb_dataproxy_TailLogsRequest_type, "{\"actionId\":" ACTION "}");
    valid(&pb_notification_WebhookDeliveryTemplate_type,
          "{\"url\":\"u\",\"method\":1,\"headers\":{\"X-Some-Long-Name-Of-A-Header\":"
          "\"Bearer abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz\"}}");
    /* What lies beside a relaxed rule still counts. */
    invalid(&pb_actions_EnqueueRequest_type,
            "{\"action\":{\"actionId\":" ACTION
            ",\"inputUri\":\"i\",\"runOutputBase\":\"o\",\"task\":{\"id\":{}}}}",
            "action.task.spec: value is required");
    invalid(&pb_workflow_RecordActionEventsRequest_type, "{\"events\":[{\"id\":{\"run\":" RUN "}}]}",
            "events[0].id.name: value length must be at least 1 characters");
}

/* The walk ends, with a path that is cut to what an error can hold. */
static void bounds_depth(void **state)
{
    (void)state;
    enum { DEPTH = 300 };
    static struct pb_core_LiteralMap maps[DEPTH];
    static struct pb_core_LiteralMap_LiteralsEntry entries[DEPTH];
    static struct pb_core_LiteralMap_LiteralsEntry *slots[DEPTH];
    static struct pb_core_Literal literals[DEPTH];
    struct mf_error err;
    for (int i = 0; i < DEPTH; i++) {
        slots[i] = &entries[i];
        entries[i].key =
            MF_STR("a key that is long enough to be worth cutting when it is shown to someone who asks");
        entries[i].value = &literals[i];
        maps[i].literals.items = &slots[i];
        maps[i].literals.count = 1;
        if (i + 1 < DEPTH) {
            literals[i].value_case = pb_core_Literal_tag_map;
            literals[i].value.map = &maps[i + 1];
        }
    }
    assert_int_equal(pb_validate(&pb_core_LiteralMap_type, &maps[0], &err), MF_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "when it is sho...\"]"));
    assert_non_null(strstr(err.message, "messages are nested deeper than 100"));
    assert_int_equal(pb_validate(&pb_core_LiteralMap_type, &maps[DEPTH - 10], &err), MF_OK);
}

static void needs_no_error_to_fill(void **state)
{
    struct pb_workflow_GetRunDetailsRequest request = {0};
    (void)state;
    assert_int_equal(pb_validate(&pb_workflow_GetRunDetailsRequest_type, &request, NULL),
                     MF_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_lengths_in_characters),
        cmocka_unit_test(asks_for_what_is_required),
        cmocka_unit_test(names_elements),
        cmocka_unit_test(bounds_numbers),
        cmocka_unit_test(checks_between_fields),
        cmocka_unit_test(checks_lists_of_enums),
        cmocka_unit_test(stays_fast_on_long_lists),
        cmocka_unit_test(matches_patterns),
        cmocka_unit_test(knows_uris),
        cmocka_unit_test(lets_through_what_clients_send),
        cmocka_unit_test(bounds_depth),
        cmocka_unit_test(needs_no_error_to_fill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
