# segarena: one non-recursive Makefile. `make help` lists the targets.
#
#   CONFIG = release | debug | asan | ubsan     each in its own folder, build/ for release, build/$(CONFIG)/ otherwise
#   CUDA   = auto | 0 | 1                       auto: on when nvcc and a card are there; for tests, nvcc is enough
#   BLAS   = 1 | 0                              0: without OpenBLAS, im2col multiplies in plain loops
#   MPI    = auto | 0 | 1                       auto: ranks train together where OpenMPI or MPICH is there
#
# V=1 shows whole commands. (coverage and fuzz are configurations too, used by the targets of those names.)
CONFIG ?= release
CUDA ?= auto
BLAS ?= 1
ifeq ($(filter $(CONFIG),release debug asan ubsan coverage fuzz),)
$(error CONFIG=$(CONFIG) is unknown: release, debug, asan or ubsan)
endif
comma := ,
B := $(if $(filter release,$(CONFIG)),build,build/$(CONFIG))
O := $(B)/obj
FLAGS_FILE := $(O)/flags.txt
.DEFAULT_GOAL := all

ifneq ($(filter default undefined,$(origin CC)),)
CC := $(if $(filter fuzz,$(CONFIG)),clang,gcc)
endif
WARN := -Wall -Wextra -Wno-missing-field-initializers -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla -Werror
OPT_release := -O3
OPT_debug := -O1 -g3 -DSA_DEBUG
OPT_asan := -O1 -g -fsanitize=address -fno-omit-frame-pointer -DSA_DEBUG
OPT_ubsan := -O1 -g -fsanitize=undefined -fno-sanitize-recover=all -DSA_DEBUG
OPT_coverage := -O1 -g --coverage -fprofile-update=atomic
OPT_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -DSA_DEBUG
# What the compiler compiles for; -march=native where that is this machine.
TARGET := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
ARCH ?= $(if $(filter $(TARGET),$(shell uname -m)),-march=native)
# clang has its own OpenMP runtime and its own warnings; the fuzzed folders have no parallel loops.
OPENMP := $(if $(filter fuzz,$(CONFIG)),-Wno-error -Wno-unknown-pragmas,-fopenmp)
# -std=c11 turns contraction to fused multiply-add off: element-wise results do not depend on how a loop was compiled.
CFLAGS := -std=c11 -D_GNU_SOURCE $(OPT_$(CONFIG)) $(ARCH) $(OPENMP) -ffp-contract=off -fno-math-errno -Wno-psabi $(WARN) -I.
LDFLAGS := $(OPENMP) $(filter -fsanitize% --coverage,$(OPT_$(CONFIG)))
LDLIBS := $(if $(filter 0,$(BLAS)),,-lopenblas) -lpng -ljpeg -lcjson -lm
CFLAGS += $(if $(filter 0,$(BLAS)),-DSA_NO_BLAS)
# One file's own flags: CFLAGS_kernels/cpu/name := ...

