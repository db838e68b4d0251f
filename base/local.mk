# SPDX-License-Identifier: Apache-2.0
libweft_a_SOURCES += \
	%D%/answers.c \
	%D%/answers.h \
	%D%/cleanup.h \
	%D%/digest.c \
	%D%/digest.h \
	%D%/dirs.c \
	%D%/dirs.h \
	%D%/err.c \
	%D%/err.h \
	%D%/fs.c \
	%D%/fs.h \
	%D%/intern.c \
	%D%/intern.h \
	%D%/json.c \
	%D%/json.h \
	%D%/lock.c \
	%D%/lock.h \
	%D%/log.c \
	%D%/log.h \
	%D%/loop.c \
	%D%/loop.h \
	%D%/mem.c \
	%D%/mem.h \
	%D%/spawn.c \
	%D%/spawn.h \
	%D%/state.c \
	%D%/state.h \
	%D%/str.c \
	%D%/str.h
