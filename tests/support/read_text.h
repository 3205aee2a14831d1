/* Runs a text through everything that reads prototxt files: form, field tables, rules, connections and shapes. */
#ifndef SA_TESTS_READ_TEXT_H
#define SA_TESTS_READ_TEXT_H

#include "core/status.h"

#include <stddef.h>

typedef enum text_kind {
    TEXT_FORM,   /* the text format alone */
    TEXT_NET,    /* a net of the TRAIN phase */
    TEXT_SOLVER, /* a solver file */
} text_kind;

/* Reads and frees again. `name` stands for the path in messages. */
SA_CHECKED sa_status read_text(text_kind kind, const char *name, const char *text, size_t length);

#endif
