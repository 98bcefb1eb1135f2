#include "router/loading.h"

#include "base/clock.h"

static const uint64_t HALF_LIFE_NS = UINT64_C(300000000000); /* of a use, for what is evicted */

void mu_loading_init(mu_executor *ex) {
    uint64_t limit = ex->options.loaded_bytes_max;
    ex->residency = (mu_residency){
        .budget = limit > 0 ? limit : UINT64_MAX,
        .idle_ns = ex->options.idle_ns,
        .half_life_ns = HALF_LIFE_NS,
    };
}

static mu_residency_model *state_of(const mu_resident *resident) {
    return &resident->ex->residency.models[resident->index];
}

static const char *name_of(const mu_resident *resident) {
    return resident->options.name ? resident->options.name : "the model";
}

static void see(mu_resident *resident, uint64_t now_ns) {
    mu_executor *ex = resident->ex;
    pthread_mutex_lock(&ex->lock);
    const mu_residency_load load = {.n_waiting = resident->queue.n_waiting,
                                    .n_running = resident->queue.n_running,
                                    .n_requests = resident->n_submitted};
    pthread_mutex_unlock(&ex->lock);
    mu_residency_observe(&ex->residency, resident->index, &load, now_ns);
}

void mu_loading_add(mu_resident *resident) {
    mu_residency *r = &resident->ex->residency;
    bool is_loaded = mu_engine_is_loaded(resident->options.engine);
    uint32_t i = mu_residency_add(r, resident->options.loaded_bytes, is_loaded, mu_now_ns());
    MU_ASSERT(i == resident->index);
    if (resident->options.is_pinned) mu_residency_ask(r, i, MU_WISH_PIN, mu_now_ns());
    resident->has_changed = true;
}

/* Wishes, and requests that have waited for too long */

static void fail_all(mu_resident *resident, const mu_err *err, uint64_t now_ns) {
    mu_resident_fail_running(resident, err, now_ns);
    mu_resident_fail_waiting(resident, err, UINT64_MAX, now_ns);
}

static void hear_wishes(mu_resident *resident, uint64_t now_ns) {
    mu_executor *ex = resident->ex;
    mu_err err;
    pthread_mutex_lock(&ex->lock);
    uint32_t wishes = resident->wishes;
    bool is_forced = resident->is_forced;
    resident->wishes = 0;
    resident->is_forced = false;
    pthread_mutex_unlock(&ex->lock);
    for (uint32_t wish = 0; wish < MU_N_WISHES; wish++) {
        if (!(wishes >> wish & 1)) continue;
        mu_residency_ask(&ex->residency, resident->index, (mu_residency_wish)wish, now_ns);
        resident->has_changed = true;
    }
    if (!is_forced) return;
    mu_fail(&err, MU_ERR_CANCELED, "%.100s was unloaded", name_of(resident));
    fail_all(resident, &err, now_ns);
}

/* When the first of those that wait has waited for as long as it may; UINT64_MAX: never. */
static uint64_t patience_ends_ns(mu_resident *resident) {
    mu_executor *ex = resident->ex;
    uint64_t end_ns = UINT64_MAX;
    if (ex->options.wait_ns == 0 || state_of(resident)->phase == MU_READY) return end_ns;
    pthread_mutex_lock(&ex->lock);
    if (resident->queue.n_waiting > 0) {
        end_ns = mu_resident_waiting(resident, 0)->facts.submitted_ns + ex->options.wait_ns;
    }
    pthread_mutex_unlock(&ex->lock);
    return end_ns;
}

static void end_patience(mu_resident *resident, uint64_t now_ns) {
    mu_err err;
    if (now_ns < patience_ends_ns(resident)) return;
    mu_fail(&err, MU_ERR_TIMEOUT, "%.100s was not loaded within %llu s: other models are busy",
            name_of(resident), (unsigned long long)(resident->ex->options.wait_ns / 1000000000));
    mu_resident_fail_waiting(resident, &err, now_ns - resident->ex->options.wait_ns, now_ns);
}

