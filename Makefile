# sotto. `make help` lists the targets. Objects of each build mode live in a folder of their own:
# build/release, build/san (ASan + UBSan), build/double (NN_DOUBLE, sanitized; for gradient checks).

CC      ?= gcc
WARN    := -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Wshadow -Wconversion \
           -Wstrict-prototypes -Wmissing-prototypes -Wdouble-promotion -Wvla
CPPFLAGS := -I. -Ibuild/gen $(shell pkg-config --cflags openblas sndfile fftw3f hdf5 samplerate jansson popt 2>/dev/null)
LDLIBS  := $(shell pkg-config --libs openblas sndfile fftw3f hdf5 samplerate jansson popt 2>/dev/null) \
           -linih -lsqlite3 -lmd -lm -lpthread
CFLAGS_release := -O3 -march=native -fno-math-errno -fno-trapping-math -fopenmp-simd -g
CFLAGS_san     := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
CFLAGS_double  := $(CFLAGS_san) -DNN_DOUBLE

PROGRAM_SRC := $(wildcard */cmd_*.c) $(wildcard train/main.c train/cli*.c)
LIB_SRC  := $(filter-out $(PROGRAM_SRC),$(wildcard nn/*.c nn/ops/*.c dsp/*.c data/*.c train/*.c train/models/*.c quantize/*.c))
TEST_SRC := $(wildcard tests/test_*.c)

.DEFAULT_GOAL := all
.SECONDARY:
.PHONY: all help clean format
all: build/sotto build/libsotto.a ## the program build/sotto and the library build/libsotto.a

define MODE
build/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	$$(CC) $$(WARN) $$(CFLAGS_$(1)) $$(CPPFLAGS) -MMD -MP -c $$< -o $$@
build/$(1)/libsotto.a: $$(LIB_SRC:%.c=build/$(1)/%.o)
	@rm -f $$@ && ar rcs $$@ $$^
build/$(1)/sotto: $$(PROGRAM_SRC:%.c=build/$(1)/%.o) build/$(1)/libsotto.a
	$$(CC) $$(CFLAGS_$(1)) $$^ $$(LDLIBS) -o $$@
build/$(1)/tests/%: build/$(1)/tests/%.o build/$(1)/libsotto.a
	$$(CC) $$(CFLAGS_$(1)) $$^ $$(LDLIBS) -lcmocka -o $$@
endef
$(foreach m,release san double,$(eval $(call MODE,$(m))))

build/sotto: build/release/sotto
	cp -f $< $@
build/libsotto.a: build/release/libsotto.a
	cp -f $< $@

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST)

format: ## lay out every C file by .clang-format
	clang-format -i $$(git ls-files '*.c' '*.h')

clean: ## remove build/
	rm -rf build

-include $(shell find build -name '*.d' 2>/dev/null)
