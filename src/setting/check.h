/* Whether settings make sense. Pure. */
#ifndef MF_SETTING_CHECK_H
#define MF_SETTING_CHECK_H

#include "gen/flyteidl2/settings/settings_definition.pb.h"

#define MF_SETTINGS_BYTES_MAX ((size_t)256 << 10) /* of one scope, encoded */

/* MF_INVALID_ARGUMENT naming the setting: "settings.task_resource.min.cpu: …". */
enum mf_code mf_settings_check(const struct pb_settings_Settings *settings,
                               struct mf_error *err) MF_CHECK_RESULT;

#endif
