/* Each value is asked for by itself and may fail by itself: which ones a GPU tells depends on the
 * product, the driver and the permissions. So a failure leaves its value unknown, and only when
 * nothing is told is the reading an error. NVML counts its init calls: every reader has its own.
 */
#include "backend/gpu_usage.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backend/cuda/nvml_api.h"
#include "base/alloc.h"

enum { PROCESSES_AT_FIRST = 32, PROCESSES_SPARE = 8, PROCESSES_TRIES = 4 };

struct mu_gpu_usage_reader {
    char name[64]; /* "GPU 0000:01:00.0" */
    void *library;
    nvml_api nvml;
    bool is_initialized;
    nvml_device device;
    uint32_t pid;
    nvml_process *processes; /* [processes_cap] */
    size_t processes_cap;
};

static const struct {
    const char *name;
    size_t offset;
    bool is_needed;
} symbols[] = {
#define AT(member) offsetof(nvml_api, member)
    {"nvmlInit_v2", AT(init), true},
    {"nvmlShutdown", AT(shutdown), true},
    {"nvmlErrorString", AT(error_string), true},
    {"nvmlDeviceGetHandleByPciBusId_v2", AT(device), true},
    {"nvmlDeviceGetMemoryInfo", AT(memory), false},
    {"nvmlDeviceGetUtilizationRates", AT(utilization), false},
    {"nvmlDeviceGetPowerUsage", AT(power), false},
    {"nvmlDeviceGetTemperatureV", AT(temperature), false},
    {"nvmlDeviceGetTemperature", AT(temperature_before), false},
    {"nvmlDeviceGetComputeRunningProcesses_v3", AT(processes), false},
#undef AT
};

static mu_status load(mu_gpu_usage_reader *r, const char *path, mu_err *err) {
    r->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!r->library) {
        const char *why = dlerror();
        return mu_fail(err, MU_ERR_UNSUPPORTED, "%s: %s", r->name, why ? why : path);
    }
    for (size_t i = 0; i < MU_COUNTOF(symbols); i++) {
        void *symbol = dlsym(r->library, symbols[i].name);
        if (!symbol && symbols[i].is_needed) {
            return mu_fail(err, MU_ERR_UNSUPPORTED, "%s: %s has no %s", r->name, path,
                           symbols[i].name);
        }
        memcpy((char *)&r->nvml + symbols[i].offset, &symbol, sizeof(symbol));
    }
    return MU_OK;
}

static mu_status start(mu_gpu_usage_reader *r, const char *pci_bus_id, mu_err *err) {
    nvml_code code = r->nvml.init();
    if (code != NVML_SUCCESS) {
        return mu_fail(err, MU_ERR_UNSUPPORTED, "%s: NVML does not start: %s", r->name,
                       r->nvml.error_string(code));
    }
    r->is_initialized = true;
    code = r->nvml.device(pci_bus_id, &r->device);
    if (code != NVML_SUCCESS) {
        return mu_fail(err, MU_ERR_UNSUPPORTED, "%s: NVML: %s", r->name,
                       r->nvml.error_string(code));
    }
    return MU_OK;
}

mu_status mu_gpu_usage_open(const mu_gpu_usage_options *options, mu_gpu_usage_reader **out,
                            mu_err *err) {
    mu_gpu_usage_reader *r = mu_alloc(sizeof(*r));
    if (!r) return mu_fail(err, MU_ERR_NOMEM, "GPU %s", options->pci_bus_id);
    snprintf(r->name, sizeof(r->name), "GPU %s", options->pci_bus_id);
    r->pid = options->pid ? options->pid : (uint32_t)getpid();
    r->processes_cap = PROCESSES_AT_FIRST;
    r->processes = MU_ALLOC(nvml_process, r->processes_cap);
    mu_status status = MU_OK;
    if (!r->processes) status = mu_fail(err, MU_ERR_NOMEM, "%s", r->name);
    if (status == MU_OK) {
        status = load(r, options->library ? options->library : NVML_LIBRARY, err);
    }
    if (status == MU_OK) status = start(r, options->pci_bus_id, err);
    if (status != MU_OK) {
        mu_gpu_usage_close(r);
        return status;
    }
    *out = r;
    return MU_OK;
}

void mu_gpu_usage_close(mu_gpu_usage_reader *r) {
    if (!r) return;
    if (r->is_initialized) r->nvml.shutdown();
    if (r->library) dlclose(r->library);
    mu_free(r->processes);
    mu_free(r);
}

/* Parts of a reading */

