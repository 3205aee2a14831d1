/* What every program of segarena does around its work: standard streams that are really there, a failed write to standard output
 * that is no success, temporary files that no signal leaves behind. */
#ifndef SA_CLI_PROCESS_FRAME_H
#define SA_CLI_PROCESS_FRAME_H

/* First call of main. When the program ends by return or exit and something could not be written to standard output, it says so and
 * the exit status is 1; nothing is said where the reader of a pipe is gone. A file that outgrows `ulimit -f` is a failed write, as
 * on a full disk, and no signal. SIGINT, SIGTERM, SIGHUP and SIGPIPE remove temporary files and then end the process as ever,
 * except where they were ignored. */
void sa_process_begin(void);

/* For commands that plan many programs and measure no memory: freed memory is kept for the next program, which else costs half of
 * the time in page faults. */
void sa_process_keep_heap(void);

/* What these signals do; async-signal-safe, for handlers that take some of them over. Does not return. */
void sa_process_end_by_signal(int signal_number);

#endif