/* Decisions */

/* There is none: those that wait are told. */
static void end_load(mu_resident *resident, const mu_err *err, uint64_t now_ns) {
    resident->stats.load_err = *err;
    mu_resident_fail_waiting(resident, err, UINT64_MAX, now_ns);
    see(resident, now_ns);
}

static void refuse(mu_resident *resident, uint64_t now_ns) {
    const mu_residency *r = &resident->ex->residency;
    mu_err err;
    mu_fail(&err, MU_ERR_TIMEOUT,
            "%.100s needs %llu MiB; of the %llu MiB for models, %llu MiB are pinned",
            name_of(resident), (unsigned long long)(state_of(resident)->bytes >> 20),
            (unsigned long long)(r->budget >> 20),
            (unsigned long long)(mu_residency_pinned_bytes(r) >> 20));
    end_load(resident, &err, now_ns);
}

static bool carry_out(mu_executor *ex, uint64_t now_ns) {
    mu_residency_action action = mu_residency_next(&ex->residency, now_ns);
    if (action.verb == MU_RESIDENCY_NOTHING) return false;
    mu_resident *resident = ex->residents[action.model];
    resident->has_changed = true;
    switch (action.verb) {
    case MU_RESIDENCY_UNLOAD:
        mu_engine_unload(resident->options.engine);
        break;
    case MU_RESIDENCY_REFUSE:
        refuse(resident, now_ns);
        break;
    case MU_RESIDENCY_LOAD:
        resident->load_ns = 0;
        break; /* its pieces are steps */
    case MU_RESIDENCY_NOTHING:
        break;
    }
    return true;
}

bool mu_loading_decide(mu_executor *ex, uint32_t n, uint64_t now_ns) {
    bool has_changed = false;
    for (uint32_t i = 0; i < n; i++) {
        mu_resident *resident = ex->residents[i];
        hear_wishes(resident, now_ns);
        end_patience(resident, now_ns);
        see(resident, now_ns);
    }
    while (carry_out(ex, now_ns)) {
        has_changed = true;
    }
    return has_changed;
}

/* Loading */

bool mu_loading_is_on(const mu_resident *resident) {
    return state_of(resident)->phase == MU_LOADING;
}

static void fail(mu_resident *resident, const mu_err *why, uint64_t now_ns) {
    mu_err err;
    mu_residency_failed(&resident->ex->residency, resident->index);
    /* Nothing that its client did: out of memory, or a fault of this machine. */
    mu_status status = why->status == MU_ERR_NOMEM ? MU_ERR_NOMEM : MU_ERR_DEVICE;
    mu_fail(&err, status, "%.60s could not be loaded: %s", name_of(resident), why->text);
    end_load(resident, &err, now_ns);
}

uint64_t mu_loading_piece(mu_resident *resident) {
    bool is_loaded = false;
    mu_err err;
    uint64_t start_ns = mu_now_ns();
    mu_status status = mu_engine_load(resident->options.engine, &is_loaded, &err);
    uint64_t now_ns = mu_now_ns();
    resident->load_ns += now_ns - start_ns;
    resident->has_changed = true;
    if (status != MU_OK) {
        fail(resident, &err, now_ns);
    } else if (is_loaded) {
        resident->stats.load_err.status = MU_OK;
        mu_residency_loaded(&resident->ex->residency, resident->index, resident->load_ns, now_ns);
    }
    return now_ns - start_ns;
}

int mu_loading_sleep_ms(mu_executor *ex, uint32_t n) {
    uint64_t now_ns = mu_now_ns();
    uint64_t until_ns = mu_residency_deadline_ns(&ex->residency, now_ns);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t end_ns = patience_ends_ns(ex->residents[i]);
        if (end_ns < until_ns) until_ns = end_ns;
    }
    if (until_ns == UINT64_MAX) return -1;
    uint64_t ms = until_ns > now_ns ? (until_ns - now_ns) / 1000000 + 1 : 1;
    return ms < INT32_MAX ? (int)ms : INT32_MAX;
}
