package fidl_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.fuchsia.dev/fidl-go"
	"go.fuchsia.dev/fidl-go/fidltest"
	"go.fuchsia.dev/fidl-go/internal/gentest/test/wire"
	"go.fuchsia.dev/fidl-go/zx"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo serves wire.Echo.
type echo struct {
	t       *testing.T
	hs      *fidltest.Handles
	wait    chan struct{} // TryStatus answers, detached, when it is closed
	mu      sync.Mutex
	unknown []string
}

func (s *echo) Say(ctx context.Context, req *wire.EchoSayRequest) (*wire.EchoSayResponse, error) {
	switch req.S {
	case "event":
		c := fidl.CallFrom(ctx)
		if err := wire.SendEchoOnSay(c.Transport(), c.Format(), &wire.EchoOnSayRequest{S: "hi"}); err != nil {
			return nil, err
		}
	case "stop":
		fidl.CallFrom(ctx).Stop()
	case "fail":
		return nil, fmt.Errorf("no more: %w", zx.ErrNoMemory)
	case "forget":
		return nil, nil
	case "garbage":
		return &wire.EchoSayResponse{S: "\xff"}, nil
	}
	return &wire.EchoSayResponse{S: req.S}, nil
}

func (s *echo) Try(_ context.Context, req *wire.EchoTryRequest) (*wire.EchoTryResponse, error) {
	if req.S == "" {
		return nil, fmt.Errorf("nothing to say: %w", wire.EchoErrorEmpty)
	}
	return &wire.EchoTryResponse{S: req.S}, nil
}

func (s *echo) TryStatus(ctx context.Context) error {
	if s.wait == nil {
		return zx.ErrShouldWait
	}
	fidl.CallFrom(ctx).Detach()
	select {
	case <-s.wait:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *echo) TryRaw(context.Context) (*wire.EchoTryRawResponse, error) {
	return nil, fidl.ErrorCode(42)
}

func (s *echo) Flex(_ context.Context, req *wire.EchoFlexRequest) (*wire.EchoFlexResponse, error) {
	return &wire.EchoFlexResponse{N: req.N + 1}, nil
}
func (s *echo) FlexEmpty(context.Context) error                           { return nil }
func (s *echo) FlexTry(context.Context) error                             { return zx.ErrNotFound }
func (s *echo) OneWay(_ context.Context, _ *wire.EchoOneWayRequest) error { return nil }
func (s *echo) Strict(context.Context) error                              { return nil }

func (s *echo) Take(ctx context.Context, req *wire.Table) (*wire.StrictUnion, error) {
	fidl.Discard(fidl.CallFrom(ctx).Transport(), req)
	u := wire.StrictUnionWithN(0)
	if req.S != nil {
		u = wire.StrictUnionWithS(*req.S)
	}
	return &u, nil
}

func (s *echo) Give(context.Context) (*wire.EchoGiveResponse, error) {
	return &wire.EchoGiveResponse{H: s.hs.New(zx.ObjTypeEvent, zx.RightsAll)}, nil
}

func (s *echo) GiveHandle(_ context.Context, req *wire.BaseGiveHandleRequest) error {
	s.hs.CloseHandles(req.H)
	return nil
}

func (s *echo) UnknownMethod(_ context.Context, ordinal uint64, twoWay bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unknown = append(s.unknown, fmt.Sprint(ordinal == wire.FutureUnknownTryOrdinal, twoWay))
}

// serving runs Serve on one end and gives the other. At the end of the test
// the server must have ended with want, and no handle be left.
func serving(t *testing.T, impl *echo, ds []fidl.Dispatcher, want error) *fidltest.End {
	t.Helper()
	impl.t, impl.hs = t, new(fidltest.Handles)
	client, server := fidltest.NewPair(impl.hs)
	if ds == nil {
		ds = []fidl.Dispatcher{wire.EchoDispatcher(impl)}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- fidl.Serve(ctx, server, ds...) }()
	t.Cleanup(func() {
		_ = client.Close() // often closed already
		if err := <-done; !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("Serve returned %v, want %v", err, want)
		}
		cancel()
		impl.hs.Check(t)
	})
	return client
}

// collector receives events.
type collector struct{ got []string }

