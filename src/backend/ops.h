/* ops.h - what a device does behind backend.h; private to backend/. Each function is as the one of
 * the same name there. */
#ifndef MU_BACKEND_OPS_H
#define MU_BACKEND_OPS_H

#include "backend/device.h"
#include "backend/machine.h"

typedef struct mu_backend_ops {
    const char *name;     /* for errors */
    mu_features features; /* of decoders that it computes */
    mu_status (*device_open)(const mu_device_options *options, mu_device **out, mu_err *err);
    void (*device_close)(mu_device *device);
    mu_status (*reserve_scratch)(mu_device *device, uint64_t bytes, mu_err *err);

    mu_backend_bytes (*plan)(const mu_model *model, const mu_backend_options *options);
    /* options->shared is the device, of the same ops. */
    mu_status (*open)(const mu_model *model, const mu_backend_options *options, mu_backend **out,
                      mu_err *err);
    bool (*load)(mu_backend *backend); /* NULL: open() did it all */
    void (*close)(mu_backend *backend);
    mu_status (*forward)(mu_backend *backend, const mu_step *step, mu_step_result *out,
                         mu_err *err);
    const char *(*isa)(const mu_backend *backend);
    uint32_t (*n_threads)(const mu_backend *backend);
    mu_backend_bytes (*get_bytes)(const mu_backend *backend);
    mu_status (*rates)(mu_device_id device, uint32_t n_threads, const mu_cpu_level *isa_max,
                       mu_machine_rates *out, mu_err *err);
} mu_backend_ops;

/* The first members of each kind's own structs. */
struct mu_device {
    const mu_backend_ops *ops;
    mu_device_options options; /* n_threads settled */
    uint64_t scratch_bytes;    /* reserved */
};

struct mu_backend {
    const mu_backend_ops *ops;
    mu_device *own; /* closed with it; NULL: its device is shared */
};

extern const mu_backend_ops mu_cpu_ops;
extern const mu_backend_ops mu_cuda_ops;

/* Positions of a KV group: blocks are whole groups on every device. */
enum { MU_KV_GROUP = 16 };

/* The first of a segment's rows that are wanted. */
static inline uint32_t mu_segment_first_row(const mu_segment *segment) {
    return segment->rows == MU_ROWS_FIRST ? 0 : segment->n_tokens - mu_segment_n_rows(segment);
}

#endif
