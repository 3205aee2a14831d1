/* Telling files apart. */
#include "cli/file_kind.h"

#include "proto/textformat.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { HEAD_BYTES = 4096, PATH_BYTES = 4096 };

const char *sa_file_kind_name(sa_file_kind kind)
{
    static const char *const NAMES[] = {
#define SA_FILE_KIND_NAME(name, text) text,
        SA_FILE_KINDS(SA_FILE_KIND_NAME)
#undef SA_FILE_KIND_NAME
    };
    return NAMES[kind];
}

static bool ends_with(const char *path, const char *end)
{
    size_t length = strlen(path), n = strlen(end);
    return length >= n && !strcasecmp(path + length - n, end);
}

/* ------------------------------------------------------------------ folders ---------------------------------------- */

static bool holds(const char *folder, const char *name)
{
    char path[PATH_BYTES];
    struct stat status;
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    return length > 0 && (size_t)length < sizeof path && stat(path, &status) == 0;
}

static sa_file_kind kind_of_folder(const char *path)
{
    if (holds(path, "data.mdb")) return SA_FILE_LMDB;
    return holds(path, "CURRENT") && holds(path, "LOG") ? SA_FILE_LEVELDB : SA_FILE_FOLDER;
}

/* ------------------------------------------------------------------ files ------------------------------------------ */

static bool begins(const char *head, size_t bytes, const char *magic, size_t magic_bytes)
{
    return bytes >= magic_bytes && memcmp(head, magic, magic_bytes) == 0;
}

static sa_file_kind kind_by_magic(const char *head, size_t bytes)
{
    static const struct {
        const char *magic;
        size_t bytes;
        sa_file_kind kind;
    } MAGIC[] = {
        {"\x89PNG", 4, SA_FILE_IMAGE},
        {"\xff\xd8\xff", 3, SA_FILE_IMAGE},
        {"GIF8", 4, SA_FILE_IMAGE},
        {"BM", 2, SA_FILE_IMAGE},
        {"II*\0", 4, SA_FILE_IMAGE},
        {"MM\0*", 4, SA_FILE_IMAGE},
        {"P5", 2, SA_FILE_IMAGE},
        {"P6", 2, SA_FILE_IMAGE},
        {"\x93NUMPY", 6, SA_FILE_NPY},
        {"SAsnap\r\n", 8, SA_FILE_SNAPSHOT},
        {"\x89HDF\r\n", 6, SA_FILE_HDF5},
        {"\x1f\x8b", 2, SA_FILE_ARCHIVE},
        {"PK\x03\x04", 4, SA_FILE_ARCHIVE},
        {"BZh", 3, SA_FILE_ARCHIVE},
        {"\xfd"
         "7zXZ",
         5, SA_FILE_ARCHIVE},
    };
    for (size_t i = 0; i < sizeof MAGIC / sizeof MAGIC[0]; i++)
        if (begins(head, bytes, MAGIC[i].magic, MAGIC[i].bytes)) return MAGIC[i].kind;
    return bytes > 9 && begins(head + 8, bytes - 8, "{\"", 2) && memchr(head, '\0', 8) ? SA_FILE_SAFETENSORS : SA_FILE_UNKNOWN;
}

/* Bytes that no text has. */
static bool is_binary(const char *head, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if ((unsigned char)head[i] < 0x09 || ((unsigned char)head[i] > 0x0d && (unsigned char)head[i] < 0x20)) return true;
    return false;
}

/* Protobuf: the first byte is a field's number and form. NetParameter begins with its name (field 1, a string), SolverState with
 * its step (field 1, a number). */
static sa_file_kind kind_of_binary(const char *path, const char *head)
{
    if (ends_with(path, ".caffemodel") || head[0] == 0x0a) return SA_FILE_CAFFEMODEL;
    if (ends_with(path, ".solverstate") || head[0] == 0x08) return SA_FILE_SOLVERSTATE;
    return SA_FILE_UNKNOWN;
}

/* The first word of a list is the name of an image. */
static bool is_list(const char *text)
{
    static const char *const ENDS[] = {".png", ".jpg", ".jpeg", ".npy", ".ppm", ".bmp"};
    char word[PATH_BYTES];
    size_t length = strcspn(text, " \t\r\n");
    if (length == 0 || length >= sizeof word) return false;
    memcpy(word, text, length);
    word[length] = '\0';
    for (size_t i = 0; i < sizeof ENDS / sizeof ENDS[0]; i++)
        if (ends_with(word, ENDS[i])) return true;
    return false;
}

