#include "server/budget.h"

#include <pthread.h>

#include "base/alloc.h"

enum { BUCKETS = 1024 };

/* Of a client that has something. */
typedef struct account account;
struct account {
    account *next; /* of the bucket */
    uint64_t client, bytes;
};

struct mu_budget {
    uint64_t total, used;
    pthread_mutex_t lock;
    account *buckets[BUCKETS];
};

mu_status mu_budget_open(uint64_t bytes, mu_budget **out, mu_err *err) {
    mu_budget *b = mu_alloc(sizeof(*b));
    if (!b) return mu_fail(err, MU_ERR_NOMEM, "budget of requests");
    b->total = bytes;
    pthread_mutex_init(&b->lock, NULL);
    *out = b;
    return MU_OK;
}

void mu_budget_close(mu_budget *b) {
    if (!b) return;
    MU_ASSERT(b->used == 0);
    pthread_mutex_destroy(&b->lock);
    mu_free(b);
}

static account **find(mu_budget *b, uint64_t client) {
    account **at = &b->buckets[client % BUCKETS];
    while (*at && (*at)->client != client) {
        at = &(*at)->next;
    }
    return at;
}

static mu_status check(const mu_budget *b, uint64_t own, uint64_t held, uint64_t bytes,
                       mu_err *err) {
    unsigned long long most = b->total / 2, asked = held + bytes, others = own - held;
    if (bytes > most || asked > most) {
        return mu_fail(err, MU_ERR_LIMIT,
                       "the request needs %llu bytes of memory, a client may have %llu; see "
                       "--request-memory",
                       asked, most);
    }
    if (bytes > most - own) {
        return mu_fail(err, MU_ERR_BUSY,
                       "the request needs %llu bytes of memory, and this client's others have "
                       "%llu of the %llu that it may have",
                       asked, others, most);
    }
    if (bytes <= b->total - b->used) return MU_OK;
    return mu_fail(err, MU_ERR_NOMEM,
                   "the request needs %llu bytes of memory, and all have %llu of %llu", asked,
                   (unsigned long long)b->used, (unsigned long long)b->total);
}

mu_status mu_budget_take(mu_budget *b, uint64_t client, uint64_t held, uint64_t bytes,
                         mu_err *err) {
    MU_ASSERT(bytes <= UINT64_MAX - held);
    if (bytes == 0) return MU_OK;
    pthread_mutex_lock(&b->lock);
    account **at = find(b, client), *own = *at;
    mu_status status = check(b, own ? own->bytes : 0, held, bytes, err);
    if (status == MU_OK && !own) {
        own = *at = mu_alloc(sizeof(*own));
        if (own) {
            own->client = client;
        } else {
            status = mu_fail(err, MU_ERR_NOMEM, "request");
        }
    }
    if (status == MU_OK) {
        own->bytes += bytes;
        b->used += bytes;
    }
    pthread_mutex_unlock(&b->lock);
    return status;
}

void mu_budget_give(mu_budget *b, uint64_t client, uint64_t bytes) {
    if (bytes == 0) return;
    pthread_mutex_lock(&b->lock);
    account **at = find(b, client), *own = *at;
    MU_ASSERT(own && own->bytes >= bytes);
    own->bytes -= bytes;
    b->used -= bytes;
    if (own->bytes == 0) {
        *at = own->next;
        mu_free(own);
    }
    pthread_mutex_unlock(&b->lock);
}

uint64_t mu_budget_used(mu_budget *b) {
    pthread_mutex_lock(&b->lock);
    uint64_t used = b->used;
    pthread_mutex_unlock(&b->lock);
    return used;
}

uint64_t mu_budget_total(const mu_budget *b) {
    return b->total;
}
