/* The texts of a tiny net and its solver. */
#include "tests/support/tiny_net.h"

#include "tests/support/data_files.h"

#include <stdio.h>

/* LRN, two levels with masks, Dropout, a classifier, loss and accuracy: every kind of layer that training meets. */
static const char BODY[] =
    "layer { name: 'norm' type: 'LRN' bottom: 'data' top: 'norm' lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 } }\n"
    "layer { name: 'conv1' type: 'Convolution' bottom: 'norm' top: 'conv1' param { lr_mult: 1 decay_mult: 1 }\n"
    "  param { lr_mult: 2 decay_mult: 0 } convolution_param { num_output: 8 kernel_size: 5 pad: 2 weight_filler { type: 'msra' } } "
    "}\n"
    "layer { name: 'bn1' type: 'BN' bottom: 'conv1' top: 'conv1' bn_param { scale_filler { value: 1 } shift_filler { value: 0.001 "
    "} } }\n"
    "layer { name: 'relu1' type: 'ReLU' bottom: 'conv1' top: 'conv1' }\n"
    "layer { name: 'pool1' type: 'Pooling' bottom: 'conv1' top: 'pool1' top: 'mask1' pooling_param { kernel_size: 2 stride: 2 } }\n"
    "layer { name: 'conv2' type: 'Convolution' bottom: 'pool1' top: 'conv2'\n"
    "  convolution_param { num_output: 8 kernel_size: 3 pad: 1 weight_filler { type: 'msra' } } }\n"
    "layer { name: 'bn2' type: 'BN' bottom: 'conv2' top: 'conv2' bn_param { scale_filler { value: 1 } } }\n"
    "layer { name: 'relu2' type: 'ReLU' bottom: 'conv2' top: 'conv2' }\n"
    "layer { name: 'drop' type: 'Dropout' bottom: 'conv2' top: 'conv2' dropout_param { dropout_ratio: 0.1 } }\n"
    "layer { name: 'up' type: 'Upsample' bottom: 'conv2' bottom: 'mask1' top: 'up' upsample_param { scale: 2 } }\n"
    "layer { name: 'decode' type: 'Convolution' bottom: 'up' top: 'decode'\n"
    "  convolution_param { num_output: 8 kernel_size: 3 pad: 1 weight_filler { type: 'msra' } } }\n"
    "layer { name: 'bn3' type: 'BN' bottom: 'decode' top: 'decode' bn_param { scale_filler { value: 1 } } }\n";

void write_tiny_net(const char *name, const char *data_layer, int classes)
{
    char text[4096];
    snprintf(text, sizeof text,
             "name: '%s'\n%s%s"
             "layer { name: 'score' type: 'Convolution' bottom: 'decode' top: 'score'\n"
             "  convolution_param { num_output: %d kernel_size: 1 weight_filler { type: 'msra' } } }\n"
             "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'score' bottom: 'label' top: 'loss' loss_param { ignore_label: "
             "11 } }\n"
             "layer { name: 'accuracy' type: 'Accuracy' bottom: 'score' bottom: 'label' top: 'accuracy'\n"
             "  accuracy_param { ignore_label: 11 } }\n",
             name, data_layer, BODY, classes);
    write_text("net.prototxt", text);
}

void write_tiny_solver(const char *more)
{
    char text[1024];
    snprintf(text, sizeof text,
             "net: 'net.prototxt'\nbase_lr: 0.05\nmomentum: 0.9\nweight_decay: 0.0005\nrandom_seed: 7\nsolver_mode: CPU\n%s\n",
             more);
    write_text("solver.prototxt", text);
}
