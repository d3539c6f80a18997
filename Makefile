# sotto. `make help` lists the targets. Objects of each build mode live in a folder of their own:
# build/release, build/san (ASan + UBSan), build/double (NN_DOUBLE, sanitized; for gradient checks).
# What must be installed is known to .ci/deps, which runs before anything is compiled.

ifeq ($(origin CC),default)
CC := gcc
endif
WARN     := -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Wshadow -Wconversion \
            -Wstrict-prototypes -Wmissing-prototypes -Wdouble-promotion -Wvla
CPPFLAGS := -I.
CFLAGS_release := -O3 -march=native -fno-math-errno -fno-trapping-math -ffp-contract=fast -fopenmp-simd -g
CFLAGS_san     := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
                  -fno-sanitize-recover=undefined
CFLAGS_double  := $(CFLAGS_san) -DNN_DOUBLE
CFLAGS_fuzz    := $(CFLAGS_san) -fsanitize=fuzzer-no-link,float-cast-overflow

PROGRAM_SRC := $(wildcard */cmd_*.c train/main.c train/cli*.c) bench/measure.c
LIB_SRC     := $(filter-out $(PROGRAM_SRC),$(wildcard nn/*.c nn/ops/*.c dsp/*.c data/*.c train/*.c \
                 train/models/*.c quantize/*.c)) build/gen/embedded_files.c build/gen/commit.c
TEST_SRC    := $(wildcard tests/test_*.c)
DOUBLE_SRC  := $(wildcard tests/double_*.c)
FUZZ_SRC    := $(wildcard tests/fuzz/fuzz_*.c)
HELPER_SRC  := $(filter-out $(TEST_SRC) $(DOUBLE_SRC),$(wildcard tests/*.c))
TESTS       := $(TEST_SRC:%.c=build/san/%) $(DOUBLE_SRC:%.c=build/double/%) $(FUZZ_SRC:%.c=build/san/%)
EMBEDDED    := $(sort $(wildcard quantize/runtime/*.h quantize/targets/*.ini train/recipes/*.ini \
                 quantize/machines/*.ini quantize/firmware/*))

# One short line a step; `make V=1` shows the commands.
say = $(if $(V),,@echo '  $@';)

.DEFAULT_GOAL := all
.SECONDARY:
.DELETE_ON_ERROR:
.PHONY: all help deps demo test test-mcu bench fuzz clean format FORCE
all: build/sotto build/libsotto.a ## the program build/sotto and the library build/libsotto.a

# As many jobs as there are processors unless somebody said -j.
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif

# `make clean all` cleans first.
ifneq ($(filter clean,$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif

# ---- packages ----
# build/flags/<level>.mk exists once the packages of that level are there. make builds it before it
# reads on, so that a bare system is set up by the first command, and asks pkg-config only then.

GOALS  := $(filter-out help deps clean format,$(or $(MAKECMDGOALS),all))
LEVELS := $(if $(filter test fuzz build/%/tests/%,$(GOALS)),test) $(if $(filter demo,$(GOALS)),demo)
ifneq ($(GOALS),)
include $(LEVELS:%=build/flags/%.mk) build/flags/build.mk
endif
build/flags/build.mk: .ci/deps | $(LEVELS:%=build/flags/%.mk)
	@CC="$(CC)" .ci/deps build
	@mkdir -p $(@D) && CC="$(CC)" .ci/deps --flags > $@
build/flags/demo.mk: .ci/deps | $(if $(filter test,$(LEVELS)),build/flags/test.mk)
build/flags/test.mk build/flags/demo.mk: .ci/deps
	@CC="$(CC)" .ci/deps $(basename $(@F))
	@mkdir -p $(@D) && : > $@

deps: ## install with apt what building, testing, demo and measuring use
	@CC="$(CC)" .ci/deps all

# ---- objects, library, program; one set of rules a mode ----

define MODE
build/$(1)/command: FORCE
	@mkdir -p $$(@D)
	@echo '$$(CC) $$(WARN) $$(CFLAGS_$(1)) $$(CPPFLAGS) $$(PKG_CFLAGS)' | cmp -s - $$@ || \
	  echo '$$(CC) $$(WARN) $$(CFLAGS_$(1)) $$(CPPFLAGS) $$(PKG_CFLAGS)' > $$@
build/$(1)/%.o: %.c build/$(1)/command
	@mkdir -p $$(@D)
	$$(say)$$(CC) $$(WARN) $$(CFLAGS_$(1)) $$(CPPFLAGS) $$(PKG_CFLAGS) -MMD -MP -c $$< -o $$@
build/$(1)/libsotto.a: $$(LIB_SRC:%.c=build/$(1)/%.o)
	@rm -f $$@ && ar qcs $$@ $$^
build/$(1)/sotto: $$(PROGRAM_SRC:%.c=build/$(1)/%.o) build/$(1)/libsotto.a
	$$(say)$$(CC) $$(CFLAGS_$(1)) $$^ $$(LDFLAGS) $$(PKG_LIBS) -lm -lpthread -o $$@
build/$(1)/tests/libhelp.a: $$(HELPER_SRC:%.c=build/$(1)/%.o)
	@mkdir -p $$(@D)
	@rm -f $$@ && ar qcs $$@ $$^
build/$(1)/tests/test_cli: $(patsubst %.c,build/$(1)/%.o,$(wildcard train/cli*.c))
build/$(1)/tests/%: build/$(1)/tests/%.o build/$(1)/tests/libhelp.a build/$(1)/libsotto.a
	$$(say)$$(CC) $$(CFLAGS_$(1)) $$(filter %.o,$$^) $$(filter %.a,$$^) $$(LDFLAGS) $$(PKG_LIBS) -lcmocka \
	  -lm -lpthread -o $$@
build/$(1)/bench/%: build/$(1)/bench/%.o build/$(1)/libsotto.a
	$$(say)$$(CC) $$(CFLAGS_$(1)) $$^ $$(LDFLAGS) $$(PKG_LIBS) -lm -lpthread -o $$@
endef
$(foreach m,release san double fuzz,$(eval $(call MODE,$(m))))

# Fuzz targets are linked with libFuzzer, or for `make test` with what replays their corpus.
FUZZ_PARTS := models edit
$(FUZZ_SRC:%.c=build/fuzz/%): $(FUZZ_PARTS:%=build/fuzz/tests/fuzz/%.o)
build/san/tests/fuzz/seeds: build/san/tests/fuzz/models.o
$(FUZZ_SRC:%.c=build/san/%): $(FUZZ_PARTS:%=build/san/tests/fuzz/%.o) build/san/tests/fuzz/replay.o
build/fuzz/%: CC := clang
build/fuzz/tests/fuzz/%: LDFLAGS += -fsanitize=fuzzer

build/sotto: build/release/sotto
	@cp -f $< $@
build/libsotto.a: build/release/libsotto.a
	@cp -f $< $@

# ---- text files that the program carries in itself (nn/embedded.h) ----

build/gen/embedded.list: FORCE
	@mkdir -p $(@D)
	@echo '$(EMBEDDED)' | cmp -s - $@ || echo '$(EMBEDDED)' > $@
build/gen/embedded_files.c: $(EMBEDDED) build/gen/embedded.list
	@{ echo '#include "nn/embedded.h"'; i=0; \
	  for f in $(EMBEDDED); do \
	    echo "static const unsigned char text_$$i[] = {"; \
	    od -An -v -tx1 $$f | sed 's/ \(..\)/0x\1,/g'; \
	    echo '0};'; i=$$((i + 1)); \
	  done; \
	  echo 'const nn_embedded nn_embedded_files[] = {'; i=0; \
	  for f in $(EMBEDDED); do \
	    echo "{\"$$f\", (const char *)text_$$i, sizeof text_$$i - 1},"; i=$$((i + 1)); \
	  done; \
	  echo '{NULL, NULL, 0}};'; } > $@

# ---- the commit that is built (train/version.h), -dirty where files differ from it ----

build/gen/commit.c: FORCE
	@mkdir -p $(@D)
	@{ echo '#include "train/version.h"'; echo "const char sotto_commit[] = \"$$(git describe \
	  --always --dirty --abbrev=12 --exclude='*' 2>/dev/null)\";"; } > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

# ---- what is run ----

test: build/sotto build/san/sotto build/san/tests/mcu/clips $(TESTS) ## everything that can be checked; last line: N passed, N failed
	@CC="$(CC)" tests/run.sh $(TESTS)

test-mcu: build/sotto build/release/tests/mcu/clips ## host and emulated microcontrollers, bit for bit: the zoo, all cores (tests/mcu.sh)
	@tests/mcu.sh $(MCU_MODELS)

demo: build/sotto ## the main job on the best data there is, under five minutes
	@CC="$(CC)" train/demo.sh

bench: build/sotto ## the speed of every stage beside what else there is (bench/table.sh)
	@CC="$(CC)" bench/table.sh

FUZZ_TARGET  := $(FUZZ_SRC:tests/fuzz/fuzz_%.c=%)
FUZZ_SECONDS := 60
fuzz: $(FUZZ_TARGET:%=build/fuzz/tests/fuzz/fuzz_%) ## damaged files for FUZZ_SECONDS each (clang); FUZZ_TARGET="tflite hdf5"
	@for t in $(FUZZ_TARGET); do tests/fuzz/run.sh $$t $(FUZZ_SECONDS) || exit; done

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile

format: ## lay out every C file by .clang-format
	clang-format -i $$(git ls-files '*.c' '*.h')

clean: ## remove build/
	rm -rf build

ifneq ($(GOALS),)
-include $(shell find build -name '*.d' 2>/dev/null)
endif
