/* What a file given to a command is, judged by what it begins with: so that the wrong kind of file is named, and the command for
 * it. */
#ifndef SA_CLI_FILE_KIND_H
#define SA_CLI_FILE_KIND_H

#include "core/status.h"

#include <stdbool.h>

/* X(NAME, "what it is") */
#define SA_FILE_KINDS(X)                                          \
    X(UNKNOWN, "a file of no known kind")                         \
    X(NET, "a net (prototxt)")                                    \
    X(SOLVER, "a solver file (prototxt)")                         \
    X(CHOICES, "choices of a strategy")                           \
    X(FOLDER, "a folder")                                         \
    X(LMDB, "an LMDB folder, which holds the data of a net")      \
    X(LEVELDB, "a LevelDB folder, which holds the data of a net") \
    X(IMAGE, "an image")                                          \
    X(LIST, "an image list")                                      \
    X(NPY, "a NumPy array")                                       \
    X(SNAPSHOT, "a snapshot of segarena's")                       \
    X(CAFFEMODEL, "trained weights of Caffe's (caffemodel)")      \
    X(SOLVERSTATE, "a solver state of Caffe's (solverstate)")     \
    X(HDF5, "an HDF5 file")                                       \
    X(SAFETENSORS, "weights in safetensors form")                 \
    X(ARCHIVE, "a compressed file")                               \
    X(PLACEMENT, "a placement problem (CSV)")                     \
    X(JSON, "a JSON document")                                    \
    X(TRACE, "a trace of a planned step (JSON)")                  \
    X(PAGE, "an HTML page")                                       \
    X(TIMELINE, "a page that segarena has made (HTML)")           \
    X(LOG, "a learning curve (CSV)")                              \
    X(PLOT, "a picture of a learning curve (SVG)")                \
    X(MAP, "a picture of plans that segarena has made (SVG)")     \
    X(CONFUSION, "a confusion matrix (CSV)")                      \
    X(WEIGHTS, "a weights file")                                  \
    X(STATE, "a state to go on from (.sasnap, .solverstate)") /* these two are only to be expected: of several kinds */

typedef enum sa_file_kind {
#define SA_FILE_KIND_ENUM(name, text) SA_FILE_##name,
    SA_FILE_KINDS(SA_FILE_KIND_ENUM)
#undef SA_FILE_KIND_ENUM
} sa_file_kind;

/* UNKNOWN also for what cannot be read; nothing but regular files and folders is opened. */
sa_file_kind sa_file_kind_of(const char *path);
const char *sa_file_kind_name(sa_file_kind kind); /* "a net (prototxt)" */

/* Whether a kind will do where another is wanted: the same, one of WEIGHTS' three, or UNKNOWN, of which nothing bad is known. */
bool sa_file_kind_is(sa_file_kind kind, sa_file_kind wanted);

/* SA_INVALID if the file is known to be of another kind than `wanted`: "PATH is a solver file; ...", with the command for it. Files
 * of no known kind pass: their reader says what is wrong with them. command: "plan". */
SA_CHECKED sa_status sa_file_kind_expect(const char *command, const char *path, sa_file_kind wanted);

#endif
