/* Files for tests of the data folder: a scratch folder that is the working directory, text files, PNG files of known pixels. */
#ifndef SA_TESTS_DATA_FILES_H
#define SA_TESTS_DATA_FILES_H

#include <stddef.h>
#include <stdint.h>

/* CONFIG means to override its own values. */
#pragma GCC diagnostic ignored "-Woverride-init"

/* cmocka group fixtures: make a fresh folder under $TMPDIR or /tmp and go there; come back and remove it with all it holds. */
int scratch_enter(void **state);
int scratch_leave(void **state);
/* The folder that the tests were started in; valid between enter and leave. */
const char *scratch_start_folder(void);

void write_bytes(const char *name, const void *bytes, size_t byte_count);
void write_text(const char *name, const char *text);
/* malloc'd; fails the test if the file cannot be read. */
char *read_bytes(const char *name, size_t *byte_count);

typedef struct png_spec {
    int color_type, bit_depth; /* libpng's; palettes have 8-bit indices into 256 colours (i, 255 - i, i / 2) */
    int interlaced;
    int32_t height, width;
    /* sample c (red, green, blue, alpha | grey, alpha | index) of a pixel; 16-bit files hold value * 256 + 99 */
    uint8_t (*sample)(int32_t y, int32_t x, int32_t c);
} png_spec;

void write_png(const char *name, const png_spec *spec);

/* Samples without a pattern that a mistake could share, and alternating ones for 1-bit files. */
uint8_t mixed_sample(int32_t y, int32_t x, int32_t c);
uint8_t one_bit_sample(int32_t y, int32_t x, int32_t c);
/* A file of those samples. */
void make_png(const char *name, int color_type, int bit_depth, int32_t height, int32_t width);

/* A sa_dense_image_config of the list l.txt with some members set. */
#define CONFIG(...) ((sa_dense_image_config){.source = "l.txt", .batch_size = 1, .is_color = true, .scale = 1, __VA_ARGS__})

#define assert_ok(expression)                                                           \
    do {                                                                                \
        if ((expression) != SA_OK) fail_msg("%s: %s", #expression, sa_error_message()); \
    } while (0)

#endif
