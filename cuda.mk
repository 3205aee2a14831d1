# The CUDA device and its stand-in on the CPU. The Makefile includes this when CUDA is on.
#
#   GENCODE    = nvcc's code generation options. Default: the cards of this machine; without a card sm_80, with PTX for later ones
#   NVCC_EXTRA = more options of nvcc: -lineinfo names source lines in profilers, and triples the objects
#
# `make cuda-all` has code for every architecture, in build/cuda-all/; `make lint` checks that.
CUDA_HOME ?= $(patsubst %/bin/nvcc,%,$(realpath $(NVCC)))
CUDA_ARCHS := 75 80 86 89 90 100 120
CUDA_PTX := 80 120 # for architectures between those and after them
cuda_code = $(foreach a,$(1),-gencode arch=compute_$(a),code=sm_$(a))
cuda_ptx = $(foreach a,$(1),-gencode arch=compute_$(a),code=compute_$(a))
GENCODE_ALL := $(call cuda_code,$(CUDA_ARCHS)) $(call cuda_ptx,$(CUDA_PTX))
ifeq ($(origin GENCODE),undefined)
CUDA_CARDS := $(shell nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | sed -n 's/^\([0-9]*\)\.\([0-9]\)$$/\1\2/p' | sort -u)
CUDA_CARDS := $(patsubst sm_%,%,$(filter $(if $(CUDA_CARDS),$(shell $(NVCC) --list-gpu-code)),$(CUDA_CARDS:%=sm_%)))
GENCODE := $(if $(CUDA_CARDS),$(call cuda_code,$(CUDA_CARDS)),$(call cuda_code,80) $(call cuda_ptx,80))
endif
NVCC_EXTRA ?=
CUDA_SOURCES := $(sort $(wildcard kernels/cuda/*.cu))
CUDA_HOST_SOURCES := $(sort $(wildcard kernels/cuda/*.cpp)) # no kernels in them: g++ reads them
CUDA_OBJECTS := $(CUDA_SOURCES:%.cu=$(O)/%.o) $(CUDA_HOST_SOURCES:%.cpp=$(O)/%.o)
# -fmad=false: element-wise results do not depend on contraction, as on the CPU. Products of convolutions say fmaf.
NVCCFLAGS := -std=c++17 -O3 $(NVCC_EXTRA) -fmad=false -Werror all-warnings -Xcompiler -Wall,-Wextra,-fPIC -I.
CUDA_HOST_FLAGS := -std=c++17 -O2 -Wall -Wextra -Werror -fPIC -I. -isystem $(CUDA_HOME)/include

CUDA_LDLIBS := -L$(CUDA_HOME)/lib64 -Wl,-rpath,$(CUDA_HOME)/lib64 -Wl,--enable-new-dtags -lcudart -lcublas -lcudnn -lstdc++
# What the suites link: statuses and checks of shapes come from the program that loads it.
CUDA_FOR_TESTS := $(B)/tests/libsegarena_cuda.so
# Sizes and choices, which programs without the device have too (kernels/cuda_plan), for libraries.
CUDA_PLAN_PIC := $(patsubst %.c,build/tests/simt/pic/%.o,$(sort $(wildcard kernels/cuda_plan/*.c)))
build/tests/simt/pic/%.o: %.c
	@mkdir -p $(@D)
	$(if $(V),,@echo 'CC   $< (for libraries)';) $(CC) $(CFLAGS) -fPIC -MMD -MP -c $< -o $@
$(CUDA_FOR_TESTS): $(CUDA_OBJECTS) $(CUDA_PLAN_PIC) $(CUDA_FILE)
	@mkdir -p $(@D)
	$(if $(V),,@echo 'LINK $@';) g++ -shared -Wl,-soname,$(@F) -o $@ $(CUDA_OBJECTS) $(CUDA_PLAN_PIC) $(CUDA_LDLIBS)

NVCC_FILE := $(O)/nvcc.txt
$(NVCC_FILE): force
	@$(call write_if_changed,$(NVCCFLAGS) $(GENCODE))
$(O)/%.o: %.cu $(NVCC_FILE)
	@mkdir -p $(@D)
	$(if $(V),,@echo 'NVCC $<';) $(NVCC) $(NVCCFLAGS) $(GENCODE) -MMD -MP -Xptxas -v -c $< -o $@ 2> $(@:.o=.ptxas) || { cat $(@:.o=.ptxas) >&2; exit 1; }

$(O)/kernels/cuda/%.o: kernels/cuda/%.cpp
	@mkdir -p $(@D)
	$(if $(V),,@echo 'CXX  $<';) g++ $(CUDA_HOST_FLAGS) -MMD -MP -c $< -o $@

# ------------------------------------------------------------------ the stand-in: build/tests/simt
S := build/tests/simt
SIMT_CXX := g++ -std=c++17 -g -Wall -Wextra -Werror -Wno-unused-parameter -I. -isystem $(CUDA_HOME)/include
SIMT_ENGINE := $(addprefix tests/simt/,engine.cpp atomics.cpp checker.cpp faults.cpp streams.cpp memory.cpp runtime.cpp cubin.cpp limits.cpp traffic.cpp)
SIMT_LIBRARIES := $(addprefix tests/simt/,cublas.cpp cudnn.cpp cudnn_convolution.cpp)
SIMT_HEADERS := $(wildcard tests/simt/*.h)
SIMT_MODES := fast check asan ubsan
SIMT_FLAGS_fast := -O2 -march=native -DSA_SIMT_FAST
# Vectors stay whole, so that the checker sees one access of 16 bytes where a card makes one.
SIMT_FLAGS_check := -O1 -fsanitize=thread -fsanitize=alignment -fno-tree-sra
SIMT_FLAGS_asan := -O1 -fsanitize=address -fsanitize-sections=simt_shared
SIMT_FLAGS_ubsan := -O1 -fsanitize=undefined -fno-sanitize-recover=all
# The checker answers the calls that -fsanitize=thread and alignment make; their runtimes must not be linked.
SIMT_LINK_asan := -fsanitize=address
SIMT_LINK_ubsan := -fsanitize=undefined

.PHONY: simt
simt: $(B)/segarena $(S)/libsimt_dnn.so $(S)/asan/libcudart.so.13 $(SIMT_MODES:%=$(S)/kernels_%.so) $(SIMT_MODES:%=$(S)/selftest_%.so) $(S)/selftest

SIMT_CUDART = -shared -fPIC -Wl,-soname,libcudart.so.13 -Wl,--version-script=tests/simt/cudart.map $(SIMT_ENGINE) -o $@ -ldl -pthread
$(S)/libcudart.so.13: $(SIMT_ENGINE) $(SIMT_HEADERS) tests/simt/cudart.map
	@mkdir -p $(@D)
	$(SIMT_CXX) -O2 $(SIMT_CUDART)
$(S)/asan/libcudart.so.13: $(SIMT_ENGINE) $(SIMT_HEADERS) tests/simt/cudart.map
	@mkdir -p $(@D)
	$(SIMT_CXX) -O1 -fsanitize=address $(SIMT_CUDART)
$(S)/libsimt_dnn.so: $(SIMT_LIBRARIES) $(SIMT_HEADERS) $(S)/libcudart.so.13
	$(SIMT_CXX) -O2 -shared -fPIC $(SIMT_LIBRARIES) -o $@ -L$(S) -l:libcudart.so.13 -lopenblas

SELFTEST_SOURCES := $(wildcard tests/simt/selftest/*.cu)
# The kernels' CPU bodies, from the same sources that nvcc reads.
define simt_mode
$(S)/$(1)/%.o: %.cu tests/simt/simt.h cuda.mk
	@mkdir -p $$(@D)
	$$(if $$(V),,@echo 'SIMT $$< ($(1))';) \
	$$(SIMT_CXX) -Wno-unknown-pragmas -ffp-contract=off $$(SIMT_FLAGS_$(1)) -fPIC -x c++ -include tests/simt/simt.h -MMD -MP -c $$< -o $$@
$(S)/kernels_$(1).so: $$(CUDA_SOURCES:%.cu=$(S)/$(1)/%.o) $(CUDA_HOST_SOURCES:%.cpp=$(O)/%.o) $(S)/pic/core/status.o $(CUDA_PLAN_PIC)
	@mkdir -p $$(@D)
	@g++ -shared -Wl,-Bsymbolic $$(SIMT_LINK_$(1)) $$^ -o $$@
$(S)/selftest_$(1).so: $(SELFTEST_SOURCES:%.cu=$(S)/$(1)/%.o)
	g++ -shared -Wl,-Bsymbolic $$(SIMT_LINK_$(1)) $$^ -o $$@
endef
$(foreach m,$(SIMT_MODES),$(eval $(call simt_mode,$(m))))

# Code for 7.5 and 8.x, PTX for 10.0 and later, nothing for 9.0; one file's cubins compressed one way, one's the other.
SELFTEST_NVCC := $(NVCC) -std=c++17 -O2 -Werror all-warnings -I. -Xfatbin -compress-all $(foreach a,75 80,-gencode arch=compute_$(a),code=sm_$(a)) \
    -gencode arch=compute_100,code=compute_100
$(S)/selftest_refusals.o: SELFTEST_COMPRESSION := --compress-mode=speed
$(S)/selftest_%.o: tests/simt/selftest/%.cu $(wildcard tests/simt/selftest/*.h tests/simt/selftest/*.cuh) kernels/cuda/launch.cuh
	@mkdir -p $(@D)
	$(SELFTEST_NVCC) $(SELFTEST_COMPRESSION) -c $< -o $@
$(S)/selftest: $(SELFTEST_SOURCES:tests/simt/selftest/%.cu=$(S)/selftest_%.o)
	g++ $^ -o $@ -L$(CUDA_HOME)/lib64 -Wl,-rpath,$(CUDA_HOME)/lib64 -Wl,--enable-new-dtags -lcudart -lcublas -lcudnn

# What the suites run.
build-check: simt
SIMT_FAST := $(S)/kernels_fast.so $(S)/libsimt_dnn.so
SIMT_SELFTEST := $(S)/selftest $(S)/libsimt_dnn.so $(S)/asan/libcudart.so.13 $(SIMT_MODES:%=$(S)/selftest_%.so)
$(B)/tests/test_simt: | $(SIMT_SELFTEST)
$(B)/tests/test_cuda_parity: | $(SIMT_FAST)
$(B)/tests/test_cuda_faults: | $(SIMT_FAST) $(S)/selftest_fast.so $(B)/tests/step_program
$(B)/tests/step_program: $(O)/tests/simt/step_program.o $(O)/libsa_kernels.a $(O)/libsa_core.a $(CUDA_FOR_TESTS)
	@mkdir -p $(@D)
	$(link_test)

# ------------------------------------------------------------------ checks, reports, cards
LINT_CHECKS += lint-cuda
.PHONY: cuda-all lint-cuda lint-spills cuda-report cuda-report-here gpu-test gpu-bench
ALL_ARCHS := build/cuda-all
for_all_archs = +@$(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc)) B=$(ALL_ARCHS) CONFIG=release CUDA=1 GENCODE='$(GENCODE_ALL)'
cuda-all: setup-build ## CUDA: the programs with code for every architecture, in build/cuda-all; checked for spills
	$(for_all_archs) all lint-spills
lint-cuda:
	$(for_all_archs) lint-spills
lint-spills: $(CUDA_OBJECTS)
	@tools/cuda_resources.sh check $(B)

GPU_BANDWIDTH ?= 1000
# An H100 SXM: GB/s and float32 TFLOP/s.
GPU_CARD ?= 3350:67
GPU_CARD_ARCH ?= 90
cuda-report: ## CUDA: registers, shared memory, floor time of every kernel; a step of both nets by counting (GPU_BANDWIDTH=GB/s, GPU_CARD=GB/s:TFLOP/s)
	$(for_all_archs) cuda-report-here
cuda-report-here: $(CUDA_OBJECTS) $(B)/bench_card
	@tools/cuda_resources.sh report $(B) $(GPU_BANDWIDTH)
	@tools/cuda_resources.sh facts $(B) $(GPU_CARD_ARCH) >$(B)/cuda_kernels.txt
	@for net in new old; do $(B)/bench_card --card $(GPU_CARD) --kernels $(B)/cuda_kernels.txt nets/$$net.prototxt fastest smallest; done

gpu-test: setup-test ## CUDA: every suite on this machine's card; JSON
	$(again) all $(B)/tests/test_cuda_parity $(B)/tests/test_golden $(B)/tests/step_program
	@tools/gpu_acceptance.sh test $(B)
gpu-bench: setup-build ## CUDA: both configurations in every preset on this machine's card; JSON
	$(again) all $(B)/tests/step_program
	@tools/gpu_acceptance.sh bench $(B)

include gpu_bundle.mk

-include $(shell find $(S) -name '*.d' 2>/dev/null)
