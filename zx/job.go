package zx

import "encoding/binary"

// Job is a group of processes and further jobs.
type Job struct{ task }

// JobFromHandle makes a Job that owns h.
func JobFromHandle(h Handle) Job { return Job{task{Object{h}}} }

// DefaultJob is the job in which this process makes others. It is lent.
func DefaultJob() *Job { return defaultJob() }

// Duplicate gives a second handle with rights r.
func (j *Job) Duplicate(r Rights) (Job, error) {
	o, err := j.Object.Duplicate(r)
	return Job{task{o}}, err
}

// CreateJob makes a job within this one (zx_job_create).
func (j *Job) CreateJob() (Job, error) {
	h, st := sysJobCreate(j.Handle(), 0)
	return JobFromHandle(h), st.Err()
}

// ProcessShared has CreateProcess make a process that can share a part of its
// address space.
const ProcessShared uint32 = 1 << 0

// CreateProcess makes a process in the job and gives it with its root VMAR
// (zx_process_create). ErrAccessDenied when the handle lacks the right
// MANAGE_PROCESS or the policy of this process's own job denies new processes.
func (j *Job) CreateProcess(name string, options uint32) (Process, VMAR, error) {
	p, v, st := sysProcessCreate(j.Handle(), name, options)
	return ProcessFromHandle(p), VMARFromHandle(v), st.Err()
}

// PolicyCondition is what a policy is about.
type PolicyCondition uint32

// Conditions, by ZX_POL_.
const (
	PolicyBadHandle          PolicyCondition = 0
	PolicyWrongObject        PolicyCondition = 1
	PolicyVMARWX             PolicyCondition = 2
	PolicyNewAny             PolicyCondition = 3
	PolicyNewVMO             PolicyCondition = 4
	PolicyNewChannel         PolicyCondition = 5
	PolicyNewEvent           PolicyCondition = 6
	PolicyNewEventpair       PolicyCondition = 7
	PolicyNewPort            PolicyCondition = 8
	PolicyNewSocket          PolicyCondition = 9
	PolicyNewFifo            PolicyCondition = 10
	PolicyNewTimer           PolicyCondition = 11
	PolicyNewProcess         PolicyCondition = 12
	PolicyNewProfile         PolicyCondition = 13
	PolicyNewPager           PolicyCondition = 14 // to the SDKs of 2020, PolicyAmbientMarkVMOExec
	PolicyAmbientMarkVMOExec PolicyCondition = 15
)

// PolicyAction is what happens on a condition.
type PolicyAction uint32

// Actions, by ZX_POL_ACTION_.
const (
	PolicyAllow          PolicyAction = 0
	PolicyDeny           PolicyAction = 1
	PolicyAllowException PolicyAction = 2
	PolicyDenyException  PolicyAction = 3
	PolicyKill           PolicyAction = 4
)

// Policy is an action for a condition; OverrideDeny keeps child jobs from
// changing it.
type Policy struct {
	Condition    PolicyCondition
	Action       PolicyAction
	OverrideDeny bool
}

// SetPolicy sets policies of the job, which must have no processes and jobs yet
// (zx_job_set_policy, ZX_JOB_POL_BASIC_V2). absolute fails where the parent's
// policy stands against it; otherwise that is passed over.
func (j *Job) SetPolicy(absolute bool, ps ...Policy) error {
	var b []byte
	le := binary.LittleEndian
	for _, p := range ps {
		b = le.AppendUint32(b, uint32(p.Condition))
		b = le.AppendUint32(b, uint32(p.Action))
		var deny uint32
		if p.OverrideDeny {
			deny = 1
		}
		b = le.AppendUint32(b, deny)
	}
	var options uint32
	if absolute {
		options = 1
	}
	const basicV2 = 0x0100_0000
	return sysJobSetPolicy(j.Handle(), options, basicV2, b, uint32(len(ps))).Err()
}

// JobInfo is zx_info_job_t.
type JobInfo struct {
	ReturnCode int64 // once Exited
	Exited     bool
}

// Info tells the job's state (ZX_INFO_JOB).
func (j *Job) Info() (JobInfo, error) {
	var b [16]byte
	err := j.info(infoJob, b[:])
	return JobInfo{int64(binary.LittleEndian.Uint64(b[:])), b[8] != 0}, err
}

// Jobs gives the koids of the jobs directly in this one.
func (j *Job) Jobs() ([]Koid, error) { return j.koids(infoJobChildren) }

// Processes gives the koids of the processes directly in this job.
func (j *Job) Processes() ([]Koid, error) { return j.koids(infoJobProcesses) }

// Child gives a handle to the job or process directly within this one that has
// the koid (zx_object_get_child).
func (j *Job) Child(k Koid, r Rights) (Object, error) {
	h, st := sysObjectGetChild(j.Handle(), k, r)
	return Object{h}, st.Err()
}
