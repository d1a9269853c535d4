package object

import (
	"slices"

	"go.fuchsia.dev/fidl-go/zx"
)

// Condition is something that a job's policy decides about: ZX_POL_*, from
// <zircon/syscalls/policy.h>.
type Condition uint32

const (
	PolicyBadHandle          Condition = 0
	PolicyWrongObject        Condition = 1
	PolicyVMARWX             Condition = 2
	PolicyNewAny             Condition = 3 // stands for all PolicyNew…
	PolicyNewVMO             Condition = 4
	PolicyNewChannel         Condition = 5
	PolicyNewEvent           Condition = 6
	PolicyNewEventpair       Condition = 7
	PolicyNewPort            Condition = 8
	PolicyNewSocket          Condition = 9
	PolicyNewFifo            Condition = 10
	PolicyNewTimer           Condition = 11
	PolicyNewProcess         Condition = 12
	PolicyNewProfile         Condition = 13
	PolicyNewPager           Condition = 14
	PolicyAmbientMarkVMOExec Condition = 15
	PolicyNewIOB             Condition = 16
	PolicyNewSampler         Condition = 17
	policyConditions                   = 18
)

// What a policy exception says when it is not of a job's policy:
// ZX_EXCP_POLICY_CODE_*, from <zircon/syscalls/exception.h>.
const (
	ExceptionChannelFull          = 16 // CHANNEL_FULL_WRITE
	ExceptionPortTooManyPackets   = 17
	exceptionBadSyscall           = 18
	ExceptionPortTooManyObservers = 19
)

// Action is what happens on a condition: ZX_POL_ACTION_*.
type Action uint32

const (
	ActionAllow          Action = 0
	ActionDeny           Action = 1
	ActionAllowException Action = 2
	ActionDenyException  Action = 3
	ActionKill           Action = 4
	actionMax                   = 5
)

// Override says whether the jobs below may choose another action:
// ZX_POL_OVERRIDE_*.
type Override uint32

const (
	OverrideAllow Override = 0
	OverrideDeny  Override = 1
)

// BasicPolicy is an action for a condition: zx_policy_basic_v2_t.
type BasicPolicy struct {
	Condition Condition
	Action    Action
	Override  Override
}

// policy is the policy of a job, which its children begin with.
type policy struct {
	action [policyConditions]Action
	fixed  [policyConditions]bool // may not be overridden
	slack  TimerSlack
}

// TimerSlack is the least slack of the timers of a job's processes, and how it
// is used: zx_policy_timer_slack_t.
type TimerSlack struct {
	Min  int64
	Mode uint32
}

// raises says whether there is a condition that has to be told of, or killed
// for, beyond being denied.
func (p *policy) raises() bool {
	return slices.ContainsFunc(p.action[:], func(a Action) bool { return a > ActionDeny })
}

func isNew(c Condition) bool {
	return c >= PolicyNewVMO && c <= PolicyNewPager || c == PolicyNewIOB || c == PolicyNewSampler
}

// add gives p with l in force. What the jobs above have fixed stays, which is
// ALREADY_EXISTS if absolute. INVALID_ARGS, NOT_SUPPORTED (no such action),
// OUT_OF_RANGE (too many).
func (p policy) add(l []BasicPolicy, absolute bool) (policy, zx.Status) {
	if len(l) > policyConditions {
		return p, zx.ErrOutOfRange
	}
	n := p
	for _, b := range l {
		switch {
		case b.Action >= actionMax:
			return p, zx.ErrNotSupported
		case b.Override > OverrideDeny, b.Condition >= policyConditions:
			return p, zx.ErrInvalidArgs
		}
		for c := range Condition(policyConditions) {
			if c != b.Condition && (b.Condition != PolicyNewAny || !isNew(c)) || c == PolicyNewAny {
				continue
			}
			switch {
			case !n.fixed[c]:
				n.action[c] = b.Action
				// A later entry for one condition may refine NEW_ANY.
				n.fixed[c] = b.Override == OverrideDeny && b.Condition != PolicyNewAny
			case absolute && (n.action[c] != b.Action || b.Override != OverrideDeny):
				return p, zx.ErrAlreadyExists
			}
		}
	}
	for _, b := range l {
		if b.Condition == PolicyNewAny && b.Override == OverrideDeny {
			for c := range Condition(policyConditions) {
				if isNew(c) {
					n.fixed[c] = true
				}
			}
		}
	}
	return n, zx.OK
}
