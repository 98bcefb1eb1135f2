/* nvml_api.h - the part of NVML that is used, as its reference manual declares it
 * (docs.nvidia.com/deploy/nvml-api). Private to backend/cuda/.
 *
 * Declared here because the library comes with the driver and its header with neither the driver
 * nor the CUDA runtime. What changes in NVML gets a new version in its name, so a function that is
 * found is the one declared here; what an older or newer driver lacks is not found.
 *
 * Every function but nvmlErrorString returns an nvml_code.
 */
#ifndef MU_BACKEND_CUDA_NVML_API_H
#define MU_BACKEND_CUDA_NVML_API_H

#include "base/base.h"

#define NVML_LIBRARY "libnvidia-ml.so.1"

typedef enum nvml_code {
    NVML_SUCCESS = 0,
    NVML_INSUFFICIENT_SIZE = 7,
    NVML_FUNCTION_NOT_FOUND = 13,
    NVML_MEMORY = 20,
    NVML_UNKNOWN = 999
} nvml_code;

enum { NVML_TEMPERATURE_GPU = 0 }; /* the sensor on the die */

#define NVML_VALUE_NOT_AVAILABLE UINT64_MAX

typedef struct nvml_device_object *nvml_device;

typedef struct nvml_memory { /* nvmlMemory_t; bytes */
    uint64_t total, free, used;
} nvml_memory;

typedef struct nvml_utilization { /* nvmlUtilization_t; percent of the last sample period */
    uint32_t gpu, memory;
} nvml_utilization;

typedef struct nvml_process { /* nvmlProcessInfo_t of the functions _v2 and _v3 */
    uint32_t pid;
    uint64_t used_bytes; /* or NVML_VALUE_NOT_AVAILABLE */
    uint32_t gpu_instance, compute_instance;
} nvml_process;

typedef struct nvml_temperature { /* nvmlTemperature_v1_t */
    uint32_t version;             /* NVML_TEMPERATURE_VERSION */
    uint32_t sensor;
    int32_t celsius;
} nvml_temperature;

#define NVML_TEMPERATURE_VERSION ((uint32_t)sizeof(nvml_temperature) | 1u << 24)

_Static_assert(sizeof(nvml_memory) == 24 && sizeof(nvml_utilization) == 8 &&
                   sizeof(nvml_process) == 24 && offsetof(nvml_process, used_bytes) == 8 &&
                   offsetof(nvml_process, gpu_instance) == 16 && sizeof(nvml_temperature) == 12,
               "as NVML has them");

typedef struct nvml_api {
    nvml_code (*init)(void);
    nvml_code (*shutdown)(void);
    const char *(*error_string)(nvml_code code);
    nvml_code (*device)(const char *pci_bus_id, nvml_device *out);
    nvml_code (*memory)(nvml_device device, nvml_memory *out);
    nvml_code (*utilization)(nvml_device device, nvml_utilization *out);
    nvml_code (*power)(nvml_device device, unsigned *out_milliwatts);
    nvml_code (*temperature)(nvml_device device, nvml_temperature *inout);
    /* The same in older drivers; deprecated in CUDA 13.0, to be removed in 14.0. */
    nvml_code (*temperature_before)(nvml_device device, unsigned sensor, unsigned *out_celsius);
    /* n: what processes has room for, then how many there are, also with NVML_INSUFFICIENT_SIZE. */
    nvml_code (*processes)(nvml_device device, unsigned *inout_n, nvml_process *processes);
} nvml_api;

#endif
