/* Listen first, load then, serve until a signal, drain, say how it went by the exit code. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "cmd/cmd.h"
#include "cmd/common.h"
#include "cmd/model_conversation.h"
#include "cmd/served_models.h"
#include "server/listen.h"
#include "server/server.h"

typedef struct serve_options {
    const char *model, *host, *device, *dtype, *kv, *chat_template, *api_key_file, *tls_key,
        *tls_cert, *log_file, *log_format, *metrics_compat;
    mu_list shares;
    const char *admin_key_file;
    mu_texts alias, pin, api_key, admin_key, allowed_hosts, cors_origins;
    uint32_t unload_after, load_timeout;
    uint32_t port, threads, ctx, parallel, max_queued, prefill_beside, shutdown_timeout, ping;
    uint64_t kv_cache_bytes, memory_budget, max_queued_tokens, max_body, request_memory;
    uint32_t max_connections, max_connections_per_ip, max_request_line, max_header, max_headers,
        header_timeout, body_timeout, keep_alive;
    bool insecure_no_auth, no_prefix_cache, no_prompt_lookup, lazy, metrics_public, print_api;
} serve_options;

typedef struct serve {
    const serve_options *o;
    mu_served_models *models;
    mu_conversation_format *conversations[MU_RESIDENTS_MAX]; /* of the models; owned */
    mu_server_options server_options;
    mu_placement placement; /* types are each model's */
    mu_buf tls_key, tls_cert;
    mu_tls *tls;
    int listen_fd, log_fd, signal_fd;
    uint32_t port;
    mu_fleet *fleet;
    mu_server *server;
} serve;

/* What reads standard error may have stopped reading: then this is lost, and nothing waits for it.
 */
static void MU_PRINTF(1, 2) say(const char *format, ...) {
    char text[1280];
    struct pollfd target = {.fd = STDERR_FILENO, .events = POLLOUT};
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (n <= 0 || poll(&target, 1, 0) <= 0) return;
    ssize_t n_written = write(STDERR_FILENO, text, strnlen(text, sizeof(text)));
    (void)n_written;
}

/* Of the command line, which everybody on the machine can read. */
static void hide(const char *argument) {
    memset((char *)(uintptr_t)argument, 'x', strlen(argument));
}

static mu_status read_keys(const mu_texts *keys, const char *file, mu_auth *out, mu_err *err) {
    mu_status status = MU_OK;
    for (uint32_t i = 0; i < keys->n && status == MU_OK; i++) {
        status = mu_auth_add(out, keys->items[i], err);
        hide(keys->items[i]);
    }
    return status == MU_OK && file ? mu_auth_add_file(out, file, err) : status;
}

static mu_status read_access(serve *s, mu_err *err) {
    const serve_options *o = s->o;
    mu_server_options *to = &s->server_options;
    mu_status status = read_keys(&o->api_key, o->api_key_file, &to->auth, err);
    if (status == MU_OK) {
        status = read_keys(&o->admin_key, o->admin_key_file, &to->operators, err);
    }
    if (status != MU_OK) return status;
    if (!mu_listen_is_loopback(o->host) && to->auth.n == 0 && !o->insecure_no_auth) {
        return mu_fail(err, MU_ERR_INVALID,
                       "--host %s is open to the network: give --api-key or --api-key-file, or "
                       "--insecure-no-auth if that is meant",
                       o->host);
    }
    to->checks_host =
        o->allowed_hosts.n > 0 || (mu_listen_is_loopback(o->host) && !mu_listen_is_unix(o->host));
    memcpy(to->hosts, o->allowed_hosts.items, sizeof(to->hosts));
    to->n_hosts = o->allowed_hosts.n;
    memcpy(to->origins, o->cors_origins.items, sizeof(to->origins));
    to->n_origins = o->cors_origins.n;
    return MU_OK;
}

