/* The file descriptors that the messages were generated from, embedded for server reflection. Constant. */
#ifndef MF_RPC_PB_FILE_H
#define MF_RPC_PB_FILE_H

#include "base/str.h"

struct pb_file {
    const char *name;    /* "flyteidl2/workflow/run_service.proto" */
    struct mf_str bytes; /* google.protobuf.FileDescriptorProto in wire format */
};

/* All files; imports come before what imports them. */
const struct pb_file *pb_files(size_t *count);

#endif
