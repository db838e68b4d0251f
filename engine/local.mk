# SPDX-License-Identifier: Apache-2.0
bin_PROGRAMS += weft
weft_SOURCES = %D%/main.c
weft_LDADD = $(weft_libs)

libweft_a_SOURCES += \
	%D%/build.c \
	%D%/build.h \
	%D%/build_report.c \
	%D%/build_report.h \
	%D%/build_setup.c \
	%D%/build_setup.h \
	%D%/build_state.h \
	%D%/build_logs.c \
	%D%/build_logs.h \
	%D%/build_provenance.c \
	%D%/build_provenance.h \
	%D%/cache_args.c \
	%D%/cache_args.h \
	%D%/call.c \
	%D%/call.h \
	%D%/cmd.h \
	%D%/cmd_build.c \
	%D%/cmd_buildctl.c \
	%D%/download.c \
	%D%/download.h \
	%D%/git_remote.c \
	%D%/git_remote.h \
	%D%/git_url.c \
	%D%/git_url.h \
	%D%/holder.c \
	%D%/holder.h \
	%D%/outputs.c \
	%D%/outputs.h \
	%D%/plan.c \
	%D%/plan.h \
	%D%/proxy_args.c \
	%D%/proxy_args.h \
	%D%/push_output.c \
	%D%/push_output.h \
	%D%/solve.c \
	%D%/solve.h \
	%D%/solve_error.c \
	%D%/solve_error.h \
	%D%/source.c \
	%D%/source.h \
	%D%/source_pin.c \
	%D%/source_parts.h \
	%D%/vcs.c \
	%D%/vcs.h

libweft_a_SOURCES += \
	%D%/disk_full.c \
	%D%/disk_full.h \
	%D%/docker_load.c \
	%D%/docker_load.h \
	%D%/docker_units.c \
	%D%/docker_units.h \
	%D%/dockerfile.c \
	%D%/dockerfile.h \
	%D%/dockerfile_run.c \
	%D%/flags.c \
	%D%/flags.h \
	%D%/jobs.c \
	%D%/jobs.h \
	%D%/reference.c \
	%D%/reference.h \
	%D%/request.c \
	%D%/request.h \
	%D%/request_annotation.c \
	%D%/request_attest.c \
	%D%/request_cache.c \
	%D%/request_call.c \
	%D%/request_emulation.c \
	%D%/request_output.c \
	%D%/request_parts.c \
	%D%/request_parts.h \
	%D%/request_run.c \
	%D%/request_secret.c \
	%D%/request_source.c \
	%D%/settings.c \
	%D%/settings.h \
	%D%/settings_reader.h \
	%D%/settings_registries.c

libweft_a_SOURCES += \
	%D%/descriptor.c \
	%D%/descriptor.h \
	%D%/journal.c \
	%D%/journal.h \
	%D%/layer.c \
	%D%/layer.h \
	%D%/layer_parts.h \
	%D%/layout.c \
	%D%/layout.h \
	%D%/layout_name.c \
	%D%/layout_name.h \
	%D%/local_output.c \
	%D%/local_output.h \
	%D%/merge.c \
	%D%/merge.h \
	%D%/outfile.c \
	%D%/outfile.h \
	%D%/annotation.c \
	%D%/annotation.h \
	%D%/stage.c \
	%D%/stage.h \
	%D%/stage_image.c \
	%D%/unpack.c \
	%D%/unpack_parts.h \
	%D%/unpack_read.c \
	%D%/unpack.h \
	%D%/workdir.c \
	%D%/workdir.h

# What is process 1 of a worker. It needs few of the libraries, and starts faster without the rest.
pkglibexec_PROGRAMS += libexec/weft-init
libexec_weft_init_SOURCES = %D%/init_main.c %D%/init_cache.c %D%/init_cache.h \
	%D%/init_tasks.c %D%/init_tasks.h
libexec_weft_init_LDFLAGS = $(AM_LDFLAGS) -Wl,--as-needed
libexec_weft_init_LDADD = $(weft_libs)

