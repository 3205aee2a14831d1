/* Status codes and error messages.
 *
 * Every fallible function of segarena returns sa_status, takes its out-parameters last and leaves them untouched when
 * it fails. The reason, with names and sizes, is in a thread-local message (sa_error_message). The library never
 * exits, aborts or prints; only cli/, bench/ and tests/ do. */
#ifndef SA_CORE_STATUS_H
#define SA_CORE_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

/* X(NAME, value, one-line meaning) */
#define SA_STATUS_CODES(X)                                     \
    X(OK, 0, "success")                                        \
    X(INVALID, 1, "an argument or a description is invalid")   \
    X(NOMEM, 2, "the host or the device is out of memory")     \
    X(CAPACITY, 3, "a stated capacity or budget is too small") \
    X(IO, 4, "a file cannot be read or written")               \
    X(PARSE, 5, "a file is malformed")                         \
    X(UNSUPPORTED, 6, "valid, but not supported here")         \
    X(NO_DEVICE, 7, "no usable device of the requested kind")  \
    X(DEVICE, 8, "the device reported an error")               \
    X(NUMERIC, 9, "a number is not finite where it has to be") \
    X(RANKS, 10, "another rank has failed or is gone")

typedef enum sa_status {
#define SA_STATUS_ENUM(name, value, text) SA_##name = (value),
    SA_STATUS_CODES(SA_STATUS_ENUM)
#undef SA_STATUS_ENUM
} sa_status;

#if defined(__GNUC__)
#define SA_CHECKED __attribute__((warn_unused_result))
#define SA_PRINTF(format_index, first_index) __attribute__((format(printf, format_index, first_index)))
#else
#define SA_CHECKED
#define SA_PRINTF(format_index, first_index)
#endif

/* "CAPACITY" for SA_CAPACITY; never NULL. */
const char *sa_status_name(sa_status status);
/* The one-line meaning of a code; never NULL. */
const char *sa_status_text(sa_status status);

/* The message of this thread's last failure ("" if none). Valid until this thread's next failure. */
const char *sa_error_message(void);
void sa_error_clear(void);
/* Sets the message and returns status. */
sa_status sa_error_set(sa_status status, const char *format, ...) SA_PRINTF(2, 3);
/* Adds to the end of the current message; returns status. */
sa_status sa_error_append(sa_status status, const char *format, ...) SA_PRINTF(2, 3);
/* Puts "prefix: " in front of the current message; returns status. */
sa_status sa_error_prefix(sa_status status, const char *format, ...) SA_PRINTF(2, 3);

/* Returns `status` itself, a constant mostly, so that the compiler sees that out-parameters are only read after success. */
#define SA_FAIL(status, ...)                       \
    do {                                           \
        (void)sa_error_set((status), __VA_ARGS__); \
        return (status);                           \
    } while (0)
#define SA_TRY(expression)                                  \
    do {                                                    \
        sa_status sa_try_status_ = (expression);            \
        if (sa_try_status_ != SA_OK) return sa_try_status_; \
    } while (0)
/* For functions with clean-up: `status` is the function's own variable. */
#define SA_TRY_GOTO(status, label, expression) \
    do {                                       \
        (status) = (expression);               \
        if ((status) != SA_OK) goto label;     \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
