# SPDX-License-Identifier: Apache-2.0
# A unit test is tests/unit/test_MODULE.c and one line here. It is linked with libweft.a and
# cmocka (LDADD in Makefile.am).
unit_tests =
unit_tests += %D%/unit/test_err %D%/unit/test_mem %D%/unit/test_str
unit_tests += %D%/unit/test_json %D%/unit/test_answers
unit_tests += %D%/unit/test_digest
unit_tests += %D%/unit/test_lock
unit_tests += %D%/unit/test_fs
unit_tests += %D%/unit/test_dirs %D%/unit/test_state
%C%_unit_test_state_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=rename,--wrap=renameat2,--wrap=mkdir
unit_tests += %D%/unit/test_loop
unit_tests += %D%/unit/test_spawn
unit_tests += %D%/unit/test_platform %D%/unit/test_match
unit_tests += %D%/unit/test_level %D%/unit/test_speeds
unit_tests += %D%/unit/test_bench_facts %D%/unit/test_bench_result %D%/unit/test_bench_runner
unit_tests += %D%/unit/test_bench_profile %D%/unit/test_bench_stats
unit_tests += %D%/unit/test_bench_compare %D%/unit/test_bench_nodes
unit_tests += %D%/unit/test_bench_pods %D%/unit/test_result_log
unit_tests += %D%/unit/test_audit %D%/unit/test_audit_tree %D%/unit/test_audit_walk
%C%_unit_test_audit_walk_SOURCES = %D%/unit/test_audit_walk.c %D%/unit/tar_fixture.c %D%/unit/tar_fixture.h
unit_tests += %D%/unit/test_elf %D%/unit/test_stub %D%/unit/test_qemu_copy
unit_tests += %D%/unit/test_cpu %D%/unit/test_qemu_models
unit_tests += %D%/unit/test_emulator %D%/unit/test_worker_salt
%C%_unit_test_emulator_SOURCES = %D%/unit/test_emulator.c %D%/unit/fake_qemu.h
%C%_unit_test_worker_salt_SOURCES = %D%/unit/test_worker_salt.c %D%/unit/fake_qemu.h
unit_tests += %D%/unit/test_reference %D%/unit/test_registry_hosts %D%/unit/test_worker_logs
unit_tests += %D%/unit/test_registry_proxy %D%/unit/test_registry_reply %D%/unit/test_docker_config
unit_tests += %D%/unit/test_registry_client
%C%_unit_test_registry_client_SOURCES = %D%/unit/test_registry_client.c %D%/unit/http_script.c %D%/unit/http_script.h
unit_tests += %D%/unit/test_docker_units %D%/unit/test_caches %D%/unit/test_disk_full
unit_tests += %D%/unit/test_dockerfile
unit_tests += %D%/unit/test_jobs
unit_tests += %D%/unit/test_flags %D%/unit/test_html
unit_tests += %D%/unit/test_request %D%/unit/test_settings
unit_tests += %D%/unit/test_plan
unit_tests += %D%/unit/test_proxy_args
unit_tests += %D%/unit/test_solve %D%/unit/test_cache_args %D%/unit/test_call %D%/unit/test_vcs
unit_tests += %D%/unit/test_unpack %D%/unit/test_git_url %D%/unit/test_download
%C%_unit_test_download_SOURCES = %D%/unit/test_download.c %D%/unit/http_script.c %D%/unit/http_script.h
unit_tests += %D%/unit/test_stuck
unit_tests += %D%/unit/test_solve_error
unit_tests += %D%/unit/test_descriptor
unit_tests += %D%/unit/test_stage %D%/unit/test_merge %D%/unit/test_layout
unit_tests += %D%/unit/test_annotation
unit_tests += %D%/unit/test_local_output
unit_tests += %D%/unit/test_blob_homes %D%/unit/test_push

# Results of benchmarks, made by hand.
bench_fixture = %D%/unit/bench_fixture.c %D%/unit/bench_fixture.h
%C%_unit_test_bench_compare_SOURCES = %D%/unit/test_bench_compare.c $(bench_fixture)
%C%_unit_test_bench_nodes_SOURCES = %D%/unit/test_bench_nodes.c $(bench_fixture)

# Images in a temporary directory, and faults in renames.
image_fixture = %D%/unit/image_fixture.c %D%/unit/image_fixture.h
rename_fault = %D%/unit/rename_fault.c %D%/unit/rename_fault.h
rename_wrap = $(AM_LDFLAGS) -Wl,--wrap=rename,--wrap=renameat2
%C%_unit_test_annotation_SOURCES = %D%/unit/test_annotation.c $(image_fixture)
%C%_unit_test_stage_SOURCES = %D%/unit/test_stage.c $(image_fixture)
%C%_unit_test_push_SOURCES = %D%/unit/test_push.c $(image_fixture)
%C%_unit_test_merge_SOURCES = %D%/unit/test_merge.c $(image_fixture)
%C%_unit_test_layout_SOURCES = %D%/unit/test_layout.c $(image_fixture) $(rename_fault)
%C%_unit_test_layout_LDFLAGS = $(rename_wrap)
%C%_unit_test_local_output_SOURCES = %D%/unit/test_local_output.c $(image_fixture) $(rename_fault)
%C%_unit_test_local_output_LDFLAGS = $(rename_wrap)
unit_tests += %D%/unit/test_install %D%/unit/test_owners
unit_tests += %D%/unit/test_existing %D%/unit/test_handler %D%/unit/test_idmap %D%/unit/test_qemu
unit_tests += %D%/unit/test_probe %D%/unit/test_sandbox_try
unit_tests += %D%/unit/test_worker
unit_tests += %D%/unit/test_doctor_try
unit_tests += %D%/unit/test_run_times
unit_tests += %D%/unit/test_progress_model %D%/unit/test_progress %D%/unit/test_diagnose

