# SPDX-License-Identifier: Apache-2.0
libweft_a_SOURCES += \
	%D%/existing.c \
	%D%/existing.h \
	%D%/handler.c \
	%D%/handler.h \
	%D%/idmap.c \
	%D%/idmap.h \
	%D%/probe.c \
	%D%/probe.h \
	%D%/qemu.c \
	%D%/qemu.h \
	%D%/sandbox.c \
	%D%/sandbox.h \
	%D%/stuck.c \
	%D%/stuck.h
