/* Snapshots of a training run: checked before the first step, written on the way and at the end, elsewhere if need be. */
#include "cli/train_snapshot.h"

#include "cli/text_output.h"
#include "core/exchange.h"
#include "core/output_file.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { PATH_BYTES = SA_TRAIN_SNAPSHOT_BYTES, CAUSES_BYTES = 900 };

static void numbered(const sa_solver_config *solver, uint64_t step, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s_iter_%llu.sasnap", solver->snapshot_prefix, (unsigned long long)step);
}

/* The path of the last state; false: none is wanted. */
static bool last_path(const sa_train_options *options, const sa_solver_config *solver, uint64_t step, char path[PATH_BYTES])
{
    if (options->snapshot) snprintf(path, PATH_BYTES, "%s", options->snapshot);
    else numbered(solver, step, path);
    return options->snapshot || (solver->snapshot_after_train && solver->snapshot_prefix[0]);
}

/* ---- before the first step ---- */

sa_status sa_train_snapshots_check(const sa_train_options *options, const sa_solver_config *solver, uint64_t total_steps,
                                   size_t parameter_count)
{
    char path[PATH_BYTES];
    size_t bytes = (1 + (size_t)sa_update_histories((sa_update_kind)solver->type)) * sizeof(float) * parameter_count;
    if (solver->snapshot > 0 && !solver->snapshot_prefix[0])
        SA_FAIL(SA_INVALID, "%s: 'snapshot: %d' needs a 'snapshot_prefix', the beginning of the files' names", options->solver,
                (int)solver->snapshot);
    if (options->snapshot && strlen(options->snapshot) >= PATH_BYTES)
        SA_FAIL(SA_INVALID, "--snapshot: a path of %zu bytes is too long", strlen(options->snapshot));
    if (solver->snapshot > 0 && (uint64_t)solver->snapshot <= total_steps) {
        numbered(solver, (uint64_t)solver->snapshot, path);
        SA_TRY(sa_output_file_check(path, bytes));
    }
    return last_path(options, solver, total_steps, path) ? sa_output_file_check(path, bytes) : SA_OK;
}

bool sa_train_snapshots_last_wanted(const sa_train_options *options, const sa_solver_config *solver)
{
    char path[PATH_BYTES];
    return last_path(options, solver, 0, path);
}

/* ---- elsewhere ---- */

/* "segarena-<net>-<8 random digits>.sasnap", the same for the whole run; in /tmp nobody can have planted something there. */
static void make_spare_name(sa_train_snapshots *s, const char *net)
{
    unsigned char random[4] = {0};
    if (s->spare_name[0]) return;
    if (getrandom(random, sizeof random, 0) < 0) return;
    int length = snprintf(s->spare_name, sizeof s->spare_name, "segarena-%.32s", net);
    for (int i = 9; i < length; i++)
        if (!isalnum((unsigned char)s->spare_name[i])) s->spare_name[i] = '_';
    snprintf(s->spare_name + length, sizeof s->spare_name - (size_t)length, "-%02x%02x%02x%02x.sasnap", random[0], random[1],
             random[2], random[3]);
}

static void add_cause(char causes[CAUSES_BYTES])
{
    size_t used = strlen(causes);
    snprintf(causes + used, CAUSES_BYTES - used, "%s%s", used ? "; " : "", sa_error_message());
}

