// Package launcher serves fuchsia.process.Launcher: clients describe a process
// piece by piece and then have it launched, or made without being started.
//
// What a client adds is kept for its connection alone. Launch and
// CreateWithoutStarting take all of it, whatever comes of them, and leave the
// connection as it was at the beginning. What is wrong with the pieces is found
// then: AddArgs and its like have no answer to say so in.
package launcher

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"go.uber.org/zap"

	"go.fuchsia.dev/fidl-go"
	"go.fuchsia.dev/fidl-go/fuchsia/process"

	"go.fuchsia.dev/launcherd/builder"
	"go.fuchsia.dev/launcherd/processargs"
	"go.fuchsia.dev/launcherd/zx"
)

// Server serves any number of connections.
type Server struct {
	// VDSO gives the vDSO for a process whose client does not bring one. The
	// server owns what it gives.
	VDSO func() (zx.VMO, error)
	// Log is told of each process and of what fails.
	Log *zap.Logger
	// Failed, unless nil, is told why a process was not made, before the client
	// gets the status.
	Failed func(error)

	mu       sync.Mutex // guards draining, and adding to launches
	draining bool
	launches sync.WaitGroup // under way
}

// Serve serves a connection until its client closes it, breaks the protocol, or
// ctx ends; then it closes t and whatever the client left. It returns nil if
// the client closed it. The connection speaks what others serves besides.
func (s *Server) Serve(ctx context.Context, t fidl.Transport, others ...fidl.Dispatcher) error {
	c := &conn{s: s}
	defer func() { c.take().close() }()
	return fidl.Serve(ctx, t, append([]fidl.Dispatcher{process.LauncherDispatcher(c)}, others...)...)
}

// Drain refuses all further launches, with UNAVAILABLE. The result is closed once
// those under way are done. The connections remain.
func (s *Server) Drain() (drained <-chan struct{}) {
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.launches.Wait()
	}()
	return done
}

// begin says that a launch begins. The caller calls end when it is over.
func (s *Server) begin() (end func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return nil, &Error{"the launcher is about to end", zx.ErrUnavailable}
	}
	s.launches.Add(1)
	return s.launches.Done, nil
}

// Error says why a process was not launched.
type Error struct {
	Reason string
	Err    error // the cause, or nil
}

func (e *Error) Error() string {
	if e.Err == nil {
		return e.Reason
	}
	return e.Reason + ": " + e.Err.Error()
}

// Status is what the client is told: that of the cause, or INVALID_ARGS.
func (e *Error) Status() zx.Status {
	if e.Err != nil {
		return zx.StatusOf(e.Err)
	}
	return zx.ErrInvalidArgs
}

// Unwrap makes errors.Is find the Status and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Status()}
	}
	return []error{e.Status(), e.Err}
}

func invalid(format string, args ...any) error {
	return &Error{Reason: fmt.Sprintf(format, args...)}
}

// What is kept for a connection: far more than a bootstrap message holds, so
// that its own limits decide, and not so much that a client could fill the
// memory.
const (
	maxBytes   = 16 * zx.ChannelMaxMsgBytes
	maxHandles = 16 * zx.ChannelMaxMsgHandles
)

// state is what a client has said so far.
type state struct {
	args    []string
	environ []string
	names   []builder.NamespaceEntry
	handles []process.HandleInfo
	options uint32

	bytes    int  // of strings, with 16 more for each
	overflow bool // there was more than is kept: no launch can succeed
}

// keep says whether n more bytes in strings are kept.
func (s *state) keep(n, strings int) bool {
	s.bytes += n + 16*strings
	s.overflow = s.overflow || s.bytes > maxBytes
	return !s.overflow
}

// keepHandles says whether n more handles are kept.
func (s *state) keepHandles(n int) bool {
	s.overflow = s.overflow || len(s.names)+len(s.handles)+n > maxHandles
	return !s.overflow
}

// close closes the handles that are left.
func (s *state) close() {
	for i := range s.names {
		s.names[i].Directory.Close()
	}
	for _, h := range s.handles {
		zx.CloseAll(h.Handle)
	}
	s.names, s.handles = nil, nil
}

// conn is one connection. Its methods are called one at a time.
type conn struct {
	s     *Server
	state state
}

// take gives the state and leaves an empty one.
func (c *conn) take() *state {
	s := c.state
	c.state = state{}
	return &s
}