libweft_a_SOURCES += \
	%D%/bench_show.c \
	%D%/bench_show.h \
	%D%/binfmt_show.c \
	%D%/binfmt_show.h \
	%D%/buildkit.c \
	%D%/buildkit.h \
	%D%/cache_filter.c \
	%D%/cache_filter.h \
	%D%/cache_record.c \
	%D%/cache_record.h \
	%D%/cache_show.c \
	%D%/cache_show.h \
	%D%/caches.c \
	%D%/caches.h \
	%D%/bench_collect.c \
	%D%/bench_commands.h \
	%D%/bench_compare.c \
	%D%/bench_compare_show.c \
	%D%/bench_compare_show.h \
	%D%/bench_page.c \
	%D%/bench_page.h \
	%D%/bench_page_machines.c \
	%D%/bench_page_map.c \
	%D%/bench_page_parts.h \
	%D%/bench_page_ranking.c \
	%D%/bench_pods.c \
	%D%/bench_pods.h \
	%D%/bench_run.c \
	%D%/cmd_bench.c \
	%D%/cmd_binfmt.c \
	%D%/cmd_du.c \
	%D%/cmd_inspect.c \
	%D%/cmd_qemu.c \
	%D%/cmd_platforms.c \
	%D%/cmd_prune.c \
	%D%/cmd_push.c \
	%D%/cmd_worker.c \
	%D%/html.c \
	%D%/html.h \
	%D%/image_source.c \
	%D%/image_source.h \
	%D%/inspect.c \
	%D%/inspect.h \
	%D%/kubectl.c \
	%D%/kubectl.h \
	%D%/state_usage.c \
	%D%/state_usage.h \
	%D%/worker.c \
	%D%/worker.h \
	%D%/worker_config.c \
	%D%/worker_config.h \
	%D%/worker_disk.c \
	%D%/worker_disk.h \
	%D%/worker_emulated.c \
	%D%/worker_end.c \
	%D%/worker_end.h \
	%D%/worker_files.c \
	%D%/worker_files.h \
	%D%/worker_launch.c \
	%D%/worker_launch.h \
	%D%/worker_list.c \
	%D%/worker_logs.c \
	%D%/worker_logs.h \
	%D%/worker_registries.c \
	%D%/worker_registries.h \
	%D%/worker_remove.c \
	%D%/worker_runs.c \
	%D%/worker_state.c \
	%D%/worker_state.h

libweft_a_SOURCES += \
	%D%/diagnose.c \
	%D%/diagnose.h \
	%D%/progress.c \
	%D%/progress.h \
	%D%/progress_display.h \
	%D%/progress_line.c \
	%D%/progress_line.h \
	%D%/progress_model.c \
	%D%/progress_model.h \
	%D%/progress_plain.c \
	%D%/progress_rawjson.c \
	%D%/progress_text.c \
	%D%/progress_text.h \
	%D%/progress_tty.c \
	%D%/run_times.c \
	%D%/run_times.h

# init_runtime is of weft-init, too.
libweft_a_SOURCES += \
	%D%/cmd_doctor.c \
	%D%/doctor.c \
	%D%/doctor.h \
	%D%/doctor_calls.c \
	%D%/doctor_check.h \
	%D%/doctor_cpu.c \
	%D%/doctor_machine.c \
	%D%/doctor_programs.c \
	%D%/doctor_qemu.c \
	%D%/doctor_registry.c \
	%D%/doctor_runtime.c \
	%D%/doctor_sandbox.c \
	%D%/doctor_state.c \
	%D%/doctor_try.c \
	%D%/doctor_try.h \
	%D%/init_runtime.c \
	%D%/init_runtime.h \
	%D%/registry_ping.c \
	%D%/registry_ping.h

# The page's style sheet, of which engine/bench_page.c holds the bytes.
page_style = %D%/bench_page_css.h
EXTRA_DIST += %D%/bench_page.css
%D%/bench_page.$(OBJEXT): $(page_style)
$(page_style): %D%/bench_page.css
	$(AM_V_at)$(MKDIR_P) %D%
	$(AM_V_GEN)od -An -v -tx1 $(srcdir)/%D%/bench_page.css | \
	    sed 's/\([0-9a-f][0-9a-f]\)/0x\1,/g' >$@.tmp
	$(AM_V_at)mv $@.tmp $@
CLEANFILES += $(page_style)

# The audit.
EXTRA_DIST += %D%/audit.schema.json
libweft_a_SOURCES += \
	%D%/audit.c \
	%D%/audit.h \
	%D%/audit_show.c \
	%D%/audit_show.h \
	%D%/cmd_audit.c \
	%D%/audit_content.c \
	%D%/audit_links.c \
	%D%/audit_parts.h \
	%D%/audit_sarif.c \
	%D%/audit_search.c \
	%D%/audit_search.h \
	%D%/audit_tree.c \
	%D%/audit_tree.h \
	%D%/audit_walk.c \
	%D%/audit_walk.h \
	%D%/layer_read.c \
	%D%/layer_read.h

# Registries.
libweft_a_SOURCES += \
	%D%/registry/blob_homes.c \
	%D%/registry/blob_homes.h \
	%D%/registry/auth.c \
	%D%/registry/auth.h \
	%D%/registry/client.c \
	%D%/registry/client.h \
	%D%/registry/client_call.c \
	%D%/registry/client_download.c \
	%D%/registry/client_parts.h \
	%D%/registry/client_upload.c \
	%D%/registry/content.c \
	%D%/registry/content.h \
	%D%/registry/docker_config.c \
	%D%/registry/docker_config.h \
	%D%/registry/hosts.c \
	%D%/registry/hosts.h \
	%D%/registry/http.c \
	%D%/registry/http.h \
	%D%/registry/proxy.c \
	%D%/registry/proxy.h \
	%D%/registry/push.c \
	%D%/registry/push.h \
	%D%/registry/reply.c \
	%D%/registry/reply.h \
	%D%/registry/turns.c \
	%D%/registry/turns.h
