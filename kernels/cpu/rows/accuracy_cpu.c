/* Accuracy on the CPU: exact integer counts, one set a thread, added at the end. */
#include "kernels/cpu/crew.h"
#include "kernels/cpu/kernels_cpu.h"
#include "kernels/cpu/rows/source_cpu.h"

#include "core/checked.h"

#include <omp.h>
#include <string.h>

/* One thread's counts: [0] correct, [1] kept, then (correct, kept) of each class. */
static size_t counts_of_thread(int classes)
{
    return 2 + 2 * (size_t)classes;
}

size_t sa_cpu_accuracy_workspace_bytes(const sa_device *device, int32_t images, int32_t classes, int32_t height, int32_t width)
{
    (void)images, (void)height, (void)width;
    return (size_t)device->threads * counts_of_thread(classes) * sizeof(uint64_t);
}

/* ahead[i] = how many classes rank before the label of pixel i. The label's own score is 0 for labels outside the classes. */
static void rank_labels(const sa_accuracy_args *args, int n, int y, int x, int count, const int32_t *label, float *scratch,
                        int32_t *ahead)
{
    _Alignas(64) float own[SA_CPU_SEGMENT];
    const sa_source *scores = &args->scores;
    const int classes = sa_source_root(scores)->channels;
    for (int i = 0; i < count; i++) own[i] = 0.0f;
    for (int c = 0; c < classes; c++) {
        const float *score = sa_cpu_pull(scores, scores->count - 1, n, c, y, x, count, scratch);
        for (int i = 0; i < count; i++) own[i] = label[i] == c ? score[i] : own[i];
    }
    memset(ahead, 0, (size_t)count * sizeof *ahead);
    for (int c = 0; c < classes; c++) {
        const float *score = sa_cpu_pull(scores, scores->count - 1, n, c, y, x, count, scratch);
        const int ties_lose = args->ties_lose;
        for (int i = 0; i < count; i++)
            ahead[i] += (score[i] > own[i]) | ((score[i] == own[i]) & ((c > label[i]) | (ties_lose & (c != label[i]))));
    }
}

static void count_segment(const sa_accuracy_args *args, int n, int y, int x, int count, float *scratch, uint64_t *counts)
{
    _Alignas(64) int32_t label[SA_CPU_SEGMENT], correct[SA_CPU_SEGMENT];
    const int classes = sa_source_root(&args->scores)->channels;
    const float *value = sa_cpu_pull(&args->label, args->label.count - 1, n, 0, y, x, count, scratch);
    for (int i = 0; i < count; i++) label[i] = (int32_t)value[i];
    rank_labels(args, n, y, x, count, label, scratch, correct);
    int all_correct = 0, all_kept = 0;
    for (int i = 0; i < count; i++) {
        int kept = !(args->has_ignore && label[i] == args->ignore_label);
        int inside = (label[i] >= 0) & (label[i] < classes);
        correct[i] = kept & inside & (correct[i] < args->top_k);
        all_correct += correct[i];
        all_kept += kept;
    }
    counts[0] += (uint64_t)all_correct;
    counts[1] += (uint64_t)all_kept;
    for (int c = 0; c < classes && args->per_class.ptr; c++) {
        if (args->has_ignore && c == args->ignore_label) continue;
        int class_correct = 0, class_kept = 0;
        for (int i = 0; i < count; i++) {
            class_correct += correct[i] & (label[i] == c);
            class_kept += label[i] == c;
        }
        counts[2 + 2 * c] += (uint64_t)class_correct;
        counts[3 + 2 * c] += (uint64_t)class_kept;
    }
}

static void store_results(const sa_accuracy_args *args, const uint64_t *counts)
{
    *(float *)args->accuracy.ptr = counts[1] ? (float)((double)counts[0] / (double)counts[1]) : 0.0f;
    float *per_class = args->per_class.ptr; /* (C) */
    for (int c = 0; per_class && c < sa_source_root(&args->scores)->channels; c++) {
        uint64_t correct = counts[2 + 2 * c], kept = counts[3 + 2 * c];
        per_class[c] = kept ? (float)((double)correct / (double)kept) : args->empty_class;
    }
}

sa_status sa_cpu_accuracy(sa_device *device, const sa_accuracy_args *args)
{
    const sa_node *scores = sa_source_root(&args->scores);
    const int height = scores->height, width = scores->width;
    const size_t counts = counts_of_thread(scores->channels);
    int32_t first;
    const int64_t rows = (int64_t)sa_source_images(&args->label, &first) * height;
    uint64_t *workspace = args->workspace.ptr; /* (threads, counts) */
    const size_t wanted = (size_t)device->threads * counts * sizeof *workspace;
    if (args->workspace_bytes < wanted)
        SA_FAIL(SA_CAPACITY, "accuracy: a workspace of %zu bytes, %zu wanted", args->workspace_bytes, wanted);
    memset(workspace, 0, wanted);
#pragma omp parallel num_threads(sa_cpu_crew(device, 2.0 * (double)rows * width * scores->channels))
    {
        _Alignas(64) float scratch[SA_CPU_SCRATCH_FLOATS];
        uint64_t *own = workspace + (size_t)omp_get_thread_num() * counts;
#pragma omp for schedule(static)
        for (int64_t row = 0; row < rows; row++) {
            int n = first + (int)(row / height), y = (int)(row % height);
            for (int x = 0; x < width; x += SA_CPU_SEGMENT)
                count_segment(args, n, y, x, sa_min_int(SA_CPU_SEGMENT, width - x), scratch, own);
        }
    }
    for (int t = 1; t < device->threads; t++)
        for (size_t i = 0; i < counts; i++) workspace[i] += workspace[(size_t)t * counts + i];
    store_results(args, workspace);
    return SA_OK;
}
