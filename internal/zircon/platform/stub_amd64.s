//go:build linux

#include "textflag.h"

// The stub: the only host code in a shell. It is never run where the linker
// puts it; its bytes are copied into the image that the zygote is started from,
// at stubText (layout.go), so it must not refer to any symbol. It uses no stack.
//
// An entry follows its mark: UD2 and six bytes. stub_amd64.go finds entries by
// them, and the end.

#define MARK(n) BYTE $0x0f; BYTE $0x0b; BYTE $0x73; BYTE $0x74; BYTE $0x75; BYTE $0x62; BYTE $0x23; BYTE $n

// Addresses and numbers of layout.go.
#define DATA $0x7fc000010000
#define COMMANDS $0x7fc000020000
#define BATCH 0xfe8
#define COUNT 0xff0
#define SEND 0x040
#define SENDCONTROLLEN 0x068
#define PAYLOAD 0x090
#define SENDFD 0x0b0
#define FPROG 0x0c0
#define FILTER 0x200
#define FILTERWORDS $0x60
#define RECV 0x500
#define RECVCONTROLLEN 0x528
#define RECVROOM $0x120
#define NR_CONTROL $0x5a5a0001
#define NR_READY $0x5a5a0002
#define NR_EXITING $0x5a5a0003
#define NR_FAULT $0x5a5a0004

TEXT stub<>(SB), NOSPLIT|NOFRAME, $0
	// Zygote: do what the socket says, one Linux call at a time.
	MARK(0x30)
zygote:
	MOVQ DATA, BX
	MOVQ RECVROOM, RECVCONTROLLEN(BX)
	MOVL $47, AX              // recvmsg
	MOVL $3, DI
	LEAQ RECV(BX), SI
	XORL DX, DX
	SYSCALL
	CMPQ AX, $64
	JNE  die
	MOVQ 0(BX), AX
	CMPQ AX, $-1
	JEQ  fork
	MOVQ 8(BX), DI
	MOVQ 16(BX), SI
	MOVQ 24(BX), DX
	MOVQ 32(BX), R10
	MOVQ 40(BX), R8
	MOVQ 48(BX), R9
	SYSCALL

reply:
	MOVQ AX, 0(BX)
	MOVL $1, AX               // write
	MOVL $3, DI
	MOVQ BX, SI
	MOVL $8, DX
	SYSCALL
	JMP  zygote

	// The command came with the shell's socket, which is descriptor 0.
fork:
	MOVQ  8(BX), R12          // offset of the command page
	MOVQ  16(BX), R13         // seccomp flags
	MOVL  $56, AX             // clone
	MOVL  $0x8011, DI         // CLONE_PARENT | SIGCHLD
	XORL  SI, SI
	XORL  DX, DX
	XORL  R10, R10
	XORL  R8, R8
	SYSCALL
	TESTQ AX, AX
	JEQ   shell
	MOVQ  AX, R14
	MOVL  $3, AX              // close
	XORL  DI, DI
	SYSCALL
	MOVQ  R14, AX
	JMP   reply

	// Shell: die with the kernel's process, map the command page, lock down.
shell:
	MOVL  $3, AX              // close(3)
	MOVL  $3, DI
	SYSCALL
	MOVL  $157, AX            // prctl(PR_SET_PDEATHSIG, SIGKILL)
	MOVL  $1, DI
	MOVL  $9, SI
	SYSCALL
	MOVL  $9, AX              // mmap(COMMANDS, 4096, PROT_READ, MAP_SHARED|MAP_FIXED, 4, offset)
	MOVQ  COMMANDS, DI
	MOVL  $4096, SI
	MOVL  $1, DX
	MOVL  $0x11, R10
	MOVL  $4, R8
	MOVQ  R12, R9
	SYSCALL
	CMPQ  AX, $-4095
	JCC   tell
	MOVL  $3, AX              // close(4)
	MOVL  $4, DI
	SYSCALL
	MOVL  $317, AX            // seccomp(SECCOMP_SET_MODE_FILTER, flags, prog)
	MOVL  $1, DI
	MOVQ  R13, SI
	LEAQ  FPROG(BX), DX
	SYSCALL

