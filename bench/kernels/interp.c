/* SPDX-License-Identifier: Apache-2.0 */
/* An interpreter's loop: integer arithmetic, a jump by table for each instruction, small memory. */
#include "bench/kernels/kernels.h"

enum op {
    HALT,
    SET,
    MOVE,
    ADD,
    XOR,
    ADDI,
    MULI,
    ANDI,
    SHRI,
    LOAD,
    STORE,
    JUMP,
    JZ,
    JNZ,
    CALL,
    RET
};

enum {
    ROUNDS = 60,
    STEPS = 40,
    CELLS = 64
};

struct insn {
    uint8_t op, a, b, c; /* a: the register written, or tested */
    uint32_t imm;
};

/* ROUNDS times STEPS steps of a Collatz sequence from register 1; the cells that it picks are
 * summed up and overwritten. */
static const struct insn program[] = {
    {SET, 2, 0, 0, ROUNDS},
    {MOVE, 4, 1, 0, 0}, /* 1 */
    {SET, 5, 0, 0, STEPS},
    {ANDI, 6, 4, 0, 1}, /* 3 */
    {JZ, 6, 0, 0, 8},
    {MULI, 4, 4, 0, 3},
    {ADDI, 4, 4, 0, 1},
    {JUMP, 0, 0, 0, 9},
    {SHRI, 4, 4, 0, 1},         /* 8 */
    {ANDI, 6, 4, 0, CELLS - 1}, /* 9 */
    {LOAD, 7, 6, 0, 0},
    {ADD, 3, 3, 7, 0},
    {STORE, 3, 6, 0, 0},
    {ADDI, 5, 5, 0, UINT32_MAX},
    {JNZ, 5, 0, 0, 3},
    {CALL, 0, 0, 0, 19},
    {ADDI, 2, 2, 0, UINT32_MAX},
    {JNZ, 2, 0, 0, 1},
    {HALT, 0, 0, 0, 0},
    {XOR, 3, 3, 4, 0}, /* 19 */
    {MULI, 3, 3, 0, 37},
    {ADD, 1, 1, 3, 0},
    {RET, 0, 0, 0, 0},
};

struct vm {
    uint32_t reg[8];
    uint32_t cell[CELLS];
};

static KERNEL_OPAQUE void interpret(const struct insn *code, struct vm *vm)
{
    uint32_t *r = vm->reg;
    const struct insn *pc = code;
    const struct insn *back = code;

    for (;;) {
        const struct insn *i = pc++;

        switch ((enum op)i->op) {
        case HALT:
            return;
        case SET:
            r[i->a] = i->imm;
            break;
        case MOVE:
            r[i->a] = r[i->b];
            break;
        case ADD:
            r[i->a] = r[i->b] + r[i->c];
            break;
        case XOR:
            r[i->a] = r[i->b] ^ r[i->c];
            break;
        case ADDI:
            r[i->a] = r[i->b] + i->imm;
            break;
        case MULI:
            r[i->a] = r[i->b] * i->imm;
            break;
        case ANDI:
            r[i->a] = r[i->b] & i->imm;
            break;
        case SHRI:
            r[i->a] = r[i->b] >> i->imm;
            break;
        case LOAD:
            r[i->a] = vm->cell[r[i->b]];
            break;
        case STORE:
            vm->cell[r[i->b]] = r[i->a];
            break;
        case JUMP:
            pc = code + i->imm;
            break;
        case JZ:
            pc = r[i->a] == 0 ? code + i->imm : pc;
            break;
        case JNZ:
            pc = r[i->a] != 0 ? code + i->imm : pc;
            break;
        case CALL:
            back = pc;
            pc = code + i->imm;
            break;
        case RET:
            pc = back;
            break;
        }
    }
}

static void run_interp(struct kernel_run *run)
{
    struct vm vm = {.reg = {0}};

    for (uint32_t i = 0; i < CELLS; i++) {
        vm.cell[i] = i * 2654435761u;
    }
    kernel_begin(run);
    for (uint64_t n = 0; n < run->iterations; n++) {
        vm.reg[1] += (uint32_t)n + 27;
        interpret(program, &vm);
        kernel_mix(run, vm.reg[3]);
    }
    kernel_end(run);
    for (int i = 0; i < CELLS; i++) {
        kernel_mix(run, vm.cell[i]);
    }
}

const struct kernel kernel_interp = {"interp", 480, "an interpreter's loop: integers and branches",
                                     run_interp};
