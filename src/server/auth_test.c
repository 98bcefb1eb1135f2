#include "server/auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* SHA-256 of "abc" (FIPS 180-2, appendix B.1). */
static const char abc[] = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

static void keys_are_found_by_either_header(void **state) {
    (void)state;
    mu_auth auth = {0};
    assert_int_equal(mu_auth_add(&auth, "first", NULL), MU_OK);
    assert_int_equal(mu_auth_add(&auth, abc, NULL), MU_OK);
    static const struct {
        const char *authorization, *api_key;
        uint32_t found;
    } rows[] = {
        {"Bearer first", NULL, 1}, {"bearer abc", NULL, 2},  {NULL, "abc", 2},
        {"Basic abc", NULL, 0},    {"Bearer  abc", NULL, 0}, {NULL, NULL, 0},
        {"Bearer ", NULL, 0},      {NULL, abc, 0},           {"Bearer firs", NULL, 0},
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        assert_int_equal(mu_auth_check(&auth, rows[i].authorization, rows[i].api_key),
                         rows[i].found);
    }
}

static void bad_keys_are_refused(void **state) {
    (void)state;
    mu_auth auth = {0};
    assert_int_equal(mu_auth_add(&auth, "", NULL), MU_ERR_INVALID);
    assert_int_equal(mu_auth_add(&auth, "sha256:12", NULL), MU_ERR_INVALID);
    char bad[sizeof(abc)];
    memcpy(bad, abc, sizeof(abc));
    bad[20] = 'x';
    assert_int_equal(mu_auth_add(&auth, bad, NULL), MU_ERR_INVALID);
    assert_int_equal(auth.n, 0);
    for (uint32_t i = 0; i < MU_KEYS_MAX; i++) {
        assert_int_equal(mu_auth_add(&auth, "k", NULL), MU_OK);
    }
    assert_int_equal(mu_auth_add(&auth, "k", NULL), MU_ERR_LIMIT);
}

static void key_files_name_the_line(void **state) {
    (void)state;
    char path[] = "/tmp/muai_keys_XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    fputs("# ours\n\none\r\ntwo\nsha256:zz\n", file);
    fclose(file);
    mu_auth auth = {0};
    mu_err err;
    assert_int_equal(mu_auth_add_file(&auth, path, &err), MU_ERR_INVALID);
    assert_non_null(strstr(err.text, ":5:"));
    assert_int_equal(auth.n, 2);
    assert_int_equal(mu_auth_check(&auth, "Bearer one", NULL), 1);
    unlink(path);
    assert_int_equal(mu_auth_add_file(&auth, path, &err), MU_ERR_IO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_found_by_either_header),
        cmocka_unit_test(bad_keys_are_refused),
        cmocka_unit_test(key_files_name_the_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
