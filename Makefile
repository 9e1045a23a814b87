# kvorum. `make cluster` tries it, `make test` proves it; the rest is for those who work on it.
CC ?= gcc
BUILD ?= build
WARN = -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Werror
HARDEN = -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
# Contraction off: a fused multiply-add on one node and not on another would be a divergence.
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -Isrc -MMD -MP -ffp-contract=off -fno-omit-frame-pointer $(WARN) $(HARDEN) $(CFLAGS)
LDFLAGS ?=
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now $(LDFLAGS)
MALLOC ?= -ljemalloc
LIBS = -levent_core -levent_pthreads -lrocksdb $(MALLOC) -lpthread -lm
TEST_LIBS = -lcmocka -lhiredis

ROOMS = base store commands rsm raft storage transport node server
ROOM_SRC = $(foreach r,$(ROOMS),$(wildcard src/$(r)/*.c))
ROOM_OBJ = $(ROOM_SRC:%.c=$(BUILD)/obj/%.o)
LIB = $(BUILD)/libkvorum.a

# Each program is src/main/NAME/*.c with the files directly in src/main shared by all of them.
MAIN_SRC = $(wildcard src/main/*.c)
MAIN_OBJ = $(MAIN_SRC:%.c=$(BUILD)/obj/%.o)
PROGRAMS = $(patsubst src/main/%/,$(BUILD)/%,$(wildcard src/main/*/))

# Each tests/unit/ROOM/test_*.c is a program of its own (cmocka); tests/support is shared by all tests.
UNIT_SRC = $(wildcard tests/unit/*/test_*.c)
UNIT_BIN = $(UNIT_SRC:tests/unit/%.c=$(BUILD)/tests/unit/%)
SUPPORT_OBJ = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/support/*.c))

.PHONY: all build deps unit clean cluster cluster-status cluster-stop bench
all: deps build
deps:
	@deps/install
build: $(PROGRAMS)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c $< -o $@
$(LIB): $(ROOM_OBJ)
	@rm -f $@
	ar rcs $@ $^
.SECONDEXPANSION:
$(PROGRAMS): $(BUILD)/%: $$(patsubst %.c,$(BUILD)/obj/%.o,$$(wildcard src/main/$$*/*.c)) $(MAIN_OBJ) $(LIB)
	$(CC) $(ALL_LDFLAGS) $^ $(LIBS) -o $@
$(UNIT_BIN): $(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(SUPPORT_OBJ) $(LIB)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) $^ $(TEST_LIBS) $(LIBS) -o $@
unit: $(UNIT_BIN)
	@set -e; for t in $^; do $$t; done
# Three nodes on 127.0.0.1:7001-7003, data under run/.
cluster: all
	@conf/cluster start
cluster-status:
	@conf/cluster status
cluster-stop:
	@conf/cluster stop
# QUICK=1: a few seconds a row, to see that it runs; not figures to quote.
bench: all $(BUILD)/tests/bench/failover
	@tests/bench/bench $(if $(QUICK),--quick)
$(BUILD)/tests/bench/failover $(BUILD)/tests/example_retry: $(BUILD)/%: $(BUILD)/obj/%.o
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) $^ -lhiredis -o $@
clean:
	rm -rf $(BUILD)
-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
