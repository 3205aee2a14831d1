/* The CUDA device's state, and how CUDA's errors become statuses. Included by every file of kernels/cuda; nothing else may. */
#ifndef SA_CUDA_DEVICE_CUH
#define SA_CUDA_DEVICE_CUH

#include "core/device.h"
#include "kernels/cuda_plan/cuda_plan.h"

#include <cuda_runtime.h>

/* The libraries' handles; their headers are long, and most files need no more than this (cuda_libraries.cuh has them). */
typedef struct cublasContext *cublasHandle_t;
typedef struct cudnnContext *cudnnHandle_t;

/* What a kernel found wrong, in pinned host memory that kernels can write; looked at after each synchronisation. */
enum sa_cuda_fault_kind { SA_CUDA_FAULT_NONE, SA_CUDA_FAULT_LABEL, SA_CUDA_FAULT_MASK };
struct sa_cuda_fault {
    int kind;
    int n, c, y, x;
    float value; /* the label or the mask's index */
};

struct sa_cuda_allocation {
    struct sa_cuda_allocation *next;
    void *pointer;
    size_t bytes;
};

/* A step is run as it is once, recorded in a graph the second time, and replayed from then on. REFUSED: something in it cannot be
 * recorded; such steps run as they are. */
enum sa_cuda_graph_state {
    SA_CUDA_GRAPH_NONE,
    SA_CUDA_GRAPH_WARM,
    SA_CUDA_GRAPH_RECORDING,
    SA_CUDA_GRAPH_READY,
    SA_CUDA_GRAPH_REFUSED
};

/* The steps of one owner (sa_device.step_owner). */
struct sa_cuda_recording {
    struct sa_cuda_recording *next;
    const void *owner;
    enum sa_cuda_graph_state state;
    cudaGraphExec_t graph; /* READY */
};

struct sa_dnn_plan;

/* A parameter's update as the kernel gets it: arrays of `count` floats; k NULL: the rule has one history. */
struct sa_cuda_update_one {
    float *param, *grad, *h, *k;
    size_t count;
    float lr_mult, decay;
    unsigned first_block; /* of the launch */
};
enum { SA_CUDA_UPDATES = 64 };

struct sa_cuda_device {
    sa_device base;
    cudaStream_t stream;
    cublasHandle_t blas;
    cudnnHandle_t dnn;
    cudaEvent_t time_before, time_now;
    double elapsed_ns; /* from open to time_before */
    /* Uploads go through two halves of pinned memory in turn; an event says when a half is free again. */
    char *staging;
    cudaEvent_t staging_free[2];
    int staging_half;
    sa_cuda_fault *fault;        /* host address */
    sa_cuda_fault *fault_device; /* the same, as kernels see it */
    sa_cuda_allocation *allocations;
    sa_cuda_recording *recordings, *current; /* current: of the step between begin_step and end_step */
    bool step_failed;                        /* an op of this step returned an error: its recording is of no use */
    /* Updates that follow one another and have all but this in common: they go into one launch. */
    sa_cuda_update_one update[SA_CUDA_UPDATES];
    int update_count;
    sa_update_args update_common;
    bool use_graph, use_tf32;
    mutable sa_dnn_plan *dnn_plans; /* what cuDNN was asked, conv_dnn_cuda.cpp; queries remember */
};

static inline sa_cuda_device *sa_cuda(sa_device *device)
{
    return (sa_cuda_device *)device;
}

/* SA_OK, or the status and message of an error: NOMEM, NO_DEVICE, DEVICE. Clears CUDA's last error. */
sa_status sa_cuda_check(cudaError_t error, const char *what);

#define SA_CUDA_TRY(expression) SA_TRY(sa_cuda_check((expression), #expression))

/* The kernels, members of sa_kernels (kernels/ops.h). */
#define SA_CUDA_OP(kind, field) sa_status sa_cuda_##field(sa_device *device, const sa_##field##_args *args);
SA_OPS(SA_CUDA_OP)
#undef SA_CUDA_OP
sa_status sa_cuda_conv_workspace_bytes(const sa_device *device, const sa_conv_request *request, size_t *bytes);
void sa_cuda_conv_dnn_forget(sa_cuda_device *device); /* frees what was remembered of cuDNN's answers */
/* Launches the updates that wait. Whatever else reaches the stream calls this first. */
sa_status sa_cuda_launch_updates(sa_cuda_device *device);
/* An error if this binary holds no code that the current card can run. */
cudaError_t sa_cuda_find_code(void);

#endif
