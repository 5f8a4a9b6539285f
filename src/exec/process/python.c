#include "exec/process/python.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ASK_TIMEOUT_MS 15000
#define ANSWER_MAX 8192

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

const char *mf_program_find(struct mf_arena *arena, struct mf_str name, struct mf_str folders)
{
    if (name.len == 0)
        return NULL;
    if (mf_str_find_char(name, '/') != SIZE_MAX)
        return mf_str_to_c(arena, name);
    while (folders.len > 0) {
        size_t len = mf_str_find_char(folders, ':');
        struct mf_str folder = mf_str_take(folders, len == SIZE_MAX ? folders.len : len);
        folders = mf_str_skip(folders, folder.len + 1);
        if (folder.len == 0 || folder.ptr[0] != '/')
            continue;
        struct mf_str path = mf_str_printf(arena, "%.*s/%.*s", MF_FMT(folder), MF_FMT(name));
        const char *text = path.ptr ? mf_str_to_c(arena, path) : NULL;
        if (text && is_program(text))
            return text;
    }
    return NULL;
}

static enum mf_code use_folder(struct mf_arena *arena, const char *bin, struct mf_python *out,
                               struct mf_error *err)
{
    struct mf_str folder = mf_str_copy(arena, mf_str_from_c(bin));
    if (!folder.ptr)
        return mf_fail_memory(err);
    const char *python = mf_program_find(arena, MF_STR("python"), folder);
    if (!python)
        python = mf_program_find(arena, MF_STR("python3"), folder);
    if (!python || !mf_program_find(arena, MF_STR("a0"), folder))
        return mf_fail(err, MF_NOT_FOUND, "there is no a0 in %s", bin);
    size_t slash = folder.len;
    while (slash > 1 && folder.ptr[slash - 1] != '/')
        slash--;
    out->bin = folder;
    out->venv = mf_str_take(folder, slash > 1 ? slash - 1 : slash);
    out->program = mf_str_from_c(python);
    return MF_OK;
}

