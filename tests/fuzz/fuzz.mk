# Fuzz targets: tests/fuzz/NAME.c, one each. `make fuzz` links them with libFuzzer, ASan and UBSan under build/fuzz; plain builds
# link replay.c instead, so that corpora and former crashes run in every `make test`.
FUZZ_TARGETS = resp server transport node journal snapshot value config entry command script library raft cluster
FUZZ_REPLAY = $(FUZZ_TARGETS:%=$(BUILD)/tests/fuzz/%)
FUZZERS = $(FUZZ_TARGETS:%=$(BUILD)/fuzz-%)
# What a target borrows from the tests.
fuzz_borrows_server = tests/unit/server/fake_node
fuzz_borrows_node = tests/fuzz/node_disk
fuzz_borrows_journal = tests/support/kv_memory
fuzz_borrows_command = tests/support/writes
fuzz_borrows_script = tests/fuzz/lua
fuzz_borrows_library = tests/fuzz/lua
fuzz_borrows_cluster = tests/unit/raft/net tests/unit/raft/check tests/unit/raft/vdisk
fuzz_objects = $(patsubst %,$(BUILD)/obj/%.o,tests/fuzz/$(1) $(fuzz_borrows_$(1)))
FUZZ_SETTINGS = CC=clang MALLOC= HARDEN=-fPIE LDFLAGS='-fsanitize=address,undefined' \
	CFLAGS='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fsanitize=fuzzer-no-link'

.PHONY: fuzz fuzz-build fuzzers
tests: $(FUZZ_REPLAY)
# TIME=30 seconds each; TARGET=name for one.
fuzz:
	@deps/install test
	@tests/fuzz/run --fuzz $(or $(TIME),30) $(TARGET)
fuzz-build:
	@$(SUBMAKE) fuzzers BUILD=build/fuzz $(FUZZ_SETTINGS)
fuzzers: $(FUZZERS)
$(FUZZERS): $(BUILD)/fuzz-%: $$(call fuzz_objects,$$*) $(LIB)
	$(call quiet,LD $@)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer $^ $(LIBS) -o $@
$(FUZZ_REPLAY): $(BUILD)/tests/fuzz/%: $$(call fuzz_objects,$$*) $(BUILD)/obj/tests/fuzz/replay.o $(LIB)
	@mkdir -p $(@D)
	$(call quiet,LD $@)$(CC) $(ALL_LDFLAGS) $^ $(LIBS) -o $@
