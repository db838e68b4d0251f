# SPDX-License-Identifier: Apache-2.0
libweft_a_SOURCES += \
	%D%/facts.c \
	%D%/facts.h \
	%D%/kernels.c \
	%D%/kernels.h \
	%D%/result.c \
	%D%/result.h \
	%D%/runner.c \
	%D%/runner.h \
	%D%/stats.c \
	%D%/stats.h \
	%D%/target.c \
	%D%/target.h

# What weft costs, measured: bench/README.md.
EXTRA_DIST += %D%/overhead %D%/README.md %D%/qemu_rank %D%/guest/qemu_rank.c

.PHONY: bench bench-smoke
bench:
	$(srcdir)/%D%/overhead -b $(builddir) --check

# Runs each bench once and judges no time: only whether it still works.
bench-smoke:
	$(srcdir)/%D%/overhead -b $(builddir) --smoke
