package syscalls

import (
	"strconv"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
	"go.fuchsia.dev/launcherd/internal/zircon/vm"
)

// symbol is the C name of a bit, of several or of a value.
type symbol struct {
	v    uint64
	name string
}

// appendFlags appends the names of the bits of v, and what has no name in hex.
func appendFlags(b []byte, v uint64, names []symbol) []byte {
	if v == 0 {
		return append(b, '0')
	}
	sep := ""
	for _, s := range names {
		if v&s.v == s.v {
			b = append(append(b, sep...), s.name...)
			v &^= s.v
			sep = "|"
		}
	}
	if v != 0 {
		b = appendHex(append(b, sep...), v)
	}
	return b
}

// appendName appends the name of the value v, or v itself.
func appendName(b []byte, v uint64, names []symbol) []byte {
	for _, s := range names {
		if v == s.v {
			return append(b, s.name...)
		}
	}
	return strconv.AppendUint(b, v, 10)
}

// appendHex appends v in hex, 0 as it is.
func appendHex(b []byte, v uint64) []byte {
	if v == 0 {
		return append(b, '0')
	}
	return strconv.AppendUint(append(b, "0x"...), v, 16)
}

// Names, from <zircon/types.h>, <zircon/rights.h> and <zircon/syscalls/*.h>.
var (
	rightNames = []symbol{
		{uint64(zx.RightSameRights), "ZX_RIGHT_SAME_RIGHTS"},
		{uint64(zx.RightsBasic), "ZX_RIGHTS_BASIC"},
		{uint64(zx.RightsIO), "ZX_RIGHTS_IO"},
		{uint64(zx.RightsProperty), "ZX_RIGHTS_PROPERTY"},
		{uint64(zx.RightsPolicy), "ZX_RIGHTS_POLICY"},
		{uint64(zx.RightDuplicate), "ZX_RIGHT_DUPLICATE"},
		{uint64(zx.RightTransfer), "ZX_RIGHT_TRANSFER"},
		{uint64(zx.RightRead), "ZX_RIGHT_READ"},
		{uint64(zx.RightWrite), "ZX_RIGHT_WRITE"},
		{uint64(zx.RightExecute), "ZX_RIGHT_EXECUTE"},
		{uint64(zx.RightMap), "ZX_RIGHT_MAP"},
		{uint64(zx.RightGetProperty), "ZX_RIGHT_GET_PROPERTY"},
		{uint64(zx.RightSetProperty), "ZX_RIGHT_SET_PROPERTY"},
		{uint64(zx.RightEnumerate), "ZX_RIGHT_ENUMERATE"},
		{uint64(zx.RightDestroy), "ZX_RIGHT_DESTROY"},
		{uint64(zx.RightSetPolicy), "ZX_RIGHT_SET_POLICY"},
		{uint64(zx.RightGetPolicy), "ZX_RIGHT_GET_POLICY"},
		{uint64(zx.RightSignal), "ZX_RIGHT_SIGNAL"},
		{uint64(zx.RightSignalPeer), "ZX_RIGHT_SIGNAL_PEER"},
		{uint64(zx.RightWait), "ZX_RIGHT_WAIT"},
		{uint64(zx.RightInspect), "ZX_RIGHT_INSPECT"},
		{uint64(zx.RightManageJob), "ZX_RIGHT_MANAGE_JOB"},
		{uint64(zx.RightManageProcess), "ZX_RIGHT_MANAGE_PROCESS"},
		{uint64(zx.RightManageThread), "ZX_RIGHT_MANAGE_THREAD"},
		{uint64(zx.RightApplyProfile), "ZX_RIGHT_APPLY_PROFILE"},
		{uint64(zx.RightManageSocket), "ZX_RIGHT_MANAGE_SOCKET"},
		{uint64(zx.RightOpChildren), "ZX_RIGHT_OP_CHILDREN"},
		{uint64(zx.RightResize), "ZX_RIGHT_RESIZE"},
		{uint64(zx.RightAttachVMO), "ZX_RIGHT_ATTACH_VMO"},
		{uint64(zx.RightManageVMO), "ZX_RIGHT_MANAGE_VMO"},
	}

	vmNames = []symbol{
		{uint64(vm.PermRead), "ZX_VM_PERM_READ"},
		{uint64(vm.PermWrite), "ZX_VM_PERM_WRITE"},
		{uint64(vm.PermExecute), "ZX_VM_PERM_EXECUTE"},
		{uint64(vm.Compact), "ZX_VM_COMPACT"},
		{uint64(vm.Specific), "ZX_VM_SPECIFIC"},
		{uint64(vm.SpecificOverwrite), "ZX_VM_SPECIFIC_OVERWRITE"},
		{uint64(vm.CanMapSpecific), "ZX_VM_CAN_MAP_SPECIFIC"},
		{uint64(vm.CanMapRead), "ZX_VM_CAN_MAP_READ"},
		{uint64(vm.CanMapWrite), "ZX_VM_CAN_MAP_WRITE"},
		{uint64(vm.CanMapExecute), "ZX_VM_CAN_MAP_EXECUTE"},
		{uint64(vm.MapRange), "ZX_VM_MAP_RANGE"},
		{uint64(vm.RequireNonResizable), "ZX_VM_REQUIRE_NON_RESIZABLE"},
		{uint64(vm.AllowFaults), "ZX_VM_ALLOW_FAULTS"},
		{uint64(vm.OffsetIsUpperLimit), "ZX_VM_OFFSET_IS_UPPER_LIMIT"},
		{uint64(vm.PermReadIfNoXOM), "ZX_VM_PERM_READ_IF_XOM_UNSUPPORTED"},
		{uint64(vm.FaultBeyondStream), "ZX_VM_FAULT_BEYOND_STREAM_SIZE"},
	}

	topicNames = []symbol{
		{0, "ZX_INFO_NONE"},
		{topicHandleValid, "ZX_INFO_HANDLE_VALID"},
		{topicHandleBasic, "ZX_INFO_HANDLE_BASIC"},
		{topicProcess, "ZX_INFO_PROCESS"},
		{topicProcessThreads, "ZX_INFO_PROCESS_THREADS"},
		{topicVMAR, "ZX_INFO_VMAR"},
		{topicJobChildren, "ZX_INFO_JOB_CHILDREN"},
		{topicJobProcesses, "ZX_INFO_JOB_PROCESSES"},
		{topicThread, "ZX_INFO_THREAD"},
		{topicThreadException, "ZX_INFO_THREAD_EXCEPTION_REPORT"},
		{topicTaskStats, "ZX_INFO_TASK_STATS"},
		{topicProcessMaps, "ZX_INFO_PROCESS_MAPS"},
		{topicProcessVMOs, "ZX_INFO_PROCESS_VMOS"},
		{15, "ZX_INFO_THREAD_STATS"},
		{16, "ZX_INFO_CPU_STATS"},
		{17, "ZX_INFO_KMEM_STATS"},
		{18, "ZX_INFO_RESOURCE"},
		{topicHandleCount, "ZX_INFO_HANDLE_COUNT"},
		{20, "ZX_INFO_BTI"},
		{topicProcessHandleStats, "ZX_INFO_PROCESS_HANDLE_STATS"},
		{topicSocket, "ZX_INFO_SOCKET"},
		{topicVMO, "ZX_INFO_VMO"},
		{topicJob, "ZX_INFO_JOB"},
		{topicTimer, "ZX_INFO_TIMER"},
		{topicStream, "ZX_INFO_STREAM"},
		{topicHandleTable, "ZX_INFO_HANDLE_TABLE"},
		{28, "ZX_INFO_MSI"},
		{29, "ZX_INFO_GUEST_STATS"},
		{30, "ZX_INFO_TASK_RUNTIME"},
	}

	propertyNames = []symbol{
		{propRegisterGS, "ZX_PROP_REGISTER_GS"},
		{propName, "ZX_PROP_NAME"},
		{propRegisterFS, "ZX_PROP_REGISTER_FS"},
		{propProcessDebugAddr, "ZX_PROP_PROCESS_DEBUG_ADDR"},
		{propProcessVDSOBase, "ZX_PROP_PROCESS_VDSO_BASE_ADDRESS"},
		{propProcessBreakOnLoad, "ZX_PROP_PROCESS_BREAK_ON_LOAD"},
		{propSocketRxThreshold, "ZX_PROP_SOCKET_RX_THRESHOLD"},
		{propSocketTxThreshold, "ZX_PROP_SOCKET_TX_THRESHOLD"},
		{propJobKillOnOOM, "ZX_PROP_JOB_KILL_ON_OOM"},
		{propExceptionState, "ZX_PROP_EXCEPTION_STATE"},
		{propVMOContentSize, "ZX_PROP_VMO_CONTENT_SIZE"},
		{propExceptionStrategy, "ZX_PROP_EXCEPTION_STRATEGY"},
		{propStreamModeAppend, "ZX_PROP_STREAM_MODE_APPEND"},
	}

	vmoOpNames = []symbol{
		{vmoOpCommit, "ZX_VMO_OP_COMMIT"},
		{vmoOpDecommit, "ZX_VMO_OP_DECOMMIT"},
		{vmoOpLock, "ZX_VMO_OP_LOCK"},
		{vmoOpUnlock, "ZX_VMO_OP_UNLOCK"},
		{vmoOpCacheSync, "ZX_VMO_OP_CACHE_SYNC"},
		{vmoOpCacheInvalidate, "ZX_VMO_OP_CACHE_INVALIDATE"},
		{vmoOpCacheClean, "ZX_VMO_OP_CACHE_CLEAN"},
		{vmoOpCacheCleanInvalidate, "ZX_VMO_OP_CACHE_CLEAN_INVALIDATE"},
		{vmoOpZero, "ZX_VMO_OP_ZERO"},
		{vmoOpTryLock, "ZX_VMO_OP_TRY_LOCK"},
		{vmoOpDontNeed, "ZX_VMO_OP_DONT_NEED"},
		{vmoOpAlwaysNeed, "ZX_VMO_OP_ALWAYS_NEED"},
		{vmoOpPrefetch, "ZX_VMO_OP_PREFETCH"},
	}

	vmarOpNames = []symbol{
		{uint64(vm.RangeCommit), "ZX_VMAR_OP_COMMIT"},
		{uint64(vm.RangeDecommit), "ZX_VMAR_OP_DECOMMIT"},
		{uint64(vm.RangeMap), "ZX_VMAR_OP_MAP_RANGE"},
		{uint64(vm.RangeZero), "ZX_VMAR_OP_ZERO"},
		{uint64(vm.RangeDontNeed), "ZX_VMAR_OP_DONT_NEED"},
		{uint64(vm.RangeAlwaysNeed), "ZX_VMAR_OP_ALWAYS_NEED"},
		{uint64(vm.RangePrefetch), "ZX_VMAR_OP_PREFETCH"},
	}

	exceptionNames = []symbol{
		{object.ExceptionGeneral, "ZX_EXCP_GENERAL"},
		{object.ExceptionPageFault, "ZX_EXCP_FATAL_PAGE_FAULT"},
		{object.ExceptionUndefined, "ZX_EXCP_UNDEFINED_INSTRUCTION"},
		{object.ExceptionSWBreakpoint, "ZX_EXCP_SW_BREAKPOINT"},
		{object.ExceptionHWBreakpoint, "ZX_EXCP_HW_BREAKPOINT"},
		{object.ExceptionUnaligned, "ZX_EXCP_UNALIGNED_ACCESS"},
		{object.ExceptionPolicyError, "ZX_EXCP_POLICY_ERROR"},
	}

	retcodeNames = map[int64]string{
		object.RetcodeSyscallKill:         "ZX_TASK_RETCODE_SYSCALL_KILL",
		object.RetcodePolicyKill:          "ZX_TASK_RETCODE_POLICY_KILL",
		object.RetcodeExceptionKill:       "ZX_TASK_RETCODE_EXCEPTION_KILL",
		object.RetcodeCriticalProcessKill: "ZX_TASK_RETCODE_CRITICAL_PROCESS_KILL",
	}

	// userSignalNames are those of any object.
	userSignalNames = []symbol{
		{uint64(zx.SignalHandleClosed), "ZX_SIGNAL_HANDLE_CLOSED"},
		{uint64(zx.UserSignalAll), "ZX_USER_SIGNAL_ALL"},
		{uint64(zx.UserSignal0), "ZX_USER_SIGNAL_0"},
		{uint64(zx.UserSignal1), "ZX_USER_SIGNAL_1"},
		{uint64(zx.UserSignal2), "ZX_USER_SIGNAL_2"},
		{uint64(zx.UserSignal3), "ZX_USER_SIGNAL_3"},
		{uint64(zx.UserSignal4), "ZX_USER_SIGNAL_4"},
		{uint64(zx.UserSignal5), "ZX_USER_SIGNAL_5"},
		{uint64(zx.UserSignal6), "ZX_USER_SIGNAL_6"},
		{uint64(zx.UserSignal7), "ZX_USER_SIGNAL_7"},
	}

	// systemSignalNames are what the other bits mean, by type of object.
	systemSignalNames = map[zx.ObjType][]symbol{
		zx.ObjTypeChannel: {
			{uint64(zx.ChannelReadable), "ZX_CHANNEL_READABLE"},
			{uint64(zx.ChannelWritable), "ZX_CHANNEL_WRITABLE"},
			{uint64(zx.ChannelPeerClosed), "ZX_CHANNEL_PEER_CLOSED"},
		},
		zx.ObjTypeSocket: {
			{uint64(zx.SocketReadable), "ZX_SOCKET_READABLE"},
			{uint64(zx.SocketWritable), "ZX_SOCKET_WRITABLE"},
			{uint64(zx.SocketPeerClosed), "ZX_SOCKET_PEER_CLOSED"},
			{uint64(zx.SocketPeerWriteDisabled), "ZX_SOCKET_PEER_WRITE_DISABLED"},
			{uint64(zx.SocketWriteDisabled), "ZX_SOCKET_WRITE_DISABLED"},
			{uint64(zx.SocketReadThreshold), "ZX_SOCKET_READ_THRESHOLD"},
			{uint64(zx.SocketWriteThreshold), "ZX_SOCKET_WRITE_THRESHOLD"},
		},
		zx.ObjTypeFifo: {
			{uint64(zx.FifoReadable), "ZX_FIFO_READABLE"},
			{uint64(zx.FifoWritable), "ZX_FIFO_WRITABLE"},
			{uint64(zx.FifoPeerClosed), "ZX_FIFO_PEER_CLOSED"},
		},
		zx.ObjTypeEvent: {{uint64(zx.EventSignaled), "ZX_EVENT_SIGNALED"}},
		zx.ObjTypeEventpair: {
			{uint64(zx.EventpairSignaled), "ZX_EVENTPAIR_SIGNALED"},
			{uint64(zx.EventpairPeerClosed), "ZX_EVENTPAIR_PEER_CLOSED"},
		},
		zx.ObjTypeTimer: {{uint64(zx.TimerSignaled), "ZX_TIMER_SIGNALED"}},
		zx.ObjTypeClock: {
			{uint64(zx.ClockStarted), "ZX_CLOCK_STARTED"},
			{uint64(zx.ClockUpdated), "ZX_CLOCK_UPDATED"},
		},
		zx.ObjTypeJob: {
			{uint64(zx.JobTerminated), "ZX_JOB_TERMINATED"},
			{uint64(zx.JobNoJobs), "ZX_JOB_NO_JOBS"},
			{uint64(zx.JobNoProcesses), "ZX_JOB_NO_PROCESSES"},
			{uint64(zx.JobNoChildren), "ZX_JOB_NO_CHILDREN"},
		},
		zx.ObjTypeProcess: {{uint64(zx.ProcessTerminated), "ZX_PROCESS_TERMINATED"}},
		zx.ObjTypeThread: {
			{uint64(zx.ThreadTerminated), "ZX_THREAD_TERMINATED"},
			{uint64(zx.ThreadRunning), "ZX_THREAD_RUNNING"},
			{uint64(zx.ThreadSuspended), "ZX_THREAD_SUSPENDED"},
		},
		zx.ObjTypeLog: {
			{uint64(zx.LogReadable), "ZX_LOG_READABLE"},
			{uint64(zx.LogWritable), "ZX_LOG_WRITABLE"},
		},
		zx.ObjTypeVMO: {{uint64(zx.VMOZeroChildren), "ZX_VMO_ZERO_CHILDREN"}},
		zx.ObjTypeCounter: {
			{uint64(zx.Signal4), "ZX_COUNTER_NON_POSITIVE"},
			{uint64(zx.SignalSignaled), "ZX_COUNTER_POSITIVE"},
		},
	}
)

