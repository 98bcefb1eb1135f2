/* metrics_text.h - what /metrics tells. Private to server/. */
#ifndef MU_SERVER_METRICS_TEXT_H
#define MU_SERVER_METRICS_TEXT_H

#include "server/call.h"

/* Prometheus text; out->failed without memory. */
void mu_metrics_write(mu_server *server, mu_buf *out);

#endif
