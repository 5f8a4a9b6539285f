/* The headers that a signed URL is bound to. Only files of this folder include this. */
#ifndef MF_OBJECTS_PRESIGN_H
#define MF_OBJECTS_PRESIGN_H

#include "net/http.h"
#include "objects/object.h"

#define MF_PRESIGN_HEADERS_MAX 3

/* In the order of their names, as a signature wants them. .ptr of a value is NULL when memory ran out. */
size_t mf_presign_headers(struct mf_arena *arena, const struct mf_presign *request,
                          struct mf_header headers[MF_PRESIGN_HEADERS_MAX]);

#endif
