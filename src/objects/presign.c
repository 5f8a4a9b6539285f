#include "objects/presign.h"

size_t mf_presign_headers(struct mf_arena *arena, const struct mf_presign *request,
                          struct mf_header headers[MF_PRESIGN_HEADERS_MAX])
{
    size_t count = 0;
    if (request->content_length > 0)
        headers[count++] = (struct mf_header){
            MF_STR("content-length"), mf_str_printf(arena, "%lld", (long long)request->content_length)};
    if (request->content_md5.len > 0)
        headers[count++] = (struct mf_header){MF_STR("content-md5"), request->content_md5};
    if (request->meta_name)
        headers[count++] = (struct mf_header){mf_str_from_c(request->meta_name), request->meta_value};
    return count;
}