static size_t read_answer(int fd, char *out, size_t max)
{
    size_t len = 0;
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    while (len < max && poll(&poller, 1, ASK_TIMEOUT_MS) > 0) {
        ssize_t got = read(fd, out + len, max - len);
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    return len;
}

/* Runs the interpreter with a script of one line and takes what it prints. */
static bool ask(const char *python, const char *script, char *answer, size_t max)
{
    int pipe[2];
    pid_t pid;
    int status = -1;
    posix_spawn_file_actions_t actions;
    char *const argv[] = {(char *)(uintptr_t)python, (char *)(uintptr_t) "-c", (char *)(uintptr_t)script,
                          NULL};
    if (pipe2(pipe, O_CLOEXEC) != 0)
        return false;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    int failed = posix_spawn(&pid, python, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(pipe[1]);
    size_t len = failed ? 0 : read_answer(pipe[0], answer, max - 1);
    close(pipe[0]);
    if (failed)
        return false;
    answer[len] = '\0';
    if (len == 0)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return len > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Where the interpreter's packages put their programs, when it has the flyte package; for interpreters that
 * are no virtual environment's, whose programs may lie elsewhere. */
static enum mf_code ask_for_folder(struct mf_arena *arena, const char *python, struct mf_python *out,
                                   struct mf_error *err)
{
    static const char script[] =
        "import importlib.metadata as m, os\n"
        "f = [p for p in m.distribution('flyte').files if p.name in ('a0', 'a0.exe')]\n"
        "print(os.path.dirname(os.path.realpath(f[0].locate())), end='')";
    char folder[ANSWER_MAX];
    if (!ask(python, script, folder, sizeof folder))
        return mf_fail(
            err, MF_FAILED_PRECONDITION,
            "%s has no flyte package; run \"%s -m pip install flyte\", or name another interpreter with "
            "--python",
            python, python);
    enum mf_code code = use_folder(arena, folder, out, err);
    if (code == MF_NOT_FOUND) {
        /* The folder of the programs need not hold the interpreter. */
        out->bin = mf_str_copy(arena, mf_str_from_c(folder));
        out->venv = MF_STR_EMPTY;
        code = out->bin.ptr ? MF_OK : mf_fail_memory(err);
        if (code == MF_OK && !mf_program_find(arena, MF_STR("a0"), out->bin))
            code = mf_fail(err, MF_FAILED_PRECONDITION,
                           "the flyte package of %s is damaged: %s/a0 is missing; install it again", python,
                           folder);
    }
    out->program = mf_str_copy(arena, mf_str_from_c(python));
    return code == MF_OK && !out->program.ptr ? mf_fail_memory(err) : code;
}

static enum mf_code use_wanted(struct mf_arena *arena, const char *wanted, const char *path,
                               struct mf_python *out, struct mf_error *err)
{
    char real[PATH_MAX];
    struct stat st;
    const char *python =
        strchr(wanted, '/') ? wanted : mf_program_find(arena, mf_str_from_c(wanted), mf_str_from_c(path));
    if (!python || stat(python, &st) != 0)
        return mf_fail(
            err, MF_FAILED_PRECONDITION,
            "there is no Python interpreter %s; correct --python, or leave it out to use the one on PATH",
            wanted);
    struct mf_str folder;
    if (S_ISDIR(st.st_mode)) {
        folder = mf_str_printf(arena, "%s/bin", python);
    } else {
        const char *slash = strrchr(python, '/');
        folder = mf_str_printf(arena, "%.*s", (int)(slash - python), python);
    }
    const char *bin = folder.ptr ? mf_str_to_c(arena, folder) : NULL;
    if (!bin)
        return mf_fail_memory(err);
    /* The folder is resolved, not the interpreter in it: that of a virtual environment is a link out of it.
     */
    if (realpath(bin, real) && use_folder(arena, real, out, err) == MF_OK)
        return MF_OK;
    if (S_ISDIR(st.st_mode))
        return mf_fail(
            err, MF_FAILED_PRECONDITION,
            "%s is no virtual environment with the flyte package: there is no bin/a0; run \"%s/bin/pip "
            "install flyte\" or correct --python",
            wanted, wanted);
    if (!is_program(python))
        return mf_fail(err, MF_FAILED_PRECONDITION, "%s cannot be executed; correct --python", python);
    return ask_for_folder(arena, python, out, err);
}

enum mf_code mf_python_find(struct mf_arena *arena, const char *wanted, const char *path,
                            struct mf_python *out, struct mf_error *err)
{
    char real[PATH_MAX];
    *out = (struct mf_python){.bin = MF_STR_EMPTY, .venv = MF_STR_EMPTY, .program = MF_STR_EMPTY};
    if (!path)
        path = "";
    if (wanted)
        return use_wanted(arena, wanted, path, out, err);
    const char *a0 = mf_program_find(arena, MF_STR("a0"), mf_str_from_c(path));
    const char *flyte = a0 ? a0 : mf_program_find(arena, MF_STR("flyte"), mf_str_from_c(path));
    const char *python = mf_program_find(arena, MF_STR("python3"), mf_str_from_c(path));
    if (flyte) {
        struct mf_str folder = mf_str_printf(arena, "%.*s", (int)(strrchr(flyte, '/') - flyte), flyte);
        const char *bin = folder.ptr ? mf_str_to_c(arena, folder) : NULL;
        if (bin && realpath(bin, real) && use_folder(arena, real, out, err) == MF_OK)
            return MF_OK;
    }
    if (python && ask_for_folder(arena, python, out, err) == MF_OK)
        return MF_OK;
    *out = (struct mf_python){.bin = MF_STR_EMPTY, .venv = MF_STR_EMPTY, .program = MF_STR_EMPTY};
    return mf_fail(
        err, MF_FAILED_PRECONDITION,
        "no Python environment with the flyte package was found; activate one, or name its interpreter with "
        "--python");
}