/* The first line of a placement problem names its columns, in any order. */
static bool is_placement(const char *text)
{
    char line[128];
    snprintf(line, sizeof line, "%.*s", (int)strcspn(text, "\r\n"), text);
    return strstr(line, "lower") && strstr(line, "upper") && strstr(line, "size") && strchr(line, ',');
}

static sa_file_kind kind_of_prototxt(const char *path)
{
    static const char *const OF_NET[] = {"layer", "layers", "input"}, *const OF_SOLVER[] = {"base_lr",  "lr_policy", "max_iter",
                                                                                            "net",      "train_net", "solver_mode",
                                                                                            "net_param"};
    sa_proto_document *document;
    sa_file_kind kind = SA_FILE_UNKNOWN;
    if (sa_proto_parse_file(path, &document) != SA_OK) {
        sa_error_clear();
        return SA_FILE_UNKNOWN;
    }
    if (sa_proto_find(&document->root, "strategy")) kind = SA_FILE_CHOICES;
    for (size_t i = 0; i < document->root.count && kind != SA_FILE_NET && kind != SA_FILE_CHOICES; i++) {
        const char *name = document->root.field[i].name;
        for (size_t k = 0; k < sizeof OF_SOLVER / sizeof OF_SOLVER[0]; k++)
            if (!strcmp(name, OF_SOLVER[k])) kind = SA_FILE_SOLVER;
        for (size_t k = 0; k < sizeof OF_NET / sizeof OF_NET[0]; k++)
            if (!strcmp(name, OF_NET[k])) kind = SA_FILE_NET;
    }
    sa_proto_free(document);
    return kind;
}

static sa_file_kind kind_of_text(const char *path, const char *head)
{
    const char *text = head;
    if (!strncmp(text, "\xef\xbb\xbf", 3)) text += 3;
    while (isspace((unsigned char)*text)) text++;
    if (*text == '{' || *text == '[') return strstr(text, "\"traceEvents\"") ? SA_FILE_TRACE : SA_FILE_JSON;
    if (!strncasecmp(text, "<!doctype", 9) || !strncasecmp(text, "<html", 5))
        return strstr(text, "<meta name=\"generator\" content=\"segarena") ? SA_FILE_TIMELINE : SA_FILE_PAGE;
    if (!strncmp(text, "<svg", 4) && strstr(text, "<title>Learning curve of ")) return SA_FILE_PLOT;
    if (!strncmp(text, "<svg", 4) && strstr(text, "<title>Maps of arenas: ")) return SA_FILE_MAP;
    if (!strncmp(text, "step,rate,loss", 14)) return SA_FILE_LOG;
    if (!strncmp(text, "label,0", 7)) return SA_FILE_CONFUSION;
    if (is_placement(text)) return SA_FILE_PLACEMENT;
    return is_list(text) ? SA_FILE_LIST : kind_of_prototxt(path);
}

sa_file_kind sa_file_kind_of(const char *path)
{
    char head[HEAD_BYTES + 1];
    struct stat status;
    if (stat(path, &status) != 0) return SA_FILE_UNKNOWN;
    if (S_ISDIR(status.st_mode)) return kind_of_folder(path);
    FILE *file = S_ISREG(status.st_mode) ? fopen(path, "rb") : NULL;
    if (!file) return SA_FILE_UNKNOWN;
    size_t bytes = fread(head, 1, HEAD_BYTES, file);
    fclose(file);
    head[bytes] = '\0';
    if (bytes == 0) return SA_FILE_UNKNOWN;
    sa_file_kind kind = kind_by_magic(head, bytes);
    if (kind != SA_FILE_UNKNOWN) return kind;
    if (is_binary(head, bytes)) return kind_of_binary(path, head);
    return kind_of_text(path, head);
}

/* ------------------------------------------------------------------ what to do ------------------------------------- */

/* The net that a solver file names, as it stands there; "" if it names none. */
static void net_of_solver(const char *path, char *net, size_t net_bytes)
{
    sa_proto_document *document;
    net[0] = '\0';
    if (sa_proto_parse_file(path, &document) != SA_OK) {
        sa_error_clear();
        return;
    }
    for (size_t i = 0; i < document->root.count; i++) {
        const sa_proto_field *field = &document->root.field[i];
        bool names = !strcmp(field->name, "net") || !strcmp(field->name, "train_net");
        if (names && field->kind == SA_PROTO_STRING) snprintf(net, net_bytes, "%s", field->text);
    }
    sa_proto_free(document);
}

