#include "router/fleet.h"

#include <stdio.h>

#include "backend/device.h"
#include "base/alloc.h"
#include "base/cpu.h"

typedef struct member {
    const mu_ref *ref; /* borrowed while the fleet opens */
    mu_model *model;
    mu_engine_options engine_options;
    char name[sizeof(((mu_ref *)0)->name)];
    mu_fleet_kv kv;
    uint64_t loaded_bytes;
    mu_engine *engine;
    mu_resident *resident; /* the executor's */
} member;

struct mu_fleet {
    mu_memory_plan memory;
    mu_device *device;
    mu_executor *executor;
    uint32_t n;
    member members[];
};

/* Which of several models it was. */
static mu_status name_model(const mu_fleet *fleet, const mu_ref *ref, mu_status status,
                            mu_err *err) {
    if (status == MU_OK || fleet->n == 1 || !err) return status;
    mu_err why = *err;
    return mu_fail(err, status, "%.60s: %s", ref->name, why.text);
}

/* The header, and the options that follow from it. */
static mu_status open_member(const mu_fleet_options *o, member *m, mu_err *err) {
    mu_placement placement = *o->placement;
    mu_status status = mu_model_open(m->ref, o->env, &m->model, err);
    if (status == MU_OK) status = mu_types_settle(m->model, m->ref, &o->types, &placement, err);
    m->engine_options = o->engine;
    if (status == MU_OK) mu_placement_apply(&placement, &m->engine_options);
    return status;
}

/* A context that one of the models knows is, for those that know less, all they know. */
static void bound_contexts(mu_fleet *fleet, uint32_t n_ctx) {
    uint32_t longest = 0;
    for (uint32_t i = 0; i < fleet->n; i++) {
        uint32_t own = mu_model_spec(fleet->members[i].model)->n_ctx;
        if (own > longest) longest = own;
    }
    for (uint32_t i = 0; i < fleet->n && n_ctx <= longest; i++) {
        member *m = &fleet->members[i];
        uint32_t own = mu_model_spec(m->model)->n_ctx;
        m->engine_options.n_ctx = n_ctx < own ? n_ctx : own;
    }
}

static mu_status plan(mu_fleet *fleet, const mu_fleet_options *o, uint64_t taken, mu_err *err) {
    mu_status status = MU_OK;
    mu_memory_need *needs = MU_ALLOC(mu_memory_need, fleet->n);
    mu_memory_part *parts = MU_ALLOC(mu_memory_part, fleet->n);
    if (!needs || !parts) status = mu_fail(err, MU_ERR_NOMEM, "plan of memory");
    if (o->engine.n_ctx > 0) bound_contexts(fleet, o->engine.n_ctx);
    for (uint32_t i = 0; i < fleet->n && status == MU_OK; i++) {
        member *m = &fleet->members[i];
        needs[i].name = m->ref->name;
        needs[i].kv_is_fixed = o->engine.kv_cache_bytes > 0;
        needs[i].scratch_is_own = !mu_device_shares_scratch(o->placement->device);
        status = mu_engine_plan(m->model, &m->engine_options, &needs[i].bytes, err);
        name_model(fleet, m->ref, status, err);
    }
    if (status == MU_OK) {
        status = mu_memory_plan_make(needs, fleet->n, o->memory_bytes_max, taken, &fleet->memory,
                                     parts, err);
    }
    for (uint32_t i = 0; i < fleet->n && status == MU_OK; i++) {
        member *m = &fleet->members[i];
        m->kv = (mu_fleet_kv){parts[i].kv, needs[i].bytes.kv};
        m->loaded_bytes = parts[i].loaded;
        m->engine_options.kv_cache_bytes = parts[i].kv;
    }
    mu_free(needs);
    mu_free(parts);
    return status;
}

/* One device, with scratch for the largest, so that it never moves. */
static mu_status open_device(mu_fleet *fleet, const mu_fleet_options *o, mu_err *err) {
    const mu_device_options options = {
        .id = o->placement->device,
        .n_threads = o->engine.n_threads,
        .isa_max = o->placement->isa_max,
    };
    mu_status status = mu_device_open(&options, &fleet->device, err);
    return status == MU_OK ? mu_device_reserve_scratch(fleet->device, fleet->memory.scratch, err)
                           : status;
}

/* Bytes that loaded models may have together; 0: no limit. */
static uint64_t loaded_bytes_max(const mu_fleet *fleet) {
    return fleet->memory.limit > 0 ? fleet->memory.limit - fleet->memory.fixed : 0;
}

