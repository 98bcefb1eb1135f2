#include "server/http_peers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

static struct sockaddr_storage address_of(const char *text) {
    struct sockaddr_storage address = {.ss_family = AF_UNIX};
    void *any = &address;
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) memcpy(any, &v4, sizeof(v4));
    if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) memcpy(any, &v6, sizeof(v6));
    return address;
}

static void addresses_are_told_apart(void **state) {
    static const struct {
        const char *one, *other;
        bool is_same;
    } rows[] = {
        {"10.0.0.1", "10.0.0.1", true},
        {"10.0.0.1", "10.0.0.2", false},
        {"10.0.0.1", "::ffff:10.0.0.1", true},
        {"2001:db8:1:2::1", "2001:db8:1:2:3::4", true},
        {"2001:db8:1:2::1", "2001:db8:1:3::1", false},
        {"unix", "unix", true},
        {"unix", "10.0.0.1", false},
    };
    (void)state;
    int64_t n_alive = mu_alloc_n_alive();
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        mu_peers peers = {0};
        char text[MU_PEER_TEXT_MAX];
        struct sockaddr_storage one = address_of(rows[i].one), other = address_of(rows[i].other);
        mu_peer *a = mu_peers_enter(&peers, &one, text);
        mu_peer *b = mu_peers_enter(&peers, &other, text);
        assert_true((a == b) == rows[i].is_same);
        assert_int_equal(a->n_connections, rows[i].is_same ? 2 : 1);
        mu_peers_leave(&peers, a);
        mu_peers_leave(&peers, b);
    }
    assert_int_equal(mu_alloc_n_alive(), n_alive);
}

static void without_memory_nobody_enters(void **state) {
    mu_peers peers = {0};
    char text[MU_PEER_TEXT_MAX];
    struct sockaddr_storage address = address_of("10.0.0.1");
    (void)state;
    mu_alloc_fail_after(0);
    assert_null(mu_peers_enter(&peers, &address, text));
    mu_alloc_fail_after(-1);
    assert_string_equal(text, "10.0.0.1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_told_apart),
        cmocka_unit_test(without_memory_nobody_enters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
