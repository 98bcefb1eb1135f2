/* Pieces of work tell when they begin and end when they are let go: no test waits a fixed time. */
#include "server/workers.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

typedef struct piece {
    mu_work work; /* first */
    bool has_begun, may_end;
} piece;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static uint32_t n_ended;

static void run_piece(mu_work *work) {
    piece *p = (piece *)(void *)work;
    pthread_mutex_lock(&lock);
    p->has_begun = true;
    pthread_cond_broadcast(&changed);
    while (!p->may_end) {
        pthread_cond_wait(&changed, &lock);
    }
    n_ended++;
    pthread_mutex_unlock(&lock);
}

static void wait_for(const bool *flag) {
    pthread_mutex_lock(&lock);
    while (!*flag) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

static void let_go(piece *p) {
    pthread_mutex_lock(&lock);
    p->may_end = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

/* Three threads; a client with four pieces has two of them at most. */
static void a_client_never_has_all_threads(void **state) {
    mu_workers *w;
    mu_err err;
    piece of_a[4] = {0}, of_b = {0};
    (void)state;
    n_ended = 0;
    assert_int_equal(mu_workers_open(3, run_piece, &w, &err), MU_OK);
    for (int i = 0; i < 4; i++) {
        of_a[i].work.client = 1;
        mu_workers_add(w, &of_a[i].work);
    }
    wait_for(&of_a[0].has_begun);
    wait_for(&of_a[1].has_begun);
    of_b.work.client = 2;
    mu_workers_add(w, &of_b.work);
    wait_for(&of_b.has_begun); /* though A's were there first */
    pthread_mutex_lock(&lock);
    assert_true(!of_a[2].has_begun && !of_a[3].has_begun);
    pthread_mutex_unlock(&lock);
    let_go(&of_a[0]);
    let_go(&of_b);
    wait_for(&of_a[2].has_begun);
    let_go(&of_a[1]);
    wait_for(&of_a[3].has_begun);
    let_go(&of_a[2]);
    let_go(&of_a[3]);
    mu_workers_close(w);
    assert_int_equal(n_ended, 5);
}

static void close_runs_what_was_added(void **state) {
    mu_workers *w;
    mu_err err;
    piece pieces[20] = {0};
    (void)state;
    n_ended = 0;
    assert_int_equal(mu_workers_open(1, run_piece, &w, &err), MU_OK);
    for (int i = 0; i < 20; i++) {
        pieces[i].may_end = true;
        mu_workers_add(w, &pieces[i].work);
    }
    mu_workers_close(w);
    assert_int_equal(n_ended, 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_never_has_all_threads),
        cmocka_unit_test(close_runs_what_was_added),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