/* What the file is good for. */
static void advise(const char *command, const char *path, sa_file_kind kind, char *text, size_t bytes)
{
    char net[512];
    switch (kind) {
    case SA_FILE_NET:
        if (!strcmp(command, "place")) snprintf(text, bytes, "segarena plan %s --csv FILE makes such a problem of it", path);
        else if (!strcmp(command, "train"))
            snprintf(text, bytes, "a solver file says how it is trained (net: \"%s\"); segarena explain %s says what it needs",
                     path, path);
        else snprintf(text, bytes, "segarena explain %s says what it needs", path);
        return;
    case SA_FILE_SOLVER:
        net_of_solver(path, net, sizeof net);
        if (!strcmp(command, "train") || !strcmp(command, "place") || !net[0])
            snprintf(text, bytes, "segarena train %s trains by it", path);
        else snprintf(text, bytes, "its net is \"%s\": segarena %s takes that; segarena train %s trains by it", net, command, path);
        return;
    case SA_FILE_CHOICES: snprintf(text, bytes, "--strategy @%s takes it, beside the net", path); return;
    case SA_FILE_SNAPSHOT:
        snprintf(text, bytes, "segarena train SOLVER.prototxt --resume %s goes on from it, segarena weights %s lists what is in it",
                 path, path);
        return;
    case SA_FILE_PLACEMENT: snprintf(text, bytes, "segarena place %s --capacity SIZE solves it", path); return;
    case SA_FILE_CAFFEMODEL:
    case SA_FILE_SAFETENSORS:
        snprintf(
            text, bytes,
            "segarena weights %s lists them, segarena train SOLVER.prototxt --weights %s starts from them; the net is a prototxt",
            path, path);
        return;
    case SA_FILE_SOLVERSTATE: snprintf(text, bytes, "segarena train SOLVER.prototxt --resume %s goes on from it", path); return;
    case SA_FILE_IMAGE:
    case SA_FILE_NPY:
    case SA_FILE_LIST:
    case SA_FILE_LMDB:
    case SA_FILE_LEVELDB: snprintf(text, bytes, "a net's data layer names it as its source, or in its list"); return;
    case SA_FILE_JSON:
    case SA_FILE_TRACE:
    case SA_FILE_PAGE:
    case SA_FILE_TIMELINE:
    case SA_FILE_PLOT:
    case SA_FILE_MAP:
    case SA_FILE_CONFUSION: snprintf(text, bytes, "segarena writes such files and reads none"); return;
    case SA_FILE_LOG: snprintf(text, bytes, "segarena plot %s draws it", path); return;
    case SA_FILE_ARCHIVE: snprintf(text, bytes, "unpack it first"); return;
    case SA_FILE_FOLDER: snprintf(text, bytes, "name a file in it"); return;
    case SA_FILE_HDF5:
        snprintf(text, bytes, "of such files segarena reads weights of Caffe's: segarena weights %s lists them", path);
        return;
    case SA_FILE_WEIGHTS:
    case SA_FILE_STATE:
    case SA_FILE_UNKNOWN: snprintf(text, bytes, "nothing is known of it"); return;
    }
}

bool sa_file_kind_is(sa_file_kind kind, sa_file_kind wanted)
{
    bool weights = kind == SA_FILE_CAFFEMODEL || kind == SA_FILE_SAFETENSORS || kind == SA_FILE_SNAPSHOT || kind == SA_FILE_HDF5;
    bool state = kind == SA_FILE_SNAPSHOT || kind == SA_FILE_SOLVERSTATE;
    return kind == wanted || kind == SA_FILE_UNKNOWN || (wanted == SA_FILE_WEIGHTS && weights) ||
           (wanted == SA_FILE_STATE && state);
}

sa_status sa_file_kind_expect(const char *command, const char *path, sa_file_kind wanted)
{
    char advice[1536];
    sa_file_kind kind = sa_file_kind_of(path);
    if (sa_file_kind_is(kind, wanted)) return SA_OK;
    advise(command, path, kind, advice, sizeof advice);
    SA_FAIL(SA_INVALID, "%s is %s, not %s; %s", path, sa_file_kind_name(kind), sa_file_kind_name(wanted), advice);
}
