/* The progress line: see progress.h. */
#include "cli/progress.h"

#include "core/clock.h"
#include "core/size_text.h"

#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { LIVE_INTERVAL_NS = 100000000, TICK_NS = 250000000, FALLBACK_COLUMNS = 80, LINE_BYTES = 512 };
static const uint64_t log_interval_ns = 5000000000u, first_tick_ns = 500000000u, late_tick_ns = 30000000000u;

static int terminal_columns(int descriptor)
{
    struct winsize size;
    if (ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return FALLBACK_COLUMNS;
    return size.ws_col;
}

void sa_progress_begin_clock(sa_progress *progress, FILE *stream, const char *label, size_t first, size_t total, size_t arena_bytes,
                             sa_progress_clock clock)
{
    memset(progress, 0, sizeof *progress);
    progress->stream = stream;
    progress->label = label;
    progress->first = progress->done = first;
    progress->opening = true;
    progress->total = total;
    progress->arena_bytes = arena_bytes;
    progress->clock = clock;
    progress->begin_ns = progress->done_ns = clock();
    /* A stream without a descriptor (open_memstream) has fileno -1, which is no terminal either. */
    progress->live = isatty(fileno(stream)) == 1;
    progress->interval_ns = progress->live ? LIVE_INTERVAL_NS : log_interval_ns;
    progress->columns = progress->live ? terminal_columns(fileno(stream)) : LINE_BYTES;
}

void sa_progress_begin(sa_progress *progress, FILE *stream, const char *label, size_t first, size_t total, size_t arena_bytes)
{
    sa_progress_begin_clock(progress, stream, label, first, total, arena_bytes, sa_clock_ns);
}

/* "59 s", "3 min 07 s", "2 h 05 min": two units are enough to wait by. */
static void format_duration(double seconds, char *text, size_t size)
{
    unsigned long long whole = (unsigned long long)(seconds + 0.5);
    if (whole < 60) snprintf(text, size, "%llu s", whole);
    else if (whole < 3600) snprintf(text, size, "%llu min %02llu s", whole / 60, whole % 60);
    else snprintf(text, size, "%llu h %02llu min", whole / 3600, whole % 3600 / 60);
}

/* Appends to a line of LINE_BYTES; what does not fit is cut. */
static void append(char *line, const char *separator, const char *text)
{
    size_t used = strlen(line);
    snprintf(line + used, LINE_BYTES - used, "%s%s", separator, text);
}

static void format_line(const sa_progress *progress, char *line)
{
    char part[64], duration[48];
    double seconds = (double)(progress->done_ns - progress->begin_ns) * 1e-9;
    size_t run = progress->done - progress->first;
    if (progress->total == 0) snprintf(line, LINE_BYTES, "%s", progress->label);
    else snprintf(line, LINE_BYTES, "%s %zu/%zu", progress->label, progress->done, progress->total);
    if (run > 0) {
        double step_seconds = seconds / (double)run;
        if (step_seconds < 0.1) snprintf(part, sizeof part, "%.3g ms/step", step_seconds * 1e3);
        else snprintf(part, sizeof part, "%.*f s/step", step_seconds < 1 ? 3 : 2, step_seconds);
        append(line, "  ", part);
        if (progress->done < progress->total) {
            format_duration(step_seconds * (double)(progress->total - progress->done), duration, sizeof duration);
            append(line, "  ETA ", duration);
        } else {
            format_duration(seconds, duration, sizeof duration);
            append(line, "  took ", duration);
        }
    }
    if (progress->arena_bytes > 0) {
        append(line, "  arena ", sa_size_format(progress->arena_bytes, part));
    }
    if (progress->extra[0] != '\0') append(line, "  ", progress->extra);
}

/* What a step that takes long is at. */
static void append_tick(const sa_progress *progress, uint64_t now_ns, char *line)
{
    char part[96], duration[48];
    format_duration((double)(now_ns - progress->done_ns) * 1e-9, duration, sizeof duration);
    if (progress->total == 0) {
        append(line, ", ", duration);
        return;
    }
    if (progress->op_count == 0) snprintf(part, sizeof part, "getting ready, %s", duration);
    else
        snprintf(part, sizeof part, "step %zu: op %zu of %zu, %s", progress->done + 1, progress->ops_done(progress->ops_context),
                 progress->op_count, duration);
    append(line, "  ", part);
}

static void show(sa_progress *progress, uint64_t now_ns, bool tick)
{
    char line[LINE_BYTES];
    format_line(progress, line);
    if (tick) append_tick(progress, now_ns, line);
    if (progress->live) {
        /* A line as wide as the terminal would wrap, and \r would no longer reach its start. */
        fprintf(progress->stream, "\r\033[K%.*s", progress->columns - 1, line);
    } else {
        fprintf(progress->stream, "%s\n", line);
    }
    fflush(progress->stream);
    progress->shown = true;
    progress->current = true;
    progress->shown_ns = now_ns;
}

static void hold(sa_progress *progress)
{
    if (progress->ticking) pthread_mutex_lock(&progress->lock);
}

static void release(sa_progress *progress)
{
    if (progress->ticking) pthread_mutex_unlock(&progress->lock);
}

void sa_progress_tick_once(sa_progress *progress)
{
    uint64_t now_ns = progress->clock(), quiet_ns = now_ns - progress->done_ns;
    bool first = progress->opening;
    uint64_t interval_ns = progress->live ? TICK_NS : first ? log_interval_ns : late_tick_ns;
    uint64_t since_ns = progress->shown && progress->shown_ns > progress->done_ns ? now_ns - progress->shown_ns : quiet_ns;
    bool due = progress->shown || progress->live || !first ? since_ns >= interval_ns : true; /* the first line of a log at once */
    if (quiet_ns >= first_tick_ns && due && (progress->done < progress->total || progress->total == 0))
        show(progress, now_ns, true);
}

static void *run_ticker(void *context)
{
    sa_progress *progress = context;
    pthread_mutex_lock(&progress->lock);
    while (!progress->quit) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += TICK_NS;
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
        pthread_cond_timedwait(&progress->wake, &progress->lock, &until);
        if (!progress->quit) sa_progress_tick_once(progress);
    }
    pthread_mutex_unlock(&progress->lock);
    return NULL;
}