func (c *collector) OnSay(ev *wire.EchoOnSayRequest) { c.got = append(c.got, ev.S) }
func (c *collector) OnFlex()                         { c.got = append(c.got, "flex") }

func TestCalls(t *testing.T) {
	ctx := context.Background()
	impl := &echo{}
	c := wire.NewEchoClient(serving(t, impl, nil, nil), nil)
	say, err := c.Say(ctx, &wire.EchoSayRequest{S: "hello"})
	if err != nil || say.S != "hello" {
		t.Errorf("Say: %v, %v", say, err)
	}
	try, err := c.Try(ctx, &wire.EchoTryRequest{S: "x"})
	if err != nil || try.S != "x" {
		t.Errorf("Try: %v, %v", try, err)
	}
	if _, err := c.Try(ctx, &wire.EchoTryRequest{}); err != wire.EchoErrorEmpty {
		t.Errorf("Try with nothing: %v", err)
	}
	if err := c.TryStatus(ctx); err != zx.ErrShouldWait {
		t.Errorf("TryStatus: %v", err)
	}
	if _, err := c.TryRaw(ctx); err != fidl.ErrorCode(42) {
		t.Errorf("TryRaw: %v", err)
	}
	if flex, err := c.Flex(ctx, &wire.EchoFlexRequest{N: 1}); err != nil || flex.N != 2 {
		t.Errorf("Flex: %v, %v", flex, err)
	}
	if err := c.FlexEmpty(ctx); err != nil {
		t.Errorf("FlexEmpty: %v", err)
	}
	if err := c.FlexTry(ctx); err != zx.ErrNotFound {
		t.Errorf("FlexTry: %v", err)
	}
	if err := c.OneWay(ctx, &wire.EchoOneWayRequest{N: 1}); err != nil {
		t.Errorf("OneWay: %v", err)
	}
	if err := c.Strict(ctx); err != nil {
		t.Errorf("Strict: %v", err)
	}
	h := impl.hs.New(zx.ObjTypeVMO, zx.RightsAll)
	if u, err := c.Take(ctx, &wire.Table{S: fidl.Ptr("t"), H: h}); err != nil || u.S != "t" {
		t.Errorf("Take: %v, %v", u, err)
	}
	if err := c.GiveHandle(ctx, &wire.BaseGiveHandleRequest{H: impl.hs.New(zx.ObjTypeEvent, 0)}); err != nil {
		t.Errorf("GiveHandle: %v", err)
	}
}

// A request that cannot be encoded is not sent, its handles are closed, and
// the connection goes on.
func TestBadRequestIsNotSent(t *testing.T) {
	ctx := context.Background()
	impl := &echo{}
	c := wire.NewEchoClient(serving(t, impl, nil, nil), nil)
	h := impl.hs.New(zx.ObjTypeVMO, zx.RightsAll)
	if _, err := c.Take(ctx, &wire.Table{S: fidl.Ptr("\xff"), H: h}); !errors.Is(err, fidl.ErrUTF8) {
		t.Errorf("got %v", err)
	}
	if impl.hs.Open() != 0 {
		t.Error("the handle leaks")
	}
	if err := c.FlexEmpty(ctx); err != nil {
		t.Error(err)
	}
}

