# kvorum. `make cluster` tries it, `make test` proves it; the rest is for those who work on it.
ifeq ($(origin CC),default) # make's own, `cc`
CC = gcc
endif
BUILD ?= build
WARN = -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Werror
# assert(!"why not") is how a branch that cannot be reached says so.
WARN += $(if $(findstring clang,$(CC)),-Wno-string-conversion)
HARDEN = -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
# Contraction off: a fused multiply-add on one node and not on another would be a divergence.
CFLAGS ?= -O2 -g
# gcc compiles the server once more as a whole when it links it: a tenth fewer instructions a SET. The objects are whole without
# that, and all else is linked of them as they are. `make LTO=` leaves it out.
LTO ?= $(if $(filter gcc%,$(notdir $(CC))),-flto=auto -ffat-lto-objects)
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -Isrc -MMD -MP -ffp-contract=off -fno-omit-frame-pointer $(WARN) $(HARDEN) $(CFLAGS)
LDFLAGS ?=
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now $(LINK_LTO) $(LDFLAGS)
LINK_LTO = -fno-lto
MALLOC ?= -ljemalloc
# Lua is linked in: what a script computes is the same on all nodes that run one binary.
# What of it takes long in one instruction is replaced by src/script/arena.c.
LUA_WRAP = -Wl,--wrap=strcoll,--wrap=luaS_newlstr
# So are musl's functions of mathematics: glibc takes other code where the processor has FMA, and the last bit differs.
MUSL = /usr/lib/$(shell uname -m)-linux-musl/libc.a
MATH = $(BUILD)/libmath.a
MATH_OBJ = $(addsuffix .lo,pow pow_data exp exp_data expm1 __expo2 log log_data log10 sin cos tan asin acos atan atan2 sinh cosh tanh \
	__sin __cos __tan __rem_pio2 __rem_pio2_large scalbn __math_oflow __math_uflow __math_xflow __math_invalid __math_divzero)
LIBS = -levent_core -levent_pthreads -lrocksdb -l:liblua5.1.a $(LUA_WRAP) $(MATH) $(MALLOC) -lpthread -lm
TEST_LIBS = -lcmocka -lhiredis

