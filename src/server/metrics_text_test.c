/* What /metrics says of a GPU, by a server with a real engine on a small synthetic model and a
 * library that stands for NVML (tests/cuda/nvml_emulated.c). */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "server/listen.h"
#include "server/metrics_text.h"

static mu_model *model;
static mu_engine *engine;
static mu_executor *executor;
static mu_resident *resident;
static mu_conversation_format *conversation;

static int open_engine(void **state) {
    (void)state;
    mu_ref ref;
    mu_hub_env env = {0};
    mu_engine_options e = mu_engine_options_default();
    e.n_threads = 1;
    if (mu_ref_resolve("synthetic:gpt2-test", &env, &ref, NULL) != MU_OK ||
        mu_model_open(&ref, &env, &model, NULL) != MU_OK ||
        mu_engine_open(model, &e, &engine, NULL) != MU_OK ||
        mu_executor_open(NULL, &executor, NULL) != MU_OK) {
        return 1;
    }
    mu_resident_options o = {.model = model,
                             .engine = engine,
                             .loaded_bytes = 1,
                             .n_seqs_max = 1,
                             .n_waiting_max = 1,
                             .n_waiting_tokens_max = 100,
                             .weight = 1};
    mu_conversation_source plain;
    if (!mu_conversation_builtin("plain", &plain) ||
        mu_conversation_format_open(&plain, &conversation, NULL) != MU_OK)
        return 1;
    return mu_executor_add(executor, &o, &resident, NULL) == MU_OK ? 0 : 1;
}

static int close_engine(void **state) {
    (void)state;
    mu_conversation_format_close(conversation);
    mu_executor_close(executor);
    mu_engine_close(engine);
    mu_model_close(model);
    return 0;
}

static int listen_fd;

static mu_server *open_server(const char *pci_bus_id) {
    uint32_t port;
    mu_server_options o = {.log_format = MU_LOG_NONE};
    mu_server *server = NULL;
    mu_err err = {0};
    if (mu_listen_open("127.0.0.1", 0, &listen_fd, &port, &err) != MU_OK) fail_msg("%s", err.text);
    o.http = (mu_http_options){.listen_fd = listen_fd,
                               .n_connections_max = 4,
                               .limits = {8192, 65536, 100},
                               .body_bytes_max = 1000,
                               .header_timeout_s = 10,
                               .body_timeout_s = 10,
                               .keep_alive_s = 10};
    o.request_memory = 1 << 20;
    o.gpu_pci_bus_id = pci_bus_id;
    o.gpu_device = "cuda:0";
    o.gpu_name = "NVIDIA \"Test\" 1";
    o.nvml_library = NVML_EMULATED;
    if (mu_server_open(&o, &server, &err) != MU_OK) fail_msg("%s", err.text);
    return server;
}

static mu_server *open_ready(const char *pci_bus_id) {
    mu_server *server = open_server(pci_bus_id);
    mu_err err = {0};
    const mu_server_model one = {.names = {"m"},
                                 .n_names = 1,
                                 .n_listed = 1,
                                 .conversation = conversation,
                                 .resident = resident};
    if (mu_server_ready(server, &one, 1, &err) != MU_OK) fail_msg("%s", err.text);
    return server;
}

static void close_server(mu_server *server) {
    mu_server_close(server);
    close(listen_fd);
}

static void scrape(mu_server *server, mu_buf *out) {
    mu_buf_clear(out);
    mu_metrics_write(server, out);
    assert_false(out->failed);
}

static void must_have(const mu_buf *text, const char *line) {
    if (!strstr(text->data, line)) fail_msg("%s\nis not in\n%s", line, text->data);
}

static int set_usual(void **state) {
    (void)state;
    unsetenv("NVML_FAILS");
    setenv("NVML_MEMORY_USED", "5368709123", 1);
    setenv("NVML_MEMORY_TOTAL", "85899345920", 1);
    setenv("NVML_UTILIZATION", "37", 1);
    setenv("NVML_POWER", "412345", 1);
    setenv("NVML_TEMPERATURE", "61", 1);
    return 0;
}

#define LABELS "{device=\"cuda:0\",name=\"NVIDIA \\\"Test\\\" 1\"} "