void sa_progress_tick(sa_progress *progress, size_t (*ops_done)(void *context), void *context, size_t op_count)
{
    sigset_t all, before;
    progress->ops_done = ops_done;
    progress->ops_context = context;
    progress->op_count = op_count;
    pthread_mutex_init(&progress->lock, NULL);
    pthread_cond_init(&progress->wake, NULL);
    sigfillset(&all); /* signals are for the thread that trains */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    progress->ticking = pthread_create(&progress->thread, NULL, run_ticker, progress) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void sa_progress_wait(sa_progress *progress, FILE *stream, const char *label)
{
    sa_progress_begin(progress, stream, label, 0, 0, 0);
    sa_progress_tick(progress, NULL, NULL, 0);
}

void sa_progress_wait_end(sa_progress *progress)
{
    sa_progress_clear(progress);
    sa_progress_end(progress);
}

static void stop_ticker(sa_progress *progress)
{
    if (!progress->ticking) return;
    hold(progress);
    progress->quit = true;
    pthread_cond_signal(&progress->wake);
    release(progress);
    pthread_join(progress->thread, NULL);
    progress->ticking = false;
    pthread_cond_destroy(&progress->wake);
    pthread_mutex_destroy(&progress->lock);
}

void sa_progress_clear(sa_progress *progress)
{
    if (!progress->stream || !progress->live) return;
    hold(progress);
    if (progress->shown) fputs("\r\033[K", progress->stream);
    fflush(progress->stream);
    progress->shown = progress->current = false;
    release(progress);
}

void sa_progress_turn(sa_progress *progress, const char *label, size_t done, size_t total, size_t arena_bytes, void *ops_context,
                      size_t op_count)
{
    hold(progress);
    progress->label = label;
    progress->first = progress->done = done;
    progress->total = total;
    progress->arena_bytes = arena_bytes;
    progress->ops_context = ops_context;
    progress->op_count = op_count;
    progress->opening = done == 0;
    progress->extra[0] = '\0';
    progress->done_ns = progress->clock();
    if (progress->live ? progress->done_ns - progress->shown_ns >= progress->interval_ns : done == 0 && op_count == 0)
        show(progress, progress->done_ns, false);
    release(progress);
}

void sa_progress_update(sa_progress *progress, size_t done, const char *extra)
{
    uint64_t now_ns = progress->clock();
    hold(progress);
    bool first_step = progress->opening; /* is told even right behind a tick */
    progress->opening = false;
    progress->done = done < progress->first ? progress->first : done;
    progress->done_ns = now_ns;
    snprintf(progress->extra, sizeof progress->extra, "%s", extra != NULL ? extra : "");
    progress->current = false;
    bool due = first_step || now_ns - progress->shown_ns >= progress->interval_ns;
    if (due || progress->done >= progress->total) show(progress, now_ns, false);
    release(progress);
}

void sa_progress_end(sa_progress *progress)
{
    stop_ticker(progress);
    if (progress->done > progress->first && !progress->current) show(progress, progress->clock(), false);
    if (progress->live && progress->shown) {
        fputc('\n', progress->stream);
        fflush(progress->stream);
    }
    progress->shown = false; /* a second end writes nothing */
    progress->current = true;
}