/* A key or a certificate: a file of that kind is small, whatever the path leads to. */
static mu_status read_pem(const char *path, mu_buf *out, mu_err *err) {
    enum { PEM_BYTES_MAX = 1 << 20 };
    FILE *file = fopen(path, "re");
    if (!file) return mu_fail_os(err, MU_ERR_IO, "%s", path);
    char block[4096];
    for (size_t n; out->n <= PEM_BYTES_MAX && (n = fread(block, 1, sizeof(block), file)) > 0;) {
        mu_buf_append(out, block, n);
    }
    mu_status status = MU_OK;
    if (ferror(file)) status = mu_fail_os(err, MU_ERR_IO, "%s: read", path);
    if (out->failed) status = mu_fail(err, MU_ERR_NOMEM, "%s", path);
    if (status == MU_OK && out->n == 0) status = mu_fail(err, MU_ERR_FORMAT, "%s: empty", path);
    if (out->n > PEM_BYTES_MAX) {
        status = mu_fail(err, MU_ERR_FORMAT, "%s: no PEM file is larger than 1 MiB", path);
    }
    fclose(file);
    return status;
}

static mu_status read_tls(serve *s, mu_err *err) {
    const serve_options *o = s->o;
    if (!o->tls_key && !o->tls_cert) return MU_OK;
    if (!o->tls_key || !o->tls_cert) {
        return mu_fail(err, MU_ERR_INVALID, "--tls-key and --tls-cert go together");
    }
    mu_status status = read_pem(o->tls_key, &s->tls_key, err);
    if (status == MU_OK) status = read_pem(o->tls_cert, &s->tls_cert, err);
    mu_err inner;
    if (status == MU_OK) {
        status = mu_tls_open(s->tls_key.data, s->tls_key.n, s->tls_cert.data, s->tls_cert.n,
                             &s->tls, &inner);
        if (status != MU_OK) {
            mu_fail(err, status, "--tls-key %s, --tls-cert %s: %s", o->tls_key, o->tls_cert,
                    inner.text);
        }
    }
    s->server_options.http.tls = s->tls;
    return status;
}

static mu_status open_log(serve *s, mu_err *err) {
    static const char *const names[] = {"none", "text", "json"};
    s->log_fd = STDERR_FILENO;
    s->server_options.log_format = (mu_log_format)-1;
    for (int i = 0; i < 3; i++) {
        if (strcmp(s->o->log_format, names[i]) == 0) {
            s->server_options.log_format = (mu_log_format)i;
        }
    }
    if ((int)s->server_options.log_format < 0) {
        return mu_fail(err, MU_ERR_INVALID,
                       "--log-format: \"%.40s\" is not one of text, json, none", s->o->log_format);
    }
    if (s->o->log_file) {
        s->log_fd = open(s->o->log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
        if (s->log_fd < 0) return mu_fail_os(err, MU_ERR_IO, "%s", s->o->log_file);
    }
    s->server_options.log_fd = s->log_fd;
    return MU_OK;
}

/* What the process may have open bounds the connections: accepting more would fail. */
static uint32_t connections_max(uint32_t wanted) {
    enum { OWN_FILES = 64 };
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) return wanted;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur == RLIM_INFINITY || files.rlim_cur > wanted + OWN_FILES) return wanted;
    return files.rlim_cur > 2 * OWN_FILES ? (uint32_t)files.rlim_cur - OWN_FILES : OWN_FILES;
}

static mu_status read_names(serve *s, mu_err *err) {
    const mu_served_models_options options = {
        .aliases = &s->o->alias, .shares = &s->o->shares, .pinned = &s->o->pin};
    mu_status status = mu_served_models_read(s->models, &options, err);
    if (status != MU_OK) return status;
    if (s->o->metrics_compat && strcmp(s->o->metrics_compat, "vllm") != 0) {
        return mu_fail(err, MU_ERR_INVALID, "--metrics-compat: \"%.40s\" is not vllm",
                       s->o->metrics_compat);
    }
    s->server_options.metrics_vllm = s->o->metrics_compat != NULL;
    return MU_OK;
}

static mu_status listen_somewhere(serve *s, mu_err *err) {
    int n = sd_listen_fds(1);
    if (n > 1) return mu_fail(err, MU_ERR_INVALID, "%d sockets from systemd, one is wanted", n);
    if (n == 1) {
        s->listen_fd = SD_LISTEN_FDS_START;
        return MU_OK;
    }
    return mu_listen_open(s->o->host, s->o->port, &s->listen_fd, &s->port, err);
}

