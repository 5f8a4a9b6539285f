#include "rpc/media.h"

static const struct mf_media media_table[] = {
    {MF_STR("application/proto"), MF_PROTOCOL_CONNECT, MF_CODEC_PROTO},
    {MF_STR("application/json"), MF_PROTOCOL_CONNECT, MF_CODEC_JSON},
    {MF_STR("application/connect+proto"), MF_PROTOCOL_CONNECT_STREAM, MF_CODEC_PROTO},
    {MF_STR("application/connect+json"), MF_PROTOCOL_CONNECT_STREAM, MF_CODEC_JSON},
    {MF_STR("application/grpc"), MF_PROTOCOL_GRPC, MF_CODEC_PROTO},
    {MF_STR("application/grpc+proto"), MF_PROTOCOL_GRPC, MF_CODEC_PROTO},
    {MF_STR("application/grpc+json"), MF_PROTOCOL_GRPC, MF_CODEC_JSON},
    {MF_STR("application/grpc-web"), MF_PROTOCOL_GRPC_WEB, MF_CODEC_PROTO},
    {MF_STR("application/grpc-web+proto"), MF_PROTOCOL_GRPC_WEB, MF_CODEC_PROTO},
    {MF_STR("application/grpc-web+json"), MF_PROTOCOL_GRPC_WEB, MF_CODEC_JSON},
    {MF_STR("application/grpc-web-text"), MF_PROTOCOL_GRPC_WEB_TEXT, MF_CODEC_PROTO},
    {MF_STR("application/grpc-web-text+proto"), MF_PROTOCOL_GRPC_WEB_TEXT, MF_CODEC_PROTO},
};

const struct mf_media *mf_media_find(struct mf_str content_type)
{
    size_t semicolon = mf_str_find_char(content_type, ';');
    if (semicolon != SIZE_MAX)
        content_type = mf_str_trim(mf_str_take(content_type, semicolon), MF_STR(" \t"));
    for (size_t i = 0; i < sizeof media_table / sizeof *media_table; i++) {
        const struct mf_media *media = &media_table[i];
        if (media->type.len == content_type.len && mf_str_eq_nocase(media->type, content_type))
            return media;
    }
    return NULL;
}

const struct mf_media *mf_media_for_get(struct mf_str encoding)
{
    if (mf_str_eq_c(encoding, "proto"))
        return &media_table[0];
    if (mf_str_eq_c(encoding, "json"))
        return &media_table[1];
    return NULL;
}

struct mf_str mf_media_accept_post(bool streaming)
{
    return streaming ? MF_STR("application/connect+json, application/connect+proto, application/grpc, "
                              "application/grpc+json, application/grpc+proto, application/grpc-web, "
                              "application/grpc-web+json, application/grpc-web+proto, "
                              "application/grpc-web-text, application/grpc-web-text+proto")
                     : MF_STR("application/json, application/proto, application/grpc, application/grpc+json, "
                              "application/grpc+proto, application/grpc-web, application/grpc-web+json, "
                              "application/grpc-web+proto, application/grpc-web-text, "
                              "application/grpc-web-text+proto");
}
