/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the kernel enters a copy of QEMU: the stack holds argc, argv, envp and auxv, and nothing else
 * is promised but rdx (x86-64) and x0 (aarch64), which a C library would register with atexit. Calls
 * the C part with the stack pointer that the kernel left, then goes on to QEMU with the one that the C
 * part gives back and every register as it was found (but x16 and x17 on aarch64, which the ABI gives
 * to those who jump).
 *
 * The C part writes the two words below the kernel's stack pointer: what is kept here must lie lower.
 */
#include "binfmt/stub/layout.h"

    .section .head, "a"
    .globl weft_stub_head
    .hidden weft_stub_head
weft_stub_head:
    .ascii WEFT_STUB_MAGIC
    .long WEFT_STUB_VERSION
    .long weft_stub_start - weft_stub_head
    .quad 0
    .long 0
    .long 0

    .section .start, "ax"
    .globl weft_stub_start
    .hidden weft_stub_start

#if defined(__x86_64__)

/* Below the kernel's stack pointer: 24 bytes for the two words and the address to jump to, 8 for the
 * new stack pointer, then the registers. */
weft_stub_start:
    lea -32(%rsp), %rsp
    push %rax
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
    push %r11
    push %r11                   /* a multiple of 16 */
    lea 112(%rsp), %rdi
    call weft_stub_main
    mov %rdx, -8(%rax)
    mov %rax, 80(%rsp)
    pop %r11
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rcx
    pop %rax
    pop %rsp
    jmp *-8(%rsp)

#elif defined(__aarch64__)

/* Below the kernel's stack pointer: 16 bytes for the two words, then the registers. */
weft_stub_start:
    sub sp, sp, #16 + 144
    stp x0, x1, [sp]
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    stp x10, x11, [sp, #80]
    stp x12, x13, [sp, #96]
    stp x14, x15, [sp, #112]
    stp x18, x30, [sp, #128]
    add x0, sp, #16 + 144
    bl weft_stub_main
    mov x17, x0
    mov x16, x1                 /* what a landing pad of BTI lets through */
    ldp x0, x1, [sp]
    ldp x2, x3, [sp, #16]
    ldp x4, x5, [sp, #32]
    ldp x6, x7, [sp, #48]
    ldp x8, x9, [sp, #64]
    ldp x10, x11, [sp, #80]
    ldp x12, x13, [sp, #96]
    ldp x14, x15, [sp, #112]
    ldp x18, x30, [sp, #128]
    mov sp, x17
    br x16

#else
#error "no stub for this machine"
#endif

    .section .note.GNU-stack, "", %progbits
