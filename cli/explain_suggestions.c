/* What `segarena explain` suggests: the presets, and below them what a budget search finds. */
#include "cli/explain_report.h"
#include "cli/preset_plan.h"
#include "core/size_text.h"
#include "cost/budget.h"

#include <stdio.h>
#include <string.h>

static void add_presets(sa_explanation *e, const sa_device *device)
{
    for (int i = 1; sa_preset_at(i) && e->suggestion_count < SA_SUGGESTIONS_MAX - 1; i++) {
        sa_suggestion *s = &e->suggestion[e->suggestion_count++];
        sa_strategy strategy;
        snprintf(s->strategy, sizeof s->strategy, "%s", sa_preset_at(i)->name);
        s->help = sa_preset_at(i)->help;
        if (sa_strategy_parse(s->strategy, &strategy) == SA_OK) s->lossless = sa_strategy_is_lossless(&strategy);
        if (sa_preset_plan_bytes(e->net, s->strategy, SA_CONV_OPTION_AUTO, device, &s->total_bytes) == SA_OK)
            s->fit = sa_fit_of(s->total_bytes, e->capacity_bytes);
        else snprintf(s->why_not, sizeof s->why_not, "%s", sa_error_message());
    }
}

/* What a budget search finds for the capacity, or the least that it finds. Its failure leaves the presets as they are. */
static const sa_suggestion *search(sa_explanation *e, const sa_device *device)
{
    sa_frontier f = {0};
    size_t index;
    const size_t budget = sa_budget_rounded(e->capacity_bytes);
    sa_suggestion *s = NULL;
    if (sa_builtin_frontier(e->net, SA_CONV_OPTION_AUTO, device, budget, &f) == SA_OK && f.count > 0) {
        const bool found = sa_budget_solve(&f, budget, &index) == SA_OK;
        const sa_frontier_point *p = &f.point[found ? index : f.count - 1];
        s = &e->suggestion[e->suggestion_count++];
        *s = (sa_suggestion){.help = found ? "the fastest lossless one that was found to fit"
                                           : "the smallest lossless one that was found",
                             .lossless = true,
                             .total_bytes = p->bytes,
                             .fit = sa_fit_of(p->bytes, e->capacity_bytes)};
        if (found) sa_budget_text(budget, s->strategy);
        else snprintf(s->strategy, sizeof s->strategy, "--budget min");
        if (sa_strategy_copy(&p->strategy, &e->found) == SA_OK && e->found.choices) e->found.choices->arena_bytes = 0;
    }
    sa_error_clear();
    sa_frontier_free(&f);
    return s;
}

/* fastest if it fits; else what the search finds. */
static void advise(sa_explanation *e, const sa_device *device)
{
    static const char context[] = "; the 0.3-0.5 GB of CUDA context may not find room besides";
    char bytes[SA_SIZE_TEXT_BYTES];
    for (int i = 0; i < e->suggestion_count; i++) {
        const sa_suggestion *s = &e->suggestion[i];
        if (strcmp(s->strategy, "fastest") != 0 || s->why_not[0] || s->fit == SA_FITS_NOT) continue;
        snprintf(e->advice, sizeof e->advice, "--strategy fastest takes %s bytes and loses nothing%s",
                 sa_size_format_exact(s->total_bytes, bytes), s->fit == SA_FITS_ONLY_JUST ? context : "");
        return;
    }
    const sa_suggestion *s = search(e, device);
    if (!s) return;
    if (s->fit == SA_FITS_NOT)
        snprintf(e->advice, sizeof e->advice,
                 "no lossless strategy was found to fit; the smallest found takes %s bytes: --budget min",
                 sa_size_format_exact(s->total_bytes, bytes));
    else
        snprintf(e->advice, sizeof e->advice, "%s takes %s bytes and loses nothing%s", s->strategy,
                 sa_size_format_exact(s->total_bytes, bytes), s->fit == SA_FITS_ONLY_JUST ? context : "");
}

sa_status sa_explain(const sa_net *net, const size_t *capacity_bytes, const sa_solver_config *solver, const sa_device *device,
                     sa_explanation *explanation)
{
    sa_explanation e = {.net = net, .has_capacity = capacity_bytes != NULL, .trains = sa_net_trains(net)};
    sa_caffe_options options = {0};
    if (solver) {
        options = (sa_caffe_options){.solver = solver->type, .l1_decay = solver->l1_decay};
        e.solver = sa_solver_type_names[solver->type].name;
        e.l1_decay = solver->l1_decay;
        e.solver_tests = solver->test_net_count > 0;
    }
    SA_TRY(sa_caffe_memory_create(net, &options, &e.caffe));
    if (capacity_bytes) {
        e.capacity_bytes = *capacity_bytes;
        sa_caffe_memory_verdict(&e.caffe, e.capacity_bytes, &e.fits, e.verdict, sizeof e.verdict);
    }
    if (sa_net_is_computed(net)) add_presets(&e, device);
    if (sa_net_is_computed(net) && capacity_bytes) advise(&e, device);
    *explanation = e;
    return SA_OK;
}

void sa_explanation_add_test_nets(sa_explanation *e, const sa_test_nets_bytes *test_nets)
{
    char more[SA_DECIMAL_TEXT_BYTES], all[SA_DECIMAL_TEXT_BYTES];
    e->test_nets = *test_nets;
    if (!e->has_capacity || !e->solver_tests || test_nets->count == 0) return;
    size_t length = strlen(e->verdict), total = e->caffe.gpu_total_bytes + test_nets->gpu_bytes;
    snprintf(e->verdict + length, sizeof e->verdict - length, "; with the TEST net's %s it is %s, which %s",
             sa_decimal_size(test_nets->gpu_bytes, more), sa_decimal_size(total, all),
             sa_fit_of(total, e->capacity_bytes) == SA_FITS_NOT ? "does not fit" : "fits");
    e->fits = e->fits && total <= e->capacity_bytes;
}

/* The smallest lossless strategy that is known: of a preset, or what was found. */
static sa_status least_strategy(const sa_explanation *e, sa_strategy *strategy)
{
    const sa_suggestion *least = NULL;
    for (int i = 0; i < e->suggestion_count; i++) {
        const sa_suggestion *s = &e->suggestion[i];
        if (s->lossless && !s->why_not[0] && (!least || s->total_bytes < least->total_bytes)) least = s;
    }
    if (!least) SA_FAIL(SA_CAPACITY, "no strategy can be planned");
    if (strncmp(least->strategy, "--", 2) != 0) return sa_strategy_parse(least->strategy, strategy);
    return sa_strategy_copy(&e->found, strategy);
}

void sa_explanation_add_fit(sa_explanation *e, sa_fit_subject *subject)
{
    sa_strategy least;
    if (!e->has_capacity) return;
    sa_fit_row_fill(subject, NULL, e->capacity_bytes, NULL, &e->fit[e->fit_count++]);
    if (least_strategy(e, &least) == SA_OK) {
        sa_fit_row_fill(subject, &least, e->capacity_bytes, NULL, &e->fit[e->fit_count++]);
        sa_strategy_free(&least);
    }
    sa_error_clear();
    sa_fit_forget_nets(subject);
}
