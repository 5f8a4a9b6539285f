/* Sealing of secrets, the file of the master keys, and the change of the master key with a disk that fails at
 * any moment. */
#include "../store/entity.h"

#include "secret/keyring.h"
#include "secret/vault.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct mf_secret_id id = {
    .domain = {"development", 11}, .project = {"flytesnacks", 11}, .name = {"token", 5}};

/* ---- sealing ---- */

static struct mf_seal_key key_of(unsigned char byte)
{
    struct mf_seal_key key;
    memset(key.bytes, byte, sizeof key.bytes);
    return key;
}

static struct mf_secret_row sealed(struct mf_arena *arena, const struct mf_seal_key *key, struct mf_str value)
{
    struct mf_secret_row row = {.id = id, .key_id = MF_STR("k")};
    struct mf_error err;
    assert_int_equal(mf_seal(mf_sys_real(), arena, key, value, &row, &err), MF_OK);
    return row;
}

static void what_is_sealed_opens(void **state)
{
    struct entity *e = *state;
    static const size_t sizes[] = {0, 1, 15, 16, 17, 4096, (size_t)1 << 20};
    struct mf_seal_key key = key_of(1);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *bytes = mf_arena_bytes(e->arena, sizes[i] + 1);
        memset(bytes, (int)i + 1, sizes[i]);
        struct mf_secret_row row = sealed(e->arena, &key, mf_str_make(bytes, sizes[i]));
        struct mf_str value;
        assert_int_equal(row.body.len, sizes[i] + MF_SEAL_EXTRA);
        assert_true(sizes[i] < 15 || mf_str_find(row.body, mf_str_make(bytes, 15)) == SIZE_MAX);
        assert_int_equal(mf_unseal(e->arena, &key, &row, &value, &e->err), MF_OK);
        assert_int_equal(value.len, sizes[i]);
        assert_memory_equal(value.ptr, bytes, sizes[i]);
    }
}

static void two_seals_differ(void **state)
{
    struct entity *e = *state;
    struct mf_seal_key key = key_of(1);
    struct mf_secret_row a = sealed(e->arena, &key, MF_STR("value"));
    struct mf_secret_row b = sealed(e->arena, &key, MF_STR("value"));
    assert_memory_not_equal(a.body.ptr, b.body.ptr, a.body.len);
    assert_memory_not_equal(a.wrapped.ptr, b.wrapped.ptr, a.wrapped.len);
}

static void each_bit_counts(void **state)
{
    struct entity *e = *state;
    struct mf_seal_key key = key_of(1);
    struct mf_secret_row row = sealed(e->arena, &key, MF_STR("value"));
    struct mf_str parts[] = {row.body, row.wrapped};
    struct mf_str value;
    for (size_t p = 0; p < 2; p++) {
        char *bytes = (char *)(uintptr_t)parts[p].ptr;
        for (size_t i = 0; i < parts[p].len; i++) {
            bytes[i] ^= 4;
            assert_int_equal(mf_unseal(e->arena, &key, &row, &value, &e->err), MF_DATA_LOSS);
            assert_null(strstr(e->err.message, "value\""));
            bytes[i] ^= 4;
        }
        for (size_t len = 0; len < parts[p].len; len++) {
            struct mf_secret_row cut = row;
            *(p == 0 ? &cut.body : &cut.wrapped) = mf_str_take(parts[p], len);
            assert_int_equal(mf_unseal(e->arena, &key, &cut, &value, &e->err), MF_DATA_LOSS);
        }
    }
    assert_int_equal(mf_unseal(e->arena, &key, &row, &value, &e->err), MF_OK);
}

