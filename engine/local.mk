# SPDX-License-Identifier: Apache-2.0
bin_PROGRAMS += weft
weft_SOURCES = %D%/main.c
weft_LDADD = $(weft_libs)

libweft_a_SOURCES +=
