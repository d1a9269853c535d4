// How a static program calls the vDSO: zx_NAME jumps through a slot. A slot
// starts as the address of the function's name; bind_vdso, at start, puts the
// function's own address in its place.
//
// Each function, name and slot has a section of its own, so that the linker
// (--gc-sections -z start-stop-gc) keeps only what a program uses.

.macro syscall name
  .section .text.\name, "ax", @progbits
  .globl \name
  .hidden \name
  .type \name, @function
\name:
  jmp *.Lslot_\name(%rip)
  .size \name, . - \name

  .section .rodata.\name, "a", @progbits
.Lname_\name:
  .asciz "\name"

  .section vdso_slots, "aw", @progbits, unique, .Lunique
  .set .Lunique, .Lunique + 1
  .balign 8
.Lslot_\name:
  .quad .Lname_\name
.endm

.set .Lunique, 1
#include "syscalls.inc"
