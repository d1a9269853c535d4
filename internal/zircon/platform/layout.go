package platform

import "go.fuchsia.dev/launcherd/internal/zircon/vm"

// Where the host keeps its pages in each shell. All of it is above vm.UserTop,
// so that no Zircon mapping can meet it.
const (
	hostBase = vm.UserTop

	stubText = hostBase            // the stub's code, read and execute
	stubData = hostBase + 0x1_0000 // its data, private to each shell
	cmdPage  = hostBase + 0x2_0000 // commands from the kernel, read-only in the shell

	// Linux's vDSO with its data, moved here.
	linuxVDSO    = hostBase + 0x10_0000
	linuxVDSOMax = 1 << 20

	// Each thread has a slot: the stack on which its faults are handled, and at
	// its end the frame that the thread starts from. It holds the largest frame
	// that x86-64 Linux pushes (AMX: about 11 KiB).
	threadSlots = hostBase + 0x1000_0000
	slotSize    = 32 << 10
	maxThreads  = 8192
)

// Offsets in the stub's data. The stub's assembly uses the same numbers.
const (
	dataCommand   = 0x000 // the zygote's command: a number and six arguments
	dataSend      = 0x040 // the message that hands the listener over
	dataSendIovec = 0x080
	dataPayload   = 0x090 // what the shell says: the listener's descriptor or -errno
	dataSendCmsg  = 0x0a0
	dataFprog     = 0x0c0
	dataSigaction = 0x0e0
	dataFilter    = 0x200 // zeroes once it is installed: it holds the key
	dataRecv      = 0x500 // the message that brings commands and descriptors
	dataRecvIovec = 0x540
	dataRecvCmsg  = 0x560
	dataRecvRoom  = 0x120
	dataSize      = 0x1000

	maxFilter = (dataRecv - dataFilter) / 8 // instructions
)

// Sizes of what goes over sockets: a command to the zygote, its result, and
// what a new shell says.
const (
	zygoteCommand = 64
	zygoteResult  = 8
	shellMessage  = 8
)

// Descriptors that the zygote is started with.
const (
	fdSocket  = 3
	fdCommand = 4
)

// maxBatchFDs is the number of descriptors that one message to a shell carries.
const maxBatchFDs = 64

// Commands in a command page: a number and six arguments, and for a clone the
// new thread's frame. The last 64 bytes hold the batch's number, the number of
// commands and the address of clock_gettime.
const (
	commandSize  = 64
	maxCommands  = 4096/commandSize - 1
	batchOff     = 4096 - 24
	countOff     = 4096 - 16
	clockSlotOff = 4096 - 8
)

// ClockSlot is the address, in every process, of a word that holds the address
// of a C function clock_gettime.
const ClockSlot = cmdPage + clockSlotOff

// The numbers by which the stub speaks to the kernel; no Linux has them.
const (
	nrControl = 0x5a5a0001 // control thread: give me work; answered with the key
	nrReady   = 0x5a5a0002 // new thread: shall I start?
	nrExiting = 0x5a5a0003 // thread: I am about to end
	nrFault   = 0x5a5a0004 // signal handler: signal, siginfo, ucontext
)
