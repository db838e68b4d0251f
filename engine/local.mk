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
