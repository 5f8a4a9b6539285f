#include "testing.h"

#include "base/buf.h"
#include "tasklog/tasklog.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct fixture {
    char dir[64];
    char path[128];
    struct mf_arena *arena;
    struct mf_error err;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    strcpy(f->dir, "/tmp/tasklog_test.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/p/d/r/a0/1.log", f->dir);
    f->arena = mf_arena_new(0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(mf_remove_tree(f->dir, &f->err), MF_OK);
    mf_arena_free(f->arena);
    free(f);
    return 0;
}

static struct mf_tasklog_writer *create(struct fixture *f, int64_t max)
{
    struct mf_tasklog_writer *writer = NULL;
    assert_int_equal(mf_tasklog_create(mf_sys_real(), f->path, max, &writer, &f->err), MF_OK);
    return writer;
}

static struct mf_tasklog_reader *open_log(struct fixture *f)
{
    struct mf_tasklog_reader *reader = NULL;
    assert_int_equal(mf_tasklog_open(f->path, &reader, &f->err), MF_OK);
    return reader;
}

static void append(struct mf_tasklog_writer *writer, enum mf_tasklog_source source, const char *text)
{
    assert_int_equal(mf_tasklog_append(writer, source, mf_str_from_c(text), NULL), MF_OK);
}

static size_t read_lines(struct fixture *f, struct mf_tasklog_reader *reader, struct mf_tasklog_line **lines,
                         bool *ended)
{
    size_t count = 0;
    assert_int_equal(mf_tasklog_read(reader, f->arena, 100, 1 << 20, lines, &count, ended, &f->err), MF_OK);
    return count;
}

static void path_is_made_of_plain_names_only(void **state)
{
    struct fixture *f = *state;
    const char *path = NULL;
    struct mf_tasklog_key key = {MF_STR("p"), MF_STR("d"), MF_STR("r"), MF_STR("a0"), 3};
    assert_int_equal(mf_tasklog_path(f->arena, "/logs", &key, &path, &f->err), MF_OK);
    assert_string_equal(path, "/logs/p/d/r/a0/3.log");
    static const char *const bad[] = {"", ".", "..", "a/b", "../x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        key.action = mf_str_from_c(bad[i]);
        assert_int_equal(mf_tasklog_path(f->arena, "/logs", &key, &path, &f->err), MF_INVALID_ARGUMENT);
    }
    key.action = MF_STR("a\0b");
    assert_int_equal(mf_tasklog_path(f->arena, "/logs", &key, &path, &f->err), MF_INVALID_ARGUMENT);
    key.action = MF_STR("a0");
    key.attempt = 0;
    assert_int_equal(mf_tasklog_path(f->arena, "/logs", &key, &path, &f->err), MF_INVALID_ARGUMENT);
}

static void absent_log_is_not_found(void **state)
{
    struct fixture *f = *state;
    struct mf_tasklog_reader *reader = NULL;
    assert_int_equal(mf_tasklog_open(f->path, &reader, &f->err), MF_NOT_FOUND);
}

static void lines_are_cut_per_source_and_followed_while_they_come(void **state)
{
    struct fixture *f = *state;
    struct mf_tasklog_line *lines;
    bool ended;
    int64_t before = mf_wall_ns(mf_sys_real());
    struct mf_tasklog_writer *writer = create(f, 0);
    struct mf_tasklog_reader *reader = open_log(f);
    append(writer, MF_TASKLOG_STDOUT, "one\ntw");
    append(writer, MF_TASKLOG_STDERR, "err");
    assert_int_equal(read_lines(f, reader, &lines, &ended), 1);
    assert_str(lines[0].text, "one\n");
    assert_int_equal(lines[0].source, MF_TASKLOG_STDOUT);
    assert_true(lines[0].time_ns >= before && lines[0].time_ns <= mf_wall_ns(mf_sys_real()));
    assert_false(ended);
    assert_int_equal(read_lines(f, reader, &lines, &ended), 0);
    append(writer, MF_TASKLOG_STDOUT, "o\n");
    assert_int_equal(read_lines(f, reader, &lines, &ended), 1);
    assert_str(lines[0].text, "two\n");
    mf_tasklog_close(writer);
    assert_int_equal(read_lines(f, reader, &lines, &ended), 1);
    assert_str(lines[0].text, "err");
    assert_int_equal(lines[0].source, MF_TASKLOG_STDERR);
    assert_true(ended);
    mf_tasklog_reader_free(reader);
}

