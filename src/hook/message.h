/* What goes into a webhook and into the address for the answer. Pure. Private to hook/. */
#ifndef MF_HOOK_MESSAGE_H
#define MF_HOOK_MESSAGE_H

#include "base/arena.h"
#include "base/status.h"
#include "hook/hook.h"
#include "store/action.h"

struct pb_core_LiteralType;
struct pb_workflow_ConditionAction;

/* Base64url of HMAC-SHA256 over what identifies the condition and its attempt. .ptr NULL when memory ran out.
 */
struct mf_str mf_hook_token(struct mf_arena *arena, const unsigned char key[MF_HOOK_KEY_BYTES],
                            const struct mf_action_row *row);
/* "<url>/callback/condition/<project>/<domain>/<run>/<action>?token=…". .ptr NULL when memory ran out. */
struct mf_str mf_hook_callback(struct mf_arena *arena, struct mf_str url,
                               const unsigned char key[MF_HOOK_KEY_BYTES], const struct mf_action_row *row);
/* The JSON to be posted: the declared payload with "{callback_uri}" replaced in every text, or, when there is
 * none, an object that says what is asked. condition is changed. */
enum mf_code mf_hook_body(struct mf_arena *arena, struct pb_workflow_ConditionAction *condition,
                          const struct mf_action_row *row, struct mf_str callback, struct mf_str *out,
                          struct mf_error *err) MF_CHECK_RESULT;
/* An object that says what is asked, and (callback not empty) where to answer. */
enum mf_code mf_hook_question(struct mf_arena *arena, const struct pb_workflow_ConditionAction *condition,
                              const struct mf_action_row *row, struct mf_str callback, struct mf_str *out,
                              struct mf_error *err) MF_CHECK_RESULT;
/* "bool", "int", "float", "str"; "" for any other type. */
const char *mf_hook_type_word(const struct pb_workflow_ConditionAction *condition);
/* An answer as text or JSON ({"value": …} or the bare value) as an encoded flyteidl2.core.Literal of the
 * condition's type. MF_INVALID_ARGUMENT says what was expected. */
enum mf_code mf_hook_value(struct mf_arena *arena, const struct pb_workflow_ConditionAction *condition,
                           struct mf_str text, bool json, struct mf_str *out,
                           struct mf_error *err) MF_CHECK_RESULT;

#endif
