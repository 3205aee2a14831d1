/* The environment of the libraries' first moments; see start.h. */
#include "cli/start.h"

#include "kernels/cpu/blas.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Set for the restarted program: says that it is one, and which kernels OpenBLAS had taken itself ("-" where they stay). The CPU
 * device's description reads it too. */
static const char RESTARTED[] = "SA_BLAS_INSTEAD_OF";

static void start_again(char **argv)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0) return;
    self[length] = '\0';
    execv(self, argv); /* comes back only if it failed; then this process does as well */
}

/* Looks at a flag before a waiting thread sleeps: some ten microseconds, about what waking it takes. */
static const char SPINS[] = "5000";

static bool waits_as_told(void)
{
    static const char *const NAMES[] = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (getenv(NAMES[i])) return true;
    return false;
}

void sa_cli_start(char **argv)
{
    const char *instead_of = getenv(RESTARTED);
    if (instead_of) {
        if (!strcmp(instead_of, "-") || sa_blas_is_right()) return;
        unsetenv("OPENBLAS_CORETYPE");
        if (setenv(RESTARTED, "-", 1) == 0) start_again(argv);
        return;
    }
    const char *own = sa_blas_kernels(), *better = getenv("OPENBLAS_CORETYPE") ? NULL : sa_blas_better_kernels(own);
    const bool told = waits_as_told();
    if (!better && told) return;
    if (!told && (setenv("OMP_WAIT_POLICY", "passive", 1) != 0 || setenv("GOMP_SPINCOUNT", SPINS, 1) != 0)) return;
    if (better && setenv("OPENBLAS_CORETYPE", better, 1) != 0) return;
    if (setenv(RESTARTED, better ? own : "-", 1) == 0) start_again(argv);
    unsetenv(RESTARTED);
}
