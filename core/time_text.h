/* Times as people read them. */
#ifndef SA_CORE_TIME_TEXT_H
#define SA_CORE_TIME_TEXT_H

enum { SA_TIME_TEXT_BYTES = 32 };
/* Milliseconds with three significant digits, whole ones from 100 on, into text: "1015", "12.3", "0.0123", "0". Returns text. */
const char *sa_ms_format(double ms, char text[SA_TIME_TEXT_BYTES]);

#endif