/* The device is known before a socket is open, so that what is wrong with it is said at once. */
static mu_status settle_device(serve *s, mu_err *err) {
    const mu_cpu_level *isa_max;
    mu_status status = mu_isa_read(&isa_max, err);
    if (status == MU_OK) status = mu_device_settle(s->o->device, isa_max, &s->placement, err);
    if (status != MU_OK || s->placement.device.kind == MU_DEVICE_CPU) return status;
    s->server_options.gpu_pci_bus_id = s->placement.gpu.pci_bus_id;
    s->server_options.gpu_device = s->placement.gpu_label;
    s->server_options.gpu_name = s->placement.gpu.name;
    return MU_OK;
}

/* A quarter of what there is, within bounds that make sense. */
static uint64_t request_memory(void) {
    const uint64_t least = UINT64_C(64) << 20, most = UINT64_C(1) << 30;
    mu_cpu_facts facts;
    mu_cpu_facts_read(&facts);
    uint64_t bytes = facts.memory_available_bytes / 4;
    return bytes < least ? least : bytes > most ? most : bytes;
}

static mu_status open_server(serve *s, mu_err *err) {
    const serve_options *o = s->o;
    mu_server_options *to = &s->server_options;
    mu_status status = settle_device(s, err);
    if (status == MU_OK) status = read_access(s, err);
    if (status == MU_OK) status = read_tls(s, err);
    if (status == MU_OK) status = open_log(s, err);
    if (status == MU_OK) status = read_names(s, err);
    if (status == MU_OK) status = listen_somewhere(s, err);
    if (status != MU_OK) return status;
    to->metrics_public = o->metrics_public;
    to->ping_s = o->ping;
    to->http.listen_fd = s->listen_fd;
    to->http.n_connections_max = connections_max(o->max_connections);
    to->http.n_connections_per_ip_max = o->max_connections_per_ip;
    to->http.limits = (mu_http_limits){o->max_request_line, o->max_header, o->max_headers};
    to->request_memory = o->request_memory > 0 ? o->request_memory : request_memory();
    to->http.body_bytes_max = o->max_body;
    to->http.header_timeout_s = o->header_timeout;
    to->http.body_timeout_s = o->body_timeout;
    to->http.keep_alive_s = o->keep_alive;
    return mu_server_open(to, &s->server, err);
}

/* Bytes that models may take: what was said, else nearly all that is left now. */
static uint64_t memory_bytes_max(const serve *s) {
    enum { RESERVE = 16 }; /* a sixteenth is for requests, tokenizers, libraries */
    if (s->o->memory_budget > 0) return s->o->memory_budget;
    mu_cpu_facts facts;
    mu_cpu_facts_read(&facts);
    bool is_cpu = s->placement.device.kind == MU_DEVICE_CPU;
    uint64_t bytes = is_cpu ? facts.memory_available_bytes : s->placement.gpu.memory_free_bytes;
    return bytes - bytes / RESERVE;
}

