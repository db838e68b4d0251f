# SPDX-License-Identifier: Apache-2.0
libweft_a_SOURCES += \
	%D%/emulator.c \
	%D%/emulator.h \
	%D%/existing.c \
	%D%/existing.h \
	%D%/handler.c \
	%D%/handler.h \
	%D%/held.c \
	%D%/held.h \
	%D%/health.c \
	%D%/health.h \
	%D%/idmap.c \
	%D%/idmap.h \
	%D%/install.c \
	%D%/install.h \
	%D%/owners.c \
	%D%/owners.h \
	%D%/probe.c \
	%D%/probe.h \
	%D%/qemu.c \
	%D%/qemu.h \
	%D%/qemu_copy.c \
	%D%/qemu_copy.h \
	%D%/qemu_models.c \
	%D%/qemu_models.h \
	%D%/registry.c \
	%D%/registry.h \
	%D%/sandbox.c \
	%D%/sandbox.h \
	%D%/sandbox_try.c \
	%D%/sandbox_try.h \
	%D%/stub.c \
	%D%/stub.h \
	%D%/stub/layout.h \
	%D%/stuck.c \
	%D%/stuck.h \
	%D%/unshare.c \
	%D%/unshare.h

# The stub: a program of its own for this machine, of which binfmt/stub.c holds the bytes. Neither
# CFLAGS nor LDFLAGS are for it (STUB_CFLAGS: configure.ac).
stub_sources = %D%/stub/build %D%/stub/entry.S %D%/stub/stub.c %D%/stub/stub.lds
EXTRA_DIST += $(stub_sources)
stub_code =
if HAVE_STUB
stub_code += %D%/stub/code.h
%D%/stub.$(OBJEXT): %D%/stub/code.h
%D%/stub/code.h: $(stub_sources) %D%/stub/layout.h Makefile
	$(AM_V_at)$(MKDIR_P) %D%/stub
	$(AM_V_GEN)sh $(srcdir)/%D%/stub/build %D%/stub/stub.bin "$(OBJCOPY)" $(CC) $(STUB_CFLAGS) \
	    -I$(builddir)
	$(AM_V_at)od -An -v -tx1 %D%/stub/stub.bin | sed 's/\([0-9a-f][0-9a-f]\)/0x\1,/g' >$@.tmp
	$(AM_V_at)mv $@.tmp $@
CLEANFILES += %D%/stub/code.h %D%/stub/stub.bin %D%/stub/stub.bin.elf
endif

# Programs of the machines that QEMU emulates: libexec/DIR/MACHINE/, made with the cross compilers that
# configure found. Installed as data: a node needs no compiler. guest/ is the health check's.
guest_dirs = guest
guests_built =
guest_sources = %D%/guest/build %D%/guest/build-all %D%/guest/copy-libc %D%/guest/check.c
EXTRA_DIST += $(guest_sources)

if HAVE_GUESTS
guests_built += libexec/guest/.built
endif
noinst_DATA += $(guests_built)

libexec/guest/.built: $(guest_sources) config.status
	@$(srcdir)/%D%/guest/build-all libexec/guest $(srcdir)/%D%/guest/build "$(GUESTS)"

install-data-local: $(guests_built)
	@for dir in $(guest_dirs); do \
	    if test -d libexec/$$dir; then \
	        $(MKDIR_P) "$(DESTDIR)$(pkglibexecdir)/$$dir"; \
	        for d in libexec/$$dir/*/; do \
	            cp -R "$$d" "$(DESTDIR)$(pkglibexecdir)/$$dir/" || exit 1; \
	        done; \
	    fi; \
	done

uninstall-hook:
	for dir in $(guest_dirs); do rm -rf "$(DESTDIR)$(pkglibexecdir)/$$dir"; done

mostlyclean-local:
	for dir in $(guest_dirs); do rm -rf libexec/$$dir; done