if HAVE_CMOCKA
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
else
check-local:
	@echo "cmocka was not found by configure: unit tests are left out"
endif

# What end-to-end tests of workers need: one that acquires a worker, one that denies a mount. And one
# that says what the catalogue makes of an ELF file.
check_PROGRAMS += %D%/e2e/worker-hold %D%/e2e/deny-mount %D%/e2e/elf-machine
%C%_e2e_elf_machine_SOURCES = %D%/e2e/elf-machine.c
%C%_e2e_elf_machine_LDADD = $(weft_libs)
check_PROGRAMS += %D%/e2e/audit-elf
%C%_e2e_audit_elf_SOURCES = %D%/e2e/audit-elf.c
%C%_e2e_audit_elf_LDADD = $(weft_libs)
check_PROGRAMS += %D%/e2e/qemu-copy
%C%_e2e_qemu_copy_LDADD = $(weft_libs)

check_PROGRAMS += %D%/e2e/cpu-model
%C%_e2e_cpu_model_LDADD = $(weft_libs)

# The page of a comparison, of made-up nodes.
check_PROGRAMS += %D%/e2e/bench-page
%C%_e2e_bench_page_SOURCES = %D%/e2e/bench-page.c
%C%_e2e_bench_page_LDADD = $(weft_libs)

# End-to-end tests: real buildkitd, real QEMU. PATTERN=... runs some of them.
.PHONY: check-e2e
check-e2e: all %D%/progress-replay %D%/e2e/bench-page %D%/e2e/cpu-model %D%/e2e/worker-hold %D%/e2e/deny-mount \
    %D%/e2e/elf-machine %D%/e2e/qemu-copy %D%/e2e/audit-elf
	$(srcdir)/%D%/e2e/run -b $(abs_builddir) -j $${WEFT_TEST_JOBS:-1} $(PATTERN)

EXTRA_DIST += %D%/e2e %D%/helpers.h %D%/tar_bytes.h %D%/analyze.sh %D%/kube %D%/lint.sh %D%/long

