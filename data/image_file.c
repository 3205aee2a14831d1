/* Opens an image file, tells its format by its first bytes and hands it to the decoder. */
#include "data/image_file.h"

#include "core/input_file.h"
#include "data/image_decode.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

enum { SIGNATURE_BYTES = 8 };

typedef struct signature {
    const char *bytes;
    size_t count;
    const char *name;
} signature;

/* Formats that people have; known so that the message can say what to do. */
static const char *other_format(const unsigned char *head, size_t count)
{
    static const signature OTHERS[] = {
        {"GIF8", 4, "GIF"}, {"II*\0", 4, "TIFF"}, {"MM\0*", 4, "TIFF"},      {"RIFF", 4, "WebP"},
        {"P5", 2, "PGM"},   {"P6", 2, "PPM"},     {"\x93NUMPY", 6, "NumPy"}, {"\x76\x2f\x31\x01", 4, "OpenEXR"}};
    for (size_t i = 0; i < sizeof OTHERS / sizeof OTHERS[0]; i++)
        if (count >= OTHERS[i].count && !memcmp(head, OTHERS[i].bytes, OTHERS[i].count)) return OTHERS[i].name;
    return NULL;
}

static sa_status decode(const sa_image_request *request)
{
    static const unsigned char PNG[SIGNATURE_BYTES] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'}, JPEG[3] = {0xff, 0xd8, 0xff};
    unsigned char head[SIGNATURE_BYTES];
    size_t got = fread(head, 1, SIGNATURE_BYTES, request->stream);
    if (got == 0 && ferror(request->stream)) SA_FAIL(SA_IO, "cannot read '%s': %s", request->path, strerror(errno));
    bool bmp = got >= 2 && head[0] == 'B' && head[1] == 'M';
    bool png = got == SIGNATURE_BYTES && !memcmp(head, PNG, SIGNATURE_BYTES), jpeg = got >= 3 && !memcmp(head, JPEG, 3);
    if (png || jpeg || bmp) {
        if (fseek(request->stream, 0, SEEK_SET) != 0) SA_FAIL(SA_IO, "cannot read '%s': %s", request->path, strerror(errno));
        return png ? sa_png_decode(request) : jpeg ? sa_jpeg_decode(request) : sa_bmp_decode(request);
    }
    const char *other = other_format(head, got);
    if (other)
        SA_FAIL(SA_PARSE, "'%s': a %s file; PNG, JPEG and BMP are read (convert it: mogrify -format png)", request->path, other);
    SA_FAIL(SA_PARSE, "'%s': not a PNG, JPEG or BMP file", request->path);
}

static sa_status read_file(sa_image_request *request)
{
    SA_TRY(sa_input_file_open(request->path, &request->stream));
    sa_status status = decode(request);
    fclose(request->stream);
    return status;
}

sa_status sa_image_read_info(const char *path, sa_image_info *info)
{
    return read_file(&(sa_image_request){.path = path, .info = info});
}

static sa_status read_bytes(sa_image_request *request, const void *bytes, size_t count)
{
    if (count == 0) SA_FAIL(SA_PARSE, "'%s': an empty image", request->path);
    request->stream = fmemopen((void *)(uintptr_t)bytes, count, "rb"); /* opened for reading: the bytes are not changed */
    if (!request->stream) SA_FAIL(SA_NOMEM, "no memory to read '%s'", request->path);
    sa_status status = decode(request);
    fclose(request->stream);
    return status;
}

sa_status sa_image_bytes_info(const char *name, const void *bytes, size_t count, sa_image_info *info)
{
    return read_bytes(&(sa_image_request){.path = name, .info = info}, bytes, count);
}

sa_status sa_image_bytes_read(const char *name, const void *bytes, size_t count, sa_image_want want, sa_picture *picture)
{
    return read_bytes(&(sa_image_request){.path = name, .want = want, .picture = picture}, bytes, count);
}

sa_status sa_image_read(const char *path, sa_image_want want, sa_picture *picture)
{
    return read_file(&(sa_image_request){.path = path, .want = want, .picture = picture});
}

sa_status sa_image_read_label(const char *path, sa_picture *picture)
{
    return read_file(&(sa_image_request){.path = path, .label = true, .picture = picture});
}
