/* Confusion matrices: see confusion.h. */
#include "report/confusion.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

sa_status sa_confusion_create(int32_t classes, bool has_void, int32_t void_label, sa_confusion *confusion)
{
    sa_confusion made = {.classes = classes, .has_void = has_void, .void_label = void_label};
    made.cell = calloc((size_t)classes * (size_t)classes + 1, sizeof *made.cell);
    if (!made.cell) SA_FAIL(SA_NOMEM, "no memory for a confusion matrix of %d classes", (int)classes);
    *confusion = made;
    return SA_OK;
}

void sa_confusion_clear(sa_confusion *c)
{
    size_t cells = (size_t)c->classes * (size_t)c->classes;
    if (cells) memset(c->cell, 0, cells * sizeof *c->cell);
    c->pixels = c->correct = c->stray_pixels = 0;
}

void sa_confusion_free(sa_confusion *confusion)
{
    free(confusion->cell);
    memset(confusion, 0, sizeof *confusion);
}

void sa_confusion_add(sa_confusion *c, size_t count, const float *label, const uint16_t *prediction)
{
    for (size_t i = 0; i < count; i++) {
        int32_t truth = (int32_t)label[i], guess = prediction[i];
        if (c->has_void && truth == c->void_label) continue;
        c->pixels++;
        c->correct += truth == guess;
        if (truth < 0 || truth >= c->classes) {
            if (c->stray_pixels++ == 0) c->stray_label = truth;
        } else if (guess < c->classes) {
            c->cell[(size_t)truth * (size_t)c->classes + (size_t)guess]++;
        }
    }
}

double sa_confusion_global_accuracy(const sa_confusion *c)
{
    return c->pixels ? (double)c->correct / (double)c->pixels : (double)NAN;
}

static uint64_t cell(const sa_confusion *c, int32_t label, int32_t prediction)
{
    return c->cell[(size_t)label * (size_t)c->classes + (size_t)prediction];
}

uint64_t sa_confusion_class_pixels(const sa_confusion *c, int32_t i)
{
    uint64_t sum = 0;
    for (int32_t k = 0; k < c->classes; k++) sum += cell(c, i, k);
    return sum;
}

double sa_confusion_class_accuracy(const sa_confusion *c, int32_t i)
{
    uint64_t pixels = sa_confusion_class_pixels(c, i);
    return pixels ? (double)cell(c, i, i) / (double)pixels : 0;
}

double sa_confusion_iou(const sa_confusion *c, int32_t i)
{
    uint64_t pixels = sa_confusion_class_pixels(c, i), predicted = 0;
    for (int32_t k = 0; k < c->classes; k++) predicted += cell(c, k, i);
    return pixels ? (double)cell(c, i, i) / (double)(pixels + predicted - cell(c, i, i)) : 0;
}

double sa_confusion_class_average(const sa_confusion *c)
{
    double sum = 0;
    for (int32_t i = 0; i < c->classes; i++) sum += sa_confusion_class_accuracy(c, i);
    return sum / (double)c->classes;
}

double sa_confusion_mean_iou(const sa_confusion *c)
{
    double sum = 0;
    for (int32_t i = 0; i < c->classes; i++) sum += sa_confusion_iou(c, i);
    return sum / (double)c->classes;
}

char *sa_confusion_csv(const sa_confusion *c)
{
    enum { CELL_BYTES = 22 };
    size_t room = ((size_t)c->classes + 1) * ((size_t)c->classes + 2) * CELL_BYTES + 16, n = 0;
    char *text = malloc(room);
    if (!text) return NULL;
    n += (size_t)snprintf(text, room, "label");
    for (int32_t k = 0; k < c->classes; k++) n += (size_t)snprintf(text + n, room - n, ",%d", (int)k);
    for (int32_t i = 0; i < c->classes; i++) {
        n += (size_t)snprintf(text + n, room - n, "\n%d", (int)i);
        for (int32_t k = 0; k < c->classes; k++)
            n += (size_t)snprintf(text + n, room - n, ",%llu", (unsigned long long)cell(c, i, k));
    }
    snprintf(text + n, room - n, "\n");
    return text;
}
