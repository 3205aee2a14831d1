/* The progress line: see progress.h. */
#include "cli/progress.h"

#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { LIVE_INTERVAL_NS = 100000000, FALLBACK_COLUMNS = 80, LINE_BYTES = 512 };
static const uint64_t log_interval_ns = 5000000000u;

static uint64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

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
    sa_progress_begin_clock(progress, stream, label, first, total, arena_bytes, monotonic_ns);
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
    snprintf(line, LINE_BYTES, "%s %zu/%zu", progress->label, progress->done, progress->total);
    if (run > 0) {
        double step_seconds = seconds / (double)run;
        snprintf(part, sizeof part, "%.*f s/step", step_seconds < 1 ? 3 : 2, step_seconds);
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
        snprintf(part, sizeof part, "%.1f MiB", (double)progress->arena_bytes / 1048576.0);
        append(line, "  arena ", part);
    }
    if (progress->extra[0] != '\0') append(line, "  ", progress->extra);
}

static void show(sa_progress *progress, uint64_t now_ns)
{
    char line[LINE_BYTES];
    format_line(progress, line);
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

void sa_progress_update(sa_progress *progress, size_t done, const char *extra)
{
    uint64_t now_ns = progress->clock();
    progress->done = done < progress->first ? progress->first : done;
    progress->done_ns = now_ns;
    snprintf(progress->extra, sizeof progress->extra, "%s", extra != NULL ? extra : "");
    progress->current = false;
    bool due = !progress->shown || now_ns - progress->shown_ns >= progress->interval_ns;
    if (due || progress->done >= progress->total) show(progress, now_ns);
}

void sa_progress_end(sa_progress *progress)
{
    if (progress->done > progress->first && !progress->current) show(progress, progress->clock());
    if (progress->live && progress->shown) {
        fputc('\n', progress->stream);
        fflush(progress->stream);
    }
    progress->shown = false; /* a second end writes nothing */
    progress->current = true;
}