static mu_status load_now(member *m, mu_err *err) {
    bool is_loaded = false;
    mu_status status = MU_OK;
    while (status == MU_OK && !is_loaded) {
        status = mu_engine_load(m->engine, &is_loaded, err);
    }
    return status;
}

/* Every engine, and on the device those that there is room for at once. */
static mu_status open_engines(mu_fleet *fleet, const mu_fleet_options *o, mu_err *err) {
    uint64_t room = loaded_bytes_max(fleet);
    mu_status status = MU_OK;
    for (uint32_t i = 0; i < fleet->n && status == MU_OK; i++) {
        member *m = &fleet->members[i];
        m->engine_options.shared = fleet->device;
        status = mu_engine_prepare(m->model, &m->engine_options, &m->engine, err);
        bool fits = fleet->memory.limit == 0 || m->loaded_bytes <= room;
        if (status == MU_OK && fits && !o->is_lazy) {
            if (fleet->memory.limit > 0) room -= m->loaded_bytes;
            status = load_now(m, err);
        }
        name_model(fleet, m->ref, status, err);
    }
    return status;
}

static mu_status load(mu_fleet *fleet, const mu_fleet_options *o, mu_err *err) {
    mu_status status = open_device(fleet, o, err);
    if (status == MU_OK) status = open_engines(fleet, o, err);
    const mu_executor_options executor = {
        .loaded_bytes_max = loaded_bytes_max(fleet),
        .idle_ns = o->idle_ns,
        .wait_ns = o->wait_ns,
    };
    if (status == MU_OK) status = mu_executor_open(&executor, &fleet->executor, err);
    for (uint32_t i = 0; i < fleet->n && status == MU_OK; i++) {
        member *m = &fleet->members[i];
        mu_resident_options resident = o->resident;
        resident.name = m->name;
        resident.model = m->model;
        resident.engine = m->engine;
        resident.weight = o->models[i].weight;
        resident.is_pinned = o->models[i].is_pinned;
        resident.loaded_bytes = m->loaded_bytes;
        status = mu_executor_add(fleet->executor, &resident, &m->resident, err);
    }
    return status;
}

mu_status mu_fleet_open(const mu_fleet_options *o, mu_fleet **out, mu_err *err) {
    MU_ASSERT(o->n_models > 0 && o->n_models <= MU_RESIDENTS_MAX);
    mu_fleet *fleet = mu_alloc(sizeof(*fleet) + o->n_models * sizeof(fleet->members[0]));
    if (!fleet) return mu_fail(err, MU_ERR_NOMEM, "models");
    fleet->n = o->n_models;
    mu_status status = MU_OK;
    uint64_t before = mu_memory_resident_bytes();
    for (uint32_t i = 0; i < fleet->n && status == MU_OK; i++) {
        member *m = &fleet->members[i];
        m->ref = o->models[i].ref;
        const char *name = o->models[i].name;
        snprintf(m->name, sizeof(m->name), "%s", name ? name : m->ref->name);
        status = name_model(fleet, m->ref, open_member(o, m, err), err);
    }
    uint64_t after = mu_memory_resident_bytes();
    bool is_host = o->placement->device.kind == MU_DEVICE_CPU;
    uint64_t taken = is_host && after > before ? after - before : 0; /* headers, tokenizers */
    if (status == MU_OK) status = plan(fleet, o, taken, err);
    if (status == MU_OK) status = load(fleet, o, err);
    if (status == MU_OK) {
        *out = fleet;
    } else {
        mu_fleet_close(fleet);
    }
    return status;
}

void mu_fleet_close(mu_fleet *fleet) {
    if (!fleet) return;
    mu_executor_close(fleet->executor);
    for (uint32_t i = 0; i < fleet->n; i++) {
        mu_engine_close(fleet->members[i].engine);
        mu_model_close(fleet->members[i].model);
    }
    mu_device_close(fleet->device);
    mu_free(fleet);
}

mu_resident *mu_fleet_resident(mu_fleet *fleet, uint32_t i) {
    MU_ASSERT(i < fleet->n);
    return fleet->members[i].resident;
}

void mu_fleet_cancel_all(mu_fleet *fleet) {
    mu_executor_cancel_all(fleet->executor);
}

const mu_memory_plan *mu_fleet_memory(const mu_fleet *fleet) {
    return &fleet->memory;
}

mu_fleet_kv mu_fleet_get_kv(const mu_fleet *fleet, uint32_t i) {
    MU_ASSERT(i < fleet->n);
    return fleet->members[i].kv;
}