static mu_status load(serve *s, mu_err *err) {
    const serve_options *o = s->o;
    mu_hub_env env = mu_hub_env_read();
    mu_fleet_options options = {
        .models = s->models->loads,
        .n_models = s->models->n,
        .env = &env,
        .placement = &s->placement,
        .types = {.device = o->device, .dtype = o->dtype, .kv = o->kv},
        .engine = mu_engine_options_default(),
        .resident = {.n_seqs_max = o->parallel,
                     .n_waiting_max = o->max_queued,
                     .n_waiting_tokens_max = o->max_queued_tokens,
                     .prefill_beside = o->prefill_beside},
        .memory_bytes_max = memory_bytes_max(s),
        .is_lazy = o->lazy,
        .idle_ns = o->unload_after * UINT64_C(1000000000),
        .wait_ns = o->load_timeout * UINT64_C(1000000000),
    };
    options.engine.n_seqs_max = o->parallel;
    options.engine.n_waiting_max = 1 << 20; /* the resident's queue is the bounded one */
    options.engine.n_threads = o->threads;
    options.engine.n_ctx = o->ctx;
    options.engine.kv_cache_bytes = o->kv_cache_bytes;
    options.engine.no_prefix_cache = o->no_prefix_cache;
    options.engine.no_prompt_lookup = o->no_prompt_lookup;
    mu_status status = mu_fleet_open(&options, &s->fleet, err);
    for (uint32_t i = 0; i < s->models->n && status == MU_OK; i++) {
        mu_server_model *of = &s->models->names[i];
        of->resident = mu_fleet_resident(s->fleet, i);
        status = mu_model_conversation_open(mu_resident_model(of->resident), of->names[0],
                                            o->chat_template, &s->conversations[i], err);
        of->conversation = s->conversations[i];
    }
    return status == MU_OK ? mu_server_ready(s->server, s->models->names, s->models->n, err)
                           : status;
}

/* A signal within timeout_ms (-1: wait); 0: none. */
static int next_signal(const serve *s, int timeout_ms) {
    struct pollfd signals = {.fd = s->signal_fd, .events = POLLIN};
    struct signalfd_siginfo info;
    if (poll(&signals, 1, timeout_ms) <= 0) return 0;
    return read(s->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info) ? (int)info.ssi_signo
                                                                            : 0;
}

/* True: everything that ran has finished. */
static bool drain(serve *s) {
    enum { POLL_MS = 20 };
    uint64_t until_ns = mu_now_ns() + s->o->shutdown_timeout * 1000000000ull;
    sd_notify(0, "STOPPING=1");
    mu_server_drain(s->server);
    uint32_t n = mu_server_n_active(s->server);
    if (n > 0) {
        say("muai serve: stopping; %u requests may finish within %u s\n", n,
            s->o->shutdown_timeout);
    }
    while (mu_server_n_active(s->server) > 0 && mu_now_ns() < until_ns) {
        if (next_signal(s, POLL_MS) != 0) break; /* a second one: at once */
    }
    n = mu_server_n_active(s->server);
    if (n == 0) return true;
    say("muai serve: %u requests were cut off\n", n);
    mu_fleet_cancel_all(s->fleet);
    /* Their clients are told; one that does not listen is waited for no longer than this. */
    uint64_t grace_ns = mu_now_ns() + 5000000000ull;
    while (mu_server_n_active(s->server) > 0 && mu_now_ns() < grace_ns) {
        if (next_signal(s, POLL_MS) != 0) break;
    }
    return false;
}

static void tell_memory(const serve *s) {
    const mu_memory_plan *plan = mu_fleet_memory(s->fleet);
    uint64_t limit = plan->limit;
    if (plan->is_by_turns) {
        say("muai serve: all models need %llu MiB and may have %llu MiB: they are loaded by "
            "turns\n",
            (unsigned long long)(plan->total >> 20), (unsigned long long)(limit >> 20));
    }
    for (uint32_t i = 0; i < s->models->n; i++) {
        mu_fleet_kv kv = mu_fleet_get_kv(s->fleet, i);
        if (kv.bytes == kv.wanted_bytes) continue;
        say("muai serve: %s: %llu of %llu MiB of KV cache, so that all fits %llu MiB: fewer "
            "sequences at once\n",
            s->models->names[i].names[0], (unsigned long long)(kv.bytes >> 20),
            (unsigned long long)(kv.wanted_bytes >> 20), (unsigned long long)(limit >> 20));
    }
}

static void tell_ready(const serve *s) {
    const char *scheme = s->o->tls_key ? "https" : "http";
    char names[1024];
    mu_served_models_list(s->models, names, sizeof(names));
    sd_notify(0, "READY=1");
    if (strcmp(s->o->device, "cpu") != 0) {
        say("muai serve: device %s\n", s->placement.text);
    }
    tell_memory(s);
    bool is_v6 = strchr(s->o->host, ':') != NULL;
    if (s->port == 0) {
        say("muai serve: %s on %s\n", names, s->o->host);
    } else {
        say("muai serve: %s on %s://%s%s%s:%u\n", names, scheme, is_v6 ? "[" : "", s->o->host,
            is_v6 ? "]" : "", s->port);
    }
}

