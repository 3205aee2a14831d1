/* Ranks of a plan: see plan_ranks.h. */
#include "cli/plan_ranks.h"

#include "cli/text_output.h"
#include "core/size_text.h"
#include "core/time_text.h"
#include "net/net.h"

/* Parameters that this rank updates, and all that something trains. */
static size_t owned(const sa_program *p, size_t *all)
{
    size_t own = 0;
    *all = 0;
    for (int l = 0; l < p->net->layer_count; l++)
        for (int i = 0; i < p->net->layer[l].param_count; i++) {
            const sa_param_buffers *b = &p->param[l][i];
            own += b->histories > 0 ? b->slice_count : 0;
            *all += b->histories > 0 ? b->slicing.count : 0;
        }
    return own;
}

void sa_plan_ranks_print(FILE *out, const sa_plan_report *report, const sa_op_times *times, const char *link_text,
                         const sa_link *link)
{
    const sa_program *p = report->layout->program;
    const sa_traffic t = sa_traffic_of(p);
    char own_text[SA_SIZE_TEXT_BYTES], all_text[SA_SIZE_TEXT_BYTES], sent[SA_SIZE_TEXT_BYTES], received[SA_SIZE_TEXT_BYTES];
    size_t all;
    const size_t own = owned(p, &all);
    sa_text_say(
        out, 10,
        "\nranks     %d, with %d shards a step. This is rank %d: %d %s a step; it updates %s of %s parameters, and has their "
        "histories",
        (int)p->ranks, (int)p->shards, (int)p->rank, (int)p->passes, p->passes == 1 ? "pass" : "passes",
        sa_size_format_exact(own, own_text), sa_size_format_exact(all, all_text));
    sa_text_say(out, 10, "exchange  %s bytes sent and %s received a step, in %llu messages",
                sa_size_format_exact(t.sent_bytes, sent), sa_size_format_exact(t.received_bytes, received),
                (unsigned long long)t.messages);
    if (!link) return;
    const sa_rank_step step = sa_rank_step_of(p, times->ms, link);
    char busy[SA_TIME_TEXT_BYTES], exposed[SA_TIME_TEXT_BYTES], ops[SA_TIME_TEXT_BYTES], whole[SA_TIME_TEXT_BYTES];
    const double whole_ms = step.compute_ms + step.exposed_ms;
    sa_text_say(out, 10,
                "link      %s: busy for %s ms, of which ops wait for %s ms beside %s ms of their own (%s): %s ms a step, "
                "of which %.1f %% are computing",
                link_text, sa_ms_format(step.link_ms, busy), sa_ms_format(step.exposed_ms, exposed),
                sa_ms_format(step.compute_ms, ops), times->from, sa_ms_format(whole_ms, whole), 100 * step.compute_ms / whole_ms);
}

void sa_plan_ranks_json(cJSON *document, const sa_plan_report *report, const sa_op_times *times, const sa_link *link)
{
    const sa_program *p = report->layout->program;
    const sa_traffic t = sa_traffic_of(p);
    size_t all;
    cJSON *ranks = cJSON_AddObjectToObject(document, "ranks");
    cJSON_AddNumberToObject(ranks, "ranks", p->ranks);
    cJSON_AddNumberToObject(ranks, "rank", p->rank);
    cJSON_AddNumberToObject(ranks, "shards", p->shards);
    cJSON_AddNumberToObject(ranks, "passes", p->passes);
    cJSON_AddNumberToObject(ranks, "parameters", (double)owned(p, &all));
    cJSON_AddNumberToObject(ranks, "sent_bytes", (double)t.sent_bytes);
    cJSON_AddNumberToObject(ranks, "received_bytes", (double)t.received_bytes);
    cJSON_AddNumberToObject(ranks, "messages", (double)t.messages);
    if (!link || !times) return;
    const sa_rank_step step = sa_rank_step_of(p, times->ms, link);
    cJSON_AddNumberToObject(ranks, "compute_ms", step.compute_ms);
    cJSON_AddNumberToObject(ranks, "link_ms", step.link_ms);
    cJSON_AddNumberToObject(ranks, "exposed_ms", step.exposed_ms);
}
