/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One instruction, INSN, as a whole ELF file: no assembler of Debian 12 knows loongarch. For any
 * little-endian assembler; objcopy -O binary makes the program.
 */
        .equ    BASE, 0x10000
start:  .byte   0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0      /* ELF, 64 bits, little-endian */
        .quad   0
        .short  2, 258                                  /* ET_EXEC, EM_LOONGARCH */
        .long   1
        .quad   BASE + code - start, segment - start, 0
        .long   0x43                                    /* ABI 1, LP64D */
        .short  64, 56, 1, 64, 0, 0
segment:
        .long   1, 5                                    /* PT_LOAD, readable and executable */
        .quad   0, BASE, BASE, end - start, end - start, 0x10000
code:   .long   INSN
        .long   0x03800004                              /* ori $a0, $zero, 0 */
        .long   0x0381740b                              /* ori $a7, $zero, 93 */
        .long   0x002b0000                              /* syscall 0 */
end:
