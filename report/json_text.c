/* Prints JSON. cJSON copies bytes above 127 as they are; here those that are no UTF-8 are written as escapes. */
#include "report/json_text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of the UTF-8 character that begins at text; 0: none does. Overlong forms, surrogates and what is above U+10FFFF are none.
 */
static size_t character_bytes(const unsigned char *text)
{
    static const uint32_t LEAST[] = {0, 0, 0x80, 0x800, 0x10000};
    if (text[0] < 0x80) return 1;
    size_t bytes = (text[0] & 0xE0) == 0xC0 ? 2 : (text[0] & 0xF0) == 0xE0 ? 3 : (text[0] & 0xF8) == 0xF0 ? 4 : 0;
    uint32_t code = bytes == 0 ? 0 : text[0] & (0x7Fu >> bytes);
    for (size_t i = 1; i < bytes; i++) {
        if ((text[i] & 0xC0) != 0x80) return 0; /* the NUL at the end too */
        code = code << 6 | (text[i] & 0x3Fu);
    }
    bool is_character = bytes > 0 && code >= LEAST[bytes] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
    return is_character ? bytes : 0;
}

static char *escape(const char *text)
{
    enum { ESCAPE_BYTES = 5 }; /* \\xE9: the backslash is itself escaped */
    char *escaped = malloc(ESCAPE_BYTES * strlen(text) + 1), *to = escaped;
    while (escaped && *text) {
        size_t bytes = character_bytes((const unsigned char *)text);
        if (bytes == 0) to += sprintf(to, "\\\\x%02X", (unsigned char)*text);
        else memcpy(to, text, bytes);
        to += bytes;
        text += bytes ? bytes : 1;
    }
    if (escaped) *to = '\0';
    return escaped;
}

char *sa_json_text(const cJSON *document, bool is_indented)
{
    char *raw = !document ? NULL : is_indented ? cJSON_Print(document) : cJSON_PrintUnformatted(document);
    char *text = raw ? escape(raw) : NULL;
    cJSON_free(raw);
    return text;
}
