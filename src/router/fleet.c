#include "router/fleet.h"

#include "backend/device.h"
#include "base/alloc.h"

typedef struct member {
    const mu_ref *ref; /* borrowed while the fleet opens */
    mu_model *model;
    mu_engine_options engine_options;
    mu_fleet_kv kv;
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

static mu_status plan(mu_fleet *fleet, const mu_fleet_options *o, mu_err *err) {
    mu_status status = MU_OK;
    mu_memory_need *needs = MU_ALLOC(mu_memory_need, fleet->n);
    uint64_t *kv = MU_ALLOC(uint64_t, fleet->n);
    if (!needs || !kv) status = mu_fail(err, MU_ERR_NOMEM, "plan of memory");
    for (uint32_t i = 0; i < fleet->n && status == MU_OK; i++) {
        member *m = &fleet->members[i];
        needs[i].name = m->ref->name;
        needs[i].kv_is_fixed = o->engine.kv_cache_bytes > 0;
        needs[i].scratch_is_own = !mu_device_shares_scratch(o->placement->device);
        status = mu_engine_plan(m->model, &m->engine_options, &needs[i].bytes, err);
        name_model(fleet, m->ref, status, err);
    }
    if (status == MU_OK) {
        status = mu_memory_plan_make(needs, fleet->n, o->memory_bytes_max, &fleet->memory, kv, err);
    }
    for (uint32_t i = 0; i < fleet->n && status == MU_OK; i++) {
        fleet->members[i].kv = (mu_fleet_kv){kv[i], needs[i].bytes.kv};
        fleet->members[i].engine_options.kv_cache_bytes = kv[i];
    }
    mu_free(needs);
    mu_free(kv);
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

static mu_status load(mu_fleet *fleet, const mu_fleet_options *o, mu_err *err) {
    mu_status status = open_device(fleet, o, err);
    for (uint32_t i = 0; i < fleet->n && status == MU_OK; i++) {
        member *m = &fleet->members[i];
        m->engine_options.shared = fleet->device;
        status = mu_engine_open(m->model, &m->engine_options, &m->engine, err);
        name_model(fleet, m->ref, status, err);
    }
    if (status == MU_OK) status = mu_executor_open(&fleet->executor, err);
    for (uint32_t i = 0; i < fleet->n && status == MU_OK; i++) {
        member *m = &fleet->members[i];
        mu_resident_options resident = o->resident;
        resident.model = m->model;
        resident.engine = m->engine;
        resident.weight = o->models[i].weight;
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
    for (uint32_t i = 0; i < fleet->n && status == MU_OK; i++) {
        member *m = &fleet->members[i];
        m->ref = o->models[i].ref;
        status = name_model(fleet, m->ref, open_member(o, m, err), err);
    }
    if (status == MU_OK) status = plan(fleet, o, err);
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