static void it_opens_under_its_name_and_key_only(void **state)
{
    struct entity *e = *state;
    struct mf_seal_key key = key_of(1);
    struct mf_seal_key other = key_of(2);
    const struct mf_secret_id ids[] = {
        {.domain = id.domain, .project = id.project, .name = MF_STR("tokem")},
        {.domain = id.domain, .project = MF_STR_EMPTY, .name = id.name},
        {.domain = MF_STR("developmentf"), .project = MF_STR("lytesnacks"), .name = id.name},
        {.domain = id.domain, .project = MF_STR("flytesnackst"), .name = MF_STR("oken")},
    };
    struct mf_secret_row row = sealed(e->arena, &key, MF_STR("value"));
    struct mf_str value;
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        struct mf_secret_row moved = row;
        moved.id = ids[i];
        assert_int_equal(mf_unseal(e->arena, &key, &moved, &value, &e->err), MF_DATA_LOSS);
        assert_false(mf_seal_fits(&key, &moved));
    }
    assert_int_equal(mf_unseal(e->arena, &other, &row, &value, &e->err), MF_DATA_LOSS);
    assert_true(mf_seal_fits(&key, &row));
    assert_false(mf_seal_fits(&other, &row));
    /* What was wrapped is no body and the other way round. */
    struct mf_secret_row swapped = row;
    swapped.body = row.wrapped;
    assert_int_equal(mf_unseal(e->arena, &key, &swapped, &value, &e->err), MF_DATA_LOSS);
}

static void resealed_rows_open_with_the_new_key(void **state)
{
    struct entity *e = *state;
    struct mf_seal_key old = key_of(1);
    struct mf_seal_key new = key_of(2);
    struct mf_secret_row row = sealed(e->arena, &old, MF_STR("value"));
    struct mf_str body = row.body;
    struct mf_str value;
    assert_int_equal(mf_reseal(mf_sys_real(), e->arena, &old, &new, MF_STR("n"), &row, &e->err), MF_OK);
    assert_ptr_equal(row.body.ptr, body.ptr);
    assert_str(row.key_id, "n");
    assert_int_equal(mf_unseal(e->arena, &new, &row, &value, &e->err), MF_OK);
    assert_str(value, "value");
    assert_int_equal(mf_unseal(e->arena, &old, &row, &value, &e->err), MF_DATA_LOSS);
    assert_int_equal(mf_reseal(mf_sys_real(), e->arena, &old, &new, MF_STR("n"), &row, &e->err),
                     MF_DATA_LOSS);
}

/* ---- the file of keys ---- */

static const char *key_path(struct entity *e)
{
    return mf_str_printf(e->arena, "%s/keys", e->dir).ptr;
}

static void keys_survive_the_file(void **state)
{
    struct entity *e = *state;
    const char *path = key_path(e);
    struct mf_keyring *a = NULL;
    struct mf_keyring *b = NULL;
    struct stat st;
    assert_int_equal(mf_keyring_load(mf_sys_real(), path, &b, &e->err), MF_NOT_FOUND);
    assert_int_equal(mf_keyring_create(mf_sys_real(), path, &a, &e->err), MF_OK);
    struct mf_str first = mf_str_copy(e->arena, mf_keyring_primary(a));
    assert_int_equal(mf_keyring_add(a, &e->err), MF_OK);
    assert_false(mf_str_eq(first, mf_keyring_primary(a)));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(mf_keyring_load(mf_sys_real(), path, &b, &e->err), MF_OK);
    assert_int_equal(mf_keyring_count(b), 2);
    assert_true(mf_str_eq(mf_keyring_primary(a), mf_keyring_primary(b)));
    assert_memory_equal(mf_keyring_find(a, first)->bytes, mf_keyring_find(b, first)->bytes, MF_SEAL_KEY);
    mf_keyring_free(b);
    assert_int_equal(mf_keyring_prune(a, &e->err), MF_OK);
    assert_int_equal(mf_keyring_load(mf_sys_real(), path, &b, &e->err), MF_OK);
    assert_int_equal(mf_keyring_count(b), 1);
    assert_null(mf_keyring_find(b, first));
    assert_non_null(mf_keyring_find(a, first)); /* for what is on its way */
    for (size_t i = mf_keyring_count(a); i < MF_KEYS_MAX; i++)
        assert_int_equal(mf_keyring_add(a, &e->err), MF_OK);
    assert_int_equal(mf_keyring_add(a, &e->err), MF_RESOURCE_EXHAUSTED);
    mf_keyring_free(a);
    mf_keyring_free(b);
}

