/*
 * YAML files of Kubernetes' kind: mappings, lists and scalars, every scalar as text. JSON is YAML,
 * too. Anchors are refused. libyaml is opened at the first use; a server that reads no such file does not
 * carry it.
 */
#ifndef MF_KUBE_YAML_NODE_H
#define MF_KUBE_YAML_NODE_H

#include "kube/node.h"

/* The first document; NULL when there is none. MF_INVALID_ARGUMENT with the line for what is no YAML,
 * MF_UNAVAILABLE when there is no libyaml. */
enum mf_code mf_yaml_read(struct mf_arena *arena, struct mf_str text, const mf_node **out,
                          struct mf_error *err) MF_CHECK_RESULT;

#endif