ROOMS = base store commands acl script rsm raft storage transport pubsub node server
ROOM_SRC = $(foreach r,$(ROOMS),$(wildcard src/$(r)/*.c))
ROOM_OBJ = $(ROOM_SRC:%.c=$(BUILD)/obj/%.o)
LIB = $(BUILD)/libkvorum.a

# Each program is src/main/NAME/*.c with the files directly in src/main shared by all of them.
MAIN_SRC = $(wildcard src/main/*.c)
MAIN_OBJ = $(MAIN_SRC:%.c=$(BUILD)/obj/%.o)
PROGRAMS = $(patsubst src/main/%/,$(BUILD)/%,$(wildcard src/main/*/))
PROGRAM_OBJ = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard src/main/*/*.c))

# Each test_*.c under tests/AREA (cluster, sim, ...) and tests/unit/ROOM is a program of its own (cmocka); the other
# .c files of its directory are linked into each of them, tests/support and tests/check into all.
TEST_SRC = $(wildcard tests/*/test_*.c tests/unit/*/test_*.c)
TEST_BIN = $(TEST_SRC:%.c=$(BUILD)/%)
TEST_OBJ = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/*.c tests/*/*.c tests/unit/*/*.c tests/fault/load/*.c tests/bench/rate/*.c))
# Programs beside them: judge.c judges the histories that real runs leave, swarm.c runs the simulator's seeds.
JUDGE = $(BUILD)/tests/check/judge
SWARM = $(BUILD)/tests/sim/swarm
helper_obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out $(wildcard $(1)/test_*.c) %/judge.c %/sim/swarm.c,$(wildcard $(1)/*.c)))
SUPPORT_OBJ = $(call helper_obj,tests/support) $(call helper_obj,tests/check)

# What is not told how many jobs to run takes one a core.
SUBMAKE = $(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

.PHONY: all build deps tests objects unit sim lint test flags link-flags mutants clean cluster cluster-status cluster-stop bench fault prove compat-suite
all: deps
	@$(SUBMAKE) build
deps:
	@deps/install
build: $(PROGRAMS)
FAULT_PROGRAMS = $(addprefix $(BUILD)/tests/fault/,badfs.so badclock.so load other/kvorum-server)
tests: $(TEST_BIN) $(JUDGE) $(SWARM) $(BUILD)/tests/example_retry $(BUILD)/tests/bench/rate $(FAULT_PROGRAMS)
objects: $(ROOM_OBJ) $(MAIN_OBJ) $(PROGRAM_OBJ) $(TEST_OBJ)

$(ROOM_OBJ) $(MAIN_OBJ) $(PROGRAM_OBJ): ALL_CFLAGS += $(LTO)
$(BUILD)/kvorum-server: LINK_LTO = $(LTO)

# One short line a file; V=1 shows the commands.
quiet = $(if $(V),,@$(if $(findstring s,$(firstword -$(MAKEFLAGS))),,echo "  $(1)";))

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call quiet,CC $<)$(CC) $(ALL_CFLAGS) -c $< -o $@
$(LIB): $(ROOM_OBJ) | $(MATH)
	@rm -f $@
	$(call quiet,AR $@)ar rcs $@ $^
$(MATH): $(MUSL)
	@mkdir -p $(@D)/math
	$(call quiet,AR $@)cd $(@D)/math && ar x $< $(MATH_OBJ) && ar rcs ../$(@F) $(MATH_OBJ)
# In a function of its own, since the rule's pattern would take the % for its own.
program_objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard src/main/$(1)/*.c))
.SECONDEXPANSION:
$(PROGRAMS): $(BUILD)/%: $$(call program_objects,$$*) $(MAIN_OBJ) $(LIB)
	$(call quiet,LD $@)$(CC) $(ALL_LDFLAGS) $^ $(LIBS) -o $@
$(TEST_BIN) $(JUDGE) $(SWARM): $(BUILD)/%: $(BUILD)/obj/%.o $$(call helper_obj,$$(*D)) $(SUPPORT_OBJ) $(LIB)
	@mkdir -p $(@D)
	$(call quiet,LD $@)$(CC) $(ALL_LDFLAGS) $^ $(TEST_LIBS) $(LIBS) -o $@

# A server of the next apply version, for tests/fault/test_upgrade.py: the files that know the version once more, in front
# of the library that holds them as they are.
OTHER_OBJ = $(patsubst %.c,$(BUILD)/obj/other/%.o,$(shell grep -rlw RSM_APPLY_VERSION src --include=*.c))
$(BUILD)/obj/other/%.o: %.c
	@mkdir -p $(@D)
	$(call quiet,CC $< (the next version))$(CC) $(ALL_CFLAGS) -DRSM_APPLY_VERSION=4 -c $< -o $@
$(BUILD)/tests/fault/other/kvorum-server: $(OTHER_OBJ) \
    $(filter-out $(OTHER_OBJ:$(BUILD)/obj/other/%=$(BUILD)/obj/%),$(call program_objects,kvorum-server)) $(LIB)
	@mkdir -p $(@D)
	$(call quiet,LD $@)$(CC) $(ALL_LDFLAGS) $^ $(LIBS) -o $@

# Libraries for LD_PRELOAD: nothing of ours is in them, and they are in nothing of ours. A sanitizer is the program's, which is not up yet
# when they are loaded.
$(BUILD)/tests/fault/badfs.so: tests/fault/preload/badfs.h
$(BUILD)/tests/fault/bad%.so: tests/fault/preload/bad%.c
	@mkdir -p $(@D)
	$(call quiet,LD $@)$(CC) $(filter-out -fsanitize=%,$(ALL_CFLAGS)) -fPIC -MF /dev/null -shared $< -o $@

# The clients of fault runs.
$(BUILD)/tests/fault/load: $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/fault/load/*.c)) $(LIB)
	@mkdir -p $(@D)
	$(call quiet,LD $@)$(CC) $(ALL_LDFLAGS) $^ -lhiredis -lpthread -o $@

include tests/fuzz/fuzz.mk tests/sanitize/sanitize.mk tests/coverage/coverage.mk

# Installs, builds, runs everything; the last line says "N passed, N failed". ONLY=PATTERN runs the matching ones.
test:
	@deps/install test
	@$(SUBMAKE) build tests objects
	@BUILD=$(BUILD) CC=$(CC) tests/run $(ONLY)
unit: $(filter $(BUILD)/tests/unit/%,$(TEST_BIN))
	@BUILD=$(BUILD) tests/run tests/unit/
lint: objects
	@BUILD=$(BUILD) CC=$(CC) tests/lint/run
flags:
	@echo $(ALL_CFLAGS)
link-flags:
	@echo $(ALL_LDFLAGS) $(TEST_LIBS) $(LIBS)

# Known bugs, planted one by one: the simulator has to see each of them. RECORD=1 writes the table anew.
mutants:
	@BUILD=$(BUILD) CC=$(CC) tests/mutants/run $(if $(RECORD),--record) $(ONLY)

# Seeds of the simulator: make sim SEED=n N=k; a seed that fails is run again by the line it prints.
N ?= 100
sim: $(SWARM)
	@$(SWARM) $(if $(SEED),--seed $(SEED)) --count $(N)

# Three nodes on 127.0.0.1:7001-7003, data under run/.
cluster: all
	@conf/cluster start
cluster-status:
	@conf/cluster status
cluster-stop:
	@conf/cluster stop
# The long runs, by hand; PART=name for one of them. tests/README.md keeps their figures.
prove: all tests $(SWARM)
	@tests/prove/run $(PART)
# Redis's own test suite: redis-compat/README.md.
compat-suite: all
	@deps/install suite
	@redis-compat/run --all --jobs 2 $(if $(WRITE),--write)
# Real servers under real faults; SCENARIO=name for one of them, SEED=n, TIME=scale of their seconds.
fault: all tests
	@tests/fault/fault $(SCENARIO)
# QUICK=1: a few seconds a row, to see that it runs; not figures to quote.
bench: all $(addprefix $(BUILD)/tests/bench/,failover rate)
	@tests/bench/bench $(if $(QUICK),--quick)
$(BUILD)/tests/bench/failover $(BUILD)/tests/example_retry: $(BUILD)/%: $(BUILD)/obj/%.o
	@mkdir -p $(@D)
	$(call quiet,LD $@)$(CC) $(ALL_LDFLAGS) $^ -lhiredis -o $@
# The load generator.
$(BUILD)/tests/bench/rate: $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/bench/rate/*.c)) $(LIB)
	@mkdir -p $(@D)
	$(call quiet,LD $@)$(CC) $(ALL_LDFLAGS) $^ -lhiredis $(MALLOC) -lm -o $@
clean:
	rm -rf $(BUILD)
-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
