/*
 * Looks into the file descriptors that the generator embeds: which file defines a symbol or an extension, and
 * what a file needs. Pure; any thread. Results point into the embedded bytes or the arena.
 */
#ifndef MF_RPC_DESCRIPTORS_H
#define MF_RPC_DESCRIPTORS_H

#include "base/arena.h"
#include "base/str.h"

struct pb_file;

/* NULL when there is none. */
const struct pb_file *mf_descriptors_file(struct mf_str name);
/* A message, enum, enum value, field, service or method by its full name (without a leading dot). */
const struct pb_file *mf_descriptors_symbol(struct mf_arena *arena, struct mf_str symbol);
const struct pb_file *mf_descriptors_extension(struct mf_arena *arena, struct mf_str type, int32_t number);
/* The numbers of all extensions of a message. False when memory ran out. */
bool mf_descriptors_extension_numbers(struct mf_arena *arena, struct mf_str type, const int32_t **numbers,
                                      uint32_t *count);
/* The file and all it imports, directly or not, each once. False when memory ran out. */
bool mf_descriptors_closure(struct mf_arena *arena, const struct pb_file *file, const struct pb_file ***files,
                            size_t *count);

#endif
