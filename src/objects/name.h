/*
 * Which names objects may have, and the URI form "s3://bucket/name". A name never becomes a path of a file;
 * the rules keep out what other tools would turn into one ("..", empty segments, NUL) and what XML cannot
 * carry.
 */
#ifndef MF_OBJECTS_NAME_H
#define MF_OBJECTS_NAME_H

#include "base/status.h"
#include "base/str.h"

#define MF_OBJECT_NAME_MAX 1024

/* MF_INVALID_ARGUMENT. A single "/" at the end is fine. */
enum mf_code mf_object_name_check(struct mf_str name, struct mf_error *err) MF_CHECK_RESULT;
/* base: "s3://bucket" or "s3://bucket/folder". The name, what follows it, is checked too. */
enum mf_code mf_object_uri_parse(struct mf_str uri, struct mf_str base, struct mf_str *name,
                                 struct mf_error *err) MF_CHECK_RESULT;
/* Is it below the base? Says nothing about the name. */
bool mf_object_uri_within(struct mf_str uri, struct mf_str base);
/* 3 to 63 of a-z, 0-9, "-" and ".", as S3 wants it. */
bool mf_bucket_name_ok(struct mf_str bucket);

#endif
