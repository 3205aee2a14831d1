/* What a solver file says about tests during training: segarena does not run them, Caffe holds a second net for them. */
#ifndef SA_CLI_SOLVER_TESTS_H
#define SA_CLI_SOLVER_TESTS_H

#include <stdbool.h>

/* Does the solver ask for tests (test_iter, test_interval, test_net)? False also for a file that cannot be read. */
bool sa_solver_file_tests(const char *path);

#endif
