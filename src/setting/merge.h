/* Settings of a scope laid over those of the wider ones; what they come to. Pure. */
#ifndef MF_SETTING_MERGE_H
#define MF_SETTING_MERGE_H

#include "setting/leaf.h"
#include "setting/setting.h"

/* Lays narrow, the settings of the level (flyteidl2.settings.ScopeLevel), over into. Leaves tell the level
 * that they come from; one that a scope unset stays, in that state, so that one can see where. The result
 * aliases narrow, which is changed. */
enum mf_code mf_settings_merge(struct mf_arena *arena, struct pb_settings_Settings *into,
                               struct pb_settings_Settings *narrow, int32_t level,
                               struct mf_error *err) MF_CHECK_RESULT;
/* Writes the level into every leaf. */
void mf_settings_mark(struct pb_settings_Settings *settings, int32_t level);
/* Merged settings as plain values. */
void mf_settings_flatten(struct pb_settings_Settings *merged, struct mf_settings *out);

#endif