static void reading_stops_at_the_bounds_given(void **state)
{
    struct fixture *f = *state;
    struct mf_tasklog_line *lines;
    size_t count;
    bool ended;
    struct mf_tasklog_writer *writer = create(f, 0);
    append(writer, MF_TASKLOG_STDOUT, "a\nb\nc\n");
    mf_tasklog_close(writer);
    struct mf_tasklog_reader *reader = open_log(f);
    assert_int_equal(mf_tasklog_read(reader, f->arena, 2, 1000, &lines, &count, &ended, &f->err), MF_OK);
    assert_int_equal(count, 2);
    assert_false(ended);
    assert_int_equal(mf_tasklog_read(reader, f->arena, 2, 1000, &lines, &count, &ended, &f->err), MF_OK);
    assert_int_equal(count, 1);
    assert_str(lines[0].text, "c\n");
    assert_true(ended);
    mf_tasklog_reader_free(reader);
    reader = open_log(f);
    assert_int_equal(mf_tasklog_read(reader, f->arena, 9, 1, &lines, &count, &ended, &f->err), MF_OK);
    assert_int_equal(count, 1);
    mf_tasklog_reader_free(reader);
}

static void broken_utf8_is_replaced_and_long_lines_are_cut_between_characters(void **state)
{
    struct fixture *f = *state;
    struct mf_tasklog_line *lines;
    bool ended;
    struct mf_tasklog_writer *writer = create(f, 0);
    append(writer, MF_TASKLOG_STDOUT, "x\xff\xfey \xc3\xa4\n");
    char *big = malloc(200001);
    for (size_t i = 0; i < 200000; i += 2)
        memcpy(big + i, "\xc3\xa4", 2);
    big[200000] = '\n';
    append(writer, MF_TASKLOG_STDOUT, "z"); /* so that the cut would fall inside a character */
    assert_int_equal(mf_tasklog_append(writer, MF_TASKLOG_STDOUT, mf_str_make(big, 200001), NULL), MF_OK);
    mf_tasklog_close(writer);
    struct mf_tasklog_reader *reader = open_log(f);
    size_t count = read_lines(f, reader, &lines, &ended);
    assert_str(lines[0].text, "x\xef\xbf\xbdy \xc3\xa4\n");
    size_t total = 0;
    for (size_t i = 1; i < count; i++) {
        assert_true(lines[i].text.len <= 64 << 10);
        assert_true(mf_str_find(lines[i].text, MF_STR("\xef\xbf\xbd")) == SIZE_MAX);
        total += lines[i].text.len;
    }
    assert_int_equal(total, 200002);
    assert_true(ended);
    free(big);
    mf_tasklog_reader_free(reader);
}

static void torn_end_has_not_been_written_and_the_log_goes_on_after_it(void **state)
{
    struct fixture *f = *state;
    struct mf_tasklog_line *lines;
    bool ended;
    struct mf_tasklog_writer *writer = create(f, 0);
    append(writer, MF_TASKLOG_STDOUT, "whole\ntorn\n");
    mf_tasklog_close(writer);
    FILE *file = fopen(f->path, "r+");
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    assert_int_equal(ftruncate(fileno(file), ftell(file) - 17 - 2), 0);
    fclose(file);
    struct mf_tasklog_reader *reader = open_log(f);
    assert_int_equal(read_lines(f, reader, &lines, &ended), 1);
    assert_str(lines[0].text, "whole\n");
    assert_false(ended);
    writer = create(f, 0);
    append(writer, MF_TASKLOG_SYSTEM, "more\n");
    mf_tasklog_close(writer);
    assert_int_equal(read_lines(f, reader, &lines, &ended), 1);
    assert_str(lines[0].text, "more\n");
    assert_int_equal(lines[0].source, MF_TASKLOG_SYSTEM);
    assert_true(ended);
    mf_tasklog_reader_free(reader);
    writer = create(f, 0); /* an ended log is continued, too */
    append(writer, MF_TASKLOG_STDOUT, "again\n");
    mf_tasklog_close(writer);
    reader = open_log(f);
    assert_int_equal(read_lines(f, reader, &lines, &ended), 3);
    assert_str(lines[2].text, "again\n");
    assert_true(ended);
    mf_tasklog_reader_free(reader);
}

