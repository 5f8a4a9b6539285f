#include "run/page.h"

#include "run/token.h"

enum mf_code mf_run_page(struct mf_arena *arena, const struct pb_common_ListRequest *request,
                         struct mf_run_page *out, struct mf_error *err)
{
    out->after = NULL;
    enum mf_code code = mf_page_read(arena, request, &out->page, &out->limit, err);
    return code == MF_OK && request
               ? mf_run_token_read(arena, request->token, &out->after, &out->page.offset, err)
               : code;
}
