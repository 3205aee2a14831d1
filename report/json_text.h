/* The one way in which JSON documents become text. Names come from files and need not be UTF-8; JSON has to be. */
#ifndef SA_REPORT_JSON_TEXT_H
#define SA_REPORT_JSON_TEXT_H

#include <cjson/cJSON.h>
#include <stdbool.h>

/* The document as text, free it. A byte of a string that is part of no UTF-8 character, \xE9 say, reads as the four characters
 * "\xE9". NULL: out of memory, or document is NULL. */
char *sa_json_text(const cJSON *document, bool is_indented);

#endif
