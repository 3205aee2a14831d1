#!/usr/bin/env bash
# Prints a deep chain: N pairs of a 3x3 convolution and a TanH, then a classifier and its loss.
#
#   docs/lesson/nets/chain.sh N
set -eu
n=${1:?usage: chain.sh N}
echo "name: 'chain$n'"
echo "layer { name: 'data' type: 'Input' top: 'data' input_param { shape { dim: 4 dim: 16 dim: 64 dim: 64 } } }"
echo "layer { name: 'label' type: 'Input' top: 'label' input_param { shape { dim: 4 } } }"
bottom=data
for ((i = 1; i <= n; i++)); do
    echo "layer { name: 'conv$i' type: 'Convolution' bottom: '$bottom' top: 'conv$i' convolution_param { num_output: 16 kernel_size: 3 pad: 1 weight_filler { type: 'xavier' } } }"
    echo "layer { name: 'tanh$i' type: 'TanH' bottom: 'conv$i' top: 'tanh$i' }"
    bottom=tanh$i
done
echo "layer { name: 'fc' type: 'InnerProduct' bottom: '$bottom' top: 'fc' inner_product_param { num_output: 10 weight_filler { type: 'xavier' } } }"
echo "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'fc' bottom: 'label' top: 'loss' }"