/* Writes numbered lines; a reader that keeps up gets every one, a late one is told that some are missing. */
static void oldest_part_is_given_up_beyond_the_bound(void **state)
{
    struct fixture *f = *state;
    struct mf_tasklog_line *lines;
    char line[4096];
    bool ended = false;
    long next = 0;
    struct mf_tasklog_writer *writer = create(f, 1 << 20);
    struct mf_tasklog_reader *reader = open_log(f);
    for (int i = 0; i < 1500; i++) {
        memset(line, '.', sizeof line);
        int len = snprintf(line, sizeof line, "%d ", i);
        line[len] = '.';
        line[1022] = '\n';
        line[1023] = '\0';
        append(writer, MF_TASKLOG_STDOUT, line);
        if (i % 50 == 0) {
            size_t count = read_lines(f, reader, &lines, &ended);
            for (size_t j = 0; j < count; j++)
                assert_int_equal(strtol(lines[j].text.ptr, NULL, 10), next++);
            mf_arena_reset(f->arena);
        }
    }
    mf_tasklog_close(writer);
    while (!ended) {
        size_t count = read_lines(f, reader, &lines, &ended);
        for (size_t j = 0; j < count; j++)
            assert_int_equal(strtol(lines[j].text.ptr, NULL, 10), next++);
    }
    assert_int_equal(next, 1500);
    mf_tasklog_reader_free(reader);
    reader = open_log(f);
    assert_true(read_lines(f, reader, &lines, &ended) > 1);
    assert_int_equal(lines[0].source, MF_TASKLOG_SYSTEM);
    assert_true(mf_str_find(lines[0].text, MF_STR("given up")) != SIZE_MAX);
    assert_int_equal(lines[0].time_ns, lines[1].time_ns);
    next = strtol(lines[1].text.ptr, NULL, 10);
    assert_true(next > 100 && next < 1500);
    mf_tasklog_reader_free(reader);
}

struct full_disk {
    struct mf_sys sys;
    bool full;
};

static ssize_t write_to_full(void *ctx, int fd, const void *bytes, size_t len)
{
    struct full_disk *disk = ctx;
    if (!disk->full)
        return write(fd, bytes, len);
    if (len > 5)
        return write(fd, bytes, 5); /* a torn record */
    errno = ENOSPC;
    return -1;
}

static int open_file(void *ctx, const char *path, int flags, mode_t mode)
{
    (void)ctx;
    return mf_sys_real()->open(NULL, path, flags, mode);
}

static void full_disk_loses_lines_and_says_so(void **state)
{
    struct fixture *f = *state;
    struct mf_tasklog_line *lines;
    struct mf_tasklog_writer *writer = NULL;
    bool ended;
    struct full_disk disk = {.sys = *mf_sys_real()};
    disk.sys.ctx = &disk;
    disk.sys.write = write_to_full;
    disk.sys.open = open_file;
    assert_int_equal(mf_tasklog_create(&disk.sys, f->path, 0, &writer, &f->err), MF_OK);
    append(writer, MF_TASKLOG_STDOUT, "before\n");
    disk.full = true;
    assert_int_equal(
        mf_tasklog_append(writer, MF_TASKLOG_STDOUT, MF_STR("lost text of some length\n"), &f->err),
        MF_UNAVAILABLE);
    disk.full = false;
    append(writer, MF_TASKLOG_STDOUT, "after\n");
    mf_tasklog_close(writer);
    struct mf_tasklog_reader *reader = open_log(f);
    assert_int_equal(read_lines(f, reader, &lines, &ended), 3);
    assert_str(lines[0].text, "before\n");
    assert_int_equal(lines[1].source, MF_TASKLOG_SYSTEM);
    assert_true(mf_str_find(lines[1].text, MF_STR("could not be written")) != SIZE_MAX);
    assert_str(lines[2].text, "after\n");
    assert_true(ended);
    mf_tasklog_reader_free(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(path_is_made_of_plain_names_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(absent_log_is_not_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lines_are_cut_per_source_and_followed_while_they_come, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(reading_stops_at_the_bounds_given, set_up, tear_down),
        cmocka_unit_test_setup_teardown(broken_utf8_is_replaced_and_long_lines_are_cut_between_characters,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(torn_end_has_not_been_written_and_the_log_goes_on_after_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(oldest_part_is_given_up_beyond_the_bound, set_up, tear_down),
        cmocka_unit_test_setup_teardown(full_disk_loses_lines_and_says_so, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
