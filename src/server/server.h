/* server.h - models over HTTP: routes, access, the APIs, metrics, access log.
 *
 *     open ──▶ loading ──ready()──▶ serving ──drain()──▶ draining ──▶ close
 *              503                                       503 for what is new
 *
 * Which model a request is for, the request says; with one model it need not.
 *
 * Threads: the caller's thread opens, makes ready, drains and closes; requests are served on the
 * HTTP thread, generated on the executor's.
 */
#ifndef MU_SERVER_SERVER_H
#define MU_SERVER_SERVER_H

#include "chat/conversation.h"
#include "router/executor.h"
#include "server/auth.h"
#include "server/http.h"

enum { MU_SERVER_LIST_MAX = 64 };

typedef struct mu_server mu_server;

typedef enum mu_log_format { MU_LOG_NONE, MU_LOG_TEXT, MU_LOG_JSON } mu_log_format;

typedef struct mu_server_options {
    mu_http_options http;
    mu_auth auth;
    mu_auth operators;                     /* who may load and unload; also their keys are keys */
    const char *hosts[MU_SERVER_LIST_MAX]; /* Host headers allowed besides loopback; borrowed */
    uint32_t n_hosts;
    bool checks_host;                        /* against DNS rebinding: refuse other Host headers */
    const char *origins[MU_SERVER_LIST_MAX]; /* CORS; "*": all; borrowed */
    uint32_t n_origins;
    bool metrics_public, metrics_vllm;
    /* The GPU that the models are on, for metrics; borrowed. */
    const char *gpu_pci_bus_id; /* "0000:01:00.0", NULL: they are on the CPU */
    const char *gpu_device;     /* "cuda:0"; this and the name are set when gpu_pci_bus_id is */
    const char *gpu_name;       /* "NVIDIA H200" */
    const char *nvml_library;   /* gpu_usage.h; NULL: the driver's */
    uint32_t ping_s;            /* comment lines on silent streams */
    uint64_t request_memory;    /* bytes that all requests may need; one client half */
    int log_fd;                 /* borrowed */
    mu_log_format log_format;
} mu_server_options;

/* A model as the server knows it; all is borrowed until close(). */
typedef struct mu_server_model {
    const char *names[MU_SERVER_LIST_MAX]; /* [n_names], n_names > 0; the first is its own */
    uint32_t n_names;
    uint32_t n_listed; /* > 0: the first of them, which /v1/models shows; all are answered */
    const mu_conversation_format *conversation;
    mu_resident *resident;
} mu_server_model;

mu_status mu_server_open(const mu_server_options *options, mu_server **out,
                         mu_err *err) MU_MUST_USE;
/* All models are loaded: requests are taken. No name is in it twice. models: [n_models], n_models >
 * 0, copied. Called once. */
mu_status mu_server_ready(mu_server *server, const mu_server_model *models, uint32_t n_models,
                          mu_err *err) MU_MUST_USE;
void mu_server_drain(mu_server *server);
uint32_t mu_server_n_active(mu_server *server); /* requests being served */
void mu_server_close(mu_server *server);        /* NULL is allowed */

/* docs/api.md, made from the tables. */
void mu_server_document(mu_buf *out);

#endif