# CUDA under auto: nvcc and a card turn it on. Without a card the programs are built without it, so that nobody waits for a
# compiler whose output cannot run; goals that test or check the kernels, which the stand-in runs, want it all the same, and
# `install` takes what was built. cuda.mk says how its files are compiled and adds to CUDA_OBJECTS, CUDA_LDLIBS, CUDA_FOR_TESTS,
# SUITES and LINT_CHECKS. Sanitizer builds are of the host code alone.
NVCC ?= $(firstword $(shell command -v nvcc 2>/dev/null) $(wildcard /usr/local/cuda/bin/nvcc))
CARD ?= $(firstword $(wildcard /dev/nvidia[0-9] /dev/dxg) $(shell nvidia-smi -L 2>/dev/null | sed -n 's/^\(GPU\) .*/\1/p'))
STAND_IN_GOALS := test build-check simt lint lint-cuda cuda-% gpu-% %/test_simt %/test_cuda_parity %/test_cuda_faults %/step_program
CUDA_FILE := $(O)/cuda.txt
HAVE_CUDA :=
CUDA_MISSING := $(if $(NVCC),$(if $(wildcard cuda.mk),,there is no cuda.mk),no nvcc on PATH or in /usr/local/cuda/bin)
ifeq ($(CUDA),0)
CUDA_FOUND := off (CUDA=0)
else ifeq ($(CUDA)$(filter $(CONFIG),release debug),auto)
CUDA_FOUND := off (CONFIG=$(CONFIG))
else ifneq ($(CUDA_MISSING),)
ifneq ($(CUDA),auto)
$(error CUDA=$(CUDA), but $(CUDA_MISSING))
endif
CUDA_FOUND := off ($(CUDA_MISSING))
else ifeq ($(CUDA)$(filter $(STAND_IN_GOALS),$(MAKECMDGOALS))$(CARD)$(if $(filter install,$(MAKECMDGOALS)),$(shell cat $(CUDA_FILE) 2>/dev/null)),auto)
CUDA_FOUND := off (nvcc but no card; CUDA=1 builds it, make test tests it on a stand-in)
else
HAVE_CUDA := 1
CUDA_FOUND := on ($(NVCC)$(if $(CARD),,; no card))
endif

# Per-folder object lists; each library folder is a static archive, so a test links only what it uses. cli/ is one too, for
# its parts that the benchmarks and tests use. libsa_cuda.a is the CUDA device, from cuda.mk, or what says that there is none.
FOLDERS := core memory proto kernels data program layers net cost report ranks cli
# Caffe's binary weights files need protobuf-c; without it they are refused with the remedy.
PROTOC_C ?= $(shell command -v protoc-c 2>/dev/null)
# LMDB databases need liblmdb besides: LMDB=0 leaves it out.
LMDB ?= $(if $(PROTOC_C),$(shell printf '\043include <lmdb.h>\n' | $(CC) -E -x c -o /dev/null - 2>/dev/null && echo 1))
HAVE_LMDB := $(filter 1,$(LMDB))
# Weights and data in HDF5 need libhdf5, found by pkg-config and tried: HDF5=0 leaves it out.
HDF5_LIBS := $(shell pkg-config --libs hdf5 2>/dev/null)
HDF5_CFLAGS := $(shell pkg-config --cflags hdf5 2>/dev/null)
HDF5_TRIAL = printf '\043include <hdf5.h>\nint main(void) { return H5open(); }\n' | $(CC) $(HDF5_CFLAGS) -x c -o /dev/null - $(HDF5_LIBS) 2>/dev/null
HDF5 ?= $(if $(HDF5_LIBS),$(shell $(HDF5_TRIAL) && echo 1))
HAVE_HDF5 := $(filter 1,$(HDF5))
# Ranks on several machines or processes exchange by MPI (OpenMPI or MPICH), found by pkg-config or mpicc and tried. MPI=0 leaves it
# out, MPI=1 insists.
MPI ?= auto
ifneq ($(MPI),0)
MPI_NAME := $(firstword $(foreach p,ompi-c mpich,$(shell pkg-config --exists $(p) 2>/dev/null && echo $(p))))
MPI_CFLAGS := $(if $(MPI_NAME),$(shell pkg-config --cflags $(MPI_NAME)),$(shell mpicc -showme:compile 2>/dev/null))
MPI_LIBS := $(if $(MPI_NAME),$(shell pkg-config --libs $(MPI_NAME)),$(shell mpicc -showme:link 2>/dev/null))
MPI_TRIAL = printf '\043include <mpi.h>\nint main(void) { return MPI_Finalize(); }\n' | $(CC) $(MPI_CFLAGS) -x c -o /dev/null - $(MPI_LIBS) 2>/dev/null
HAVE_MPI := $(if $(MPI_LIBS),$(shell $(MPI_TRIAL) && echo 1))
ifeq ($(MPI)$(HAVE_MPI),1)
$(error MPI=1, but no MPI that compiles was found: install libopenmpi-dev)
endif
endif
NOT_BUILT := kernels/cuda/% kernels/device_no_cuda.c cli/main.c data/weights/$(if $(PROTOC_C),no_)caffemodel.c \
    data/weights/$(if $(PROTOC_C),no_)caffe_blobs.c \
    data/weights/$(if $(HAVE_HDF5),no_)hdf5_weights.c data/hdf5/$(if $(HAVE_HDF5),no_)hdf5_source.c \
    data/lmdb/$(if $(HAVE_LMDB),no_)lmdb_file.c ranks/$(if $(HAVE_MPI),no_mpi,mpi_exchange).c
