/* The map of addresses over time as a picture (SVG) for documents: one panel per plan, a row of panels per strategy. */
#ifndef SA_REPORT_MAP_SVG_H
#define SA_REPORT_MAP_SVG_H

#include "report/plan_report.h"

typedef struct sa_map_svg_options {
    size_t columns;        /* panels beside one another; the panels come row by row, and those of a row have one scale */
    size_t capacity_bytes; /* a line at so many bytes, in rows that reach so high; 0: none */
} sa_map_svg_options;

/* Draws count > 0 reports, in light and dark as the reader has it, with the colours of the page, without any other file. Times of
 * the axis are ops. The same reports give the same bytes. *text is malloc'd. SA_NOMEM. */
SA_CHECKED sa_status sa_map_svg(const sa_plan_report *const *reports, size_t count, const sa_map_svg_options *options, char **text);

#endif
