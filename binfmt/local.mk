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
	%D%/stuck.h

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

# Programs of the machines that QEMU emulates, for the health check: libexec/guest/MACHINE/, made with
# the cross compilers that configure found. Installed as data: a node needs no compiler.
EXTRA_DIST += %D%/guest/build %D%/guest/check.c

if HAVE_GUESTS
guests_built = libexec/guest/.built
noinst_DATA += $(guests_built)
endif

# Not made anew by every configure, but where that has found other compilers.
libexec/guest/.built: $(srcdir)/%D%/guest/build $(srcdir)/%D%/guest/check.c config.status
	@if test "$$(cat $@ 2>/dev/null)" = "$(GUESTS)" && \
	    test -z "$$(find $(srcdir)/%D%/guest/build $(srcdir)/%D%/guest/check.c -newer $@)"; then \
	    touch $@; exit 0; \
	fi; \
	echo "  GUESTS   $(GUESTS)"; \
	rm -rf libexec/guest && $(MKDIR_P) libexec/guest && \
	printf '%s\n' $(GUESTS) | \
	    sed 's|\(.*\):\(.*\)|$(srcdir)/%D%/guest/check.c libexec/guest/\1 \2|' | \
	    xargs -L 1 -P "$$(getconf _NPROCESSORS_ONLN)" $(srcdir)/%D%/guest/build && \
	echo "$(GUESTS)" >$@

install-data-local: $(guests_built)
	@if test -d libexec/guest; then \
	    $(MKDIR_P) "$(DESTDIR)$(pkglibexecdir)/guest"; \
	    for d in libexec/guest/*/; do \
	        cp -R "$$d" "$(DESTDIR)$(pkglibexecdir)/guest/" || exit 1; \
	    done; \
	fi

uninstall-hook:
	rm -rf "$(DESTDIR)$(pkglibexecdir)/guest"

mostlyclean-local:
	rm -rf libexec/guest