func TestEvents(t *testing.T) {
	ctx := context.Background()
	var got collector
	end := serving(t, &echo{}, nil, nil)
	c := wire.NewEchoClient(end, &got)
	if _, err := c.Say(ctx, &wire.EchoSayRequest{S: "event"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Say(ctx, &wire.EchoSayRequest{S: "stop"}); err != nil {
		t.Fatal(err)
	}
	if err := c.HandleEvents(ctx); !errors.Is(err, zx.ErrPeerClosed) {
		t.Errorf("after the end: %v", err)
	}
	if diff := cmp.Diff([]string{"hi"}, got.got); diff != "" {
		t.Error(diff)
	}
}

// A newer client meets an older server.
func TestUnknownMethods(t *testing.T) {
	ctx := context.Background()
	t.Run("tolerated by an open protocol", func(t *testing.T) {
		impl := &echo{}
		c := wire.NewFutureClient(serving(t, impl, nil, nil), nil)
		if err := c.UnknownOneWay(ctx); err != nil {
			t.Fatal(err)
		}
		err := c.UnknownTry(ctx, &wire.FutureUnknownTryRequest{H: impl.hs.New(zx.ObjTypeEvent, 0)})
		if !errors.Is(err, fidl.ErrUnknownMethod) || !errors.Is(err, zx.ErrNotSupported) {
			t.Errorf("got %v", err)
		}
		if err := c.Unknown(ctx); !errors.Is(err, fidl.ErrUnknownMethod) {
			t.Errorf("got %v", err)
		}
		impl.mu.Lock()
		defer impl.mu.Unlock()
		if diff := cmp.Diff([]string{"false false", "true true", "false true"}, impl.unknown); diff != "" {
			t.Error(diff)
		}
	})
	for _, c := range []struct {
		name string
		d    fidl.Dispatcher
		call func(*wire.FutureClient) error
	}{
		{"strict", wire.EchoDispatcher(&echo{}), func(c *wire.FutureClient) error { return c.UnknownStrict(ctx) }},
		{"two-way to an ajar protocol", wire.HalfDispatcher(plain{}), func(c *wire.FutureClient) error { return c.Unknown(ctx) }},
		{"one-way to a closed protocol", wire.PlainDispatcher(plain{}), func(c *wire.FutureClient) error { return c.UnknownOneWay(ctx) }},
	} {
		t.Run("refused: "+c.name, func(t *testing.T) {
			client := wire.NewFutureClient(serving(t, &echo{}, []fidl.Dispatcher{c.d}, fidl.ErrOrdinal), nil)
			err := c.call(client)
			if err == nil {
				err = client.HandleEvents(ctx)
			}
			var e *fidl.EpitaphError
			if !errors.As(err, &e) || e.Status != zx.ErrNotSupported {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("one-way to an ajar protocol", func(t *testing.T) {
		c := wire.NewFutureClient(serving(t, &echo{}, []fidl.Dispatcher{wire.HalfDispatcher(plain{})}, nil), nil)
		if err := c.UnknownOneWay(ctx); err != nil {
			t.Error(err)
		}
	})
}

type plain struct{}

func (plain) Done(context.Context) error { return nil }

// A client without a handler drops the events of its protocol, and those alone.
func TestNoEventHandler(t *testing.T) {
	var hs fidltest.Handles
	a, b := fidltest.NewPair(&hs)
	c := wire.NewEchoClient(a, nil)
	for _, ordinal := range []uint64{wire.EchoOnFlexOrdinal, wire.EchoOnSayOrdinal, 0x1234} {
		if err := b.WriteRaw(header(0, 2, 0, ordinal), hs.New(zx.ObjTypeEvent, 0)); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []error{nil, nil, fidl.ErrOrdinal} {
		if err := c.HandleOne(context.Background()); !errors.Is(err, want) {
			t.Errorf("event %d: %v", i, err)
		}
	}
	_ = b.Close()
	hs.Check(t)
}

// A newer server's events meet an older client.
func TestUnknownEvents(t *testing.T) {
	ctx := context.Background()
	var hs fidltest.Handles
	a, b := fidltest.NewPair(&hs)
	var got collector
	c := wire.NewEchoClient(a, &got)
	if err := wire.SendFutureOnNew(b, fidl.V2); err != nil {
		t.Fatal(err)
	}
	if err := wire.SendEchoOnFlex(b, fidl.V2); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.HandleOne(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"flex"}, got.got); diff != "" {
		t.Error(diff)
	}
	if err := b.WriteRaw(header(0, 2, 0, 0x1234), hs.New(zx.ObjTypeEvent, 0)); err != nil { // strict
		t.Fatal(err)
	}
	if err := c.HandleOne(ctx); !errors.Is(err, fidl.ErrOrdinal) {
		t.Errorf("unknown strict event: %v", err)
	}
	_ = b.Close()
	hs.Check(t)
}

// How server methods end a connection.
func TestServerErrors(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		say     string
		serve   error
		epitaph zx.Status
	}{
		{"fail", zx.ErrNoMemory, zx.ErrNoMemory},
		{"forget", fidl.ErrNoResponse, zx.ErrInternal},
		{"garbage", fidl.ErrUTF8, zx.ErrInvalidArgs},
	} {
		t.Run(c.say, func(t *testing.T) {
			client := wire.NewEchoClient(serving(t, &echo{}, nil, c.serve), nil)
			for _, what := range []string{"the call", "a later call"} {
				_, err := client.Say(ctx, &wire.EchoSayRequest{S: c.say})
				var e *fidl.EpitaphError
				if !errors.As(err, &e) || e.Status != c.epitaph || !errors.Is(err, c.epitaph) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if err := client.OneWay(ctx, &wire.EchoOneWayRequest{}); !errors.Is(err, c.epitaph) {
				t.Errorf("one-way after the end: %v", err)
			}
		})
	}
}

// A one-way call on a connection that the server has ended tells why.
func TestOneWayLearnsEpitaph(t *testing.T) {
	var hs fidltest.Handles
	a, b := fidltest.NewPair(&hs)
	c := wire.NewEchoClient(a, nil)
	if err := fidl.SendEpitaph(b, fidl.V2, zx.ErrBadState); err != nil {
		t.Fatal(err)
	}
	_ = b.Close()
	h := hs.New(zx.ObjTypeEvent, 0)
	if err := c.GiveHandle(context.Background(), &wire.BaseGiveHandleRequest{H: h}); !errors.Is(err, zx.ErrBadState) {
		t.Errorf("got %v", err)
	}
	hs.Check(t)
}

// header makes a message's header.
func header(txid uint32, atRest, dynamic byte, ordinal uint64) []byte {
	b := binary.LittleEndian.AppendUint32(nil, txid)
	b = append(b, atRest, 0, dynamic, fidl.MagicInitial)
	return binary.LittleEndian.AppendUint64(b, ordinal)
}

// Flags that have no meaning are not looked at, and a txid is whatever the
// client, or the kernel for it, says.
func TestHeadersThatMustDo(t *testing.T) {
	end := serving(t, &echo{}, nil, nil)
	buf := make([]byte, 64)
	for _, txid := range []uint32{1, 0x7fffffff, 0x80000001, 0xffffffff} {
		req := header(txid, 0xff, 0x7f, wire.EchoStrictOrdinal)
		req[5] = 0xff
		if err := end.WriteRaw(req); err != nil {
			t.Fatal(err)
		}
		n, _, err := end.ReadMsg(context.Background(), buf, nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := header(txid, 2, 0, wire.EchoStrictOrdinal); !bytes.Equal(buf[:n], want) {
			t.Errorf("got % x, want % x", buf[:n], want)
		}
	}
}

// Requests that a server must refuse: it closes their handles and the
// connection, with an epitaph.
func TestServerRefuses(t *testing.T) {
	say := hx(t, "0100000000000000 ~ 61 00000000000000")
	for _, c := range []struct {
		name    string
		b       []byte
		want    error
		epitaph zx.Status
	}{
		{"no header", []byte{1, 2, 3}, fidl.ErrHeader, zx.ErrInvalidArgs},
		{"empty", nil, fidl.ErrHeader, zx.ErrInvalidArgs},
		{"magic number", func() []byte { b := header(1, 2, 0, wire.EchoSayOrdinal); b[7] = 9; return b }(), fidl.ErrHeader, zx.ErrInvalidArgs},
		{"ordinal 0", header(1, 2, 0, 0), fidl.ErrHeader, zx.ErrInvalidArgs},
		{"unknown ordinal", header(1, 2, 0, 0x1234), fidl.ErrOrdinal, zx.ErrNotSupported},
		{"two-way method without txid", append(header(0, 2, 0, wire.EchoSayOrdinal), say...), fidl.ErrUnexpected, zx.ErrInvalidArgs},
		{"one-way method with txid", append(header(5, 2, 0, wire.EchoOneWayOrdinal), make([]byte, 8)...), fidl.ErrUnexpected, zx.ErrInvalidArgs},
		{"a handle too many", append(header(1, 2, 0, wire.EchoSayOrdinal), say...), fidl.ErrExtraHandles, zx.ErrInvalidArgs},
		{"no body", header(1, 2, 0, wire.EchoSayOrdinal), fidl.ErrTooShort, zx.ErrInvalidArgs},
		{"a body too many", append(header(1, 2, 0, wire.EchoStrictOrdinal), 0, 0, 0, 0, 0, 0, 0, 0), fidl.ErrExtraBytes, zx.ErrInvalidArgs},
		{"an epitaph", append(header(0, 2, 0, 1<<64-1), make([]byte, 8)...), fidl.ErrOrdinal, zx.ErrNotSupported},
	} {
		t.Run(c.name, func(t *testing.T) {
			impl := &echo{}
			end := serving(t, impl, nil, c.want)
			if err := end.WriteRaw(c.b, impl.hs.New(zx.ObjTypeEvent, 0)); err != nil {
				t.Fatal(err)
			}
			err := wire.NewEchoClient(end, nil).HandleEvents(context.Background())
			var e *fidl.EpitaphError
			if !errors.As(err, &e) || e.Status != c.epitaph {
				t.Errorf("got %v", err)
			}
		})
	}
}

// What a client must refuse: it ends with a typed error, and closes handles.
func TestClientRefuses(t *testing.T) {
	body := hx(t, "0100000000000000 ~ 61 00000000000000")
	reply := func(txid uint32, ordinal uint64) []byte { return append(header(txid, 2, 0, ordinal), body...) }
	for _, c := range []struct {
		name string
		b    []byte
		want error
	}{
		{"garbage", []byte("garbage"), fidl.ErrHeader},
		{"another txid", reply(99, wire.EchoSayOrdinal), fidl.ErrUnexpected},
		{"another ordinal", reply(1, wire.EchoTryOrdinal), fidl.ErrUnexpected},
		{"a handle too many", reply(1, wire.EchoSayOrdinal), fidl.ErrExtraHandles},
		{"no body", header(1, 2, 0, wire.EchoSayOrdinal), fidl.ErrTooShort},
		{"epitaph without a status", header(0, 2, 0, 1<<64-1), fidl.ErrTooShort},
		{"epitaph with a handle", append(header(0, 2, 0, 1<<64-1), make([]byte, 8)...), fidl.ErrExtraHandles},
		{"epitaph of two statuses", append(header(0, 2, 0, 1<<64-1), make([]byte, 16)...), fidl.ErrExtraBytes},
		{"epitaph with padding", append(header(0, 2, 0, 1<<64-1), 0, 0, 0, 0, 1, 0, 0, 0), fidl.ErrPadding},
		{"a call for txid 0", reply(0, wire.EchoSayOrdinal), fidl.ErrOrdinal},
	} {
		t.Run(c.name, func(t *testing.T) {
			var hs fidltest.Handles
			a, b := fidltest.NewPair(&hs)
			client := wire.NewEchoClient(a, nil)
			if err := b.WriteRaw(c.b, hs.New(zx.ObjTypeEvent, 0)); err != nil {
				t.Fatal(err)
			}
			if _, err := client.Say(context.Background(), &wire.EchoSayRequest{S: "x"}); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			_ = b.Close()
			hs.Check(t)
		})
	}
}

// Results that a client must refuse.
func TestClientRefusesResults(t *testing.T) {
	ctx := context.Background()
	try := func(c *wire.EchoClient) error { _, err := c.Try(ctx, &wire.EchoTryRequest{}); return err }
	flex := func(c *wire.EchoClient) error { return c.FlexEmpty(ctx) }
	for _, c := range []struct {
		name    string
		ordinal uint64
		call    func(*wire.EchoClient) error
		body    string
		want    error
	}{
		{"unknown error value", wire.EchoTryOrdinal, try, "0200000000000000 01000000 0000 0100", fidl.ErrEnum},
		{"framework error of a strict method", wire.EchoTryOrdinal, try, "0300000000000000 feffffff 0000 0100", fidl.ErrUnion},
		{"error of a method without", wire.EchoFlexEmptyOrdinal, flex, "0200000000000000 01000000 0000 0100", fidl.ErrUnion},
		{"unknown framework error", wire.EchoFlexEmptyOrdinal, flex, "0300000000000000 01000000 0000 0100", fidl.ErrEnum},
		{"empty result", wire.EchoFlexEmptyOrdinal, flex, "0000000000000000 0000000000000000", fidl.ErrAbsent},
		{"empty payload that is not 0", wire.EchoFlexEmptyOrdinal, flex, "0100000000000000 01000000 0000 0100", fidl.ErrPadding},
	} {
		t.Run(c.name, func(t *testing.T) {
			var hs fidltest.Handles
			a, b := fidltest.NewPair(&hs)
			defer b.Close()
			if err := b.WriteRaw(append(header(1, 2, 0, c.ordinal), hx(t, c.body)...)); err != nil {
				t.Fatal(err)
			}
			if err := c.call(wire.NewEchoClient(a, nil)); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// A request of the older format is answered in it.
func TestOlderFormat(t *testing.T) {
	impl := &echo{}
	end := serving(t, impl, nil, nil)
	req := append(header(7, 1, 0, wire.EchoTakeOrdinal), hx(t, `0200000000000000 ~
		0000000000000000 0000000000000000 18000000 00000000 ~ 0100000000000000 ~ 71 00000000000000`)...)
	if err := end.WriteRaw(req); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, zx.ChannelMaxMsgBytes)
	n, _, err := end.ReadMsg(context.Background(), b, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := append(header(7, 1, 0, wire.EchoTakeOrdinal), hx(t, "0200000000000000 18000000 00000000 ~ 0100000000000000 ~ 71 00000000000000")...)
	if !bytes.Equal(b[:n], want) {
		t.Errorf("got % x\nwant % x", b[:n], want)
	}
}

// What a client sent before it closed is served, though its calls cannot be
// answered any more.
func TestServesWhatWasSent(t *testing.T) {
	impl := &echo{hs: new(fidltest.Handles)}
	client, server := fidltest.NewPair(impl.hs)
	for _, m := range [][]byte{header(1, 2, 0, wire.EchoStrictOrdinal), header(2, 2, 0x80, 77), header(0, 2, 0x80, 78)} {
		if err := client.WriteRaw(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	if err := wire.ServeEcho(context.Background(), server, impl); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"false true", "false false"}, impl.unknown); diff != "" {
		t.Error(diff)
	}
}

// A call that is given up is not waited for; what comes for it is dropped, with
// its handles, and the connection goes on.
func TestCancel(t *testing.T) {
	impl := &echo{wait: make(chan struct{})}
	c := wire.NewEchoClient(serving(t, impl, nil, nil), nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := c.TryStatus(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(impl.wait)
	if err := c.FlexEmpty(context.Background()); err != nil {
		t.Error(err)
	}
	if err := c.TryStatus(context.Background()); err != nil {
		t.Error(err)
	}
}

// Many calls in flight, answered out of order; whoever waits reads for all.
func TestManyInFlight(t *testing.T) {
	impl := &echo{wait: make(chan struct{})}
	c := wire.NewEchoClient(serving(t, impl, nil, nil), nil)
	ctx := context.Background()
	var slow, fast sync.WaitGroup
	for i := range 20 {
		slow.Add(1)
		go func() {
			defer slow.Done()
			if err := c.TryStatus(ctx); err != nil {
				t.Error(err)
			}
		}()
		fast.Add(1)
		go func() {
			defer fast.Done()
			want := fmt.Sprint(i)
			if r, err := c.Say(ctx, &wire.EchoSayRequest{S: want}); err != nil || r.S != want {
				t.Errorf("got %v, %v", r, err)
			}
		}()
	}
	fast.Wait()
	close(impl.wait)
	slow.Wait()
}

// restless is an echo whose answers come when they like, and which ends the
// connection in one of several ways after a number of calls.
type restless struct {
	*echo
	left atomic.Int32
	how  func(context.Context) error
}

func (s *restless) Give(ctx context.Context) (*wire.EchoGiveResponse, error) {
	c := fidl.CallFrom(ctx)
	if n := s.left.Add(-1); n == 0 {
		if err := s.how(ctx); err != nil {
			return nil, err
		}
	} else if n%3 == 0 {
		c.Detach()
		for range n % 7 {
			runtime.Gosched()
		}
	} else if n%5 == 0 {
		if err := wire.SendEchoOnFlex(c.Transport(), c.Format()); err != nil {
			return nil, err
		}
	}
	return s.echo.Give(ctx)
}

// Calls that are given up, answered, refused and cut off at any moment: each
// ends, once, with its answer or a typed error, and no handle is left.
func TestRestless(t *testing.T) {
	ends := map[string]func(context.Context) error{
		"stop":    func(ctx context.Context) error { fidl.CallFrom(ctx).Stop(); return nil },
		"epitaph": func(context.Context) error { return zx.ErrNoResources },
		"close":   func(ctx context.Context) error { return fidl.CallFrom(ctx).Transport().Close() },
		"garbage": func(ctx context.Context) error {
			return fidl.CallFrom(ctx).Transport().WriteMsg([]byte("garbage"), nil)
		},
		"no reply": func(ctx context.Context) error { fidl.CallFrom(ctx).Detach(); <-ctx.Done(); return ctx.Err() },
	}
	for name, how := range ends {
		for seed := range 20 {
			r := rand.New(rand.NewPCG(1, uint64(seed)))
			hs := new(fidltest.Handles)
			impl := &restless{echo: &echo{hs: hs}, how: how}
			impl.left.Store(int32(1 + r.IntN(150)))
			a, b := fidltest.NewPair(hs)
			served := make(chan error)
			go func() { served <- wire.ServeEcho(context.Background(), b, impl) }()
			c := wire.NewEchoClient(a, new(collector))
			var calls sync.WaitGroup
			for range 8 {
				giveUp := r.IntN(4)
				calls.Add(1)
				go func() {
					defer calls.Done()
					for range 20 {
						ctx, cancel := context.WithCancel(context.Background())
						if giveUp == 0 {
							go cancel()
						}
						rep, err := c.Give(ctx)
						cancel()
						var epitaph *fidl.EpitaphError
						switch {
						case err == nil:
							hs.CloseHandles(rep.H)
						case errors.Is(err, context.Canceled) && giveUp == 0,
							errors.As(err, &epitaph) && epitaph.Status == zx.ErrNoResources,
							errors.Is(err, zx.ErrPeerClosed), errors.Is(err, fidl.ErrClosed), errors.Is(err, fidl.ErrHeader):
						default:
							t.Errorf("%s: %v", name, err)
						}
					}
				}()
			}
			if name == "no reply" {
				for impl.left.Load() > 0 && seed%2 == 0 {
					runtime.Gosched()
				}
				_ = c.Close() // calls are in flight
			}
			calls.Wait()
			_ = c.Close()
			<-served // how it ended is tested elsewhere
			hs.Check(t)
		}
	}
}

// blocker is an event handler that waits.
type blocker struct{ entered, leave chan struct{} }

func (b *blocker) OnSay(*wire.EchoOnSayRequest) { b.entered <- struct{}{}; <-b.leave }
func (b *blocker) OnFlex()                      {}

// An event handler that waits does not keep calls from giving up.
func TestEventHandlerThatWaits(t *testing.T) {
	h := &blocker{make(chan struct{}), make(chan struct{})}
	c := wire.NewEchoClient(serving(t, &echo{}, nil, nil), h)
	said := make(chan error)
	go func() {
		_, err := c.Say(context.Background(), &wire.EchoSayRequest{S: "event"})
		said <- err
	}()
	<-h.entered
	ctx, cancel := context.WithCancel(context.Background())
	strict := make(chan error)
	go func() { strict <- c.Strict(ctx) }()
	cancel()
	if err := <-strict; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(h.leave)
	if err := <-said; err != nil {
		t.Error(err)
	}
}

// Close ends calls that wait.
func TestCloseEndsCalls(t *testing.T) {
	var hs fidltest.Handles
	a, b := fidltest.NewPair(&hs)
	c := wire.NewEchoClient(a, nil)
	errs := make(chan error)
	for range 3 {
		go func() { errs <- c.Strict(context.Background()) }()
	}
	buf := make([]byte, 64)
	for range 3 { // all three are waiting now
		if _, _, err := b.ReadMsg(context.Background(), buf, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := <-errs; !errors.Is(err, fidl.ErrClosed) {
			t.Errorf("got %v", err)
		}
	}
	if err := c.Strict(context.Background()); !errors.Is(err, fidl.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	h := hs.New(zx.ObjTypeVMO, zx.RightsAll)
	if _, err := c.Take(context.Background(), &wire.Table{H: h}); !errors.Is(err, fidl.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	_ = b.Close()
	hs.Check(t)
}

// The end of Serve's context ends detached methods and Serve.
func TestServeContext(t *testing.T) {
	impl := &echo{hs: new(fidltest.Handles), wait: make(chan struct{})}
	a, b := fidltest.NewPair(impl.hs)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- wire.ServeEcho(ctx, b, impl) }()
	c := wire.NewEchoClient(a, nil)
	slow := make(chan error)
	go func() { slow <- c.TryStatus(context.Background()) }()
	if err := c.FlexEmpty(context.Background()); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Serve: %v", err)
	}
	if err := <-slow; !errors.Is(err, zx.ErrPeerClosed) {
		t.Errorf("the call in flight: %v", err)
	}
}

// Two protocols on one connection.
func TestTwoDispatchers(t *testing.T) {
	end := serving(t, &echo{}, []fidl.Dispatcher{wire.PlainDispatcher(plain{}), wire.EchoDispatcher(&echo{})}, nil)
	p, e := wire.NewPlainClient(end), wire.NewEchoClient(end, nil)
	if err := p.Done(context.Background()); err != nil {
		t.Error(err)
	}
	if err := e.Strict(context.Background()); err != nil {
		t.Error(err)
	}
}

// FuzzServe sends one message to a server: it answers or refuses, and no handle
// is left.
func FuzzServe(f *testing.F) {
	for _, ordinal := range []uint64{wire.EchoSayOrdinal, wire.EchoTakeOrdinal, wire.EchoGiveHandleOrdinal, wire.EchoFlexOrdinal, 77} {
		f.Add(append(header(1, 2, 0x80, ordinal), make([]byte, 24)...), uint8(1))
		f.Add(append(header(0, 0, 0, ordinal), make([]byte, 8)...), uint8(0))
	}
	f.Fuzz(func(t *testing.T, b []byte, handles uint8) {
		impl := &echo{hs: new(fidltest.Handles)}
		client, server := fidltest.NewPair(impl.hs)
		if err := client.WriteRaw(b, newHandles(impl.hs, handles)...); err != nil {
			t.Fatal(err)
		}
		_ = client.Close()
		_ = wire.ServeEcho(context.Background(), server, impl) // the outcome is not the point
		impl.hs.Check(t)
	})
}

// FuzzClient is FuzzServe with the roles exchanged: two calls wait.
func FuzzClient(f *testing.F) {
	for _, ordinal := range []uint64{wire.EchoTakeOrdinal, wire.EchoTryRawOrdinal, wire.EchoOnSayOrdinal, 1<<64 - 1, 77} {
		f.Add(append(header(1, 2, 0x80, ordinal), make([]byte, 24)...), uint8(1))
		f.Add(append(header(0, 0, 0, ordinal), make([]byte, 8)...), uint8(0))
	}
	f.Fuzz(func(t *testing.T, b []byte, handles uint8) {
		var hs fidltest.Handles
		a, peer := fidltest.NewPair(&hs)
		if err := peer.WriteRaw(b, newHandles(&hs, handles)...); err != nil {
			t.Fatal(err)
		}
		c := wire.NewEchoClient(a, new(collector))
		answered := make(chan error)
		go func() {
			_, err := c.TryRaw(context.Background())
			answered <- err
		}()
		go func() {
			_, err := c.Take(context.Background(), &wire.Table{})
			answered <- err
		}()
		_ = peer.Close()
		<-answered
		<-answered
		_ = c.Close()
		hs.Check(t)
	})
}

func newHandles(hs *fidltest.Handles, n uint8) []zx.Handle {
	out := make([]zx.Handle, n%65)
	for i := range out {
		out[i] = hs.New(zx.ObjTypeChannel, zx.RightsAll)
	}
	return out
}

// A service's members are connected to by name.
func TestService(t *testing.T) {
	var asked []string
	s := wire.EchoService{Connect: func(m string) (fidl.Transport, error) {
		asked = append(asked, m)
		return nil, zx.ErrNotFound
	}}
	if _, err := s.Plain(); err != zx.ErrNotFound {
		t.Error(err)
	}
	if _, err := s.Echo(nil); err != zx.ErrNotFound {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"plain", "echo"}, asked); diff != "" {
		t.Error(diff)
	}
}
