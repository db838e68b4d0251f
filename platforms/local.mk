# SPDX-License-Identifier: Apache-2.0
libweft_a_SOURCES += \
	%D%/catalogue.c \
	%D%/catalogue.h \
	%D%/cpu.c \
	%D%/cpu.h \
	%D%/cpu_models.c \
	%D%/elf.c \
	%D%/elf.h \
	%D%/level.c \
	%D%/level.h \
	%D%/match.c \
	%D%/match.h \
	%D%/platform.c \
	%D%/platform.h \
	%D%/speeds.c \
	%D%/speeds.h
