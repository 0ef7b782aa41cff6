# SPDX-License-Identifier: LGPL-2.1-or-later
# ctlfs. `make help` lists what can be made. V=1 shows the commands.

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
MANDIR ?= $(PREFIX)/share/man
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
# Where systemd, Podman and CRI-O, and LXC look for what comes with packages (PREFIX=/usr).
UNITDIR ?= $(PREFIX)/lib/systemd/system
HOOKSDIR ?= $(PREFIX)/share/containers/oci/hooks.d
LXCDIR ?= $(PREFIX)/share/lxc/config
BUILD ?= build

CC ?= cc
PKG_CONFIG ?= pkg-config
OPT ?= -O2
SANITIZE ?=
HARDENING ?= -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection \
	-fcf-protection -fPIE
WARNINGS = -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wformat=2 -Wvla -Wno-missing-field-initializers
ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE -Iinclude $(WARNINGS) $(OPT) -g -pthread \
	$(HARDENING) $(SANITIZE) $(FUSE_CFLAGS) $(OPTIONAL_CFLAGS) $(CFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now,-z,noexecstack -pthread $(SANITIZE) $(LDFLAGS)
FUSE_CFLAGS = $(shell $(PKG_CONFIG) --cflags fuse3)
FUSE_LIBS = $(shell $(PKG_CONFIG) --libs fuse3)
# Used where they are found; `make JANSSON=` and the like do without.
found = $(shell $(PKG_CONFIG) --exists $(1) && echo $(1))
INIH := $(call found,inih)
JANSSON := $(call found,jansson)
LIBSYSTEMD := $(call found,libsystemd)
OPTIONAL := $(foreach name,INIH JANSSON LIBSYSTEMD,$(if $($(name)),$(name)))
OPTIONAL_CFLAGS := $(OPTIONAL:%=-DHAVE_%) \
	$(foreach name,$(OPTIONAL),$(shell $(PKG_CONFIG) --cflags $($(name))))
OPTIONAL_LIBS := $(foreach name,$(OPTIONAL),$(shell $(PKG_CONFIG) --libs $($(name))))
LIBRARIES = $(FUSE_LIBS) $(OPTIONAL_LIBS)
CHECK_CFLAGS = $(shell $(PKG_CONFIG) --cflags check)
CHECK_LIBS = $(shell $(PKG_CONFIG) --libs check)

OBJCOPY ?= objcopy
, := ,
Q = $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' $(1) $(2))

SOURCES = $(wildcard src/*/*.c)
OBJECTS = $(SOURCES:%.c=$(BUILD)/%.o)
# Everything but main(): what unit tests link with.
CORE = $(filter-out $(BUILD)/src/cmd/main.o,$(OBJECTS))
TESTS = $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
FUZZERS = $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/*.c))
BENCH = $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/*.c))

# libctlfs-emul: the emulator and all it stands on; no FUSE, no views.
VERSION = $(shell sed -n 's/.*CTLFS_VERSION "\(.*\)"/\1/p' include/ctlfs/version.h)
LIB_MAJOR = $(firstword $(subst ., ,$(VERSION)))
LIB_SONAME = libctlfs-emul.so.$(LIB_MAJOR)
LIB_REST = $(VERSION:$(LIB_MAJOR).%=%)
LIB_HEADERS = $(addprefix include/ctlfs/,buf.h cpulist.h emul.h export.h tasks.h tree.h why.h)
LIB_MAP = src/emul/ctlfs-emul.map
LIB_OBJECTS = $(patsubst %.c,$(BUILD)/pic/%.o,$(wildcard $(addprefix src/,$(addsuffix /*.c,\
	base tree host emul))))
LIBS = $(addprefix $(BUILD)/,libctlfs-emul.a $(LIB_SONAME))

.PHONY: all run test test-vm test-vm-full bench lint asan tsan install clean help tests fuzz fuzzers
.PHONY: conform conform-native kselftest mutants benches views
.DELETE_ON_ERROR:
.SECONDARY:

all: $(BUILD)/ctlfs $(LIBS)

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|'

$(BUILD)/ctlfs: $(OBJECTS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBRARIES)

$(BUILD)/libcore.a: $(CORE)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcsP $@ $^

$(BUILD)/src/%.o: src/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/pic/%.o: %.c
	$(call say,PIC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(filter-out -fPIE,$(ALL_CFLAGS)) -fPIC -MMD -MP -c -o $@ $<

$(BUILD)/$(LIB_SONAME): $(LIB_OBJECTS) $(LIB_MAP)
	$(call say,LIB,$@)
	$(Q)$(CC) -shared $(filter-out -pie,$(ALL_LDFLAGS)) -Wl,-soname,$(LIB_SONAME) \
		-Wl,--version-script=$(LIB_MAP) -Wl,-Bsymbolic-functions \
		$(if $(SANITIZE),,-Wl,-z$(,)defs) -o $@ $(LIB_OBJECTS)

# One object whose other names are hidden, so that they cannot clash with those of a program.
$(BUILD)/libctlfs-emul.a: $(LIB_OBJECTS) $(LIB_MAP)
	$(call say,LIB,$@)
	$(Q)$(LD) -r -o $(BUILD)/pic/ctlfs-emul.o $(LIB_OBJECTS)
	$(Q)sed -n 's/^\t\(.*\);/\1/p' $(LIB_MAP) | grep -vx '\*' >$(BUILD)/pic/names
	$(Q)$(OBJCOPY) -w --keep-global-symbols=$(BUILD)/pic/names $(BUILD)/pic/ctlfs-emul.o
	$(Q)rm -f $@ && $(AR) rcs $@ $(BUILD)/pic/ctlfs-emul.o

$(BUILD)/tests/%: tests/unit/%.c $(BUILD)/libcore.a
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) $(CHECK_CFLAGS) -Isrc -Itests/unit -MMD -MP \
		$(ALL_LDFLAGS) -o $@ $< $(BUILD)/libcore.a $(CHECK_LIBS) $(LIBRARIES)

# The emulator as its users have it.
$(BUILD)/bench/emul: tests/bench/emul.c $(BUILD)/libctlfs-emul.a
	$(call say,BENCH,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -MMD -MP $(ALL_LDFLAGS) -o $@ $< \
		$(BUILD)/libctlfs-emul.a

$(BUILD)/bench/%: tests/bench/%.c
	$(call say,BENCH,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -MMD -MP $(ALL_LDFLAGS) -o $@ $< $(FUSE_LIBS)

# It makes threads by clone() itself, which ThreadSanitizer cannot follow.
DRIVER_FLAGS = $(filter-out -fsanitize=thread,$(ALL_CFLAGS) $(ALL_LDFLAGS))

$(BUILD)/conform/driver: $(wildcard tests/conform/*.c) tests/conform/conform.h
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(DRIVER_FLAGS) -o $@ $(filter %.c,$^)

$(BUILD)/mount/race: tests/mount/race.c
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(DRIVER_FLAGS) -o $@ $<

$(BUILD)/kselftest/shim.so: tests/kselftest/shim.c
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(filter-out -fPIE,$(ALL_CFLAGS)) -fPIC -shared -o $@ $<

$(BUILD)/fuzz/%: tests/fuzz/%.c $(BUILD)/libcore.a
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -fsanitize=fuzzer -Itests/fuzz -Isrc \
		-Itests/unit -MMD -MP $(ALL_LDFLAGS) -o $@ $< $(BUILD)/libcore.a $(LIBRARIES)

tests: $(TESTS) $(BUILD)/conform/driver $(BUILD)/mount/race

# Each goal that needs packages makes them first and then calls make again, so that pkg-config is
# asked after they are there.
run: ## install what is missing, build, and show the main job
	.ci/install-packages build demo
	$(MAKE) all
	tests/demo $(BUILD)/ctlfs

test: ## install, build and run every test, the VM tier included
	.ci/install-packages build test bench fuzz vm runtimes tools
	$(MAKE) -j$$(nproc) all tests benches
	$(FUZZ_BUILD)
	FUZZ_SECONDS=5 tests/run unit library mount fuzz bench vm

test-vm: ## only the tests on a real kernel in a virtual machine
	.ci/install-packages build test vm runtimes tools
	$(MAKE) all tests
	tests/run vm

test-vm-full: ## every test of a mount, and of the kernel, on Debian's kernels 6.1 and 6.12
	.ci/install-packages build test vm runtimes tools
	$(MAKE) all tests
	tests/run vm-full

benches: $(BENCH)

conform: ## ctlfs beside the kernel: SEEDS="1 2 3" OPS=10000 KERNEL=6.12 AGAINST=backend
	.ci/install-packages build test vm
	$(MAKE) all $(BUILD)/conform/driver
	python3 -B tests/conform run $(if $(SEEDS),--seeds $(SEEDS)) $(if $(OPS),--ops $(OPS)) \
		$(if $(KERNEL),--kernel $(KERNEL)) $(if $(AGAINST),--against $(AGAINST))

conform-native: ## structure and members beside this machine's own cgroup2: SEEDS, OPS
	.ci/install-packages build test
	$(MAKE) all $(BUILD)/conform/driver
	python3 -B tests/conform native $(if $(SEEDS),--seeds $(SEEDS)) $(if $(OPS),--ops $(OPS))

mutants: ## whether attack tests can fail: each without the check that it attacks
	.ci/install-packages build test vm
	$(MAKE) all tests
	python3 -B tests/mutants $(NAMES)

views: ## every renderer of the views over random snapshots: ROUNDS=1000000
	.ci/install-packages build test
	$(MAKE) $(BUILD)/tests/test_view_random
	CTLFS_VIEW_ROUNDS=$(or $(ROUNDS),1000000) $(BUILD)/tests/test_view_random

kselftest: ## the kernel's own tests: the emulator beside the kernel (ARGS=--again)
	.ci/install-packages build test vm
	$(MAKE) all $(BUILD)/kselftest/shim.so
	python3 -B tests/kselftest $(ARGS)

bench: ## measure against a null FUSE file system, native files and LXCFS; the library
	.ci/install-packages build bench
	$(MAKE) all benches
	$(BUILD)/bench/emul
	tests/bench/bench

# Each target in tests/fuzz, FUZZ_SECONDS each.
FUZZ_SECONDS ?= 60
FUZZ_BUILD = $(MAKE) BUILD=build/fuzz CC=clang OPT=-O1 HARDENING=-fPIE \
	SANITIZE="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all" fuzzers

fuzzers: $(FUZZERS)

fuzz: ## fuzz every parser with ASan and UBSan: FUZZ_SECONDS=60 each
	.ci/install-packages build fuzz
	$(FUZZ_BUILD)
	FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/fuzz

lint: ## compilers, static analysis and the rules of the house
	.ci/install-packages build test lint
	tests/lint

# Without -Werror: with sanitizers gcc warns of what it cannot follow.
ASAN = -fsanitize=address,undefined -fno-sanitize-recover=all -Wno-error
TSAN = -fsanitize=thread -Wno-error

# Of a run under sanitizers; with vm, on a real kernel, which takes an hour.
TIERS = unit mount

asan: ## tests under AddressSanitizer and UBSan: TIERS="unit mount vm"
	.ci/install-packages build test lint $(if $(filter vm,$(TIERS)),vm runtimes tools)
	$(MAKE) BUILD=build/asan SANITIZE="$(ASAN)" OPT=-O1 HARDENING=-fPIE all tests
	LSAN_OPTIONS=suppressions=$(CURDIR)/tests/lsan.supp CTLFS_BUILD=build/asan \
		CTLFS_TEST_LEAVE_OUT="$(ASAN_IMPOSSIBLE)" tests/run $(TIERS)

# It has a thread of its own in each process: such a one cannot enter a user or mount namespace
# (attach), and what is forked off it (a daemon that goes to the background) makes no threads.
TSAN_IMPOSSIBLE = test_attach test_helpers.Fstab
# It looks at itself through /proc in the end, which these containers do not have.
ASAN_IMPOSSIBLE = test_hooks.Hostile

tsan: ## tests under ThreadSanitizer: TIERS="unit mount vm"
	.ci/install-packages build test lint $(if $(filter vm,$(TIERS)),vm runtimes tools)
	$(MAKE) BUILD=build/tsan SANITIZE="$(TSAN)" OPT=-O1 HARDENING=-fPIE all tests
	TSAN_OPTIONS=die_after_fork=0 CTLFS_BUILD=build/tsan CTLFS_STRESS_SECONDS=60 \
		CTLFS_TEST_SLOW=4 CTLFS_TEST_LEAVE_OUT="$(TSAN_IMPOSSIBLE)" \
		tests/run $(TIERS)

# A file with the variables of this makefile in the place of their @NAMES@.
fill = sed $(foreach name,BINDIR LXCDIR PREFIX LIBDIR INCLUDEDIR VERSION,\
	-e 's|@$(name)@|$($(name))|') $(1)

install: all ## install into $(DESTDIR)$(PREFIX)
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(SBINDIR) $(DESTDIR)$(MANDIR)/man1
	install -m 755 $(BUILD)/ctlfs $(DESTDIR)$(BINDIR)/ctlfs
	install -m 755 mount-helpers/mount.ctlfs $(DESTDIR)$(SBINDIR)/mount.ctlfs
	ln -sf mount.ctlfs $(DESTDIR)$(SBINDIR)/mount.fuse.ctlfs
	install -d $(DESTDIR)$(UNITDIR) $(DESTDIR)$(HOOKSDIR) $(DESTDIR)$(LXCDIR)
	$(call fill,mount-helpers/ctlfs.service.in) >$(DESTDIR)$(UNITDIR)/ctlfs.service
	$(call fill,mount-helpers/oci-hook.json.in) >$(DESTDIR)$(HOOKSDIR)/ctlfs.json
	$(call fill,mount-helpers/lxc.conf.in) >$(DESTDIR)$(LXCDIR)/ctlfs.conf
	install -m 644 docs/ctlfs.1 $(DESTDIR)$(MANDIR)/man1/ctlfs.1
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR)/ctlfs
	install -m 644 $(LIB_HEADERS) $(DESTDIR)$(INCLUDEDIR)/ctlfs
	install -m 644 $(BUILD)/libctlfs-emul.a $(DESTDIR)$(LIBDIR)/libctlfs-emul.a
	install -m 755 $(BUILD)/$(LIB_SONAME) $(DESTDIR)$(LIBDIR)/$(LIB_SONAME).$(LIB_REST)
	ln -sf $(LIB_SONAME).$(LIB_REST) $(DESTDIR)$(LIBDIR)/$(LIB_SONAME)
	ln -sf $(LIB_SONAME) $(DESTDIR)$(LIBDIR)/libctlfs-emul.so
	$(call fill,src/emul/ctlfs-emul.pc.in) >$(DESTDIR)$(LIBDIR)/pkgconfig/ctlfs-emul.pc

clean: ## remove what was built
	rm -rf $(BUILD)

-include $(OBJECTS:.o=.d) $(LIB_OBJECTS:.o=.d) $(TESTS:=.d) $(BENCH:=.d) $(FUZZERS:=.d)