static mu_status catch_signals(serve *s, mu_err *err) {
    sigset_t set;
    mu_interrupts_install(); /* for SIGBUS */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);  /* nothing is read anew; a terminal that closes ends no server */
    signal(SIGXFSZ, SIG_IGN); /* a log at its size limit loses lines */
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return s->signal_fd >= 0 ? MU_OK : mu_fail_os(err, MU_ERR_IO, "signals");
}

static void close_all(serve *s) {
    mu_server_close(s->server);
    mu_tls_close(s->tls);
    for (uint32_t i = 0; i < s->models->n; i++) {
        mu_conversation_format_close(s->conversations[i]);
    }
    mu_fleet_close(s->fleet);
    mu_buf_deinit(&s->tls_key);
    mu_buf_deinit(&s->tls_cert);
    if (s->listen_fd >= 0) close(s->listen_fd);
    if (mu_listen_is_unix(s->o->host) && s->listen_fd >= 0) unlink(s->o->host);
    if (s->signal_fd >= 0) close(s->signal_fd);
    if (s->log_fd > STDERR_FILENO) close(s->log_fd);
}

static int run(const serve_options *o, mu_served_models *models) {
    serve s = {.o = o, .models = models, .listen_fd = -1, .log_fd = -1, .signal_fd = -1};
    mu_err err;
    bool is_clean = true;
    mu_status status = catch_signals(&s, &err);
    if (status == MU_OK) status = open_server(&s, &err);
    if (status == MU_OK) status = load(&s, &err);
    if (status == MU_OK) {
        tell_ready(&s);
        while (next_signal(&s, -1) == 0) {}
        is_clean = drain(&s);
    }
    close_all(&s);
    if (status != MU_OK) return mu_report("serve", &err);
    return is_clean ? MU_EXIT_OK : MU_EXIT_FAILURE;
}

static int print_api(void) {
    mu_buf text = {0};
    mu_server_document(&text);
    if (text.data) fwrite(text.data, 1, text.n, stdout);
    mu_buf_deinit(&text);
    return fflush(stdout) == 0 ? MU_EXIT_OK : MU_EXIT_FAILURE;
}

/* The command's options; they hold the defaults until main() has parsed the command line. */
static serve_options o = {
    .host = "127.0.0.1",
    .port = 8686,
    .device = "cpu",
    .dtype = "auto",
    .kv = "auto",
    .log_format = "text",
    .parallel = 32,
    .max_queued = 512,
    .max_queued_tokens = 1 << 20,
    .shutdown_timeout = 30,
    .load_timeout = 300,
    .ping = 15,
    .max_connections = 4096,
    .max_body = 32 << 20,
    .max_request_line = 8 << 10,
    .max_header = 64 << 10,
    .max_headers = 100,
    .header_timeout = 10,
    .body_timeout = 30,
    .keep_alive = 75,
};

