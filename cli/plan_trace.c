/* The trace of `segarena plan`. */
#include "cli/plan_trace.h"

#include "cli/commands.h"
#include "core/output_file.h"
#include "report/trace.h"

#include <stdlib.h>
#include <string.h>

sa_status sa_plan_write_trace(const char *path, const sa_plan_report *report, const sa_op_times *times)
{
    char *text = NULL;
    SA_TRY(sa_plan_trace_json(report, times->ms, times->from, &text));
    sa_status status = sa_output_file_put(path, text, strlen(text));
    free(text);
    SA_TRY(status);
    sa_cli_wrote("plan", path, "a trace, to be opened in Perfetto (ui.perfetto.dev) or chrome://tracing");
    return SA_OK;
}
