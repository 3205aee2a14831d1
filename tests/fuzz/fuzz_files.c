/* libFuzzer target for the readers of data files: PNG, JPEG, .npy, image lists and palettes. Each reader gets every input, through
 * a file in memory; any bytes give a result or a status with a message, and nothing leaks. */
#include "data/image_file.h"
#include "data/list_file.h"
#include "data/npy.h"
#include "data/palette.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_status(sa_status status)
{
    if (status != SA_OK && sa_error_message()[0] == '\0') abort();
}

static void read_all(const char *path)
{
    sa_picture picture;
    sa_npy array;
    sa_list_file list;
    sa_palette palette;
    sa_image_info info;
    memset(&picture, 0, sizeof picture);
    memset(&array, 0, sizeof array);
    memset(&list, 0, sizeof list);
    check_status(sa_image_read(path, SA_IMAGE_PLAIN, &picture));
    sa_picture_free(&picture);
    check_status(sa_image_read_label(path, &picture));
    sa_picture_free(&picture);
    check_status(sa_image_read(path, SA_IMAGE_ALPHA | SA_IMAGE_DEEP, &picture));
    sa_picture_free(&picture);
    check_status(sa_image_read_info(path, &info));
    check_status(sa_npy_read(path, &array));
    sa_npy_free(&array);
    check_status(sa_list_file_read(path, &list));
    sa_list_file_free(&list);
    check_status(sa_list_file_read_images(path, &list));
    sa_list_file_free(&list);
    check_status(sa_palette_read(path, &palette));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    int descriptor = memfd_create("fuzz", 0);
    if (descriptor < 0) return 0;
    if (write(descriptor, data, size) == (ssize_t)size) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
        read_all(path);
    }
    close(descriptor);
    return 0;
}
