/* A library with the functions of NVML that muai uses, for tests where there is no driver. It has
 * one GPU. What it says comes from the environment:
 *
 *     NVML_PCI_BUS_ID             of the GPU, "0000:01:00.0" when unset
 *     NVML_MEMORY_USED, _TOTAL    bytes
 *     NVML_UTILIZATION            percent
 *     NVML_POWER                  milliwatts
 *     NVML_TEMPERATURE            degrees Celsius
 *     NVML_PROCESSES              "PID:BYTES PID:BYTES ...", "self" for our own, "-" for
 * unavailable NVML_FAILS                  "nvmlDeviceGetPowerUsage:3 nvmlInit_v2:9 ...": what each
 * returns
 *
 * A number may be a list, "10 75": the n-th call takes the n-th, later ones the last. A handle is
 * good only between init and shutdown. Declared as NVIDIA's reference manual does, and not through
 * the header that is under test. With NVML_EMULATED_OLD it lacks what came late, and what a GPU may
 * not have.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
    SUCCESS = 0,
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
    ARGUMENT_VERSION_MISMATCH = 25
};

typedef int nvmlReturn_t;
typedef struct nvmlDevice_st *nvmlDevice_t;

typedef struct {
    unsigned long long total, free, used;
} nvmlMemory_t;

typedef struct {
    unsigned int gpu, memory;
} nvmlUtilization_t;

typedef struct {
    unsigned int version;
    int sensorType;
    int temperature;
} nvmlTemperature_v1_t;

typedef struct {
    unsigned int pid;
    unsigned long long usedGpuMemory;
    unsigned int gpuInstanceId, computeInstanceId;
} nvmlProcessInfo_v2_t;

int nvml_emulated_n_inits(void); /* not in NVML: init calls without their shutdown */
nvmlReturn_t nvmlInit_v2(void);
nvmlReturn_t nvmlShutdown(void);
const char *nvmlErrorString(nvmlReturn_t result);
nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *pciBusId, nvmlDevice_t *device);
nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory);
nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *utilization);
nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int *power);
nvmlReturn_t nvmlDeviceGetTemperatureV(nvmlDevice_t device, nvmlTemperature_v1_t *temperature);
nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, int sensorType, unsigned int *temp);
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *infoCount,
                                                     nvmlProcessInfo_v2_t *infos);

static atomic_int n_inits;
static atomic_int gpu; /* its address is the handle */

static nvmlDevice_t handle(void) {
    return (nvmlDevice_t)&gpu;
}

/* What is to be returned by a function that was given this device. */
static nvmlReturn_t check(const char *function, nvmlDevice_t device) {
    const char *fails = getenv("NVML_FAILS");
    size_t n = strlen(function);
    for (const char *at = fails; at && (at = strstr(at, function)); at += n) {
        bool is_word = at == fails || at[-1] == ' ';
        if (is_word && at[n] == ':') return (nvmlReturn_t)strtol(at + n + 1, NULL, 10);
    }
    if (atomic_load(&n_inits) == 0) return UNINITIALIZED;
    return device == handle() ? SUCCESS : INVALID_ARGUMENT;
}

static unsigned long long number(const char *name, atomic_int *n_calls) {
    const char *text = getenv(name);
    unsigned long long value = 0;
    int n = atomic_fetch_add(n_calls, 1);
    for (char *end; text && *text && n >= 0; text = end, n--) {
        unsigned long long next = strtoull(text, &end, 10);
        if (end == text) break;
        value = next;
    }
    return value;
}

int nvml_emulated_n_inits(void) {
    return atomic_load(&n_inits);
}

nvmlReturn_t nvmlInit_v2(void) {
    atomic_fetch_add(&n_inits, 1);
    nvmlReturn_t result = check("nvmlInit_v2", handle());
    if (result != SUCCESS) atomic_fetch_sub(&n_inits, 1);
    return result;
}

nvmlReturn_t nvmlShutdown(void) {
    if (atomic_load(&n_inits) == 0) return UNINITIALIZED;
    atomic_fetch_sub(&n_inits, 1);
    return SUCCESS;
}

