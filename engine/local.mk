# SPDX-License-Identifier: Apache-2.0
bin_PROGRAMS += weft
weft_SOURCES = %D%/main.c
weft_LDADD = $(weft_libs)

libweft_a_SOURCES += \
	%D%/cmd.h \
	%D%/holder.c \
	%D%/holder.h \
	%D%/plan.c \
	%D%/plan.h \
	%D%/solve.c \
	%D%/solve.h \
	%D%/solve_error.c \
	%D%/solve_error.h

libweft_a_SOURCES += \
	%D%/dockerfile.c \
	%D%/dockerfile.h \
	%D%/flags.c \
	%D%/flags.h \
	%D%/jobs.c \
	%D%/jobs.h \
	%D%/reference.c \
	%D%/reference.h \
	%D%/request.c \
	%D%/request.h \
	%D%/request_attest.c \
	%D%/request_output.c \
	%D%/request_parts.h \
	%D%/request_source.c