# Fuzz targets: `make check` runs each on its seeds and on changed copies of them; with clang,
# tests/fuzz/run does it in earnest.
fuzz_driver = %D%/fuzz/driver.c
check_PROGRAMS += %D%/fuzz/fuzz_binfmt
%C%_fuzz_fuzz_binfmt_SOURCES = %D%/fuzz/fuzz_binfmt.c $(fuzz_driver)
%C%_fuzz_fuzz_binfmt_LDADD = $(weft_libs)
check_PROGRAMS += %D%/fuzz/fuzz_blobhomes
%C%_fuzz_fuzz_blobhomes_SOURCES = %D%/fuzz/fuzz_blobhomes.c $(fuzz_driver)
%C%_fuzz_fuzz_blobhomes_LDADD = $(weft_libs)
check_PROGRAMS += %D%/fuzz/fuzz_dockerfile
%C%_fuzz_fuzz_dockerfile_SOURCES = %D%/fuzz/fuzz_dockerfile.c $(fuzz_driver)
%C%_fuzz_fuzz_dockerfile_LDADD = $(weft_libs)
check_PROGRAMS += %D%/fuzz/fuzz_reference
%C%_fuzz_fuzz_reference_SOURCES = %D%/fuzz/fuzz_reference.c $(fuzz_driver)
%C%_fuzz_fuzz_reference_LDADD = $(weft_libs)
check_PROGRAMS += %D%/fuzz/fuzz_registry
%C%_fuzz_fuzz_registry_SOURCES = %D%/fuzz/fuzz_registry.c $(fuzz_driver)
%C%_fuzz_fuzz_registry_LDADD = $(weft_libs)
check_PROGRAMS += %D%/fuzz/fuzz_request
%C%_fuzz_fuzz_request_SOURCES = %D%/fuzz/fuzz_request.c $(fuzz_driver)
%C%_fuzz_fuzz_request_LDADD = $(weft_libs)
check_PROGRAMS += %D%/fuzz/fuzz_platform
%C%_fuzz_fuzz_platform_SOURCES = %D%/fuzz/fuzz_platform.c $(fuzz_driver)
%C%_fuzz_fuzz_platform_LDADD = $(weft_libs)
check_PROGRAMS += %D%/fuzz/fuzz_settings
%C%_fuzz_fuzz_settings_SOURCES = %D%/fuzz/fuzz_settings.c $(fuzz_driver)
%C%_fuzz_fuzz_settings_LDADD = $(weft_libs)
check_PROGRAMS += %D%/fuzz/fuzz_state
%C%_fuzz_fuzz_state_SOURCES = %D%/fuzz/fuzz_state.c $(fuzz_driver)
%C%_fuzz_fuzz_state_LDADD = $(weft_libs)
TESTS += %D%/fuzz/check
EXTRA_DIST += %D%/fuzz/check %D%/fuzz/run %D%/fuzz/seeds
check_PROGRAMS += %D%/fuzz/fuzz_cacherecord
%C%_fuzz_fuzz_cacherecord_SOURCES = %D%/fuzz/fuzz_cacherecord.c $(fuzz_driver)
%C%_fuzz_fuzz_cacherecord_LDADD = $(weft_libs)
check_PROGRAMS += %D%/fuzz/fuzz_call
%C%_fuzz_fuzz_call_SOURCES = %D%/fuzz/fuzz_call.c $(fuzz_driver)
%C%_fuzz_fuzz_call_LDADD = $(weft_libs)
check_PROGRAMS += %D%/fuzz/fuzz_collect
%C%_fuzz_fuzz_collect_SOURCES = %D%/fuzz/fuzz_collect.c $(fuzz_driver)
%C%_fuzz_fuzz_collect_LDADD = $(weft_libs)
check_PROGRAMS += %D%/fuzz/fuzz_cpuhelp
%C%_fuzz_fuzz_cpuhelp_SOURCES = %D%/fuzz/fuzz_cpuhelp.c $(fuzz_driver)
%C%_fuzz_fuzz_cpuhelp_LDADD = $(weft_libs)
check_PROGRAMS += %D%/fuzz/fuzz_elf
%C%_fuzz_fuzz_elf_SOURCES = %D%/fuzz/fuzz_elf.c $(fuzz_driver)
%C%_fuzz_fuzz_elf_LDADD = $(weft_libs)
check_PROGRAMS += %D%/fuzz/fuzz_elffacts
%C%_fuzz_fuzz_elffacts_SOURCES = %D%/fuzz/fuzz_elffacts.c $(fuzz_driver)
%C%_fuzz_fuzz_elffacts_LDADD = $(weft_libs)
check_PROGRAMS += %D%/fuzz/fuzz_giturl
%C%_fuzz_fuzz_giturl_SOURCES = %D%/fuzz/fuzz_giturl.c $(fuzz_driver)
%C%_fuzz_fuzz_giturl_LDADD = $(weft_libs)
check_PROGRAMS += %D%/fuzz/fuzz_unpack
%C%_fuzz_fuzz_unpack_SOURCES = %D%/fuzz/fuzz_unpack.c $(fuzz_driver)
%C%_fuzz_fuzz_unpack_LDADD = $(weft_libs)
check_PROGRAMS += %D%/fuzz/fuzz_layer
%C%_fuzz_fuzz_layer_SOURCES = %D%/fuzz/fuzz_layer.c $(fuzz_driver)
%C%_fuzz_fuzz_layer_LDADD = $(weft_libs)
check_PROGRAMS += %D%/fuzz/fuzz_manifest
%C%_fuzz_fuzz_manifest_SOURCES = %D%/fuzz/fuzz_manifest.c $(fuzz_driver)
%C%_fuzz_fuzz_manifest_LDADD = $(weft_libs)
check_PROGRAMS += %D%/fuzz/fuzz_result
%C%_fuzz_fuzz_result_SOURCES = %D%/fuzz/fuzz_result.c $(fuzz_driver)
%C%_fuzz_fuzz_result_LDADD = $(weft_libs)

# What the merge writes, against the image specification's schemas and skopeo.
check_PROGRAMS += %D%/oci/merge_layouts
%C%_oci_merge_layouts_LDADD = $(weft_libs)
TESTS += %D%/oci/check
EXTRA_DIST += %D%/oci/check %D%/oci/validate

# The progress display: what it is tested and looked at with.
check_PROGRAMS += %D%/progress-replay
%C%_progress_replay_SOURCES = %D%/progress-replay.c
%C%_progress_replay_LDADD = $(weft_libs)
check_PROGRAMS += %D%/fuzz/fuzz_rawjson
%C%_fuzz_fuzz_rawjson_SOURCES = %D%/fuzz/fuzz_rawjson.c $(fuzz_driver)
%C%_fuzz_fuzz_rawjson_LDADD = $(weft_libs)
EXTRA_DIST += %D%/vt.h %D%/data/bench %D%/data/buildx %D%/data/progress %D%/data/qemu_copy

# The table of CPU models in docs/ against the catalogue.
check_PROGRAMS += %D%/cpu_table
%C%_cpu_table_SOURCES = %D%/cpu_table.c
%C%_cpu_table_LDADD = $(weft_libs)
TESTS += %D%/cpu_table.sh
EXTRA_DIST += %D%/cpu_table.sh

# The documents against the program's --help.
TESTS += %D%/docs.sh
EXTRA_DIST += %D%/docs.sh