tell:
	MOVQ  AX, PAYLOAD(BX)
	MOVL  AX, SENDFD(BX)
	XORL  AX, AX              // forget the filter, for the key that is in it
	LEAQ  FILTER(BX), DI
	MOVL  FILTERWORDS, CX
	CLD
	REP
	STOSQ
	CMPQ  PAYLOAD(BX), $0
	JGE   send
	MOVQ  $0, SENDCONTROLLEN(BX) // no descriptor to send

send:
	MOVL  $46, AX             // sendmsg(0, SEND, MSG_NOSIGNAL)
	XORL  DI, DI
	LEAQ  SEND(BX), SI
	MOVL  $0x4000, DX
	SYSCALL
	TESTQ AX, AX
	JLT   die
	XORL  SP, SP              // a signal that somebody sends ends it
	XORL  DI, DI
	XORL  SI, SI
	XORL  DX, DX

	// Control: ask for work, with the last result, the number of commands done
	// and the number of their batch; run what the page holds, up to the first
	// failure. Linux may make the call once more though it was answered, of which
	// the batch tells. The answer is the key, which is kept in BP alone and goes with each call but mmap, in R9.
control:
	MOVL  NR_CONTROL, AX
	SYSCALL
	TESTQ AX, AX
	JLE   die                 // ENOSYS: nobody listens any more
	MOVQ  AX, BP
	XORL  R14, R14
	MOVQ  COMMANDS, BX
	MOVQ  COUNT(BX), R15

command:
	MOVQ  0(BX), AX
	MOVQ  8(BX), DI
	MOVQ  16(BX), SI
	MOVQ  24(BX), DX
	MOVQ  32(BX), R10
	MOVQ  40(BX), R8
	MOVQ  48(BX), R9
	MOVQ  56(BX), R13
	MOVQ  AX, R12
	CMPQ  AX, $9              // mmap
	JEQ   call
	MOVQ  BP, R9
	CMPQ  AX, $47             // recvmsg, whose header it has overwritten before
	JNE   call
	MOVQ  DATA, R11
	MOVQ  RECVROOM, RECVCONTROLLEN(R11)

call:
	SYSCALL
	TESTQ AX, AX
	JNE   parent
	CMPQ  R12, $56
	JEQ   thread

parent:
	CMPQ  AX, $-4095
	JCC   report
	INCQ  R14
	ADDQ  $64, BX
	CMPQ  R14, R15
	JLT   command

report:
	MOVQ  AX, DI
	MOVQ  R14, SI
	MOVQ  COMMANDS, BX
	MOVQ  BATCH(BX), DX
	JMP   control

	// Thread: it gives up the socket and the key. R13 is its frame, from which
	// rt_sigreturn loads every register.
thread:
	MOVL  $3, AX              // close(0)
	XORL  DI, DI
	SYSCALL
	TESTQ AX, AX
	JNE   die
	XORL  R9, R9
	XORL  BP, BP
	MOVQ  R13, DI
	MOVL  NR_READY, AX
	SYSCALL
	TESTQ AX, AX
	JNE   die
	MOVQ  R13, SP
	MOVL  $15, AX             // rt_sigreturn
	SYSCALL

die:
	MOVL  $231, AX            // exit_group
	MOVL  $1, DI
	SYSCALL

	// Handler of the signals that faults raise: DI signal, SI siginfo, DX
	// ucontext, on the thread's slot.
	MARK(0x31)
	MOVL  NR_FAULT, AX
	SYSCALL
	TESTQ AX, AX
	JNE   die
	ADDQ  $8, SP
	MOVL  $15, AX             // rt_sigreturn
	SYSCALL

	// End of a thread, jumped to by the vDSO.
	MARK(0x32)
	MOVL  NR_EXITING, AX
	SYSCALL
	XORL  DI, DI
	MOVL  $60, AX             // exit
	SYSCALL

	// A Linux call that the vDSO makes in place: number and arguments are set.
	MARK(0x33)
	SYSCALL
	RET

	// clock_gettime for hosts whose vDSO has none.
	MARK(0x34)
	MOVL  $228, AX
	SYSCALL
	RET

	MARK(0x35)
	RET

// func stubAddr() unsafe.Pointer
TEXT ·stubAddr(SB), NOSPLIT, $0-8
	LEAQ stub<>(SB), AX
	MOVQ AX, ret+0(FP)
	RET
