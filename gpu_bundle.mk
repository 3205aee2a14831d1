# `make gpu-bundle`: build/gpu-bundle/, a folder to carry to a machine with a card and little else: no compiler, no packages, no network.
# cuda.mk includes this.
#
#   GPU_ARCHS = architectures that it has code for (default: 80 90, with PTX of the first for later ones)
GPU_ARCHS ?= 80 90
BUNDLE := build/gpu-bundle
BUNDLE_BUILD := build/gpu-bundle-build
# Each shares the one library of kernels. HDF5 and MPI, whose libraries bring twenty others, are left out.
BUNDLE_PROGRAMS := segarena test_cuda_parity test_golden step_program
$(B)/tests/segarena: $(O)/cli/main.o $(ARCHIVES) $(CUDA_FOR_TESTS)
	@mkdir -p $(@D)
	$(link_shared)

.PHONY: gpu-bundle
gpu-bundle: setup-test ## CUDA: a folder that checks and measures a machine with a card and little else (GPU_ARCHS="80 90")
	+@$(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc)) B=$(BUNDLE_BUILD) CONFIG=release CUDA=1 BLAS=0 HDF5=0 MPI=0 \
	    ARCH=-march=x86-64-v3 GENCODE='$(call cuda_code,$(GPU_ARCHS)) $(call cuda_ptx,$(firstword $(GPU_ARCHS)))' \
	    $(BUNDLE_PROGRAMS:%=$(BUNDLE_BUILD)/tests/%)
	@tools/gpu_bundle.sh $(BUNDLE_BUILD) $(BUNDLE)
