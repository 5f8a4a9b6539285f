/* JSON objects that other servers send: the values of their members. Pure. */
#ifndef MF_IDENTITY_OBJECT_H
#define MF_IDENTITY_OBJECT_H

#include "base/arena.h"
#include "base/status.h"
#include "gen/google/protobuf/struct.pb.h"

/* False when the text is no JSON object. Aliases the text. */
bool mf_json_object(struct mf_arena *arena, struct mf_str json, const struct pb_google_protobuf_Struct **out);
/* NULL when there is none of that name, or null. */
const struct pb_google_protobuf_Value *mf_object_find(const struct pb_google_protobuf_Struct *object,
                                                      const char *name);
/* Absent is fine, then *out is empty; false for another kind. */
bool mf_object_text(const struct pb_google_protobuf_Struct *object, const char *name, struct mf_str *out);

#endif