const char *nvmlErrorString(nvmlReturn_t result) {
    static const struct {
        nvmlReturn_t result;
        const char *text;
    } texts[] = {{1, "Uninitialized"},      {2, "Invalid Argument"},    {3, "Not Supported"},
                 {4, "Insufficient Perms"}, {6, "Not Found"},           {7, "Insufficient Size"},
                 {9, "Driver Not Loaded"},  {13, "Function Not Found"}, {15, "GPU is lost"},
                 {25, "Version Mismatch"}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].result == result) return texts[i].text;
    }
    return "Unknown Error";
}

nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *pciBusId, nvmlDevice_t *device) {
    const char *own = getenv("NVML_PCI_BUS_ID");
    nvmlReturn_t result = check("nvmlDeviceGetHandleByPciBusId_v2", handle());
    if (result != SUCCESS) return result;
    if (!pciBusId || !device) return INVALID_ARGUMENT;
    if (strcasecmp(pciBusId, own ? own : "0000:01:00.0") != 0) return NOT_FOUND;
    *device = handle();
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory) {
    static atomic_int n_used, n_total;
    nvmlReturn_t result = check("nvmlDeviceGetMemoryInfo", device);
    if (result != SUCCESS) return result;
    memory->used = number("NVML_MEMORY_USED", &n_used);
    memory->total = number("NVML_MEMORY_TOTAL", &n_total);
    memory->free = memory->total - memory->used;
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *utilization) {
    static atomic_int n;
    nvmlReturn_t result = check("nvmlDeviceGetUtilizationRates", device);
    if (result != SUCCESS) return result;
    utilization->gpu = (unsigned int)number("NVML_UTILIZATION", &n);
    utilization->memory = 99; /* of the time, not of the bytes: nobody may take it for memory */
    return SUCCESS;
}

#ifndef NVML_EMULATED_OLD
nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int *power) {
    static atomic_int n;
    nvmlReturn_t result = check("nvmlDeviceGetPowerUsage", device);
    if (result == SUCCESS) *power = (unsigned int)number("NVML_POWER", &n);
    return result;
}

nvmlReturn_t nvmlDeviceGetTemperatureV(nvmlDevice_t device, nvmlTemperature_v1_t *temperature) {
    static atomic_int n;
    nvmlReturn_t result = check("nvmlDeviceGetTemperatureV", device);
    if (result != SUCCESS) return result;
    if (temperature->version != (sizeof(*temperature) | 1u << 24)) return ARGUMENT_VERSION_MISMATCH;
    if (temperature->sensorType != 0) return INVALID_ARGUMENT;
    temperature->temperature = (int)number("NVML_TEMPERATURE", &n);
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *infoCount,
                                                     nvmlProcessInfo_v2_t *infos) {
    nvmlReturn_t result = check("nvmlDeviceGetComputeRunningProcesses_v3", device);
    if (result != SUCCESS) return result;
    unsigned int n = 0;
    const char *text = getenv("NVML_PROCESSES");
    while (text && *text) {
        char *end = NULL;
        nvmlProcessInfo_v2_t info = {.gpuInstanceId = ~0u, .computeInstanceId = ~0u};
        bool is_self = strncmp(text, "self", 4) == 0;
        info.pid = is_self ? (unsigned int)getpid() : (unsigned int)strtoul(text, &end, 10);
        text = is_self ? text + 5 : end + 1; /* behind the ':' */
        info.usedGpuMemory = *text == '-' ? ~0ull : strtoull(text, NULL, 10);
        if (n < *infoCount) infos[n] = info;
        n++;
        text += strcspn(text, " ");
        text += strspn(text, " ");
    }
    result = n > *infoCount ? INSUFFICIENT_SIZE : SUCCESS;
    *infoCount = n;
    return result;
}
#endif

nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, int sensorType, unsigned int *temp) {
    static atomic_int n;
    nvmlReturn_t result = check("nvmlDeviceGetTemperature", device);
    if (result != SUCCESS) return result;
    if (sensorType != 0) return INVALID_ARGUMENT;
    *temp = (unsigned int)number("NVML_TEMPERATURE", &n);
    return SUCCESS;
}