// AddArgs implements fuchsia.process/Launcher.AddArgs.
func (c *conn) AddArgs(_ context.Context, req *process.LauncherAddArgsRequest) error {
	c.state.args = c.state.appendBytes(c.state.args, req.Args)
	return nil
}

// AddEnvirons implements fuchsia.process/Launcher.AddEnvirons.
func (c *conn) AddEnvirons(_ context.Context, req *process.LauncherAddEnvironsRequest) error {
	c.state.environ = c.state.appendBytes(c.state.environ, req.Environ)
	return nil
}

func (s *state) appendBytes(dst []string, bs [][]byte) []string {
	n := 0
	for _, b := range bs {
		n += len(b)
	}
	if !s.keep(n, len(bs)) {
		return dst
	}
	dst = slices.Grow(dst, len(bs))
	for _, b := range bs {
		dst = append(dst, string(b))
	}
	return dst
}

// AddNames implements fuchsia.process/Launcher.AddNames.
func (c *conn) AddNames(_ context.Context, req *process.LauncherAddNamesRequest) error {
	keep := c.state.keepHandles(len(req.Names))
	for _, n := range req.Names {
		if keep = keep && c.state.keep(len(n.Path), 1); !keep {
			zx.CloseAll(n.Directory.Handle)
			continue
		}
		c.state.names = append(c.state.names, builder.NamespaceEntry{
			Path:      n.Path,
			Directory: zx.ChannelFromHandle(n.Directory.Handle),
		})
	}
	return nil
}

// AddHandles implements fuchsia.process/Launcher.AddHandles.
func (c *conn) AddHandles(_ context.Context, req *process.LauncherAddHandlesRequest) error {
	if c.state.keepHandles(len(req.Handles)) {
		c.state.handles = append(c.state.handles, req.Handles...)
		return nil
	}
	for _, h := range req.Handles {
		zx.CloseAll(h.Handle)
	}
	return nil
}

// SetOptions implements fuchsia.process/Launcher.SetOptions.
func (c *conn) SetOptions(_ context.Context, req *process.LauncherSetOptionsRequest) error {
	c.state.options = req.Options
	return nil
}

// Launch implements fuchsia.process/Launcher.Launch.
func (c *conn) Launch(ctx context.Context, req *process.LauncherLaunchRequest) (*process.LauncherLaunchResponse, error) {
	job := zx.JobFromHandle(req.Info.Job)
	defer job.Close()
	p, err := c.launch(ctx, &req.Info, &job)
	c.log("launch", req.Info.Name, &job, &p.Object, err)
	if err != nil {
		return &process.LauncherLaunchResponse{Status: zx.StatusOf(err)}, nil
	}
	return &process.LauncherLaunchResponse{Process: p.Take()}, nil
}

func (c *conn) launch(ctx context.Context, info *process.LaunchInfo, job *zx.Job) (zx.Process, error) {
	built, err := c.create(ctx, info, job)
	if err != nil {
		return zx.Process{}, err
	}
	return built.Start()
}

// CreateWithoutStarting implements fuchsia.process/Launcher.CreateWithoutStarting.
func (c *conn) CreateWithoutStarting(ctx context.Context, req *process.LauncherCreateWithoutStartingRequest) (*process.LauncherCreateWithoutStartingResponse, error) {
	job := zx.JobFromHandle(req.Info.Job)
	defer job.Close()
	built, err := c.create(ctx, &req.Info, &job)
	if err != nil {
		c.log("create", req.Info.Name, &job, nil, err)
		return &process.LauncherCreateWithoutStartingResponse{Status: zx.StatusOf(err)}, nil
	}
	defer built.Close()
	c.log("create", req.Info.Name, &job, &built.Process.Object, nil)
	return &process.LauncherCreateWithoutStartingResponse{Data: &process.ProcessStartData{
		Process:   built.Process.Take(),
		RootVmar:  built.RootVMAR.Take(),
		Thread:    built.Thread.Take(),
		Entry:     built.Entry,
		Stack:     built.StackPointer,
		Bootstrap: built.Bootstrap.Take(),
		VdsoBase:  built.VDSOBase,
		Base:      built.ELFBase,
	}}, nil
}

