/* The confusion matrix of a segmentation, and the figures that SegNet's evaluation script (compute_test_results) makes of it.
 *
 * One matrix over all images. Pixels whose label is void count nowhere. A label that is neither a class nor void, or a prediction
 * that is no class, lowers the global accuracy and is in no cell. Classes that the labels do not have count as 0 in both means. */
#ifndef SA_REPORT_CONFUSION_H
#define SA_REPORT_CONFUSION_H

#include "core/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sa_confusion {
    int32_t classes;
    bool has_void;
    int32_t void_label;
    uint64_t *cell;           /* (classes, classes): rows labels, columns predictions; owned */
    uint64_t pixels, correct; /* of those that are not void */
    uint64_t stray_pixels;    /* whose label is neither a class nor void */
    int32_t stray_label;      /* the first such */
} sa_confusion;

/* All zero. *confusion is owned by the caller. */
SA_CHECKED sa_status sa_confusion_create(int32_t classes, bool has_void, int32_t void_label, sa_confusion *confusion);
void sa_confusion_clear(sa_confusion *confusion); /* back to no pixel; a zeroed one is allowed */
void sa_confusion_free(sa_confusion *confusion);  /* a zeroed one is allowed */
/* label, prediction: (count); labels are cut to whole numbers, as Caffe does. */
void sa_confusion_add(sa_confusion *confusion, size_t count, const float *label, const uint16_t *prediction);

/* NAN without a labelled pixel. */
double sa_confusion_global_accuracy(const sa_confusion *confusion);
uint64_t sa_confusion_class_pixels(const sa_confusion *confusion, int32_t i);
double sa_confusion_class_accuracy(const sa_confusion *confusion, int32_t i);
double sa_confusion_iou(const sa_confusion *confusion, int32_t i);
double sa_confusion_class_average(const sa_confusion *confusion);
double sa_confusion_mean_iou(const sa_confusion *confusion);

/* "label,0,1,..." and one row per label, malloc'd; NULL: out of memory. */
char *sa_confusion_csv(const sa_confusion *confusion);

#endif
