#include "identity/caller.h"

#include "gen/flyteidl2/common/identity.pb.h"

enum mf_code mf_identity_encode(struct mf_arena *arena, const struct mf_caller *caller, struct mf_str *out,
                                struct mf_error *err)
{
    struct pb_common_UserIdentifier user_id = {.subject = caller->subject};
    struct pb_common_UserSpec user_spec = {
        .first_name = caller->given_name,
        .last_name = caller->family_name,
        .email = caller->email,
        .user_handle = caller->preferred_username,
        .photo_url = caller->picture,
    };
    struct pb_common_User user = {.id = &user_id, .spec = &user_spec};
    struct pb_common_ApplicationIdentifier application_id = {.subject = caller->subject};
    struct pb_common_AppSpec application_spec = {.name = caller->name};
    struct pb_common_Application application = {.id = &application_id, .spec = &application_spec};
    struct pb_common_EnrichedIdentity identity = {0};
    *out = MF_STR_EMPTY;
    if (caller->subject.len == 0)
        return MF_OK;
    if (caller->application) {
        identity.principal_case = pb_common_EnrichedIdentity_tag_application;
        identity.principal.application = &application;
    } else {
        identity.principal_case = pb_common_EnrichedIdentity_tag_user;
        identity.principal.user = &user;
    }
    return pb_encode(arena, &pb_common_EnrichedIdentity_type, &identity, out, err);
}

enum mf_code mf_identity_subject(struct mf_arena *arena, struct mf_str encoded, struct mf_str *out,
                                 struct mf_error *err)
{
    void *message = NULL;
    *out = MF_STR_EMPTY;
    if (encoded.len == 0)
        return MF_OK;
    enum mf_code code = pb_decode(arena, &pb_common_EnrichedIdentity_type, encoded, &message, err);
    if (code == MF_INVALID_ARGUMENT)
        return mf_fail(err, MF_DATA_LOSS, "a stored identity cannot be read");
    if (code != MF_OK)
        return code;
    const struct pb_common_EnrichedIdentity *identity = message;
    const struct pb_common_User *user =
        identity->principal_case == pb_common_EnrichedIdentity_tag_user ? identity->principal.user : NULL;
    const struct pb_common_Application *application =
        identity->principal_case == pb_common_EnrichedIdentity_tag_application
            ? identity->principal.application
            : NULL;
    if (user && user->id)
        *out = user->id->subject;
    else if (application && application->id)
        *out = application->id->subject;
    return MF_OK;
}
