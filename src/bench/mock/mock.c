/* One thread a connection, as libmicrohttpd offers it: a thread has nothing to do but to sleep to
 * the next instant of its plan, so no stream waits for another.
 */
#include "bench/mock/mock.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "bench/mock/exchange.h"

enum {
    BODY_BYTES_MAX = 32 << 20,
    CONNECTIONS_MAX = 8192,
    CONNECTION_BYTES = 64 << 10, /* libmicrohttpd's memory of one */
    STACK_BYTES = 1 << 20,
    BACKLOG = 4096,
};

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *mhd, const char *path,
                                  const char *method, const char *version, const char *data,
                                  size_t *n_data, void **request) {
    mu_mock *mock = ctx;
    mu_mock_exchange *x = *request;
    (void)version;
    if (!x) {
        mu_mock_prepare_thread(mock);
        *request = x = mu_alloc(sizeof(*x));
        if (!x) return MHD_NO;
        *x = (mu_mock_exchange){.mock = mock, .mhd = mhd};
        return MHD_YES;
    }
    if (*n_data > 0) {
        if (x->body.n + *n_data > BODY_BYTES_MAX) x->body.failed = true;
        mu_buf_append(&x->body, data, *n_data);
        *n_data = 0;
        return MHD_YES;
    }
    x->received_ns = mu_now_ns();
    return mu_mock_dispatch(x, method, path);
}

static void on_completed(void *ctx, struct MHD_Connection *mhd, void **request,
                         enum MHD_RequestTerminationCode code) {
    mu_mock *mock = ctx;
    mu_mock_exchange *x = *request;
    (void)mhd;
    if (!x) return;
    if (x->entry) {
        bool is_done = x->phase == MU_MOCK_CUT ||
                       (x->phase == MU_MOCK_END && code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
        mu_mock_state state = is_done                          ? MU_MOCK_DONE
                              : atomic_load(&mock->is_closing) ? MU_MOCK_CLOSED
                                                               : MU_MOCK_LEFT;
        mu_mock_ledger_end(mock->ledger, x->entry, state);
    }
    mu_mock_plan_deinit(&x->plan);
    mu_buf_deinit(&x->body);
    mu_buf_deinit(&x->out);
    mu_free(x);
    *request = NULL;
}

static mu_status read_address(const mu_mock_options *o, struct sockaddr_storage *out, mu_err *err) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)o->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)o->port)};
    if (inet_pton(AF_INET, o->host, &v4.sin_addr) == 1) {
        memcpy(out, &v4, sizeof(v4));
    } else if (inet_pton(AF_INET6, o->host, &v6.sin6_addr) == 1) {
        memcpy(out, &v6, sizeof(v6));
    } else {
        return mu_fail(err, MU_ERR_INVALID, "host: \"%.60s\" is not an address such as 127.0.0.1",
                       o->host);
    }
    return MU_OK;
}

static mu_status listen_at(mu_mock *mock, mu_err *err) {
    struct sockaddr_storage address = {0};
    const mu_mock_options *o = &mock->options;
    mu_status status = read_address(o, &address, err);
    if (status != MU_OK) return status;
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
                     MHD_USE_POLL | MHD_USE_ITC;
    if (address.ss_family == AF_INET6) flags |= MHD_USE_IPv6;
    mock->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, mock, MHD_OPTION_SOCK_ADDR, &address,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, mock, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
        MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_BYTES, MHD_OPTION_LISTEN_BACKLOG_SIZE,
        (unsigned)BACKLOG, MHD_OPTION_END);
    if (!mock->daemon) return mu_fail_os(err, MU_ERR_IO, "%s port %u", o->host, o->port);
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(mock->daemon, MHD_DAEMON_INFO_BIND_PORT);
    mock->port = info ? info->port : o->port;
    return MU_OK;
}

