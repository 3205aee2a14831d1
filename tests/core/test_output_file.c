/* core/output_file: what is replaced, what is written to, what is left behind. */
#include "core/output_file.h"
#include "tests/support/data_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static void put(const char *path, const char *text)
{
    assert_ok(sa_output_file_put(path, text, strlen(text)));
}

static void assert_holds(const char *path, const char *text)
{
    size_t bytes;
    char *content = read_bytes(path, &bytes);
    assert_int_equal(bytes, strlen(text));
    assert_memory_equal(content, text, bytes);
    free(content);
}

static void assert_refused(const char *path, const char *cause)
{
    assert_int_equal(sa_output_file_put(path, "x", 1), SA_IO);
    if (!strstr(sa_error_message(), cause)) fail_msg("'%s' is not in: %s", cause, sa_error_message());
    assert_int_equal(sa_output_file_check(path, 1), SA_IO);
    if (!strstr(sa_error_message(), cause)) fail_msg("'%s' is not in: %s", cause, sa_error_message());
}

static int temporaries_in(const char *folder)
{
    int count = 0;
    DIR *entries = opendir(folder);
    assert_non_null(entries);
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;) count += strstr(entry->d_name, ".tmp-") != NULL;
    closedir(entries);
    return count;
}

static void links_are_followed(void **state)
{
    (void)state;
    struct stat info;
    mkdir("far", 0777);
    put("far/real", "old");
    assert_int_equal(symlink("far/real", "link") | symlink("link", "link2") | symlink("far/new", "dangling"), 0);
    assert_int_equal(symlink("loop", "loop"), 0);
    put("link2", "through");
    assert_holds("far/real", "through");
    assert_int_equal(lstat("link2", &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    put("dangling", "made");
    assert_holds("far/new", "made");
    assert_int_equal(lstat("dangling", &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_refused("loop", "Too many levels of symbolic links");
    assert_int_equal(temporaries_in(".") + temporaries_in("far"), 0);
}

static void mode_is_kept(void **state)
{
    (void)state;
    struct stat info;
    mode_t old = umask(027);
    put("fresh", "1");
    umask(old);
    assert_int_equal(stat("fresh", &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    assert_int_equal(chmod("fresh", 0604), 0);
    put("fresh", "2");
    assert_int_equal(stat("fresh", &info), 0);
    assert_int_equal(info.st_mode & 0777, 0604);
}

static void bad_places_are_named(void **state)
{
    (void)state;
    char name[300];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    mkdir("a_folder", 0777);
    put("a_file", "x");
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "a_socket"};
    int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(descriptor, (struct sockaddr *)&address, sizeof address), 0);
    assert_refused("", "the name of an output file is empty");
    assert_refused("a_folder", "it is a folder");
    assert_refused("a_folder/", "it is a folder");
    assert_refused("missing/x", "its folder missing: No such file or directory");
    assert_refused("missing/", "it is the name of a folder");
    assert_refused("a_file/x", "Not a directory");
    assert_refused("a_socket", "it is a socket");
    assert_refused(name, "File name too long");
    name[255] = '\0'; /* just allowed; the temporary name has to be shorter than this and its mark */
    put(name, "long");
    assert_holds(name, "long");
    close(descriptor);
    assert_int_equal(temporaries_in("."), 0);
}

/* A child reads the FIFO; the parent writes; it is a FIFO still. */
static void fifo_is_written_to(void **state)
{
    (void)state;
    struct stat info;
    assert_int_equal(mkfifo("fifo", 0600), 0);
    pid_t child = fork();
    if (child == 0) {
        char bytes[16] = {0};
        int descriptor = open("fifo", O_RDONLY);
        ssize_t got = read(descriptor, bytes, sizeof bytes);
        _exit(got == 5 && !memcmp(bytes, "piped", 5) ? 0 : 1);
    }
    put("fifo", "piped");
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(lstat("fifo", &info), 0);
    assert_true(S_ISFIFO(info.st_mode));
    assert_int_equal(sa_output_file_check("fifo", 1), SA_IO);
    assert_non_null(strstr(sa_error_message(), "it is a stream, and a regular file is needed"));
}

static void devices_stay(void **state)
{
    (void)state;
    struct stat info;
    put("/dev/null", "gone");
    assert_int_equal(sa_output_file_put("/dev/full", "x", 1), SA_IO);
    assert_string_equal(sa_error_message(), "/dev/full: cannot write: No space left on device");
    assert_int_equal(stat("/dev/full", &info) | !S_ISCHR(info.st_mode), 0);
}

/* A limit on the size of files stands for a full disk. */
static void full_disk_changes_nothing(void **state)
{
    (void)state;
    static char much[100000];
    struct rlimit old, small;
    put("kept", "old");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){4096, old.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    sa_status status = sa_output_file_put("kept", much, sizeof much), check = sa_output_file_check("kept", sizeof much);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, SA_IO);
    assert_int_equal(check, SA_IO);
    assert_holds("kept", "old");
    assert_int_equal(temporaries_in("."), 0);
}

static void make_temporary(const char *name, int age_seconds)
{
    const struct timespec then[2] = {{time(NULL) - age_seconds, 0}, {time(NULL) - age_seconds, 0}};
    write_bytes(name, "half", 4);
    assert_int_equal(utimensat(AT_FDCWD, name, then, AT_SYMLINK_NOFOLLOW), 0);
}

/* Of killed processes; not those that are young, locked, another target's, or no regular files. */
static void stale_temporaries_are_removed(void **state)
{
    (void)state;
    mkdir("stale", 0777);
    write_bytes("victim", "mine", 4);
    make_temporary("stale/x.tmp-aaaaaaaaaaaa", 3600);
    make_temporary("stale/x.tmp-bbbbbbbbbbbb", 0);
    make_temporary("stale/x.tmp-cccccccccccc", 3600);
    make_temporary("stale/xy.tmp-dddddddddddd", 3600);
    assert_int_equal(symlink("../victim", "stale/x.tmp-eeeeeeeeeeee"), 0);
    int locked = open("stale/x.tmp-cccccccccccc", O_RDONLY);
    assert_int_equal(flock(locked, LOCK_EX), 0);
    put("stale/x", "new");
    assert_int_not_equal(access("stale/x.tmp-aaaaaaaaaaaa", F_OK), 0);
    assert_int_equal(temporaries_in("stale"), 4);
    assert_holds("victim", "mine");
    close(locked);
}

static void killed_process_leaves_nothing_it_can_remove(void **state)
{
    (void)state;
    mkdir("ended", 0777);
    pid_t child = fork();
    if (child == 0) {
        sa_output_file *file;
        if (sa_output_file_open("ended/x", &file) != SA_OK || sa_output_file_write(file, "half", 4) != SA_OK) _exit(1);
        if (temporaries_in("ended") != 1) _exit(2);
        sa_output_file_remove_temporaries(); /* what a signal handler does */
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(temporaries_in("ended"), 0);
    assert_int_not_equal(access("ended/x", F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_are_followed),
        cmocka_unit_test(mode_is_kept),
        cmocka_unit_test(bad_places_are_named),
        cmocka_unit_test(fifo_is_written_to),
        cmocka_unit_test(devices_stay),
        cmocka_unit_test(full_disk_changes_nothing),
        cmocka_unit_test(stale_temporaries_are_removed),
        cmocka_unit_test(killed_process_leaves_nothing_it_can_remove),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
