//go:build linux

#include "textflag.h"

// Offsets in Frame.
#define ARGS   0
#define ANSWER 80
#define RAX    88
#define RDX    96
#define RSP    104
#define HOOK   112
#define BROKEN 176

// Values that the callee must keep in rbp, r14 and r15.
#define MARK_BP  0x1122334455667788
#define MARK_R14 0x2233445566778899
#define MARK_R15 0x33445566778899aa

// func call(fn, stack uintptr, f *Frame)
//
// r12 keeps Go's stack pointer, rbx the hook, r13 the frame, over the call.
TEXT ·call(SB), NOSPLIT, $0-24
	MOVQ fn+0(FP), R11
	MOVQ stack+8(FP), AX
	MOVQ f+16(FP), R13
	MOVQ SP, R12
	SUBQ $64, AX
	MOVQ BP, 40(AX)
	MOVQ R14, 48(AX)
	MOVQ AX, SP

	MOVQ (ARGS+48)(R13), AX
	MOVQ AX, 0(SP)
	MOVQ (ARGS+56)(R13), AX
	MOVQ AX, 8(SP)
	MOVQ (ARGS+64)(R13), AX
	MOVQ AX, 16(SP)
	MOVQ (ARGS+72)(R13), AX
	MOVQ AX, 24(SP)
	LEAQ -8(SP), AX
	MOVQ AX, RSP(R13)
	MOVQ (ARGS+0)(R13), DI
	MOVQ (ARGS+8)(R13), SI
	MOVQ (ARGS+16)(R13), DX
	MOVQ (ARGS+24)(R13), CX
	MOVQ (ARGS+32)(R13), R8
	MOVQ (ARGS+40)(R13), R9
	LEAQ ·hook(SB), BX
	MOVQ $MARK_BP, BP
	MOVQ $MARK_R14, R14
	MOVQ $MARK_R15, R15
	MOVQ $0, R10
	CALL R11

	MOVQ AX, RAX(R13)
	MOVQ DX, RDX(R13)
	MOVQ $MARK_BP, AX
	XORQ AX, BP
	MOVQ $MARK_R14, AX
	XORQ AX, R14
	MOVQ $MARK_R15, AX
	XORQ AX, R15
	LEAQ ·hook(SB), AX
	XORQ AX, BX
	MOVQ RSP(R13), AX
	ADDQ $8, AX
	XORQ SP, AX
	ORQ  BP, AX
	ORQ  R14, AX
	ORQ  R15, AX
	ORQ  BX, AX
	MOVQ AX, BROKEN(R13)
	MOVQ RSP(R13), AX
	MOVQ 48(AX), BP
	MOVQ 56(AX), R14
	MOVQ R12, SP
	RET

// hook stands in for the kernel. rsp is as it was at the syscall instruction,
// less the return address of this call.
TEXT ·hook(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ AX, (HOOK+0)(R13)
	MOVQ DI, (HOOK+8)(R13)
	MOVQ SI, (HOOK+16)(R13)
	MOVQ DX, (HOOK+24)(R13)
	MOVQ R10, (HOOK+32)(R13)
	MOVQ R8, (HOOK+40)(R13)
	MOVQ R9, (HOOK+48)(R13)
	LEAQ 8(SP), AX
	MOVQ AX, (HOOK+56)(R13)
	MOVQ ANSWER(R13), AX
	MOVQ $-1, CX
	MOVQ $-1, R11
	RET