static void settle(mu_mock *mock, const mu_mock_options *options) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    mock->created = now.tv_sec;
    mock->options = *options;
    mock->stall_ns = (uint64_t)(options->stall_s * 1e9);
    bool is_timed = mock->stall_ns > 0 && options->stall_at_request == 0;
    atomic_init(&mock->stall_begin_ns,
                is_timed ? mu_now_ns() + (uint64_t)(options->stall_after_s * 1e9) : UINT64_MAX);
    pthread_mutex_init(&mock->slots_lock, NULL);
}

/* What a table of command-line options cannot see. */
static mu_status check(const mu_mock_options *o, mu_err *err) {
    if (o->tokens_per_chunk == 0) return mu_fail(err, MU_ERR_INVALID, "tokens-per-chunk: 0");
    if (o->coalesce == 0) return mu_fail(err, MU_ERR_INVALID, "coalesce: 0");
    if (o->output_tokens == 0) return mu_fail(err, MU_ERR_INVALID, "output-tokens: 0");
    if (o->n_records == 0) return mu_fail(err, MU_ERR_INVALID, "records: 0");
    if (o->port > 65535) return mu_fail(err, MU_ERR_INVALID, "port: %u", o->port);
    if (o->stall_after_s > 0 && o->stall_at_request > 0) {
        return mu_fail(err, MU_ERR_INVALID, "stall-after-s and stall-at-request: one of them");
    }
    return MU_OK;
}

mu_status mu_mock_open(const mu_mock_options *options, mu_mock **out, mu_err *err) {
    mu_status status = check(options, err);
    if (status != MU_OK) return status;
    mu_mock *mock = mu_alloc(sizeof(*mock));
    if (!mock) return mu_fail(err, MU_ERR_NOMEM, "mock");
    settle(mock, options);
    mock->slots_free_ns = MU_ALLOC(uint64_t, options->n_slots);
    mock->ledger = mu_mock_ledger_open(options->n_records);
    mock->ballast = mu_mock_ballast_open(&mock->options);
    status = mock->slots_free_ns && mock->ledger && mock->ballast
                 ? listen_at(mock, err)
                 : mu_fail(err, MU_ERR_NOMEM, "mock");
    if (status != MU_OK) {
        mu_mock_close(mock);
        return status;
    }
    mock->options.host = NULL; /* borrowed */
    *out = mock;
    return MU_OK;
}

void mu_mock_close(mu_mock *mock) {
    if (!mock) return;
    atomic_store(&mock->is_closing, true);
    if (mock->daemon) MHD_stop_daemon(mock->daemon);
    mu_mock_ballast_close(mock->ballast);
    mu_mock_ledger_close(mock->ledger);
    mu_free(mock->slots_free_ns);
    pthread_mutex_destroy(&mock->slots_lock);
    mu_free(mock);
}

uint32_t mu_mock_port(const mu_mock *mock) {
    return mock->port;
}

mu_mock_counters mu_mock_get_counters(mu_mock *mock) {
    mu_mock_counters c = mu_mock_ledger_counters(mock->ledger);
    mu_mock_ballast_facts held = mu_mock_ballast_get_facts(mock->ballast);
    c.leaked_bytes = held.leaked_bytes;
    c.pool_bytes = held.pool_bytes;
    c.step_bytes = held.step_bytes;
    c.retained_bytes = held.retained_bytes;
    c.is_realtime = atomic_load(&mock->is_realtime);
    return c;
}

void mu_mock_reset(mu_mock *mock) {
    mu_mock_ledger_reset(mock->ledger);
}

uint32_t mu_mock_copy_requests(mu_mock *mock, uint64_t from, mu_mock_request *out, uint32_t cap) {
    return mu_mock_ledger_copy(mock->ledger, from, out, cap);
}

uint32_t mu_mock_copy_sends(mu_mock *mock, uint64_t index, mu_mock_send *out, uint32_t cap) {
    return mu_mock_ledger_copy_sends(mock->ledger, index, out, cap);
}
