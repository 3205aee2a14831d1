/* A SegNet of two levels and a solver for it, written to files of the working directory, for tests of training. */
#ifndef SA_TESTS_SUPPORT_TINY_NET_H
#define SA_TESTS_SUPPORT_TINY_NET_H

/* The data layers that tiny_net can have. */
#define TINY_SYNTHETIC                                                  \
    "layer { name: 'data' type: 'DummyData' top: 'data' top: 'label'\n" \
    "  dummy_data_param { shape { dim: 2 dim: 3 dim: 16 dim: 24 } shape { dim: 2 dim: 1 dim: 16 dim: 24 } } }\n"
#define TINY_IMAGES(more)                                                    \
    "layer { name: 'data' type: 'DenseImageData' top: 'data' top: 'label'\n" \
    "  dense_image_data_param { source: 'list.txt' batch_size: 2 shuffle: true " more " } }\n"

/* Writes net.prototxt, of net name `name`, with this data layer; its loss ignores label 11 and knows `classes` classes. */
void write_tiny_net(const char *name, const char *data_layer, int classes);
/* Writes solver.prototxt for net.prototxt: rate 0.05, momentum 0.9, weight decay, on the CPU, without snapshots; `more` follows. */
void write_tiny_solver(const char *more);

#endif
