/* Assertions on statuses and their messages. */
#ifndef TESTS_SUPPORT_MEMORY_ASSERTS_H
#define TESTS_SUPPORT_MEMORY_ASSERTS_H

#include "core/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define assert_status_ok(expression)                                                    \
    do {                                                                                \
        if ((expression) != SA_OK) fail_msg("%s: %s", #expression, sa_error_message()); \
    } while (0)

#define assert_fails(wanted_status, wanted_text, expression)                                                       \
    do {                                                                                                           \
        sa_status assert_fails_status = (expression);                                                              \
        if (assert_fails_status != (wanted_status) || !strstr(sa_error_message(), wanted_text))                    \
            fail_msg("%s: status %s, message '%s', wanted '%s'", #expression, sa_status_name(assert_fails_status), \
                     sa_error_message(), wanted_text);                                                             \
    } while (0)

#endif
