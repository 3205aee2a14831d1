/* A rough guess of what an op costs, for devices and ops that were never measured. Private to net/. */
#ifndef SA_COST_COST_BUILTIN_H
#define SA_COST_COST_BUILTIN_H

#include "core/device.h"
#include "kernels/ops.h"

/* Milliseconds of work: the sum over the device's threads. Counts operations and bytes; the rates are those of one machine. */
double sa_cost_builtin_work_ms(const sa_device *device, sa_op_kind kind, const sa_op_args *args);

#endif