// create makes the process that the state and info describe. It uses up the
// state and the executable.
func (c *conn) create(ctx context.Context, info *process.LaunchInfo, job *zx.Job) (*builder.BuiltProcess, error) {
	s := c.take()
	defer s.close()
	executable := zx.VMOFromHandle(info.Executable)
	defer executable.Close()
	end, err := c.s.begin()
	if err != nil {
		return nil, err
	}
	defer end()

	// The process may wait for a loader that is of the client: when the client
	// goes, nobody waits for the process any more.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if ch, ok := transport(ctx).(*zx.Channel); ok && s.hasLoader() {
		watched := make(chan struct{})
		defer func() { cancel(nil); <-watched }()
		go func() {
			defer close(watched)
			if _, err := ch.Wait(ctx, zx.ChannelPeerClosed, zx.InfiniteFuture); err == nil {
				cancel(errClientGone)
			}
		}()
	}

	vdso, err := c.s.VDSO()
	if err != nil {
		return nil, &Error{"getting the vDSO", err}
	}
	b, err := builder.New(info.Name, job, s.options, zx.VMOFromHandle(executable.Take()), vdso)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	if err := s.addTo(b); err != nil {
		return nil, err
	}
	built, err := b.Build(ctx)
	if err != nil && errors.Is(context.Cause(ctx), errClientGone) {
		err = &Error{"the client is gone", err}
	}
	return built, err
}

var errClientGone = errors.New("the client closed its connection")

// transport is what the call that is being served came by.
func transport(ctx context.Context) fidl.Transport {
	if call := fidl.CallFrom(ctx); call != nil {
		return call.Transport()
	}
	return nil
}

func (s *state) hasLoader() bool {
	return slices.ContainsFunc(s.handles, func(h process.HandleInfo) bool {
		return processargs.HandleInfo(h.Id).Type() == processargs.LdsvcLoader
	})
}

// addTo moves the state to a builder.
func (s *state) addTo(b *builder.ProcessBuilder) error {
	if s.overflow {
		return invalid("more arguments, variables, names or handles than any process takes")
	}
	if err := b.AddArguments(s.args...); err != nil {
		return err
	}
	if err := b.AddEnvironmentVariables(s.environ...); err != nil {
		return err
	}
	if err := checkPaths(s.names); err != nil {
		return err
	}
	names := s.names
	s.names = nil
	if err := b.AddNamespaceEntries(names...); err != nil {
		return err
	}
	handles := make([]builder.StartupHandle, len(s.handles))
	for i, h := range s.handles {
		info, err := processargs.ParseHandleInfo(h.Id)
		if err != nil {
			return &Error{fmt.Sprintf("startup handle %d", i), err}
		}
		handles[i] = builder.StartupHandle{Handle: h.Handle, Info: info}
	}
	s.handles = nil
	return b.AddHandles(handles...)
}

// checkPaths checks that the paths of a namespace are absolute and that none
// lies within another.
func checkPaths(names []builder.NamespaceEntry) error {
	paths := make([]string, len(names))
	for i, n := range names {
		if !strings.HasPrefix(n.Path, "/") {
			return invalid("namespace path %q is not absolute", n.Path)
		}
		// A separator at the end makes parents sort right before their
		// children, and be prefixes of nothing else.
		paths[i] = strings.TrimSuffix(path.Clean(n.Path), "/") + "/"
	}
	slices.Sort(paths)
	for i := 1; i < len(paths); i++ {
		if strings.HasPrefix(paths[i], paths[i-1]) {
			return invalid("namespace paths %q and %q overlap", paths[i-1], paths[i])
		}
	}
	return nil
}

// log tells of a process that was made, or was not for err.
func (c *conn) log(op, name string, job *zx.Job, p *zx.Object, err error) {
	jobKoid, _ := job.Koid() // 0 when the handle does not say
	log := c.s.Log.With(zap.String("op", op), zap.String("process", name), zap.Uint64("job", uint64(jobKoid)))
	if err == nil {
		koid, _ := p.Koid()
		log.Debug("process made", zap.Uint64("koid", uint64(koid)))
		return
	}
	if c.s.Failed != nil {
		c.s.Failed(err)
	}
	log = log.With(zap.Stringer("status", zx.StatusOf(err)), zap.Error(err))
	if zx.StatusOf(err) == zx.ErrBadState {
		// A job that was killed meanwhile is nobody's fault.
		if info, err := job.Info(); err == nil && info.Exited {
			log.Info("process not made: its job has ended", zap.Int64("job_return_code", info.ReturnCode))
			return
		}
	}
	log.Warn("process not made")
}
