package fidl_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.fuchsia.dev/fidl-go"
	"go.fuchsia.dev/fidl-go/fidltest"
	"go.fuchsia.dev/fidl-go/fuchsia/io"
	"go.fuchsia.dev/fidl-go/fuchsia/io1"
	"go.fuchsia.dev/fidl-go/fuchsia/unknown"
	"go.fuchsia.dev/fidl-go/zx"
)

// oldNode and newNode serve only what the test calls.
type oldNode struct {
	io1.NodeServer
	hs  *fidltest.Handles
	log *[]string
}

func (n oldNode) Clone(_ context.Context, req *io1.NodeCloneRequest) error {
	*n.log = append(*n.log, "old clone")
	n.hs.CloseHandles(req.Object.Handle)
	return nil
}

func (n oldNode) Describe(context.Context) (*io1.NodeDescribeResponse, error) {
	return &io1.NodeDescribeResponse{Info: io1.NodeInfoWithDirectory(io1.DirectoryObject{})}, nil
}

func (n oldNode) Close(ctx context.Context) (*io1.NodeCloseResponse, error) {
	fidl.CallFrom(ctx).Stop()
	return &io1.NodeCloseResponse{}, nil
}

type newNode struct {
	io.NodeServer
	hs  *fidltest.Handles
	log *[]string
}

func (n newNode) DeprecatedClone(_ context.Context, req *io.NodeDeprecatedCloneRequest) error {
	*n.log = append(*n.log, "new clone")
	n.hs.CloseHandles(req.Object.Handle)
	return nil
}

func (n newNode) Query(context.Context) (*unknown.QueryableQueryResponse, error) {
	return &unknown.QueryableQueryResponse{Protocol: []byte(io.NodeProtocolName)}, nil
}

// One connection speaks fuchsia.io of both eras. A method that both have goes
// to the era that the message's format tells.
func TestTwoEras(t *testing.T) {
	var hs fidltest.Handles
	var log []string
	client, server := fidltest.NewPair(&hs)
	served := make(chan error)
	go func() {
		served <- fidl.Serve(context.Background(), server,
			io1.NodeDispatcher(oldNode{hs: &hs, log: &log}), io.NodeDispatcher(newNode{hs: &hs, log: &log}))
	}()
	ctx := context.Background()
	old, young := io1.NewNodeClient(client, nil), io.NewNodeClient(client, nil)

	// 2020's flags may hold bits that today's strict type has not.
	if err := old.Clone(ctx, &io1.NodeCloneRequest{Flags: io1.OpenRightAdmin, Object: fidl.ServerEnd[io1.NodeProtocol]{Handle: channel(&hs)}}); err != nil {
		t.Fatal(err)
	}
	if err := young.DeprecatedClone(ctx, &io.NodeDeprecatedCloneRequest{Object: fidl.ServerEnd[io.NodeProtocol]{Handle: channel(&hs)}}); err != nil {
		t.Fatal(err)
	}
	if q, err := young.Query(ctx); err != nil || string(q.Protocol) != io.NodeProtocolName {
		t.Errorf("Query: %v, %v", q, err)
	}
	if d, err := old.Describe(ctx); err != nil || d.Info.Tag != io1.NodeInfoTagDirectory {
		t.Errorf("Describe: %v, %v", d, err)
	}
	if c, err := old.Close(ctx); err != nil || c.S != zx.OK {
		t.Errorf("Close: %v, %v", c, err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"old clone", "new clone"}, log); diff != "" {
		t.Error(diff)
	}
	_ = client.Close()
	hs.Check(t)
}

func channel(hs *fidltest.Handles) zx.Handle { return hs.New(zx.ObjTypeChannel, zx.RightsAll) }

// OnOpen as libfdio of 2020 reads it: the event's union is 24 bytes.
func TestOnOpenBytes(t *testing.T) {
	var hs fidltest.Handles
	a, b := fidltest.NewPair(&hs)
	ev := &io1.NodeOnOpenRequest{Info: fidl.Ptr(io1.NodeInfoWithFile(io1.FileObject{}))}
	if err := io1.SendNodeOnOpen(a, fidl.V1, ev); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 256)
	n, _, err := b.ReadMsg(context.Background(), buf, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := append(header(0, 1, 0, io1.NodeOnOpenOrdinal), hx(t, "00000000 00000000 0200000000000000 08000000 00000000 ~ 00000000 00000000")...)
	if !bytes.Equal(buf[:n], want) {
		t.Errorf("got  % x\nwant % x", buf[:n], want)
	}
}