static void a_gpu_has_its_gauges(void **state) {
    (void)state;
    static const char *const lines[] = {
        "\n# TYPE muai_gpu_memory_used_bytes gauge\nmuai_gpu_memory_used_bytes" LABELS
        "5368709123\n",
        "\n# TYPE muai_gpu_memory_total_bytes gauge\nmuai_gpu_memory_total_bytes" LABELS
        "85899345920\n",
        "\n# TYPE muai_gpu_utilization_ratio gauge\nmuai_gpu_utilization_ratio" LABELS "0.37\n",
        "\n# TYPE muai_gpu_power_watts gauge\nmuai_gpu_power_watts" LABELS "412.345\n",
        "\n# TYPE muai_gpu_temperature_celsius gauge\nmuai_gpu_temperature_celsius" LABELS "61\n",
    };
    mu_server *server = open_ready("0000:01:00.0");
    mu_buf text = {0};
    scrape(server, &text);
    for (size_t i = 0; i < MU_COUNTOF(lines); i++) {
        must_have(&text, lines[i]);
    }
    mu_buf_deinit(&text);
    close_server(server);
}

static void no_gpu_has_none(void **state) {
    (void)state;
    mu_buf text = {0};
    mu_server *server = open_ready(NULL);
    scrape(server, &text);
    assert_null(strstr(text.data, "gpu"));
    assert_null(strstr(text.data, "GPU"));
    must_have(&text, "\nmuai_steps_total");
    close_server(server);

    server = open_server("0000:01:00.0"); /* the model is not there yet */
    scrape(server, &text);
    assert_null(strstr(text.data, "gpu"));
    close_server(server);
    mu_buf_deinit(&text);
}

static void what_is_unknown_is_left_out(void **state) {
    (void)state;
    mu_buf text = {0};
    setenv("NVML_FAILS", "nvmlDeviceGetPowerUsage:3 nvmlDeviceGetMemoryInfo:3", 1);
    mu_server *server = open_ready("0000:01:00.0");
    scrape(server, &text);
    assert_null(strstr(text.data, "muai_gpu_power_watts"));
    assert_null(strstr(text.data, "muai_gpu_memory"));
    must_have(&text, "\nmuai_gpu_temperature_celsius" LABELS "61\n");
    close_server(server);
    mu_buf_deinit(&text);
}

static void a_gpu_that_nvml_does_not_know_is_a_comment(void **state) {
    (void)state;
    mu_buf text = {0};
    mu_server *server = open_ready("0000:02:00.0");
    scrape(server, &text);
    must_have(&text, "\n# no GPU metrics: GPU 0000:02:00.0: NVML: Not Found\n");
    assert_null(strstr(text.data, "muai_gpu"));
    must_have(&text, "\nmuai_steps_total");
    close_server(server);
    mu_buf_deinit(&text);
}

static void gauges_follow_the_gpu(void **state) {
    (void)state;
    mu_buf text = {0};
    setenv("NVML_UTILIZATION", "0 75", 1);
    mu_server *server = open_ready("0000:01:00.0");
    scrape(server, &text);
    must_have(&text, "\nmuai_gpu_utilization_ratio" LABELS "0\n");
    uint64_t until_ns = mu_now_ns() + 20000000000u;
    do {
        poll(NULL, 0, 20);
        scrape(server, &text);
        if (mu_now_ns() > until_ns) fail_msg("%s", text.data);
    } while (!strstr(text.data, "\nmuai_gpu_utilization_ratio" LABELS "0.75\n"));
    close_server(server);
    mu_buf_deinit(&text);
}

static void without_memory_nothing_is_left(void **state) {
    (void)state;
    mu_gpu_usage_options options = {.pci_bus_id = "0000:01:00.0", .library = NVML_EMULATED};
    int64_t n_alive = mu_alloc_n_alive();
    for (int n = 0; n < 3; n++) {
        mu_gpu_watch *watch = NULL;
        mu_err err = {0};
        mu_alloc_fail_after(n);
        assert_int_equal(mu_gpu_watch_open(&options, &watch, &err), MU_ERR_NOMEM);
        mu_alloc_fail_after(-1);
        assert_null(watch);
        assert_int_equal(err.status, MU_ERR_NOMEM);
    }
    assert_int_equal(mu_alloc_n_alive(), n_alive);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_gpu_has_its_gauges, set_usual),
        cmocka_unit_test_setup(no_gpu_has_none, set_usual),
        cmocka_unit_test_setup(what_is_unknown_is_left_out, set_usual),
        cmocka_unit_test_setup(a_gpu_that_nvml_does_not_know_is_a_comment, set_usual),
        cmocka_unit_test_setup(gauges_follow_the_gpu, set_usual),
        cmocka_unit_test_setup(without_memory_nothing_is_left, set_usual),
    };
    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
