/*
 * MessagePack, in which the SDK keeps dataclasses, models and dictionaries: to JSON and back.
 *
 * JSON knows fewer kinds of values: keys that are no strings become text, bytes become base64, timestamps
 * become RFC 3339. On the way back a JSON Schema (the metadata of the type) tells which numbers are integers;
 * without one, whole numbers are. References within the schema ("#/$defs/…") are followed.
 */
#ifndef MF_TRANSLATE_MSGPACK_H
#define MF_TRANSLATE_MSGPACK_H

#include "translate/convert.h"

/* *out is NULL when the bytes are no MessagePack, or hold what has no form in JSON. */
enum mf_code mf_msgpack_to_json(struct mf_conv *c, struct mf_str bytes,
                                struct pb_google_protobuf_Value **out) MF_CHECK_RESULT;
/* schema may be NULL. */
enum mf_code mf_value_to_msgpack(struct mf_conv *c, const struct pb_google_protobuf_Value *value,
                                 const struct pb_google_protobuf_Struct *schema,
                                 struct mf_str *out) MF_CHECK_RESULT;

#endif
