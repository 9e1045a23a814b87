# Sanitizers, with libc's malloc. `make sanitize` runs all three parts, SAN=address|thread|valgrind one. `address` and `smoke` share
# the fuzzers' build, whose objects have ASan and UBSan in them.
SAN_BUILD_address = build/fuzz
SAN_BUILD_smoke = build/fuzz
SAN_BUILD_thread = build/thread
SAN_BUILD_valgrind = build/valgrind
SAN_SETTINGS_address = $(FUZZ_SETTINGS)
SAN_SETTINGS_smoke = $(FUZZ_SETTINGS)
SAN_SETTINGS_thread = CC=clang MALLOC= HARDEN=-fPIE CFLAGS='-O1 -g -fsanitize=thread' LDFLAGS=-fsanitize=thread
SAN_SETTINGS_valgrind = CC=gcc LTO= MALLOC= HARDEN=-fPIE CFLAGS='-O1 -g'

.PHONY: sanitize sanitize-build san-address san-smoke san-thread san-valgrind
sanitize:
	@deps/install test
	@status=0; for part in $(or $(SAN),address thread valgrind); do tests/sanitize/run $$part || status=1; done; exit $$status
sanitize-build:
	@$(SUBMAKE) san-$(SAN) BUILD=$(SAN_BUILD_$(SAN)) $(SAN_SETTINGS_$(SAN))
san-address: build tests
san-smoke: $(filter $(foreach r,base store commands script rsm raft,$(BUILD)/tests/unit/$(r)/%) $(BUILD)/tests/sim/test_node,$(TEST_BIN))
san-thread: build $(filter $(foreach r,storage transport server,$(BUILD)/tests/unit/$(r)/%),$(TEST_BIN))
san-valgrind: build
