/* The losses of random graphs. */
#include "tests/support/random_graph_parts.h"

#include <stdio.h>
#include <string.h>

/* A loss that is not of classes per pixel. */
void graph_add_other_loss(maker *m)
{
    static const char *const WEIGHTS[] = {"", "", "", "loss_weight: 0.5", "loss_weight: 0.01", "loss_weight: 0"};
    static const char *const SIGMOID[] = {"", "loss_param { ignore_label: 1 normalization: VALID }",
                                          "loss_param { normalization: FULL }"};
    const int from = graph_pick(m), kind = graph_below(m, 6), number = m->layers++;
    const blob *b = &m->blob[from];
    int other = m->blobs - 1; /* another of the same size, or -1 */
    while (other >= 0 && (other == from || !graph_same_size(&m->blob[other], b) || m->blob[other].readers >= READERS_MAX)) other--;
    char wires[160] = "";
    const char *type = "EuclideanLoss", *more = "";
    if (kind == 0) {
        type = "SigmoidCrossEntropyLoss";
        more = SIGMOID[graph_below(m, 3)];
        snprintf(wires, sizeof wires, "bottom: 'label%d'", graph_add_input(m, "label", b->channels, b->height, b->width));
    } else if (kind == 1) {
        type = "HingeLoss";
        more = graph_chance(m, 50) ? "hinge_loss_param { norm: L2 }" : "";
        if (b->channels * b->height * b->width < 2) return;
        snprintf(wires, sizeof wires, "bottom: 'label%d'", graph_add_input(m, "label", 1, 1, 1));
    } else if (kind == 2 && b->channels > 1) {
        type = "InfogainLoss";
        int matrix = graph_add_input(m, "matrix", 1, b->channels * b->channels, 1);
        snprintf(m->input[matrix], sizeof m->input[matrix], "input: 'matrix%d' input_dim: [1, 1, %d, %d]\n", matrix, b->channels,
                 b->channels);
        snprintf(wires, sizeof wires, "bottom: 'label%d' bottom: 'matrix%d'", graph_add_input(m, "label", 1, b->height, b->width),
                 matrix);
    } else if (kind == 3 && other >= 0) {
        type = "ContrastiveLoss";
        more = graph_chance(m, 30) ? "contrastive_loss_param { legacy_version: true margin: 3 }"
                                   : "contrastive_loss_param { margin: 9 }";
        snprintf(wires, sizeof wires, "bottom: '%s' bottom: 'label%d'", m->blob[other].name, graph_add_input(m, "label", 1, 1, 1));
    } else if (kind == 4) {
        type = "Reduction";
        more = "reduction_param { operation: SUMSQ coeff: 0.1 }";
    } else if (other >= 0) {
        snprintf(wires, sizeof wires, "bottom: '%s'", m->blob[other].name);
    } else {
        snprintf(wires, sizeof wires, "bottom: 'data%d'", graph_add_input(m, "data", b->channels, b->height, b->width));
    }
    if (other >= 0 && strstr(wires, m->blob[other].name)) m->blob[other].readers++;
    graph_put(m, "layer { name: 'loss%d' type: '%s' bottom: '%s' %s top: 'l%d' %s %s }\n", number, type, b->name, wires, number,
              kind == 4 ? WEIGHTS[4] : WEIGHTS[graph_below(m, 6)], more);
    m->blob[from].readers++;
}

/* A loss, or two of one label, and accuracies of what the loss reads. */
void graph_add_losses(maker *m)
{
    static const char *const NORMALISED[] = {"", "", "", "", " normalize: false", " normalization: FULL", " normalization: NONE"};
    int from = m->blobs - 1;
    while (m->blob[from].channels < 2 || m->blob[from].readers > READERS_MAX - 4 || (from > 0 && graph_chance(m, 40))) {
        if (--from < 0) { /* a classifier where nothing else will do */
            graph_conv(m, m->blobs - 1);
            from = m->blobs - 1;
            m->blob[from].readers = m->blob[from].channels < 2 ? READERS_MAX : 0;
        }
    }
    int label = graph_add_input(m, "label", 1, m->blob[from].height, m->blob[from].width);
    for (int n = graph_chance(m, 20) ? 2 : 1; n > 0; n--) {
        int number = m->layers++;
        graph_put(
            m,
            "layer { name: 'loss%d' type: 'SoftmaxWithLoss' bottom: '%s' bottom: 'label%d' top: 'l%d' %s loss_param { %s%s } }\n",
            number, m->blob[from].name, label, number, graph_chance(m, 40) ? "loss_weight: 0.5" : "",
            graph_chance(m, 30) ? "ignore_label: 255" : "", NORMALISED[graph_below(m, 7)]);
        m->blob[from].readers++;
    }
    if (!graph_chance(m, 40)) return;
    graph_put(m, "layer { name: 'accuracy%d' type: 'Accuracy' bottom: '%s' bottom: 'label%d' top: 'a%d' }\n", m->layers,
              m->blob[from].name, label, m->layers);
    m->layers++;
    m->blob[from].readers++;
}