// appendSignals appends the signals of an object of type t.
func appendSignals(b []byte, s zx.Signals, t zx.ObjType) []byte {
	own := uint64(0)
	names := systemSignalNames[t]
	for _, n := range names {
		own |= n.v
	}
	own &= uint64(s)
	rest := uint64(s) &^ own
	if own != 0 {
		b = appendFlags(b, own, names)
		if rest == 0 {
			return b
		}
		b = append(b, '|')
	}
	return appendFlags(b, rest, userSignalNames)
}

// appendStatus appends what a call that gives a zx_status_t has given.
func appendStatus(b []byte, st zx.Status) []byte {
	switch {
	case st == zx.OK:
		return append(b, "ZX_OK"...)
	case st > 0:
		return strconv.AppendInt(b, int64(st), 10)
	}
	return append(b, st.String()...)
}

// alignShift is where the logarithm of an alignment is in a zx_vm_option_t:
// ZX_VM_ALIGN_BASE.
const alignShift = 24

// appendVMOptions appends a zx_vm_option_t.
func appendVMOptions(b []byte, v uint64) []byte {
	align := v >> alignShift
	if v &= 1<<alignShift - 1; v != 0 || align == 0 {
		b = appendFlags(b, v, vmNames)
		if align == 0 {
			return b
		}
		b = append(b, '|')
	}
	switch {
	case align >= 10 && align < 20:
		b = append(strconv.AppendUint(append(b, "ZX_VM_ALIGN_"...), 1<<(align-10), 10), "KB"...)
	case align >= 20 && align < 30:
		b = append(strconv.AppendUint(append(b, "ZX_VM_ALIGN_"...), 1<<(align-20), 10), "MB"...)
	case align >= 30 && align <= 32:
		b = append(strconv.AppendUint(append(b, "ZX_VM_ALIGN_"...), 1<<(align-30), 10), "GB"...)
	default:
		b = appendHex(b, align<<alignShift)
	}
	return b
}
