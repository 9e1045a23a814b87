# `make coverage`: a build with gcc's counters, the tests of the four rooms that keep the promise, and what share of their lines was
# walked on. FILE=src/node/duties.c, or a folder, lists the lines that were not, by the counters of the run before.
COVERAGE_BUILD = build/coverage
COVERAGE_FLUSH = $(COVERAGE_BUILD)/obj/tests/coverage/flush.o
COVERAGE_SETTINGS = CC=gcc LTO= BUILD=$(COVERAGE_BUILD) CFLAGS='-Og -g --coverage -fprofile-update=atomic' \
    LDFLAGS='--coverage -Wl,--wrap=_exit $(COVERAGE_FLUSH)'

.PHONY: coverage coverage-build
coverage:
	@$(SUBMAKE) $(COVERAGE_SETTINGS) $(COVERAGE_FLUSH)
	@$(SUBMAKE) $(COVERAGE_SETTINGS) coverage-build
	@BUILD=$(COVERAGE_BUILD) tests/coverage/run $(FILE)
coverage-build: $(filter $(foreach r,unit/raft unit/rsm unit/node unit/storage trace sim,$(BUILD)/tests/$(r)/%),$(TEST_BIN)) $(SWARM) $(BUILD)/kvorum-inspect
