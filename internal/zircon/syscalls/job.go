package syscalls

import (
	"encoding/binary"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

// Topics and options of zx_job_set_policy, from <zircon/syscalls/policy.h>.
const (
	jobPolicyRelative   = 0
	jobPolicyAbsolute   = 1
	jobPolicyBasicV1    = 0
	jobPolicyBasicV2    = 0x01000000
	jobPolicyTimerSlack = 1

	basicV1Size    = 8  // zx_policy_basic_v1_t
	basicV2Size    = 12 // zx_policy_basic_v2_t
	timerSlackSize = 16 // zx_policy_timer_slack_t
	maxPolicies    = 32

	jobCriticalRetcodeNonzero = 1 << 0
)

var jobTable = []Entry{
	{Name: "zx_job_create", Args: 3, Params: "parent_job:h options:x32 out:*h", Handler: func(c *Call) zx.Status {
		h, st := JobCreate(c.Proc, c.Handle(0), c.U32(1))
		return c.OutHandle(c.U64(2), h, st)
	}},
	{Name: "zx_job_set_policy", Args: 5, Params: "handle:h options:jobpol topic:poltopic policy:p policy_size:u32", Handler: func(c *Call) zx.Status {
		topic, count := c.U32(2), c.U32(4)
		size, st := policySize(topic, count)
		if st != zx.OK {
			return st
		}
		b, st := c.ReadBytes(c.U64(3), uint64(size))
		if st != zx.OK {
			return st
		}
		return JobSetPolicy(c.Proc, c.Handle(0), c.U32(1), topic, b, count)
	}},
	{Name: "zx_job_set_critical", Args: 3, Params: "job:h options:critical process:h", Handler: func(c *Call) zx.Status {
		return JobSetCritical(c.Proc, c.Handle(0), c.U32(1), c.Handle(2))
	}},
}

// JobCreate makes a job in another.
func JobCreate(p *object.Process, parent zx.Handle, options uint32) (zx.Handle, zx.Status) {
	if options != 0 {
		return 0, zx.ErrInvalidArgs
	}
	j, st := get[*object.Job](p, parent, zx.RightManageJob)
	if st != zx.OK {
		return 0, st
	}
	c, st := j.NewJob()
	if st != zx.OK {
		return 0, st
	}
	return add(p, c, object.JobRights)
}

// policySize is the size in bytes of count policies of a topic.
func policySize(topic, count uint32) (int, zx.Status) {
	switch {
	case topic == jobPolicyBasicV1 && count > 0 && count <= maxPolicies:
		return int(count) * basicV1Size, zx.OK
	case topic == jobPolicyBasicV2 && count > 0 && count <= maxPolicies:
		return int(count) * basicV2Size, zx.OK
	case topic == jobPolicyTimerSlack && count == 1:
		return timerSlackSize, zx.OK
	}
	return 0, zx.ErrInvalidArgs
}

// JobSetPolicy puts policies in force. policy is count structures of the topic,
// as C has them.
func JobSetPolicy(p *object.Process, h zx.Handle, options, topic uint32, policy []byte, count uint32) zx.Status {
	if options > jobPolicyAbsolute {
		return zx.ErrInvalidArgs
	}
	size, st := policySize(topic, count)
	if st != zx.OK {
		return st
	}
	if len(policy) < size || topic == jobPolicyTimerSlack && options != jobPolicyRelative {
		return zx.ErrInvalidArgs
	}
	j, st := get[*object.Job](p, h, zx.RightSetPolicy)
	if st != zx.OK {
		return st
	}
	u32 := func(off int) uint32 { return binary.LittleEndian.Uint32(policy[off:]) }
	if topic == jobPolicyTimerSlack {
		return j.SetTimerSlack(object.TimerSlack{Min: int64(binary.LittleEndian.Uint64(policy)), Mode: u32(8)})
	}
	l := make([]object.BasicPolicy, count)
	for i := range l {
		b := object.BasicPolicy{Override: object.OverrideDeny} // as a V1 policy has it
		at := i * basicV1Size
		if topic == jobPolicyBasicV2 {
			at = i * basicV2Size
			b.Override = object.Override(u32(at + 8))
		}
		b.Condition, b.Action = object.Condition(u32(at)), object.Action(u32(at+4))
		l[i] = b
	}
	return j.SetPolicy(l, options == jobPolicyAbsolute)
}

// JobSetCritical makes a job die with a process that is in it or below it.
func JobSetCritical(p *object.Process, job zx.Handle, options uint32, process zx.Handle) zx.Status {
	if options&^jobCriticalRetcodeNonzero != 0 {
		return zx.ErrInvalidArgs
	}
	j, st := get[*object.Job](p, job, zx.RightDestroy)
	if st != zx.OK {
		return st
	}
	x, st := get[*object.Process](p, process, zx.RightWait)
	if st != zx.OK {
		return st
	}
	return x.SetCritical(j, options&jobCriticalRetcodeNonzero != 0)
}
