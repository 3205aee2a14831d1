/* Accuracy on CUDA: exact integer counts, added up in shared memory and then in the workspace; integers have one sum in any order.
 */
#include "kernels/cuda/pixels.cuh"

typedef unsigned long long sa_count;

/* Counts: correct, kept, then (correct, kept) of each class. */
static_assert(sizeof(sa_count) == SA_CUDA_COUNT_BYTES, "workspaces are planned with this size");

/* How many classes rank before each lane's label. */
template <class E>
static __device__ __forceinline__ void rank_labels(const sa_program<E> &scores, const sa_lanes &pixels, int classes, bool ties_lose,
                                                   const int (&label)[SA_EVAL_LANES], float *slots, int (&ahead)[SA_EVAL_LANES])
{
    float own[SA_EVAL_LANES] = {}, value[SA_EVAL_LANES];
#pragma unroll
    for (int e = 0; e < SA_EVAL_LANES; e++) ahead[e] = 0;
#pragma unroll 1
    for (int pass = 0; pass < 2; pass++) { /* the labels' scores; who is before them */
#pragma unroll 1
        for (int c = 0; c < classes; c++) {
            sa_channel<E>(scores, pixels, c, slots, value);
#pragma unroll
            for (int e = 0; e < SA_EVAL_LANES; e++) {
                const bool before = value[e] > own[e] || (value[e] == own[e] && (ties_lose ? c != label[e] : c > label[e]));
                if (pass == 0 && label[e] == c) own[e] = value[e];
                ahead[e] += pass == 1 && before;
            }
        }
    }
}

struct sa_accuracy_config {
    int classes, top_k, ignore_label;
    bool has_ignore, ties_lose;
};

/* counts: (sa_cuda_count_of(classes)), 0 before. The block's own counts lie in shared memory before the slots. */
template <class S, class L>
SA_KERNEL(sa_accuracy_kernel, sa_eval_block, const __grid_constant__ sa_program<S> scores,
          const __grid_constant__ sa_program<L> labels, const __grid_constant__ sa_pieces pieces, sa_accuracy_config config,
          sa_count *__restrict__ counts)
{
    SA_DYN_SHARED(unsigned, own);
    float *slots = (float *)(own + sa_cuda_count_of(config.classes));
    for (int i = (int)threadIdx.x; i < sa_cuda_count_of(config.classes); i += SA_EVAL_THREADS) own[i] = 0;
    __syncthreads();
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < pieces.count; i += gridDim.x * blockDim.x) {
        sa_piece piece = sa_piece_at(pieces, i);
        sa_lanes pixels = sa_row_lanes(piece.n, 0, piece.y, piece.x, 1, pieces.width);
        float value[SA_EVAL_LANES];
        int label[SA_EVAL_LANES], ahead[SA_EVAL_LANES];
        sa_channel<L>(labels, pixels, 0, slots, value);
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++) label[e] = (int)value[e];
        rank_labels<S>(scores, pixels, config.classes, config.ties_lose, label, slots, ahead);
#pragma unroll
        for (int e = 0; e < SA_EVAL_LANES; e++) {
            if (!(pixels.valid >> e & 1) || (config.has_ignore && label[e] == config.ignore_label)) continue;
            bool inside = label[e] >= 0 && label[e] < config.classes, correct = inside && ahead[e] < config.top_k;
            atomicAdd(&own[1], 1u);
            if (correct) atomicAdd(&own[0], 1u);
            if (inside) atomicAdd(&own[3 + 2 * label[e]], 1u);
            if (correct) atomicAdd(&own[2 + 2 * label[e]], 1u);
        }
    }
    __syncthreads();
    for (int i = (int)threadIdx.x; i < sa_cuda_count_of(config.classes); i += SA_EVAL_THREADS)
        if (own[i]) atomicAdd(&counts[i], (sa_count)own[i]);
}

/* per_class: (classes), may be NULL. */
SA_KERNEL(sa_accuracy_finish_kernel, sa_eval_block, const sa_count *__restrict__ counts, int classes, float empty_class,
          float *__restrict__ accuracy, float *__restrict__ per_class)
{
    if (threadIdx.x == 0) *accuracy = counts[1] ? (float)((double)counts[0] / (double)counts[1]) : 0.0f;
    for (int c = (int)threadIdx.x; per_class && c < classes; c += SA_EVAL_THREADS) {
        sa_count correct = counts[2 + 2 * c], kept = counts[3 + 2 * c];
        per_class[c] = kept ? (float)((double)correct / (double)kept) : empty_class;
    }
}
SA_EVAL_REGISTER_PAIR(sa_accuracy_kernel, SA_DENSE_PAIR_FORMS)
SIMT_KERNEL(sa_accuracy_finish_kernel)

sa_status sa_cuda_accuracy(sa_device *device, const sa_accuracy_args *args)
{
    sa_cuda_device *cuda = sa_cuda(device);
    sa_eval_program scores, labels;
    sa_pieces pieces;
    const sa_node *root = sa_source_root(&args->scores);
    const sa_accuracy_config config = {root->channels, args->top_k, args->ignore_label, args->has_ignore, args->ties_lose};
    sa_count *counts = (sa_count *)args->workspace.ptr;
    const size_t bytes = (size_t)sa_cuda_count_of(config.classes) * sizeof *counts;
    int32_t first;
    const int32_t images = sa_source_images(&args->label, &first);
    if (args->workspace_bytes < bytes)
        SA_FAIL(SA_CAPACITY, "accuracy: a workspace of %zu bytes, %zu wanted", args->workspace_bytes, bytes);
    SA_TRY(sa_compile_one(&args->scores, &scores));
    SA_TRY(sa_compile_one(&args->label, &labels));
    SA_TRY(sa_count_pixel_pieces(first, first + images, root->height, root->width, &pieces));
    const size_t count_bytes = (size_t)sa_cuda_count_of(config.classes) * sizeof(unsigned);
    if (sa_eval_slot_bytes({&scores, &labels}) + count_bytes > SA_DYN_SHARED_MAX)
        SA_FAIL(SA_UNSUPPORTED, "accuracy: %d classes are too many for the cuda device", config.classes);
    SA_CUDA_TRY(cudaMemsetAsync(counts, 0, bytes, cuda->stream));
    if (pieces.count > 0)
        SA_EVAL_LAUNCH_PAIR(sa_accuracy_kernel, SA_DENSE_PAIR_FORMS, scores, labels, sa_blocks_for(pieces.count, SA_EVAL_THREADS),
                            count_bytes, cuda->stream, scores, labels, pieces, config, counts);
    SA_CUDA_TRY(sa_launch(sa_accuracy_finish_kernel, 1, 0, cuda->stream, counts, config.classes, args->empty_class,
                          (float *)args->accuracy.ptr, (float *)args->per_class.ptr));
    return SA_OK;
}
