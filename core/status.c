/* Status names and the thread-local error message. */
#include "core/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_BYTES = 1024 };
static _Thread_local char message[MESSAGE_BYTES];

const char *sa_status_name(sa_status status)
{
    switch (status) {
#define SA_STATUS_CASE(name, value, text) \
    case SA_##name: return #name;
        SA_STATUS_CODES(SA_STATUS_CASE)
#undef SA_STATUS_CASE
    }
    return "UNKNOWN";
}

const char *sa_status_text(sa_status status)
{
    switch (status) {
#define SA_STATUS_CASE(name, value, text) \
    case SA_##name: return text;
        SA_STATUS_CODES(SA_STATUS_CASE)
#undef SA_STATUS_CASE
    }
    return "unknown status";
}

const char *sa_error_message(void)
{
    return message;
}

void sa_error_clear(void)
{
    message[0] = '\0';
}

sa_status sa_error_set(sa_status status, const char *format, ...)
{
    char text[MESSAGE_BYTES]; /* the arguments may point into the old message */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    memcpy(message, text, sizeof text);
    return status;
}

sa_status sa_error_append(sa_status status, const char *format, ...)
{
    size_t length = strlen(message);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message + length, sizeof message - length, format, arguments);
    va_end(arguments);
    return status;
}

sa_status sa_error_prefix(sa_status status, const char *format, ...)
{
    char text[MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0 || length >= MESSAGE_BYTES - 3) return status;
    snprintf(text + length, sizeof text - (size_t)length, ": %.*s", MESSAGE_BYTES - length - 3, message);
    memcpy(message, text, sizeof text);
    return status;
}