static void damaged_files_are_refused(void **state)
{
    struct entity *e = *state;
    const char *path = key_path(e);
    static const char *const bad[] = {"",
                                      "# nothing\n",
                                      "rubbish\n",
                                      "0123456789abcdef AAAA\n",
                                      "0123456789abcdef AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA \nx\n",
                                      "0123456789abcdefAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"};
    struct mf_keyring *ring = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(mf_write_file(mf_sys_real(), path, mf_str_from_c(bad[i]), 0600, &e->err), MF_OK);
        assert_int_equal(mf_keyring_load(mf_sys_real(), path, &ring, &e->err), MF_DATA_LOSS);
        assert_non_null(strstr(e->err.message, path));
    }
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(mf_keyring_load(mf_sys_real(), path, &ring, &e->err), MF_FAILED_PRECONDITION);
}

/* ---- the vault ---- */

#define SECRETS 600 /* more than two rounds of sealing anew */

static struct mf_vault *open_vault(struct entity *e, const struct mf_sys *sys)
{
    struct mf_vault *vault = NULL;
    if (mf_vault_open(sys, e->store, key_path(e), &vault, &e->err) != MF_OK)
        fail_msg("%s", e->err.message);
    return vault;
}

static struct mf_secret_id id_of(struct entity *e, int i)
{
    return (struct mf_secret_id){
        .domain = id.domain, .project = id.project, .name = mf_str_printf(e->arena, "s%d", i)};
}

static enum mf_code insert(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    return mf_secret_insert(mf_tx_db(tx), data, err);
}

static void fill(struct entity *e, struct mf_vault *vault, int count)
{
    for (int i = 0; i < count; i++) {
        struct mf_secret_row row = {.id = id_of(e, i)};
        assert_int_equal(
            mf_vault_seal(vault, e->arena, mf_str_printf(e->arena, "value %d", i), &row, &e->err), MF_OK);
        assert_int_equal(entity_write(e, insert, &row), MF_OK);
    }
}

static void check_all(struct entity *e, struct mf_vault *vault, int count)
{
    struct mf_str value;
    for (int i = 0; i < count; i++) {
        struct mf_secret_id one = id_of(e, i);
        if (mf_vault_find(vault, e->arena, &one, &value, &e->err) != MF_OK)
            fail_msg("secret %d: %s", i, e->err.message);
        assert_true(mf_str_eq(value, mf_str_printf(e->arena, "value %d", i)));
    }
}

static void rotation_reaches_every_row(void **state)
{
    struct entity *e = *state;
    struct mf_vault *vault = open_vault(e, mf_sys_real());
    size_t rows = 0;
    fill(e, vault, SECRETS);
    assert_int_equal(mf_vault_rotate(vault, &rows, &e->err), MF_OK);
    assert_int_equal(rows, SECRETS);
    check_all(e, vault, SECRETS);
    mf_vault_close(vault);
    vault = open_vault(e, mf_sys_real()); /* with the one key that is left in the file */
    check_all(e, vault, SECRETS);
    mf_vault_close(vault);
}

/* A row that was sealed before the rotation and is stored after it. */
static void late_rows_are_renewed(void **state)
{
    struct entity *e = *state;
    struct mf_vault *vault = open_vault(e, mf_sys_real());
    struct mf_secret_row row = {.id = id_of(e, 0)};
    size_t rows = 0;
    assert_int_equal(mf_vault_seal(vault, e->arena, MF_STR("value 0"), &row, &e->err), MF_OK);
    assert_int_equal(mf_vault_rotate(vault, &rows, &e->err), MF_OK);
    assert_int_equal(mf_vault_renew(vault, e->arena, &row, &e->err), MF_OK);
    assert_int_equal(entity_write(e, insert, &row), MF_OK);
    mf_vault_close(vault);
    vault = open_vault(e, mf_sys_real());
    check_all(e, vault, 1);
    mf_vault_close(vault);
}

/* A disk that stops working after so many operations. */
struct disk {
    int left;
};

static bool works(void *ctx)
{
    struct disk *disk = ctx;
    if (disk->left > 0)
        disk->left--;
    errno = EIO;
    return disk->left > 0;
}

