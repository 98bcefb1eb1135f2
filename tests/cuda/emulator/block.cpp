/* A block of threads, as fibers: barriers, warp operations, and who goes on when one waits.
 *
 * A fiber that waits gives the processor to the next one, in order of threads, that does not. When
 * all wait, or one has ended that others wait for, the program would hang a GPU.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "block.h"
#include "fiber.h"

enum { WARP = 32, THREADS_MAX = 1024 };

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

struct thread {
    mu_fiber fiber;
    bool is_done;
    const uint64_t *waits_for; /* a barrier's count of rounds; NULL: nothing */
    uint64_t round;            /* that it has to get past */
};

struct barrier {
    uint64_t round;
    unsigned n_arrived;
};

struct warp {
    barrier all;
    unsigned n_operations; /* of lane 0; all lanes do the same ones */
    unsigned of_lane[WARP];
    uint32_t values[2][WARP][6]; /* what lanes show each other, in turn */
};

static struct {
    pthread_mutex_t mutex;
    mu_fiber home;
    thread threads[THREADS_MAX];
    warp warps[THREADS_MAX / WARP];
    barrier all;
    unsigned n_threads, n_done, running;
    char *stacks;
    void *shared; /* dynamic */
    const std::function<void()> *body;
} block = {};

static void die(const char *why) {
    fprintf(stderr, "emulated CUDA: %s (block %u,%u,%u, thread %u)\n", why, blockIdx.x, blockIdx.y,
            blockIdx.z, threadIdx.x);
    abort();
}

static void go_to(unsigned next) {
    unsigned from = block.running;
    block.running = next;
    threadIdx = {next, 0, 0};
    mu_fiber_switch(&block.threads[from].fiber, &block.threads[next].fiber);
}

static bool can_run(const thread *t) {
    return !t->is_done && (!t->waits_for || *t->waits_for != t->round);
}

/* Another thread's turn; back when the running one can go on. */
static void give_way() {
    for (unsigned i = 1; i <= block.n_threads; i++) {
        unsigned next = (block.running + i) % block.n_threads;
        if (!can_run(&block.threads[next])) continue;
        if (next != block.running) go_to(next);
        return;
    }
    die("every thread waits");
}

static void arrive(barrier *b, unsigned n) {
    thread *self = &block.threads[block.running];
    if (++b->n_arrived == n) {
        b->n_arrived = 0;
        b->round++;
        return;
    }
    self->waits_for = &b->round;
    self->round = b->round;
    give_way();
    self->waits_for = NULL;
}

void __syncthreads() {
    if (block.n_done > 0) die("__syncthreads() after a thread has ended");
    arrive(&block.all, block.n_threads);
}

static warp *own_warp() {
    return &block.warps[block.running / WARP];
}

static void check_mask(unsigned mask) {
    if (mask != 0xffffffffu || block.n_threads % WARP != 0)
        die("a warp operation of part of a warp");
}

void __syncwarp(unsigned mask) {
    check_mask(mask);
    arrive(&own_warp()->all, WARP);
}

/* Show n words to the warp and see everybody's. They stay until the lane's next but one operation:
 * nobody can be further ahead than the barrier inside lets them. */
static const uint32_t (*show(const uint32_t *words, unsigned n))[6] {
    warp *w = own_warp();
    unsigned lane = block.running % WARP, turn = w->of_lane[lane]++ % 2;
    memcpy(w->values[turn][lane], words, n * sizeof(*words));
    arrive(&w->all, WARP);
    return w->values[turn];
}

unsigned mu_emulated_shfl_xor(unsigned mask, unsigned value, int lanes) {
    check_mask(mask);
    return show(&value, 1)[(block.running % WARP) ^ (unsigned)lanes][0];
}

static float bf16_at(uint32_t word, unsigned i) {
    uint32_t bits = i == 0 ? word << 16 : word & 0xffff0000u;
    float x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

/* Words of a lane: a[0..3], b[0..1]. Row g of A is in lanes 4 g + t: inner dimension 2 t, 2 t + 1
 * in a[0] and 2 t + 8, 2 t + 9 in a[2]; row g + 8 in a[1] and a[3]. Column g of B likewise in b[0]
 * and b[1]. */
void mu_mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2]) {
    check_mask(0xffffffffu);
    const uint32_t words[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
    const uint32_t(*all)[6] = show(words, 6);
    unsigned g = block.running % WARP / 4, t = block.running % 4;
    for (unsigned i = 0; i < 4; i++) {
        unsigned is_low = i / 2, column = 2 * t + i % 2; /* row g, or g + 8 */
        float sum = 0.0f;
        for (unsigned k = 0; k < 16; k++) {
            unsigned lane = k % 8 / 2, high = k / 8;
            float x = bf16_at(all[g * 4 + lane][high * 2 + is_low], k % 2);
            float y = bf16_at(all[column * 4 + lane][4 + high], k % 2);
            sum += x * y;
        }
        d[i] += sum;
    }
}

void *mu_emulated_dynamic_shared() {
    return block.shared;
}

static void run_thread() {
    mu_fiber_begin();
    (*block.body)();
    thread *self = &block.threads[block.running];
    self->is_done = true;
    if (++block.n_done < block.n_threads) give_way(); /* never comes back */
    unsigned from = block.running;
    mu_fiber_switch(&block.threads[from].fiber, &block.home);
}

static void run_block(size_t shared_bytes) {
    memset(block.warps, 0, sizeof(block.warps));
    block.all = {};
    block.n_done = 0;
    block.shared = NULL;
    if (posix_memalign(&block.shared, 16, shared_bytes > 0 ? shared_bytes : 16)) die("no memory");
    memset(block.shared, 0xff, shared_bytes);
    for (unsigned i = 0; i < block.n_threads; i++) {
        block.threads[i] = {};
        mu_fiber_init(&block.threads[i].fiber, block.stacks + (size_t)i * MU_FIBER_STACK_BYTES,
                      run_thread);
    }
    block.running = 0;
    threadIdx = {0, 0, 0};
    block.home = {};
    mu_fiber_switch(&block.home, &block.threads[0].fiber);
    free(block.shared);
}

void mu_emulated_run(const dim3 &grid, unsigned n_threads, size_t shared_bytes,
                     const std::function<void()> &body) {
    pthread_mutex_lock(&block.mutex);
    if (!block.stacks) block.stacks = (char *)malloc((size_t)THREADS_MAX * MU_FIBER_STACK_BYTES);
    if (!block.stacks) die("no memory");
    block.body = &body;
    block.n_threads = n_threads;
    blockDim = dim3(n_threads);
    gridDim = grid;
    for (unsigned z = 0; z < grid.z; z++) {
        for (unsigned y = 0; y < grid.y; y++) {
            for (unsigned x = 0; x < grid.x; x++) {
                blockIdx = {x, y, z};
                run_block(shared_bytes);
            }
        }
    }
    pthread_mutex_unlock(&block.mutex);
}
