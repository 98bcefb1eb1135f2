/* Retention: a request allocates pieces, each a step larger than those of the request before, and
 * gives them back but for their first bytes. The next request's pieces do not fit between what is
 * left, so the heap grows by memory that is free. Pieces stay below the size that the allocator
 * maps by itself.
 */
#include "bench/mock/ballast.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"

enum {
    BLOCK_BYTES = 4080, /* a page with the allocator's own word */
    PIECE_BYTES = 40 << 10,
    PIECE_STEP_BYTES = 16,
    PIECE_BYTES_MAX = 124 << 10,
    PIN_BYTES = 24,
    TICK_NS = 100000000,
};

typedef struct block {
    struct block *next;
} block;

struct mu_mock_ballast {
    const mu_mock_options *options;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* the leak's thread, to end */
    pthread_t thread;
    bool has_thread, is_closing;
    uint64_t opened_ns;
    block *blocks; /* all that is held */
    mu_mock_ballast_facts facts;
    uint64_t leaked_by_time;
    size_t piece_bytes;
};

static bool hold(mu_mock_ballast *b, size_t bytes) {
    block *held = mu_alloc(bytes < sizeof(*held) ? sizeof(*held) : bytes);
    if (!held) return false;
    memset(held, 0xa5, bytes);
    held->next = b->blocks;
    b->blocks = held;
    return true;
}

/* In blocks of a page, so that what is held is what is resident; returns what was held. */
static uint64_t hold_in_pages(mu_mock_ballast *b, uint64_t bytes) {
    uint64_t held = 0;
    while (held < bytes) {
        uint64_t left = bytes - held;
        size_t n = left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES;
        if (!hold(b, n)) break;
        held += n;
    }
    return held;
}

static void retain(mu_mock_ballast *b, uint64_t bytes) {
    enum { PIECES_MAX = 4096 };
    if (b->piece_bytes > PIECE_BYTES_MAX) return;
    block **pieces = MU_ALLOC(block *, PIECES_MAX);
    if (!pieces) return;
    uint32_t n = 0;
    for (uint64_t done = 0; done < bytes && n < PIECES_MAX; done += b->piece_bytes) {
        pieces[n] = mu_alloc(b->piece_bytes);
        if (!pieces[n]) break;
        memset(pieces[n++], 0xa5, b->piece_bytes);
    }
    for (uint32_t i = 0; i < n; i++) {
        block *pin = mu_shrink(pieces[i], PIN_BYTES);
        pin->next = b->blocks;
        b->blocks = pin;
    }
    mu_free(pieces);
    b->facts.retained_bytes += (uint64_t)n * (b->piece_bytes - PIN_BYTES);
    b->piece_bytes += PIECE_STEP_BYTES;
}

static void *leak(void *ctx) {
    mu_mock_ballast *b = ctx;
    double bytes_per_ns = b->options->leak_mb_per_hour * 1e6 / 3600e9;
    pthread_mutex_lock(&b->lock);
    while (!b->is_closing) {
        double want = (double)(mu_now_ns() - b->opened_ns) * bytes_per_ns;
        while ((double)(b->leaked_by_time + BLOCK_BYTES) <= want && hold(b, BLOCK_BYTES)) {
            b->leaked_by_time += BLOCK_BYTES;
            b->facts.leaked_bytes += BLOCK_BYTES;
        }
        uint64_t until_ns = mu_now_ns() + TICK_NS;
        struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000u),
                                 .tv_nsec = (long)(until_ns % 1000000000u)};
        pthread_cond_timedwait(&b->wake, &b->lock, &until);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

mu_mock_ballast *mu_mock_ballast_open(const mu_mock_options *options) {
    mu_mock_ballast *b = mu_alloc(sizeof(*b));
    if (!b) return NULL;
    b->options = options;
    b->piece_bytes = PIECE_BYTES;
    b->opened_ns = mu_now_ns();
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&b->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&b->lock, NULL);
    if (options->leak_mb_per_hour > 0.0) {
        b->has_thread = pthread_create(&b->thread, NULL, leak, b) == 0;
        if (!b->has_thread) {
            mu_mock_ballast_close(b);
            return NULL;
        }
    }
    return b;
}

void mu_mock_ballast_close(mu_mock_ballast *b) {
    if (!b) return;
    pthread_mutex_lock(&b->lock);
    b->is_closing = true;
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
    if (b->has_thread) pthread_join(b->thread, NULL);
    while (b->blocks) {
        block *next = b->blocks->next;
        mu_free(b->blocks);
        b->blocks = next;
    }
    pthread_cond_destroy(&b->wake);
    pthread_mutex_destroy(&b->lock);
    mu_free(b);
}

void mu_mock_ballast_on_request(mu_mock_ballast *b, uint64_t index) {
    const mu_mock_options *o = b->options;
    pthread_mutex_lock(&b->lock);
    if (o->leak_bytes > 0) b->facts.leaked_bytes += hold_in_pages(b, o->leak_bytes);
    if (b->facts.pool_bytes < o->pool_bytes) {
        uint64_t left = o->pool_bytes - b->facts.pool_bytes, step = o->pool_step_bytes;
        b->facts.pool_bytes += hold_in_pages(b, step < left ? step : left);
    }
    if (o->step_bytes > 0 && index == o->step_at) {
        b->facts.step_bytes += hold_in_pages(b, o->step_bytes);
    }
    if (o->retain_bytes > 0) retain(b, o->retain_bytes);
    pthread_mutex_unlock(&b->lock);
}

mu_mock_ballast_facts mu_mock_ballast_get_facts(mu_mock_ballast *b) {
    pthread_mutex_lock(&b->lock);
    mu_mock_ballast_facts facts = b->facts;
    pthread_mutex_unlock(&b->lock);
    return facts;
}