/* The collected state into the first folder that takes it. Causes of those that do not are added. */
static bool save_elsewhere(sa_train_snapshots *s, const sa_train_result *r, char path[PATH_BYTES], char causes[CAUSES_BYTES])
{
    const char *slash = strrchr(path, '/'), *tmp = getenv("TMPDIR");
    char beside[PATH_BYTES], trial[PATH_BYTES];
    snprintf(beside, sizeof beside, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    const char *const folders[] = {slash == path ? "/" : beside, tmp && tmp[0] ? tmp : "/tmp", getenv("HOME")};
    make_spare_name(s, r->net);
    for (size_t i = 0; s->spare_name[0] && i < sizeof folders / sizeof folders[0]; i++) {
        if (!folders[i] || !folders[i][0]) continue;
        if (snprintf(trial, sizeof trial, "%s/%s", folders[i], s->spare_name) >= (int)sizeof trial) continue;
        if (sa_train_state_write(s->state, trial) == SA_OK) {
            snprintf(path, PATH_BYTES, "%s", trial);
            return true;
        }
        add_cause(causes);
    }
    return false;
}

/* ---- writing ---- */

/* A line on the stream of the progress. */
static void say(const sa_train_snapshots *s, const char *before, const char *path, const char *after)
{
    FILE *out = s->options->progress;
    if (!out) return;
    sa_progress_clear(s->progress);
    sa_text_say(out, 0, "segarena train: %s%s%s", before, path, after);
    fflush(out);
}

/* Of several ranks the first one writes; all take part in collecting. */
static bool is_another_s(const sa_train_snapshots *s)
{
    return s->options->exchange && s->options->exchange->rank > 0;
}

/* The state to path, or elsewhere: then causes is not empty. SA_IO: nowhere. */
static sa_status save(sa_train_snapshots *s, sa_train_result *r, char path[PATH_BYTES], char causes[CAUSES_BYTES])
{
    const sa_data_position position = s->position ? *s->position : sa_feed_position(s->feed);
    const sa_snapshot_state header = {.step = r->last_step, .seed = r->seed, .position = position};
    causes[0] = '\0';
    sa_status status = sa_train_state_collect(s->state, s->session, &header);
    if (status == SA_NUMERIC && r->snapshot[0]) return sa_error_append(status, "; the last one is %s", r->snapshot);
    SA_TRY(status);
    if (is_another_s(s)) return SA_OK;
    status = sa_train_state_write(s->state, path);
    if (status == SA_IO) {
        add_cause(causes);
        if (save_elsewhere(s, r, path, causes)) status = SA_OK;
    }
    SA_TRY(status);
    snprintf(r->snapshot, sizeof r->snapshot, "%s", path);
    s->saved_step = r->last_step;
    return SA_OK;
}

sa_status sa_train_snapshots_after_step(sa_train_snapshots *s, sa_train_result *r)
{
    char path[PATH_BYTES], causes[CAUSES_BYTES];
    if (s->solver->snapshot <= 0 || r->last_step % (uint64_t)s->solver->snapshot) return SA_OK;
    numbered(s->solver, r->last_step, path);
    sa_status status = save(s, r, path, causes);
    if (status == SA_IO) {
        say(s, "no place took the snapshot: ", causes, "; training goes on, the next one will be tried again");
        sa_error_clear();
        return SA_OK;
    }
    SA_TRY(status);
    if (causes[0]) say(s, "a snapshot went elsewhere: ", causes, "; training goes on");
    say(s, "wrote ", path, "");
    return SA_OK;
}

sa_status sa_train_snapshots_after_last(sa_train_snapshots *s, sa_train_result *r)
{
    char path[PATH_BYTES], causes[CAUSES_BYTES];
    bool wanted = last_path(s->options, s->solver, r->last_step, path);
    if (wanted && !s->options->snapshot && s->saved_step == r->last_step) wanted = false;
    SA_TRY(sa_exchange_first_word(s->options->exchange, &wanted));
    if (!wanted) return SA_OK;
    sa_status status = save(s, r, path, causes);
    if (status == SA_IO)
        SA_FAIL(SA_IO, "the state after step %llu is lost, no place took it: %s", (unsigned long long)r->last_step, causes);
    SA_TRY(status);
    snprintf(r->snapshot_problem, sizeof r->snapshot_problem, "%s", causes);
    say(s, "wrote ", path, "");
    return SA_OK;
}

sa_status sa_train_snapshots_after_bad_batch(sa_train_snapshots *s, sa_train_result *r, const sa_data_position *position,
                                             sa_status status)
{
    char why[CAUSES_BYTES];
    if (r->record_count == 0) return status;
    snprintf(why, sizeof why, "%s", sa_error_message());
    s->position = position;
    sa_status saved = sa_train_snapshots_after_last(s, r);
    s->position = NULL;
    if (saved != SA_OK) SA_FAIL(status, "%s; besides, %.*s", why, CAUSES_BYTES, sa_error_message());
    if (s->saved_step != r->last_step || !r->snapshot[0]) SA_FAIL(status, "%s", why);
    SA_FAIL(status, "%s; the state after step %llu is in %s: --resume goes on from it", why, (unsigned long long)r->last_step,
            r->snapshot);
}

/* ---- the best one ---- */

bool sa_train_snapshots_best_path(const sa_train_snapshots *s, char path[PATH_BYTES])
{
    static const char ENDING[] = ".sasnap";
    const char *wanted = s->options->snapshot ? s->options->snapshot : s->solver->snapshot_prefix;
    size_t length = strlen(wanted), ending = sizeof ENDING - 1;
    if (length == 0 || sa_output_file_is_stdout(wanted)) return false;
    if (length > ending && !strcmp(wanted + length - ending, ENDING)) length -= ending;
    int used = snprintf(path, PATH_BYTES, "%.*s_best%s", (int)length, wanted, ENDING);
    return used > 0 && used < PATH_BYTES;
}

sa_status sa_train_snapshots_best(sa_train_snapshots *s, sa_train_result *r)
{
    char path[PATH_BYTES];
    const sa_snapshot_state header = {.step = r->last_step, .seed = r->seed, .position = sa_feed_position(s->feed)};
    bool wanted = sa_train_snapshots_best_path(s, path);
    SA_TRY(sa_exchange_first_word(s->options->exchange, &wanted));
    if (!wanted) return SA_OK;
    SA_TRY(sa_train_state_collect(s->state, s->session, &header));
    if (is_another_s(s)) return SA_OK;
    sa_status status = sa_train_state_write(s->state, path);
    if (status == SA_IO) {
        say(s, "the best state could not be written: ", sa_error_message(), "; training goes on");
        sa_error_clear();
        return SA_OK;
    }
    SA_TRY(status);
    snprintf(r->best_snapshot, sizeof r->best_snapshot, "%s", path);
    return SA_OK;
}

uint64_t sa_train_snapshots_step(const sa_train_snapshots *s, const char *path, uint64_t otherwise)
{
    sa_train_state *read = NULL;
    sa_snapshot_state header = {.step = otherwise};
    sa_status status = sa_train_state_create(sa_session_net(s->session), (sa_update_kind)s->solver->type, &read);
    if (status == SA_OK) status = sa_train_state_load(read, path, &header);
    sa_train_state_destroy(read);
    if (status == SA_OK) return header.step;
    sa_error_clear();
    return otherwise;
}
