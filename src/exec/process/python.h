/*
 * The Python environment in which tasks run: the folder with the program a0, which the flyte package
 * installs.
 */
#ifndef MF_EXEC_PYTHON_H
#define MF_EXEC_PYTHON_H

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

struct mf_python {
    struct mf_str bin;     /* folder of a0 and python; empty: there is none */
    struct mf_str venv;    /* folder above it */
    struct mf_str program; /* the interpreter */
};

/* wanted: an interpreter or the folder of a virtual environment; NULL: what PATH has. MF_FAILED_PRECONDITION
 * tells what is missing and what to do. */
enum mf_code mf_python_find(struct mf_arena *arena, const char *wanted, const char *path,
                            struct mf_python *out, struct mf_error *err) MF_CHECK_RESULT;

/* The file of a program: as it is when it holds a slash, else looked for in folders ("a:b:c"). NULL when not
 * found. */
const char *mf_program_find(struct mf_arena *arena, struct mf_str name, struct mf_str folders);

#endif
