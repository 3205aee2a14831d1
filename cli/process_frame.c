/* Start and end of a program. */
#include "cli/process_frame.h"

#include "core/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* argp ends the process itself after --help, so this hangs on exit and not on the commands' return. */
static void close_standard_output(void)
{
    bool failed = ferror(stdout) != 0;
    errno = 0;
    if (fclose(stdout) != 0) failed = true;
    if (!failed) return;
    if (errno != EPIPE)
        fprintf(stderr, "%s: standard output: cannot write%s%s\n", program_invocation_short_name, errno ? ": " : "",
                errno ? strerror(errno) : "");
    fflush(stderr);
    _exit(1);
}

/* A standard stream that the caller has closed would become the next file that is opened, and messages would go into it. */
static void open_standard_streams(void)
{
    for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; descriptor++) {
        /* the wrong direction: using it fails, as it would have failed closed */
        int flags = descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY;
        if (fcntl(descriptor, F_GETFD) < 0 && open("/dev/null", flags) < 0) _exit(1);
    }
}

void sa_process_keep_heap(void)
{
    enum { KEPT_BYTES = 1 << 30 };
    (void)mallopt(M_MMAP_THRESHOLD, KEPT_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
}

void sa_process_end_by_signal(int signal_number)
{
    sigset_t set;
    sa_output_file_remove_temporaries();
    signal(signal_number, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, signal_number);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(signal_number);
    _exit(128 + signal_number);
}

void sa_process_begin(void)
{
    static const int ENDING[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    open_standard_streams();
    for (size_t i = 0; i < sizeof ENDING / sizeof ENDING[0]; i++) {
        struct sigaction action = {.sa_handler = sa_process_end_by_signal}, old;
        sigemptyset(&action.sa_mask);
        if (sigaction(ENDING[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN) sigaction(ENDING[i], &action, NULL);
    }
    signal(SIGXFSZ, SIG_IGN);
    atexit(close_standard_output);
}
