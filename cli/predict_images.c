/* The images of a prediction: see predict_images.h. */
#include "cli/predict_images.h"

#include "cli/file_kind.h"

#include "core/name_map.h"
#include "data/net_image.h"
#include "data/png_write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The last part of a path, without its ending. */
static char *result_name(const char *path)
{
    const char *slash = strrchr(path, '/'), *begin = slash ? slash + 1 : path, *dot = strrchr(begin, '.');
    return strndup(begin, dot && dot > begin ? (size_t)(dot - begin) : strlen(begin));
}

static sa_status set_image(sa_predict_image *image, const char *root, char *const *names, size_t count)
{
    image->path = calloc(count, sizeof *image->path);
    image->count = image->path ? count : 0;
    bool ok = image->path != NULL;
    for (size_t i = 0; i < image->count && ok; i++) ok = (image->path[i] = sa_path_join(root, names[i])) != NULL;
    image->name = ok ? result_name(names[0]) : NULL;
    if (!image->name) SA_FAIL(SA_NOMEM, "out of memory for the names of images");
    return SA_OK;
}

static sa_status take(sa_predict_images *images, const char *root, char *const *names, size_t count, size_t names_per_image)
{
    images->image = calloc(count + 1, sizeof *images->image);
    if (!images->image) SA_FAIL(SA_NOMEM, "out of memory for %zu images", count);
    images->count = count;
    for (size_t i = 0; i < count; i++) SA_TRY(set_image(&images->image[i], root, names + i * names_per_image, names_per_image));
    return SA_OK;
}

static sa_status take_list(sa_predict_images *images, const sa_predict_options *o)
{
    const char *root = o->forward.net.data_root;
    char *path = sa_path_join(root, o->list);
    sa_list_file list = {.count = 0};
    if (!path) SA_FAIL(SA_NOMEM, "out of memory for a path");
    sa_status status = sa_file_kind_expect("predict", path, SA_FILE_LIST);
    if (status == SA_OK) status = sa_list_file_read_images(path, &list);
    free(path);
    SA_TRY(status);
    status = take(images, root, list.name, list.count, list.names_per_line);
    sa_list_file_free(&list);
    return status;
}

sa_status sa_predict_images_create(const sa_predict_options *options, sa_predict_images *images)
{
    sa_predict_images made = {0};
    sa_status status = options->list ? take_list(&made, options) : take(&made, NULL, options->image, options->image_count, 1);
    if (status == SA_OK) *images = made;
    else sa_predict_images_free(&made);
    return status;
}

void sa_predict_images_free(sa_predict_images *images)
{
    for (size_t i = 0; i < images->count; i++) {
        for (size_t k = 0; k < images->image[i].count; k++) free(images->image[i].path[k]);
        free(images->image[i].path);
        free(images->image[i].name);
    }
    free(images->image);
    memset(images, 0, sizeof *images);
}

sa_status sa_predict_images_look(sa_predict_images *images, int32_t channels, FILE *log)
{
    enum { LINES_MAX = 20 };
    size_t bad = 0;
    char first[900] = "";
    sa_status worst = SA_OK;
    for (size_t i = 0; i < images->count; i++) {
        sa_predict_image *image = &images->image[i];
        sa_status status = sa_net_image_look((const char *const *)image->path, image->count, channels, &image->used, &image->height,
                                             &image->width);
        if (status == SA_OK) continue;
        if (bad++ == 0) {
            worst = status;
            snprintf(first, sizeof first, "%s", sa_error_message());
        }
        if (images->count > 1 && log && bad <= LINES_MAX) fprintf(log, "segarena predict: %s\n", sa_error_message());
    }
    if (bad == 0) return SA_OK;
    if (images->count == 1) SA_FAIL(worst, "%s", first);
    SA_FAIL(worst, "%zu of %zu images cannot be used, nothing was written; the first: %s", bad, images->count, first);
}

const char *sa_predict_result_path(const sa_predict_options *options, const sa_predict_image *image, const char *ending,
                                   char path[SA_RESULT_PATH_BYTES])
{
    snprintf(path, SA_RESULT_PATH_BYTES, "%.4000s/%.255s%s", options->output, image->name, ending);
    return path;
}

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* A file that is there may be replaced if an earlier run has made it: a PNG says so, an array lies beside such a PNG. */
static sa_status check_replaced(const sa_predict_options *o, const sa_predict_image *image, const char *path)
{
    char png[SA_RESULT_PATH_BYTES];
    struct stat there;
    if (stat(path, &there) != 0 || (S_ISREG(there.st_mode) && there.st_size == 0)) return SA_OK;
    const char *ending = strrchr(path, '.');
    bool is_array = ending && !strcmp(ending, ".npy");
    if (sa_png_is_own(is_array ? sa_predict_result_path(o, image, ".png", png) : path)) return SA_OK;
    SA_FAIL(SA_INVALID, "'%s' is there and not the result of an earlier run, which alone is replaced; give --output another folder",
            path);
}

static sa_status check_results(const sa_predict_images *images, const sa_predict_options *o, sa_name_map *names)
{
    static const char *const ENDINGS[] = {".png", "_overlay.png", ".npy"};
    const bool wanted[] = {true, o->overlay, o->probabilities};
    char path[SA_RESULT_PATH_BYTES];
    for (size_t i = 0; i < images->count; i++)
        for (size_t k = 0; k < sizeof ENDINGS / sizeof ENDINGS[0]; k++) {
            if (!wanted[k]) continue;
            (void)sa_predict_result_path(o, &images->image[i], ENDINGS[k], path);
            int other = sa_name_map_get(names, path);
            if (other >= 0)
                SA_FAIL(SA_INVALID, "'%s' and '%s' would both go to '%s'", images->image[other].path[0], images->image[i].path[0],
                        path);
            SA_TRY(sa_name_map_set(names, path, (int)i));
            for (size_t f = 0; f < images->image[i].count; f++)
                if (same_file(path, images->image[i].path[f]))
                    SA_FAIL(SA_INVALID, "'%s' is an image: its segmentation would replace it; give --output another folder", path);
            SA_TRY(check_replaced(o, &images->image[i], path));
        }
    return SA_OK;
}

sa_status sa_predict_images_check_output(const sa_predict_images *images, const sa_predict_options *options)
{
    struct stat folder;
    sa_name_map names = {0};
    sa_status status = check_results(images, options, &names);
    sa_name_map_free(&names);
    SA_TRY(status);
    if (mkdir(options->output, 0777) != 0 && errno != EEXIST)
        SA_FAIL(SA_IO, "%s: cannot make the folder: %s", options->output, strerror(errno));
    if (stat(options->output, &folder) != 0 || !S_ISDIR(folder.st_mode)) SA_FAIL(SA_IO, "%s: is no folder", options->output);
    return SA_OK;
}