static const mu_option options[] = {
    MU_MODEL_OPTION(&o.model),
    {"host", 0, MU_OPTION_TEXT, &o.host, 0, 0, "HOST", "address, or a path for a Unix socket"},
    {"port", 'p', MU_OPTION_U32, &o.port, 0, 65535, "N", "0: any free one"},
    {"alias", 'a', MU_OPTION_TEXTS, &o.alias, 0, 0, "NAME",
     "serve the model under NAME too; of several: NAME=MODEL; may be repeated"},
    {"shares", 0, MU_OPTION_LIST, &o.shares, 1, MU_SHARE_WEIGHT_MAX, "N,N",
     "parts of the computing time for each of several models; else all alike"},
    MU_DEVICE_OPTION(&o.device),
    {"dtype", 0, MU_OPTION_TEXT, &o.dtype, 0, 0, "TYPE",
     "f32, bf16, q8, q6_k, q4 or q4_k weights; auto: as the file, on a GPU bf16"},
    {"kv", 0, MU_OPTION_TEXT, &o.kv, 0, 0, "TYPE", "KV cache as f32, bf16 or f16, or auto"},
    {"kv-cache-bytes", 0, MU_OPTION_U64, &o.kv_cache_bytes, 0, 1e15, "N",
     "bytes of KV cache of each model; 0: room for all sequences, as memory allows"},
    {"memory-budget", 0, MU_OPTION_U64, &o.memory_budget, 0, 1e15, "BYTES",
     "for all models together, which are loaded by turns where it is not enough; 0: what the "
     "process may use now"},
    {"lazy", 0, MU_OPTION_FLAG, &o.lazy, 0, 0, NULL,
     "load a model when it is first asked for, not at the start"},
    {"pin", 0, MU_OPTION_TEXTS, &o.pin, 0, 0, "NAME",
     "a model that stays once it is loaded; may be repeated"},
    {"unload-after", 0, MU_OPTION_U32, &o.unload_after, 0, 31536000, "S",
     "unload a model that had no request for S seconds; 0: keep it"},
    {"load-timeout", 0, MU_OPTION_U32, &o.load_timeout, 0, 86400, "S",
     "seconds a request may wait until its model is loaded; 0: for ever"},
    {"threads", 't', MU_OPTION_U32, &o.threads, 0, 1024, "N", "0: what affinity and quota allow"},
    {"ctx", 'c', MU_OPTION_U32, &o.ctx, 0, 1 << 20, "N", "context in tokens; 0: the model's"},
    {"parallel", 0, MU_OPTION_U32, &o.parallel, 1, 4096, "N", "sequences running at once"},
    {"max-num-queued-reqs", 0, MU_OPTION_U32, &o.max_queued, 1, 1 << 20, "N",
     "requests queued at most; beyond: 429"},
    {"max-num-queued-tokens", 0, MU_OPTION_U64, &o.max_queued_tokens, 1, 1e15, "N",
     "prompt tokens queued at most; beyond: 429"},
    {"prefill-beside", 0, MU_OPTION_U32, &o.prefill_beside, 0, 65536, "N",
     "prefill tokens of a step beside running streams; 0: from measured speed"},
    {"no-prefix-cache", 0, MU_OPTION_FLAG, &o.no_prefix_cache, 0, 0, NULL,
     "do not keep KV blocks of prompts"},
    {"no-prompt-lookup", 0, MU_OPTION_FLAG, &o.no_prompt_lookup, 0, 0, NULL,
     "do not draft tokens; the output is the same"},
    {"chat-template", 0, MU_OPTION_TEXT, &o.chat_template, 0, 0, "NAME|FILE",
     "plain, chatml or a Jinja file; else the model's own"},
    {"api-key", 0, MU_OPTION_TEXTS, &o.api_key, 0, 0, "KEY",
     "ask for KEY (or its \"sha256:...\"); may be repeated"},
    {"api-key-file", 0, MU_OPTION_TEXT, &o.api_key_file, 0, 0, "FILE", "one key per line"},
    {"admin-key", 0, MU_OPTION_TEXTS, &o.admin_key, 0, 0, "KEY",
     "as --api-key, and it may load and unload models; may be repeated"},
    {"admin-key-file", 0, MU_OPTION_TEXT, &o.admin_key_file, 0, 0, "FILE", "one key per line"},
    {"insecure-no-auth", 0, MU_OPTION_FLAG, &o.insecure_no_auth, 0, 0, NULL,
     "listen beyond this machine without a key"},
    {"tls-key", 0, MU_OPTION_TEXT, &o.tls_key, 0, 0, "FILE", "private key, PEM"},
    {"tls-cert", 0, MU_OPTION_TEXT, &o.tls_cert, 0, 0, "FILE", "certificate, PEM"},
    {"allowed-hosts", 0, MU_OPTION_TEXTS, &o.allowed_hosts, 0, 0, "HOST",
     "Host headers to accept besides this machine's; may be repeated"},
    {"cors-origins", 0, MU_OPTION_TEXTS, &o.cors_origins, 0, 0, "URL",
     "origins of pages that may ask, \"*\" for all; may be repeated"},
    {"metrics-public", 0, MU_OPTION_FLAG, &o.metrics_public, 0, 0, NULL, "/metrics without a key"},
    {"metrics-compat", 0, MU_OPTION_TEXT, &o.metrics_compat, 0, 0, "vllm",
     "metrics under vLLM's names too"},
    {"log-format", 0, MU_OPTION_TEXT, &o.log_format, 0, 0, "NAME",
     "access log: text, json or none"},
    {"log-file", 0, MU_OPTION_TEXT, &o.log_file, 0, 0, "FILE", "access log; else standard error"},
    {"shutdown-timeout", 0, MU_OPTION_U32, &o.shutdown_timeout, 0, 86400, "S",
     "seconds that running requests have after SIGTERM"},
    {"sse-ping-interval", 0, MU_OPTION_U32, &o.ping, 0, 3600, "S",
     "comment lines on silent streams; 0: none"},
    {"max-connections", 0, MU_OPTION_U32, &o.max_connections, 1, 1 << 20, "N", "open connections"},
    {"max-connections-per-ip", 0, MU_OPTION_U32, &o.max_connections_per_ip, 0, 1 << 20, "N",
     "of one address; 0: half of them"},
    {"max-body", 0, MU_OPTION_U64, &o.max_body, 1, 1e12, "BYTES", "of a request"},
    {"request-memory", 0, MU_OPTION_U64, &o.request_memory, 0, 1e15, "BYTES",
     "that all requests together may need, one client half; 0: a quarter of what is there"},
    {"max-request-line", 0, MU_OPTION_U32, &o.max_request_line, 64, 1 << 20, "BYTES",
     "of a request"},
    {"max-header", 0, MU_OPTION_U32, &o.max_header, 1024, 1 << 24, "BYTES", "all headers"},
    {"max-headers", 0, MU_OPTION_U32, &o.max_headers, 1, 10000, "N", "headers of a request"},
    {"header-timeout", 0, MU_OPTION_U32, &o.header_timeout, 1, 3600, "S",
     "for a request's head, from its first byte"},
    {"body-timeout", 0, MU_OPTION_U32, &o.body_timeout, 1, 3600, "S",
     "without a byte of body sent or answer read; slower than 1 KiB/s in all is late too"},
    {"keep-alive", 0, MU_OPTION_U32, &o.keep_alive, 1, 86400, "S", "between requests"},
    {"print-api", 0, MU_OPTION_FLAG, &o.print_api, 0, 0, NULL,
     "print the API's reference (Markdown) and end"},
};

