/* What Caffe itself would allocate to train a net, buffer by buffer, computed from the net alone.
 *
 * The rules follow Caffe's lazy allocation: a blob's data exists once a layer made it, its gradient once a layer touched it, and a
 * layer's private blobs once it ran. Layers declare their private ones (sa_layer_type.caffe_buffers). Of cuDNN there is an
 * estimate; the CUDA context is not in it. A net with layers of SegNet's fork is accounted by the fork's rules, any other by BVLC
 * Caffe's. */
#ifndef SA_REPORT_CAFFE_MEMORY_H
#define SA_REPORT_CAFFE_MEMORY_H

#include "net/net.h"
#include "net/solver_config.h"

enum { SA_CAFFE_CATEGORY_COUNT = 22 };

/* CUDA context, cuBLAS handle and the driver's own share, which come on top of every total on a GPU. Measured range. */
static const size_t SA_CUDA_CONTEXT_LOW_BYTES = 300000000, SA_CUDA_CONTEXT_HIGH_BYTES = 500000000;

typedef struct sa_caffe_row {
    const char *name;    /* SA_CAFFE_* */
    const char *plain;   /* the same for someone who does not know Caffe's source, after "7.2 GB of it are" */
    bool in_caffes_line; /* "Memory required for data" counts it */
    size_t gpu_bytes, cpu_bytes;
} sa_caffe_row;

/* The same bytes divided once more, by what holds them in Caffe. */
typedef enum sa_caffe_kind {
    SA_CAFFE_KIND_INPUT_DATA,
    SA_CAFFE_KIND_INPUT_DIFF,
    SA_CAFFE_KIND_TOP_DATA,
    SA_CAFFE_KIND_TOP_DIFF,
    SA_CAFFE_KIND_SPLIT_DIFF,
    SA_CAFFE_KIND_PRIVATE,
    SA_CAFFE_KIND_PARAM_DATA,
    SA_CAFFE_KIND_PARAM_DIFF,
    SA_CAFFE_KIND_HISTORY,
    SA_CAFFE_KIND_SOLVER_UPDATE,
    SA_CAFFE_KIND_SOLVER_TEMP,
    SA_CAFFE_KIND_COUNT
} sa_caffe_kind;
extern const char *const SA_CAFFE_KIND_NAMES[SA_CAFFE_KIND_COUNT]; /* "input_data", ... */

typedef struct sa_caffe_item {
    char name[SA_NAME_MAX + 32]; /* "conv1", "conv1.grad", "conv1.column" */
    const sa_layer *layer;       /* that makes it; points into the net */
    const char *category;        /* SA_CAFFE_* */
    sa_caffe_kind kind;
    const char *member; /* private buffers: Caffe's name, "col_buffer_"; else NULL */
    size_t gpu_bytes, cpu_bytes;
} sa_caffe_item;

typedef struct sa_caffe_options {
    sa_solver_type solver;
    bool l1_decay; /* regularization_type: "L1" */
} sa_caffe_options;

typedef struct sa_caffe_memory {
    size_t memory_required_for_data_bytes; /* the line Caffe prints */
    size_t first_blob_parameter_count, parameter_count;
    sa_caffe_row
        row[SA_CAFFE_CATEGORY_COUNT]; /* every category, in the order of the table in docs; the last is "other", mostly 0 */
    struct {
        size_t gpu_bytes, cpu_bytes;
    } kind[SA_CAFFE_KIND_COUNT];
    size_t gpu_total_bytes, cpu_total_bytes;
    /* GPU mode with cuDNN, an estimate: the least without any workspace, the most with all that Caffe allows its convolutions.
     * Which they take is known to cuDNN alone. */
    size_t cudnn_least_bytes, cudnn_most_bytes;
    size_t item_count;
    sa_caffe_item *item; /* owned; largest first */
} sa_caffe_memory;

/* options may be NULL (SGD). The net must outlive *memory. On success *memory is owned by the caller. SA_INVALID if a size
 * overflows, SA_NOMEM. */
SA_CHECKED sa_status sa_caffe_memory_create(const sa_net *net, const sa_caffe_options *options, sa_caffe_memory *memory);
void sa_caffe_memory_free(sa_caffe_memory *memory);

/* The row with the most bytes in GPU mode. */
const sa_caffe_row *sa_caffe_memory_largest_row(const sa_caffe_memory *memory);

/* "8.99 GB", "12.6 MB", "20 bytes": powers of ten, as graphics cards are sold, for sentences. */
enum { SA_DECIMAL_TEXT_BYTES = 32 };
const char *sa_decimal_size(size_t bytes, char text[SA_DECIMAL_TEXT_BYTES]);

/* Does so much fit beside the CUDA context, whose size is known within a range only? */
typedef enum sa_capacity_fit { SA_FITS_NOT, SA_FITS_ONLY_JUST, SA_FITS } sa_capacity_fit;
sa_capacity_fit sa_fit_of(size_t total_bytes, size_t capacity_bytes);

/* What a net that only tests takes beside the net that it tests: everything but the parameters, which it shares by the names of
 * layers; parameters of layers that `trained` lacks are its own. memory: of the TEST net, loaded as forward_only. */
void sa_caffe_test_net_bytes(const sa_caffe_memory *memory, const sa_net *trained, size_t *gpu_bytes, size_t *cpu_bytes);

/* One plain sentence: does Caffe's total (GPU mode) fit into the capacity, and why (not). *fits: the total alone, without the
 * context. */
void sa_caffe_memory_verdict(const sa_caffe_memory *memory, size_t capacity_bytes, bool *fits, char *text, size_t text_bytes);

#endif
