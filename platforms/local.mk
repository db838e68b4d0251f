# SPDX-License-Identifier: Apache-2.0
libweft_a_SOURCES += \
	%D%/audit.c \
	%D%/audit.h \
	%D%/audit_file.c \
	%D%/audit_file.h \
	%D%/audit_isa.c \
	%D%/audit_known.c \
	%D%/catalogue.c \
	%D%/catalogue.h \
	%D%/cpu.c \
	%D%/cpu.h \
	%D%/cpu_models.c \
	%D%/elf.c \
	%D%/elf.h \
	%D%/elf_attributes.c \
	%D%/elf_attributes.h \
	%D%/elf_facts.c \
	%D%/elf_facts.h \
	%D%/level.c \
	%D%/level.h \
	%D%/match.c \
	%D%/match.h \
	%D%/platform.c \
	%D%/platform.h \
	%D%/speeds.c \
	%D%/speeds.h
