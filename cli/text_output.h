/* Text for people: as wide as the terminal, unlimited where there is none. */
#ifndef SA_CLI_TEXT_OUTPUT_H
#define SA_CLI_TEXT_OUTPUT_H

#include "report/table.h"

#include <stdio.h>

/* Columns of the terminal that out is (COLUMNS, else what the terminal says); 0: it is none, or says nothing. */
int sa_text_width(FILE *out);
/* The table, its widest left-aligned column broken into lines where that makes it fit. */
SA_CHECKED sa_status sa_text_table(FILE *out, sa_table *table);
/* Text and a line's end, broken between words at the terminal's width. */
void sa_text_paragraph(FILE *out, const char *text);
/* The same with `indent` spaces before each line but the first. */
void sa_text_hanging(FILE *out, size_t indent, const char *text);
/* The same, made as printf makes it. */
void sa_text_say(FILE *out, size_t indent, const char *format, ...) SA_PRINTF(3, 4);

#endif
