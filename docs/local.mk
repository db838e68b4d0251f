# SPDX-License-Identifier: Apache-2.0
# A command has a man page of its own, written by hand in mdoc; tests/docs.sh compares it with --help.
dist_man_MANS = \
	%D%/weft.1 \
	%D%/weft-audit.1 \
	%D%/weft-bench.1 \
	%D%/weft-binfmt.1 \
	%D%/weft-build.1 \
	%D%/weft-buildctl.1 \
	%D%/weft-doctor.1 \
	%D%/weft-du.1 \
	%D%/weft-inspect.1 \
	%D%/weft-platforms.1 \
	%D%/weft-prune.1 \
	%D%/weft-push.1 \
	%D%/weft-qemu.1 \
	%D%/weft-worker.1
dist_doc_DATA = \
	%D%/audit.md \
	%D%/bench-kernels.md \
	%D%/benchmarks.md \
	%D%/buildx.md \
	%D%/cache.md \
	%D%/cpu-models.md \
	%D%/env.md \
	%D%/migrate.md \
	%D%/node-pools.md \
	%D%/performance.md \
	%D%/workers.md
