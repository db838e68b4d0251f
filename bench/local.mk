# SPDX-License-Identifier: Apache-2.0
libweft_a_SOURCES += \
	%D%/compare.c \
	%D%/compare.h \
	%D%/compare_words.c \
	%D%/facts.c \
	%D%/facts.h \
	%D%/kernels.c \
	%D%/kernels.h \
	%D%/nodes.c \
	%D%/nodes.h \
	%D%/prices.c \
	%D%/prices.h \
	%D%/profile.c \
	%D%/profile.h \
	%D%/result.c \
	%D%/result.h \
	%D%/result_log.c \
	%D%/result_log.h \
	%D%/result_read.c \
	%D%/results.c \
	%D%/results.h \
	%D%/runner.c \
	%D%/runner.h \
	%D%/stats.c \
	%D%/stats.h \
	%D%/target.c \
	%D%/target.h

# What results and comparisons are valid against.
EXTRA_DIST += %D%/result.schema.json %D%/compare.schema.json

# What weft costs, measured: bench/README.md.
EXTRA_DIST += %D%/overhead %D%/README.md %D%/qemu_rank %D%/guest/qemu_rank.c

# Builds that are pushed, by weft and by buildctl.
EXTRA_DIST += %D%/push

# Real builds, natively, by plain BuildKit and by weft: docs/performance.md.
EXTRA_DIST += \
	%D%/real/document.py \
	%D%/real/inputs \
	%D%/real/predict.py \
	%D%/real/run \
	%D%/real/trace.c \
	%D%/real/certificates/Dockerfile \
	%D%/real/configure/Dockerfile \
	%D%/real/lua/Dockerfile \
	%D%/real/redis/Dockerfile \
	%D%/real/smoke/Dockerfile \
	%D%/real/sqlite/Dockerfile \
	%D%/real/toolchain/Dockerfile \
	%D%/real/zlib/Dockerfile

.PHONY: bench bench-smoke
bench:
	$(srcdir)/%D%/overhead -b $(builddir) --check

# Runs each bench once and judges no time: only whether it still works.
bench-smoke:
	$(srcdir)/%D%/overhead -b $(builddir) --smoke

# The programs of `weft bench', of each machine, and of armhf: libexec/bench/MACHINE/
# (docs/bench-kernels.md).
guest_dirs += bench
kernel_sources = \
	%D%/kernels/build \
	%D%/kernels/calls.c \
	%D%/kernels/chase.c \
	%D%/kernels/compiler.c \
	%D%/kernels/crc32.c \
	%D%/kernels/files.c \
	%D%/kernels/float.c \
	%D%/kernels/fork_exec.c \
	%D%/kernels/hash.c \
	%D%/kernels/interp.c \
	%D%/kernels/kernels.c \
	%D%/kernels/kernels.h \
	%D%/kernels/lz.c \
	%D%/kernels/mmap.c \
	%D%/kernels/sha256.c \
	%D%/kernels/signals.c \
	%D%/kernels/sort.c \
	%D%/kernels/start.c \
	%D%/kernels/start_large.c \
	%D%/kernels/start_large_part.c \
	%D%/kernels/stream.c \
	%D%/kernels/string.c \
	%D%/kernels/syscall.c \
	%D%/kernels/threads.c \
	%D%/kernels/vector.c
EXTRA_DIST += $(kernel_sources)

if HAVE_GUESTS
guests_built += libexec/bench/.built
endif

libexec/bench/.built: $(kernel_sources) binfmt/guest/copy-libc config.status
	@$(srcdir)/binfmt/guest/build-all libexec/bench $(srcdir)/%D%/kernels/build "$(BENCH_GUESTS)"