static nvml_code read_memory(mu_gpu_usage_reader *r, mu_gpu_usage *out) {
    nvml_memory memory;
    nvml_code code = r->nvml.memory ? r->nvml.memory(r->device, &memory) : NVML_FUNCTION_NOT_FOUND;
    if (code != NVML_SUCCESS) return code;
    out->memory_used_bytes = memory.used;
    out->memory_total_bytes = memory.total;
    return NVML_SUCCESS;
}

static nvml_code read_utilization(mu_gpu_usage_reader *r, mu_gpu_usage *out) {
    nvml_utilization rates;
    if (!r->nvml.utilization) return NVML_FUNCTION_NOT_FOUND;
    nvml_code code = r->nvml.utilization(r->device, &rates);
    if (code == NVML_SUCCESS) out->utilization_percent = rates.gpu;
    return code;
}

static nvml_code read_power(mu_gpu_usage_reader *r, mu_gpu_usage *out) {
    unsigned milliwatts;
    if (!r->nvml.power) return NVML_FUNCTION_NOT_FOUND;
    nvml_code code = r->nvml.power(r->device, &milliwatts);
    if (code == NVML_SUCCESS) out->power_w = milliwatts * 1e-3;
    return code;
}

static nvml_code read_temperature_before(mu_gpu_usage_reader *r, mu_gpu_usage *out) {
    unsigned celsius;
    if (!r->nvml.temperature_before) return NVML_FUNCTION_NOT_FOUND;
    nvml_code code = r->nvml.temperature_before(r->device, NVML_TEMPERATURE_GPU, &celsius);
    if (code == NVML_SUCCESS) out->temperature_c = celsius;
    return code;
}

static nvml_code read_temperature(mu_gpu_usage_reader *r, mu_gpu_usage *out) {
    nvml_temperature t = {.version = NVML_TEMPERATURE_VERSION, .sensor = NVML_TEMPERATURE_GPU};
    nvml_code code =
        r->nvml.temperature ? r->nvml.temperature(r->device, &t) : NVML_FUNCTION_NOT_FOUND;
    if (code != NVML_SUCCESS) return read_temperature_before(r, out);
    out->temperature_c = t.celsius;
    return NVML_SUCCESS;
}

/* All processes into r->processes. Others may start between two tries: so there is some room. */
static nvml_code list_processes(mu_gpu_usage_reader *r, unsigned *out_n) {
    nvml_code code = NVML_FUNCTION_NOT_FOUND;
    for (int i = 0; r->nvml.processes && i < PROCESSES_TRIES; i++) {
        *out_n = (unsigned)r->processes_cap;
        code = r->nvml.processes(r->device, out_n, r->processes);
        if (code != NVML_INSUFFICIENT_SIZE) break;
        if (!mu_grow((void **)&r->processes, &r->processes_cap, (size_t)*out_n + PROCESSES_SPARE,
                     sizeof(*r->processes))) {
            return NVML_MEMORY;
        }
    }
    return code;
}

/* With GPU instances (MIG) a process is listed once for each. */
static nvml_code read_process(mu_gpu_usage_reader *r, mu_gpu_usage *out) {
    unsigned n;
    nvml_code code = list_processes(r, &n);
    if (code != NVML_SUCCESS) return code;
    for (unsigned i = 0; i < n && i < r->processes_cap; i++) {
        const nvml_process *p = &r->processes[i];
        if (p->pid == r->pid && p->used_bytes != NVML_VALUE_NOT_AVAILABLE) {
            out->process_bytes += p->used_bytes;
        }
    }
    return NVML_SUCCESS;
}

mu_status mu_gpu_usage_read(mu_gpu_usage_reader *r, mu_gpu_usage *out, mu_err *err) {
    static nvml_code (*const parts[])(mu_gpu_usage_reader *, mu_gpu_usage *) = {
        read_memory, read_utilization, read_power, read_temperature, read_process};
    mu_gpu_usage usage = {.utilization_percent = NAN, .power_w = NAN, .temperature_c = NAN};
    nvml_code first = NVML_SUCCESS;
    size_t n_told = 0;
    for (size_t i = 0; i < MU_COUNTOF(parts); i++) {
        nvml_code code = parts[i](r, &usage);
        if (first == NVML_SUCCESS) first = code;
        n_told += code == NVML_SUCCESS;
    }
    if (n_told == 0) {
        return mu_fail(err, MU_ERR_DEVICE, "%s: NVML tells nothing: %s", r->name,
                       r->nvml.error_string(first));
    }
    *out = usage;
    return MU_OK;
}
