package elf

const machine = 243 // EM_RISCV
