/* What `segarena train` prints when it is done. */
#ifndef SA_CLI_TRAIN_REPORT_H
#define SA_CLI_TRAIN_REPORT_H

#include "cli/train_run.h"

void sa_train_print_summary(FILE *out, const sa_train_result *result);
void sa_train_print_json(FILE *out, const sa_train_options *options, const sa_train_result *result);

#endif
