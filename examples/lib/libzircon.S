// A libzircon.so to link to: it has the names, and each does nothing. A
// process gets the functions from the vDSO.

.macro syscall name
  .globl \name
  .type \name, @function
\name:
  ud2
  .size \name, . - \name
.endm

.text
#include "syscalls.inc"
