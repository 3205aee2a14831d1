/* Names of the op kinds, and the call of a device's kernel. */
#include "kernels/ops.h"

const char *sa_op_kind_name(sa_op_kind kind)
{
    switch (kind) {
#define OP_NAME(name, field) \
    case SA_OP_##name: return #field;
        SA_OPS(OP_NAME)
#undef OP_NAME
    case SA_OP_KINDS: break;
    }
    return "unknown";
}

size_t sa_op_args_bytes(sa_op_kind kind)
{
    switch (kind) {
#define OP_BYTES(name, field) \
    case SA_OP_##name: return sizeof(sa_##field##_args);
        SA_OPS(OP_BYTES)
#undef OP_BYTES
    case SA_OP_KINDS: break;
    }
    return sizeof(sa_op_args);
}

sa_status sa_op_run(sa_device *device, sa_op_kind kind, const sa_op_args *args)
{
    switch (kind) {
#define OP_RUN(name, field) \
    case SA_OP_##name: return device->kernels->field(device, &args->field);
        SA_OPS(OP_RUN)
#undef OP_RUN
    case SA_OP_KINDS: break;
    }
    SA_FAIL(SA_INVALID, "op kind %d does not exist", (int)kind);
}
