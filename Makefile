# segarena: one non-recursive Makefile. `make help` lists the targets.
#
#   CONFIG = release | debug | asan | ubsan     each in its own folder, build/ for release, build/$(CONFIG)/ otherwise
#   CUDA   = auto | 0 | 1
CONFIG ?= release
CUDA ?= auto
B := $(if $(filter release,$(CONFIG)),build,build/$(CONFIG))
O := $(B)/obj

CC ?= gcc
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla -Werror
OPT_release := -O3
OPT_debug := -O1 -g3 -DSA_DEBUG
OPT_asan := -O1 -g -fsanitize=address -fno-omit-frame-pointer -DSA_DEBUG
OPT_ubsan := -O1 -g -fsanitize=undefined -fno-sanitize-recover=all -DSA_DEBUG
ARCH ?= -march=native
# -std=c11 turns contraction to fused multiply-add off: element-wise results do not depend on how a loop was compiled.
CFLAGS := -std=c11 -D_GNU_SOURCE $(OPT_$(CONFIG)) $(ARCH) -fopenmp -ffp-contract=off $(WARN) -I.
LDFLAGS := -fopenmp $(filter -fsanitize%,$(OPT_$(CONFIG)))
LDLIBS := -lopenblas -lpng -lcjson -lm

# Per-folder object lists; each library folder is a static archive, so a test links only what it uses.
FOLDERS := core memory proto kernels layers net data report
sources = $(sort $(wildcard $(1)/*.c) $(wildcard $(1)/*/*.c))
ARCHIVES := $(foreach f,$(FOLDERS),$(O)/libsa_$(f).a)
define folder_rule
$(O)/libsa_$(1).a: $$(patsubst %.c,$(O)/%.o,$$(call sources,$(1)))
endef
$(foreach f,$(FOLDERS),$(eval $(call folder_rule,$(f))))

BENCHES := $(patsubst bench/%.c,$(B)/%,$(wildcard bench/bench_*.c))
TESTS := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/test_*.c))
TEST_SUPPORT := $(patsubst %.c,$(O)/%.o,$(wildcard tests/support/*.c))

# The hot loops of the convolutions are built for several instruction sets, one of which is chosen at run time. They write
# sums as a * b + c and want the fused multiply-add; each has one order of operations, so it stays deterministic.
ifeq ($(shell uname -m),x86_64)
ISA_avx512 := -march=x86-64 -mavx2 -mfma -mavx512f -mavx512dq -mavx512bw -mavx512vl -mprefer-vector-width=512
ISA_avx2 := -march=x86-64 -mavx2 -mfma
ISA_portable := -march=x86-64
endif
$(O)/kernels/cpu/conv_%_avx512.o: CFLAGS += -ffp-contract=fast $(ISA_avx512)
$(O)/kernels/cpu/conv_%_avx2.o: CFLAGS += -ffp-contract=fast $(ISA_avx2)
$(O)/kernels/cpu/conv_%_portable.o: CFLAGS += -ffp-contract=fast $(ISA_portable)

.PHONY: all
all: $(B)/segarena $(BENCHES)

$(O)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -MMD -MP -c $< -o $@

$(O)/libsa_%.a:
	@mkdir -p $(@D)
	@rm -f $@
	ar rcs $@ $^

$(B)/segarena: $(patsubst %.c,$(O)/%.o,$(wildcard cli/*.c)) $(ARCHIVES)
	$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDLIBS)

$(BENCHES): $(B)/%: $(O)/bench/%.o $(ARCHIVES)
	$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDLIBS)

$(TESTS): $(B)/tests/%: $(O)/tests/%.o $(TEST_SUPPORT) $(ARCHIVES)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDLIBS) -lcmocka

.PHONY: clean
clean:
	rm -rf build

-include $(shell find $(O) -name '*.d' 2>/dev/null)
.SECONDARY:
