/* routes.h - the table of paths: who may ask, what answers, what the docs say. Private to server/.
 * To add one: write its handler, add a row. */
#ifndef MU_SERVER_ROUTES_H
#define MU_SERVER_ROUTES_H

#include "server/call.h"

typedef enum mu_route_needs {
    MU_ROUTE_OPEN,    /* nothing */
    MU_ROUTE_METRICS, /* a key, where metrics are not public */
    MU_ROUTE_KEY,
    MU_ROUTE_MODEL, /* a key, and that the models are there */
    MU_ROUTE_ADMIN, /* the same, and an operator's key where there are keys at all */
} mu_route_needs;

typedef struct mu_route {
    const char *method, *path; /* a path that ends in '/' is a prefix */
    void (*handle)(mu_call *call);
    mu_route_needs needs;
    const char *help;
} mu_route;

/* With and without "/v1": old clients leave it out, and health checks put it in. NULL: none;
 * *path_is_known: with another method there is. */
const mu_route *mu_route_find(const char *method, const char *path, bool *path_is_known);
/* The methods that path takes, "GET, HEAD, OPTIONS"; cut off at cap. */
void mu_route_methods(const char *path, char *out, size_t cap);
/* Paths that there are, as many as fit in cap. */
void mu_route_paths(char *out, size_t cap);
/* Its row; of NULL the number of rows. */
uint32_t mu_route_index(const mu_route *route);
const mu_route *mu_route_at(uint32_t i); /* NULL: no more */
/* The table as Markdown. */
void mu_routes_document(mu_buf *out);

#endif
