/* See cost_fixture.h. */
#include "tests/support/cost_fixture.h"
#include "net/net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

void must(sa_status status)
{
    if (status != SA_OK) fail_msg("%s: %s", sa_status_name(status), sa_error_message());
}

fixture open_fixture(const char *path, int threads)
{
    fixture f = {0};
    must(sa_device_open_cpu(threads, &f.device));
    must(sa_cost_model_create(f.device, &f.model));
    if (path) must(sa_net_load(path, NULL, &f.net));
    return f;
}

void close_fixture(fixture *f)
{
    sa_net_free(f->net);
    sa_cost_model_destroy(f->model);
    sa_device_close(f->device);
}

sa_layout make_layout(const fixture *f, const char *name)
{
    sa_strategy strategy;
    sa_layout layout;
    must(sa_strategy_parse(name, &strategy));
    must(sa_layout_create(f->net, &strategy, f->device, &PROGRAM, &layout));
    return layout;
}