sources = $(filter-out $(NOT_BUILT),$(sort $(foreach depth,*.c */*.c */*/*.c,$(wildcard $(1)/$(depth)))))
ARCHIVES := $(foreach f,$(FOLDERS),$(O)/libsa_$(f).a)
CUDA_ARCHIVE := $(O)/libsa_cuda.a
CUDA_FOR_TESTS := $(CUDA_ARCHIVE)
CUDA_OBJECTS := $(O)/kernels/device_no_cuda.o
CUDA_LDLIBS :=
BENCHES := $(patsubst bench/%.c,$(B)/%,$(wildcard bench/bench_*.c))
TEST_SOURCES := $(wildcard tests/test_*.c tests/*/test_*.c)
test_program = $(B)/tests/$(basename $(notdir $(1)))
TESTS := $(foreach t,$(TEST_SOURCES),$(call test_program,$(t)))
TEST_SUPPORT := $(patsubst %.c,$(O)/%.o,$(wildcard tests/support/*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
PROGRAMS := $(B)/segarena $(B)/bench_old $(B)/bench_new
SHARE_FILE := $(O)/share.txt
# What `make test` runs: every test program, every test script, and what cuda.mk adds.
SUITES := $(TESTS) $(wildcard tests/test_*.sh tests/*/test_*.sh)
LINT_CHECKS := lint-format lint-layers lint-sizes lint-shell lint-links lint-cppcheck
ifeq ($(HAVE_CUDA),1)
include cuda.mk
endif

define folder_rule
$(O)/libsa_$(1).a: $$(patsubst %.c,$(O)/%.o,$$(call sources,$(1)))
endef
$(foreach f,$(FOLDERS),$(eval $(call folder_rule,$(f))))
$(CUDA_ARCHIVE): $(CUDA_OBJECTS) $(CUDA_FILE)

ifneq ($(HAVE_HDF5),)
LDLIBS += $(HDF5_LIBS)
CFLAGS_data/weights/hdf5_weights := $(HDF5_CFLAGS)
CFLAGS_data/hdf5/hdf5_source := $(HDF5_CFLAGS)
CFLAGS_tests/data/test_hdf5_data := $(HDF5_CFLAGS) -DSA_HAVE_HDF5
endif

ifneq ($(HAVE_MPI),)
LDLIBS += $(MPI_LIBS)
CFLAGS_ranks/mpi_exchange := $(MPI_CFLAGS)
endif

# Messages of Caffe's binary files: data/FOLDER/NAME.proto becomes NAME.pb-c.c and .h among the objects.
ifneq ($(PROTOC_C),)
LDLIBS += -lprotobuf-c $(if $(HAVE_LMDB),-llmdb)
PROTOS := data/weights/caffe_weights.proto $(if $(HAVE_LMDB),data/lmdb/datum.proto)
define proto_rule
$(O)/$(basename $(notdir $(1))).pb-c.c $(O)/$(basename $(notdir $(1))).pb-c.h &: $(1)
	@mkdir -p $(O)
	@$(PROTOC_C) --proto_path=$(dir $(1)) --c_out=$(O) $(notdir $(1))
$(O)/$(basename $(notdir $(1))).pb-c.o: $(O)/$(basename $(notdir $(1))).pb-c.c $(FLAGS_FILE)
	$(if $(V),,@echo 'CC   $$<';) $(CC) $(CFLAGS) -c $$< -o $$@
$(O)/libsa_data.a: $(O)/$(basename $(notdir $(1))).pb-c.o
endef
$(foreach p,$(PROTOS),$(eval $(call proto_rule,$(p))))
CFLAGS_data/weights/caffemodel := -I$(O)
CFLAGS_data/weights/caffe_blobs := -I$(O)
CFLAGS_data/lmdb/lmdb_file := -I$(O)
$(O)/data/weights/caffemodel.o $(O)/data/weights/caffe_blobs.o: $(O)/caffe_weights.pb-c.h
$(O)/data/lmdb/lmdb_file.o: $(O)/datum.pb-c.h
endif

# The page of `segarena plan --html` and `segarena story` is part of the program: one script, made of these in their order.
PAGE_SCRIPTS := $(foreach s,model paint map moves panels story tables app,report/timeline/$(s).js)
$(O)/libsa_report.a: $(O)/timeline_assets.o
$(O)/page.js: $(PAGE_SCRIPTS) $(MEMBERS_FILE)
	@mkdir -p $(@D)
	@cat $(PAGE_SCRIPTS) >$@
$(O)/timeline_assets.c: tools/embed.sh $(O)/page.js report/timeline/page.html report/timeline/page.css
	@tools/embed.sh sa_timeline_html=report/timeline/page.html sa_timeline_style=report/timeline/page.css sa_timeline_script=$(O)/page.js >$@
$(O)/timeline_assets.o: $(O)/timeline_assets.c $(FLAGS_FILE)
	$(if $(V),,@echo 'CC   $<';) $(CC) $(CFLAGS) -c $< -o $@

# The hot loops of the convolutions are built for several instruction sets, one of which is chosen at run time. The direct ones write
# sums as a * b + c and want the fused multiply-add; each has one order of operations, so it stays deterministic. In a transform,
# compilers differ in what they would fuse: there it is said by vec_fma alone.
ifeq ($(TARGET),x86_64)
ISA_avx512 := -march=x86-64 -mavx2 -mfma -mavx512f -mavx512dq -mavx512bw -mavx512vl -mprefer-vector-width=512
ISA_avx2 := -march=x86-64 -mavx2 -mfma
ISA_portable := -march=x86-64
endif
$(O)/kernels/cpu/conv/conv_%_avx512.o: CFLAGS += $(ISA_avx512)
$(O)/kernels/cpu/conv/conv_%_avx2.o: CFLAGS += $(ISA_avx2)
$(O)/kernels/cpu/conv/conv_%_portable.o: CFLAGS += $(ISA_portable)
$(O)/kernels/cpu/conv/conv_direct_%.o: CFLAGS += -ffp-contract=fast
$(O)/bench/bench_kernels.o: CFLAGS += -ffp-contract=fast # measures the rate of fused multiply-adds

# Measured costs are kept for one build of the kernels: its sources and flags, and the model that measurements are compared with.
KERNELS_ID_FILE := $(O)/kernels_id.txt
COST_SOURCES := $(sort $(wildcard kernels/*.[ch] kernels/*/*.[ch] kernels/*/*.cu kernels/*/*.cuh)) cost/cost_builtin.c cost/op_cost_key.c
kernels_id = $(firstword $(shell (cat $(COST_SOURCES); echo '$(CC) $(CFLAGS)') | cksum))
CFLAGS_cost/cost_cache = -DSA_KERNELS_ID='"$(shell cat $(KERNELS_ID_FILE))"'
$(O)/cost/cost_cache.o: $(KERNELS_ID_FILE)

##@ Build
.PHONY: all
all: cuda-line $(PROGRAMS) $(SHARE_FILE) ## the programs: build/segarena, build/bench_old, build/bench_new (default)

.PHONY: cuda-line
cuda-line:
	@echo 'CUDA: $(CUDA_FOUND)'

# Objects depend on the flags they were compiled with, archives on the list of their members: changing CUDA, CONFIG or CC,
# adding or removing a file never leaves something stale behind.
MEMBERS_FILE := $(O)/members.txt
write_if_changed = mkdir -p $(@D); echo '$(1)' | cmp -s - $@ || echo '$(1)' >$@
.PHONY: force
$(FLAGS_FILE): force
	@$(call write_if_changed,$(CC) $(CFLAGS))
# Only the CUDA archive, what tells tests of it, and links depend on whether CUDA is on.
$(CUDA_FILE): force
	@$(call write_if_changed,$(HAVE_CUDA))
CUDA_AWARE := $(addprefix tests/kernels/,test_simt test_cuda_parity test_cuda_faults)
$(CUDA_AWARE:%=$(O)/%.o): CFLAGS += $(if $(HAVE_CUDA),-DSA_HAVE_CUDA)
$(CUDA_AWARE:%=$(O)/%.o): $(CUDA_FILE)
$(KERNELS_ID_FILE): force
	@$(call write_if_changed,$(kernels_id))
$(MEMBERS_FILE): force
	@$(call write_if_changed,$(foreach f,$(FOLDERS),$(call sources,$(f))))

$(O)/%.o: %.c $(FLAGS_FILE)
	@mkdir -p $(@D)
	$(if $(V),,@echo 'CC   $<';) $(CC) $(CFLAGS) $(CFLAGS_$*) -MMD -MP -c $< -o $@

$(O)/libsa_%.a: $(MEMBERS_FILE)
	@mkdir -p $(@D)
	@rm -f $@
	@ar rcs $@ $(filter %.o,$^)

link = $(if $(V),,@echo 'LINK $@';) $(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDLIBS)
link_cuda = $(link) -Wl,--as-needed $(CUDA_LDLIBS)
# Tests share one library of the CUDA device, which lies beside them: each kernel is linked once, not once per suite.
link_shared = $(link) $(if $(filter %.so,$^),-Wl$(comma)--as-needed $(filter %.so,$^) '-Wl$(comma)-rpath$(comma)$$ORIGIN')
link_test = $(link_shared) -lcmocka

$(B)/segarena: $(O)/cli/main.o $(ARCHIVES) $(CUDA_ARCHIVE)
	$(link_cuda)

# What an installation has beside the programs, from their help; made here, so that `make install` only copies.
$(SHARE_FILE): tools/make_share.sh tools/make_docs.sh README.md LICENSE bench/NOTES.md $(wildcard docs/*.md docs/*.png docs/*.svg docs/lesson/* docs/lesson/nets/* nets/*.prototxt) $(B)/segarena
	@rm -rf $(B)/share
	@tools/make_share.sh $(B)/segarena $(B)/share
	@tools/make_docs.sh $(B)/share/doc
	@touch $@

$(BENCHES): $(B)/%: $(O)/bench/%.o $(ARCHIVES) $(CUDA_ARCHIVE)
	$(link_cuda)

# Sources lie in folders as what they test does; programs lie together.
$(foreach t,$(TEST_SOURCES),$(eval $(call test_program,$(t)): $(O)/$(basename $(t)).o))
$(TESTS): $(TEST_SUPPORT) $(ARCHIVES) $(CUDA_FOR_TESTS)
	@mkdir -p $(@D)
	$(link_test)

# Its own allocator, which fails on demand, stands in for the library's.
$(B)/tests/test_out_of_memory: LDFLAGS += $(patsubst %,-Wl$(comma)--wrap=%,malloc calloc realloc free strdup)

# A target that people call does the set-up first and then calls make once more, on all cores unless -j was given.
.PHONY: setup setup-build setup-test setup-lint setup-fuzz setup-peers
setup: setup-test setup-lint ## install what build, test and lint need (Debian, Ubuntu)
setup-build setup-test setup-lint setup-fuzz setup-peers: setup-%:
	@tools/setup.sh $*
again = +@$(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

##@ Run
# The answer first: where the memory goes. Then steps in the arena, and last Caffe's layout, which takes up to 8.4 GiB and im2col's
# time. Strategies that do not fit the machine are planned and skipped.
RUN_CARD ?= 8GiB
RUN_FLAGS ?= --warmup 0 --steps 2
say = @printf '\n==== %s\n' $(1)
.PHONY: run
run: setup-build ## set up, build, tell where the memory goes, run both configurations at full size
	$(again) all
	$(call say,'Where the memory goes: old')
	$(B)/segarena explain nets/old.prototxt --capacity $(RUN_CARD)
	$(call say,'Where the memory goes: new')
	$(B)/segarena explain nets/new.prototxt --capacity $(RUN_CARD)
	$(call say,'Two steps of each in the planned arena')
	$(B)/bench_old --strategy fastest,smallest $(RUN_FLAGS)
	$(B)/bench_new --strategy fastest,smallest $(RUN_FLAGS)
	$(call say,'One step of each as Caffe lays it out; shared: with one column buffer for all convolutions')
	$(B)/bench_old --strategy caffe,shared --warmup 0 --steps 1
	$(B)/bench_new --strategy caffe,shared --warmup 0 --steps 1

BENCH_FLAGS ?=
.PHONY: bench
bench: setup-build ## run every program of bench/ (BENCH_FLAGS="..." goes to bench_old and bench_new)
	$(again) all $(BENCHES)
	@set -e; for program in $(BENCHES); do \
	    case $$program in */bench_old|*/bench_new) flags="$(BENCH_FLAGS)";; *) flags=;; esac; \
	    echo "== $$program $$flags"; $$program $$flags; done

.PHONY: bench-peers
bench-peers: setup-peers ## run the same nets in PyTorch, interleaved, and print the ratios
	$(again) all
	@bench/peers/run_peers.sh $(B)

##@ Check
.PHONY: test
test: setup-test ## set up, build and run every test suite; ends with "N passed, N failed"
	$(again) build-check
	@tools/run_tests.sh $(B) $(SUITES)

# Everything that the suites may start, without running it.
.PHONY: build-check
build-check: all $(BENCHES) $(TESTS) $(filter-out %.sh,$(SUITES))

SANITIZER_ENVIRONMENT := TEST_TIMEOUT_SCALE=6 TEST_DEADLINE=3600 \
    ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:handle_segv=2:handle_sigbus=2 \
    UBSAN_OPTIONS=print_stacktrace=1
.PHONY: asan ubsan
asan ubsan: setup-test ## run every test suite in the AddressSanitizer (with leaks) or UBSan build
	+@$(SANITIZER_ENVIRONMENT) $(MAKE) --no-print-directory CONFIG=$@ test

.PHONY: coverage
coverage: setup-test ## run every test suite and print the line coverage per folder
	@if [ -d build/coverage ]; then find build/coverage -name '*.gcda' -delete; fi
	+@TEST_TIMEOUT_SCALE=4 $(MAKE) --no-print-directory CONFIG=coverage test
	@tools/coverage.sh build/coverage

FUZZ_SECONDS ?= 30
.PHONY: fuzz
fuzz: setup-fuzz ## fuzz the readers of untrusted files, each for FUZZ_SECONDS (30); needs clang
	+@$(MAKE) --no-print-directory CONFIG=fuzz $(FUZZERS)
	@tools/run_fuzzers.sh $(FUZZ_SECONDS) $(FUZZERS)

# fuzz_proto reads on to whole nets and solver files.
build/fuzz/fuzz_proto: $(O)/tests/support/read_text.o $(O)/kernels/op_fields.o $(O)/kernels/ops.o \
    $(foreach f,net layers program data memory,$(O)/libsa_$(f).a)
build/fuzz/fuzz_costs: $(O)/kernels/op_fields.o $(O)/kernels/ops.o $(foreach f,cost net layers program data memory,$(O)/libsa_$(f).a)
build/fuzz/fuzz_csv: $(O)/libsa_memory.a
build/fuzz/fuzz_%: $(O)/tests/fuzz/fuzz_%.o $(foreach f,data proto core,$(O)/libsa_$(f).a)
	$(if $(V),,@echo 'LINK $@';) $(CC) $(LDFLAGS) -fsanitize=fuzzer,address,undefined -o $@ -Wl,--start-group $^ -Wl,--end-group -lpng -ljpeg -lcjson $(filter -lprotobuf-c -llmdb,$(LDLIBS)) $(if $(HAVE_HDF5),$(HDF5_LIBS)) -lm

CODE = $(shell tools/sources.sh . c h cu cuh cpp hpp)
.PHONY: lint
lint: setup-lint ## formatting, include layers, sizes, shell scripts, links of documents, cppcheck
	+@$(MAKE) --no-print-directory -k $(LINT_CHECKS) && echo 'lint: clean'

.PHONY: lint-format lint-layers lint-sizes lint-shell lint-links lint-cppcheck
# Versions of clang-format lay code out differently: 14 decides, and where there is another one alone, the check is left out.
CLANG_FORMAT ?= $(shell for f in clang-format-14 clang-format; do $$f --version 2>/dev/null | grep -q ' 14\.' && echo $$f && break; done)
lint-format:
	@$(if $(CLANG_FORMAT),$(CLANG_FORMAT) --dry-run -Werror $(CODE),echo 'lint-format: left out: it takes clang-format 14, and there is another version')
lint-layers:
	@tools/check_layers.sh
lint-sizes:
	@tools/check_sizes.sh
lint-shell:
	@shellcheck -x -S warning .ci/run $(shell tools/sources.sh . sh)
lint-links:
	@tools/check_links.sh
lint-cppcheck:
	@tools/run_cppcheck.sh

# The lesson and README have what commands print, between comments that say which.
DOCUMENTS := README.md $(wildcard docs/lesson/*.md)
.PHONY: lesson lesson-check
lesson: $(B)/segarena ## put fresh figures and pictures into the lesson and README, and make the slides
	@tools/documents.sh make $(B) $(DOCUMENTS)
	@tools/slides.sh docs/lesson/slides.md >docs/lesson/slides.html
lesson-check: $(B)/segarena ## run the lesson's and README's commands and compare what they print
	@tools/documents.sh check $(B) $(DOCUMENTS)
	@tools/slides.sh docs/lesson/slides.md | cmp - docs/lesson/slides.html
	@tools/check_readme.sh $(B)

.PHONY: format
format: setup-lint ## rewrite all code in the project's layout
	@$(if $(CLANG_FORMAT),$(CLANG_FORMAT) -i $(CODE),echo 'format: it takes clang-format 14'; exit 1)

##@ Other
PREFIX ?= /usr/local
.PHONY: install uninstall
install: all ## programs, manual pages, completions, nets and documents below $(DESTDIR)$(PREFIX)
	@tools/install.sh install $(B) '$(DESTDIR)$(PREFIX)'
uninstall: ## remove from below $(DESTDIR)$(PREFIX) what `make install` put there
	@tools/install.sh uninstall $(B) '$(DESTDIR)$(PREFIX)'

# Tracked files only, all owned by root and of one date: the same tree gives the same bytes.
DIST := segarena-$(shell sed -n 's/.*SA_VERSION "\(.*\)".*/\1/p' core/version.h)
.PHONY: dist
dist: ## build/segarena-VERSION.tar.gz of the committed tree
	@mkdir -p build
	@test -e .git || { echo 'make dist: there is no .git here, and what is committed goes into the archive'; exit 1; }
	git archive --format=tar --prefix=$(DIST)/ -o build/$(DIST).tar.new HEAD
	gzip -n <build/$(DIST).tar.new >build/$(DIST).tar.gz.new
	@rm build/$(DIST).tar.new
	mv build/$(DIST).tar.gz.new build/$(DIST).tar.gz
	@ls -l build/$(DIST).tar.gz

.PHONY: clean
clean: ## remove build/
	rm -rf build

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^##@/ { printf "\n%s\n", substr($$0, 5) } \
	    /^[a-z][a-z -]*:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo; echo 'CONFIG=release|debug|asan|ubsan   CUDA=auto|0|1   MPI=auto|0|1   ARCH=-march=native   TEST_JOBS=1'

-include $(shell find $(O) -name '*.d' 2>/dev/null)
.SECONDARY:
