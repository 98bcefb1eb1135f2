/* cuda_library.h - libmuai-cuda.so, loaded when a GPU is first asked for. Private to backend/cuda/.
 *
 * Threads: any. Memory: the library stays loaded until the process ends; there is one of it.
 */
#ifndef MU_BACKEND_CUDA_CUDA_LIBRARY_H
#define MU_BACKEND_CUDA_CUDA_LIBRARY_H

#include "backend/cuda/cuda_api.h"

/* MU_ERR_UNSUPPORTED where it is not found or does not fit this program, with the reason. */
mu_status mu_cuda_library_get(const mu_cuda_api **out, mu_err *err) MU_MUST_USE;

#endif
