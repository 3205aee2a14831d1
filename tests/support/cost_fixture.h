/* A device, a net and a cost model for tests of costs and budgets. What fails here fails the running test. */
#ifndef TESTS_SUPPORT_COST_FIXTURE_H
#define TESTS_SUPPORT_COST_FIXTURE_H

#include "cost/budget.h"
#include "net/session.h"

static const sa_program_options PROGRAM = {.training = true, .rule.momentum = 0.9f, .weight_decay = 5e-4f};

typedef struct fixture {
    sa_device *device;
    sa_cost_model *model;
    sa_net *net; /* NULL: none */
} fixture;

void must(sa_status status);
fixture open_fixture(const char *path, int threads);
void close_fixture(fixture *f);
/* Owned by the caller: sa_layout_free. */
sa_layout make_layout(const fixture *f, const char *strategy);

#endif