int mu_cmd_serve(int argc, char **argv) {
    const mu_command_line line = {
        .command = "serve",
        .usage = "[MODEL...]",
        .about = "Serve models over an OpenAI-compatible HTTP API. Without MODEL, muai-tiny.",
        .examples =
            "  muai serve\n"
            "  muai serve gpt2\n"
            "  muai serve gpt2 gpt2-medium:q8 --alias small=gpt2 --shares 1,2\n"
            "  muai serve gpt2 gpt2-medium gpt2-large --memory-budget 3000000000 --pin gpt2\n"
            "  muai serve synthetic:gpt2:q8 --port 9000 --log-format json\n"
            "  muai serve ./gpt2.gguf --host 0.0.0.0 --api-key-file keys.txt\n"
            "  curl http://127.0.0.1:8686/v1/completions -d '{\"prompt\": \"Hello\"}'\n",
        .options = options,
        .n_options = MU_COUNTOF(options),
        .n_positional_max = MU_RESIDENTS_MAX,
    };
    static mu_served_models models; /* large */
    const char *more[MU_RESIDENTS_MAX] = {NULL};
    uint32_t n_more;
    int code;
    if (!mu_options_start(&line, argc, argv, more, &n_more, &code)) return code;
    if (o.print_api) return print_api();
    models.references[0] = mu_take_model(&line, o.model, 0, more, &n_more);
    if (!models.references[0]) return MU_EXIT_USAGE;
    memcpy(&models.references[1], more, n_more * sizeof(*more));
    models.n = 1 + n_more;
    return run(&o, &models);
}
