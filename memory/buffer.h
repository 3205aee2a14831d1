/* Buffers and lifetimes: what a planner sees of a program. */
#ifndef SA_MEMORY_BUFFER_H
#define SA_MEMORY_BUFFER_H

#include "core/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(NAME, "text") */
#define SA_BUFFER_KINDS_LIST(X)           \
    X(PARAM, "param")                     \
    X(GRAD, "grad")                       \
    X(HISTORY, "history")                 \
    X(INPUT, "input")                     \
    X(ACTIVATION, "activation")           \
    X(ACTIVATION_GRAD, "activation_grad") \
    X(SAVED, "saved")                     \
    X(MASK, "mask")                       \
    X(WORKSPACE, "workspace")             \
    X(SCALAR, "scalar")

typedef enum sa_buffer_kind {
#define SA_BUFFER_KIND_ENUM(name, text) SA_BUFFER_##name,
    SA_BUFFER_KINDS_LIST(SA_BUFFER_KIND_ENUM)
#undef SA_BUFFER_KIND_ENUM
        SA_BUFFER_KINDS
} sa_buffer_kind;

const char *sa_buffer_kind_name(sa_buffer_kind kind);

enum { SA_BUFFER_NAME_MAX = 96, SA_BUFFER_ALIGNMENT = 64 };

/* One contiguous piece of the arena. Alive in ops [begin, end): two buffers may share bytes only if these are disjoint. */
typedef struct sa_buffer {
    char name[SA_BUFFER_NAME_MAX]; /* "conv1", "conv1.grad", "conv1_bn.mean" */
    sa_buffer_kind kind;
    size_t size_bytes;      /* > 0 */
    size_t alignment_bytes; /* power of two; 64 unless told */
    int64_t begin, end;     /* half-open; begin < end */
    const char *category;   /* Caffe's row in the memory table, static string; NULL if Caffe has no such buffer */
} sa_buffer;

#ifdef __cplusplus
}
#endif
#endif