static int disk_open(void *ctx, const char *path, int flags, mode_t mode)
{
    return works(ctx) ? mf_sys_real()->open(mf_sys_real()->ctx, path, flags, mode) : -1;
}

static ssize_t disk_write(void *ctx, int fd, const void *bytes, size_t len)
{
    return works(ctx) ? mf_sys_real()->write(mf_sys_real()->ctx, fd, bytes, len) : -1;
}

static int disk_fsync(void *ctx, int fd)
{
    return works(ctx) ? mf_sys_real()->fsync(mf_sys_real()->ctx, fd) : -1;
}

static int disk_rename(void *ctx, const char *from, const char *to)
{
    return works(ctx) ? mf_sys_real()->rename(mf_sys_real()->ctx, from, to) : -1;
}

static int disk_unlink(void *ctx, const char *path)
{
    return works(ctx) ? mf_sys_real()->unlink(mf_sys_real()->ctx, path) : -1;
}

static void disk_random(void *ctx, void *bytes, size_t len)
{
    (void)ctx;
    mf_sys_real()->random(mf_sys_real()->ctx, bytes, len);
}

/* Whatever the moment: at the next start every secret opens, and the rotation is finished or never began. */
static void rotation_survives_a_failing_disk(void **state)
{
    struct entity *e = *state;
    struct disk disk = {.left = 1000};
    const struct mf_sys sys = {.ctx = &disk,
                               .wall_ns = mf_sys_real()->wall_ns,
                               .mono_ns = mf_sys_real()->mono_ns,
                               .random = disk_random,
                               .open = disk_open,
                               .write = disk_write,
                               .fsync = disk_fsync,
                               .rename = disk_rename,
                               .unlink = disk_unlink};
    bool failed = true;
    struct mf_vault *vault = open_vault(e, &sys);
    fill(e, vault, 3);
    mf_vault_close(vault);
    for (int moment = 1; failed; moment++) {
        size_t rows;
        struct mf_keyring *ring = NULL;
        assert_in_range(moment, 1, 40);
        disk.left = 1000;
        vault = open_vault(e, &sys);
        disk.left = moment;
        failed = mf_vault_rotate(vault, &rows, &e->err) != MF_OK;
        check_all(e, vault, 3);
        mf_vault_close(vault);
        vault = open_vault(e, mf_sys_real());
        check_all(e, vault, 3);
        mf_vault_close(vault);
        assert_int_equal(mf_keyring_load(mf_sys_real(), key_path(e), &ring, &e->err), MF_OK);
        assert_int_equal(mf_keyring_count(ring), 1);
        mf_keyring_free(ring);
    }
}

static void a_foreign_file_is_noticed(void **state)
{
    struct entity *e = *state;
    struct mf_keyring *ring = NULL;
    struct mf_vault *vault = open_vault(e, mf_sys_real());
    fill(e, vault, 1);
    mf_vault_close(vault);
    assert_int_equal(unlink(key_path(e)), 0);
    assert_int_equal(mf_vault_open(mf_sys_real(), e->store, key_path(e), &vault, &e->err),
                     MF_FAILED_PRECONDITION);
    assert_non_null(strstr(e->err.message, "copy"));
    assert_int_equal(access(key_path(e), F_OK), -1);
    assert_int_equal(mf_keyring_create(mf_sys_real(), key_path(e), &ring, &e->err), MF_OK);
    mf_keyring_free(ring);
    assert_int_equal(mf_vault_open(mf_sys_real(), e->store, key_path(e), &vault, &e->err),
                     MF_FAILED_PRECONDITION);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, entity_setup, entity_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_sealed_opens),
        TEST(two_seals_differ),
        TEST(each_bit_counts),
        TEST(it_opens_under_its_name_and_key_only),
        TEST(resealed_rows_open_with_the_new_key),
        TEST(keys_survive_the_file),
        TEST(damaged_files_are_refused),
        TEST(rotation_reaches_every_row),
        TEST(late_rows_are_renewed),
        TEST(rotation_survives_a_failing_disk),
        TEST(a_foreign_file_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
