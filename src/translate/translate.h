/*
 * TranslatorService: between literals and what the console's launch form works with. The rules of the
 * conversion are in convert.h.
 */
#ifndef MF_TRANSLATE_TRANSLATE_H
#define MF_TRANSLATE_TRANSLATE_H

#include "objects/object.h"
#include "rpc/server.h"

struct mf_translate;

struct mf_translate_config {
    struct mf_store *store;
    struct mf_objects *objects;
    size_t literals_max; /* bytes of literals that are read from the object store */
};

enum mf_code mf_translate_serve(const struct mf_translate_config *config, struct mf_rpc *rpc,
                                struct mf_translate **out, struct mf_error *err) MF_CHECK_RESULT;
void mf_translate_free(struct mf_translate *translate); /* after mf_rpc_stop; NULL is fine */

#endif
