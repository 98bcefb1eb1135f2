/* What a target makes of its URL, before anything is sent. */
#include "bench/load/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void secrets_of_urls_are_not_shown(void **state) {
    (void)state;
    static const struct {
        const char *url, *shown;
    } rows[] = {
        {"http://user:hunter2@host:80/v1", "http://***@host:80/v1"},
        {"user:hunter2@host", "***@host"},
        {"http://user:hunter@2@host", "http://***@host"},
        {"http://host/v1?key=hunter2", "http://host/v1?***"},
        {"http://host/#hunter2", "http://host/?***"},
        {"a=http://user:hunter2@host", "a=http://***@host"},
        {"--target=http://user:hunter2@[::1]:80/", "--target=http://***@[::1]:80/"},
        {"http://host:8000/a@b", "http://host:8000/a@b"},
        {"", ""},
    };
    char shown[MU_URL_TEXT_MAX];
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        mu_url_without_secrets(rows[i].url, shown);
        assert_string_equal(shown, rows[i].shown);
    }
}

static void urls_are_read_and_refused(void **state) {
    (void)state;
    static const struct {
        const char *url, *read; /* read NULL: refused */
    } rows[] = {
        {"http://127.0.0.1:8000", "http://127.0.0.1:8000"},
        {"127.0.0.1:8000/v1/", "http://127.0.0.1:8000"},
        {"https://host/api/v1", "https://host/api"},
        {"http://[::1]:8000", "http://[::1]:8000"},
        {"http://user:hunter2@host", NULL},
        {"http://host?key=hunter2", NULL},
        {"ftp://host", NULL},
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        mu_err err = {0};
        mu_target *target = NULL;
        mu_target_options options = {.url = rows[i].url};
        mu_status status = mu_target_open(&options, &target, &err);
        assert_int_equal(status, rows[i].read ? MU_OK : MU_ERR_INVALID);
        if (rows[i].read) {
            assert_string_equal(mu_target_info_of(target)->url, rows[i].read);
        } else {
            assert_null(strstr(err.text, "hunter2"));
        }
        mu_target_close(target);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_of_urls_are_not_shown),
        cmocka_unit_test(urls_are_read_and_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
