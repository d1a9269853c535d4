package processargs

import (
	"fmt"

	"go.fuchsia.dev/launcherd/zx"
)

// HandleType says what a startup handle is for.
type HandleType uint8

// Handle types, by PA_ of <zircon/processargs.h>.
const (
	ProcessSelf        HandleType = 0x01 // PA_PROC_SELF: the process itself
	ThreadSelf         HandleType = 0x02 // PA_THREAD_SELF: its initial thread
	DefaultJob         HandleType = 0x03 // PA_JOB_DEFAULT: the job to make processes in
	RootVMAR           HandleType = 0x04 // PA_VMAR_ROOT: its address space
	LoadedVMAR         HandleType = 0x05 // PA_VMAR_LOADED: the region its image was loaded into
	LdsvcLoader        HandleType = 0x10 // PA_LDSVC_LOADER: fuchsia.ldsvc.Loader
	VDSOVMO            HandleType = 0x11 // PA_VMO_VDSO: the vDSO's image; 0 is the one that is mapped
	StackVMO           HandleType = 0x13 // PA_VMO_STACK: the initial thread's stack
	ExecutableVMO      HandleType = 0x14 // PA_VMO_EXECUTABLE: the executable file
	BootdataVMO        HandleType = 0x1A // PA_VMO_BOOTDATA
	BootfsVMO          HandleType = 0x1B // PA_VMO_BOOTFS
	KernelFileVMO      HandleType = 0x1C // PA_VMO_KERNEL_FILE
	ComponentConfigVMO HandleType = 0x1D // PA_VMO_COMPONENT_CONFIG
	NamespaceDirectory HandleType = 0x20 // PA_NS_DIR: a directory; the argument is an index of the names
	FileDescriptor     HandleType = 0x30 // PA_FD: a file descriptor; the argument is its number
	Lifecycle          HandleType = 0x3A // PA_LIFECYCLE: fuchsia.process.lifecycle.Lifecycle to serve
	DirectoryRequest   HandleType = 0x3B // PA_DIRECTORY_REQUEST: the outgoing directory to serve
	EscrowedDictionary HandleType = 0x3C // PA_ESCROWED_DICTIONARY: what an earlier run of a component stowed away
	Resource           HandleType = 0x3F // PA_RESOURCE
	ClockUTC           HandleType = 0x40 // PA_CLOCK_UTC: the clock of UTC
	MMIOResource       HandleType = 0x50 // PA_MMIO_RESOURCE
	IRQResource        HandleType = 0x51 // PA_IRQ_RESOURCE
	IOPortResource     HandleType = 0x52 // PA_IOPORT_RESOURCE
	SMCResource        HandleType = 0x53 // PA_SMC_RESOURCE
	SystemResource     HandleType = 0x54 // PA_SYSTEM_RESOURCE
	User0              HandleType = 0xF0 // PA_USER0: for whatever both sides agree on
	User1              HandleType = 0xF1 // PA_USER1
	User2              HandleType = 0xF2 // PA_USER2
)

var handleTypeNames = map[HandleType]string{
	ProcessSelf: "ProcessSelf", ThreadSelf: "ThreadSelf", DefaultJob: "DefaultJob",
	RootVMAR: "RootVMAR", LoadedVMAR: "LoadedVMAR", LdsvcLoader: "LdsvcLoader",
	VDSOVMO: "VDSOVMO", StackVMO: "StackVMO", ExecutableVMO: "ExecutableVMO",
	BootdataVMO: "BootdataVMO", BootfsVMO: "BootfsVMO", KernelFileVMO: "KernelFileVMO",
	ComponentConfigVMO: "ComponentConfigVMO", NamespaceDirectory: "NamespaceDirectory",
	FileDescriptor: "FileDescriptor", Lifecycle: "Lifecycle", DirectoryRequest: "DirectoryRequest",
	EscrowedDictionary: "EscrowedDictionary",
	Resource:           "Resource", ClockUTC: "ClockUTC", MMIOResource: "MMIOResource",
	IRQResource: "IRQResource", IOPortResource: "IOPortResource", SMCResource: "SMCResource",
	SystemResource: "SystemResource", User0: "User0", User1: "User1", User2: "User2",
}

// String is the type's name in this package, such as "FileDescriptor".
func (t HandleType) String() string {
	if n, ok := handleTypeNames[t]; ok {
		return n
	}
	return fmt.Sprintf("HandleType(%#x)", uint8(t))
}

// HandleInfo is a handle's type and an argument to it, in the form of PA_HND:
// the type in the lowest eight bits, the argument in the highest sixteen.
type HandleInfo uint32

// NewHandleInfo is PA_HND.
func NewHandleInfo(t HandleType, arg uint16) HandleInfo {
	return HandleInfo(t) | HandleInfo(arg)<<16
}

// ParseHandleInfo checks a number from elsewhere: INVALID_ARGS for a type that
// is not known or when a reserved bit is set.
func ParseHandleInfo(raw uint32) (HandleInfo, error) {
	i := HandleInfo(raw)
	if raw&0xff00 != 0 {
		return 0, fmt.Errorf("handle info %#x sets reserved bits: %w", raw, zx.ErrInvalidArgs)
	}
	if _, ok := handleTypeNames[i.Type()]; !ok {
		return 0, fmt.Errorf("handle info %#x is of an unknown type: %w", raw, zx.ErrInvalidArgs)
	}
	return i, nil
}

// Type is PA_HND_TYPE.
func (i HandleInfo) Type() HandleType { return HandleType(i) }

// Arg is PA_HND_ARG.
func (i HandleInfo) Arg() uint16 { return uint16(i >> 16) }

// String is the type's name, with the argument when there is one: "FileDescriptor(1)".
func (i HandleInfo) String() string {
	if i.Arg() == 0 {
		return i.Type().String()
	}
	return fmt.Sprintf("%v(%d)", i.Type(), i.Arg())
}
