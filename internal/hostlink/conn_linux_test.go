package hostlink

import (
	"encoding/binary"
	"errors"
	"testing"

	"go.fuchsia.dev/launcherd/zx"
)

// header is that of a message in wire format v2.
func header(txid uint32, ordinal uint64) string {
	b := binary.LittleEndian.AppendUint32(nil, txid)
	b = append(b, 2, 0, 0, 1)
	return string(binary.LittleEndian.AppendUint64(b, ordinal))
}

// End lets what was asked be answered, and then tells the server of the end,
// though the client does not close the connection.
func TestConnEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		before []string // messages that the server has read
		queued []string // and has not
		answer bool
	}{
		"idle":                   {},
		"a message without txid": {before: []string{header(0, 1)}},
		"a request under way":    {before: []string{header(1, 1)}, answer: true},
		"a request in the queue": {queued: []string{header(1, 1)}, answer: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := bridge(t)
			l, tr := connect(t, b)
			c := newConn(tr)
			for _, m := range append(tt.before, tt.queued...) {
				if err := l.WriteMsg([]byte(m), nil); err != nil {
					t.Fatal(err)
				}
			}
			for _, m := range tt.before {
				receiveBytes(t, c, m)
			}
			c.End()
			for _, m := range tt.queued {
				receiveBytes(t, c, m)
			}
			ended := make(chan error)
			go func() {
				_, _, err := c.ReadMsg(testContext(t), make([]byte, zx.ChannelMaxMsgBytes), nil)
				ended <- err
			}()
			if tt.answer {
				select {
				case err := <-ended:
					t.Fatalf("it ended (%v) before the answer", err)
				default:
				}
				if err := c.WriteMsg([]byte(header(1, 1)), nil); err != nil {
					t.Fatal(err)
				}
			}
			if err := <-ended; !errors.Is(err, zx.ErrPeerClosed) {
				t.Errorf("%v, want PEER_CLOSED", err)
			}
			c.Close()
			if tt.answer {
				receiveBytes(t, l, header(1, 1))
			}
			if _, _, err := l.ReadMsg(testContext(t), make([]byte, 100), nil); !errors.Is(err, zx.ErrPeerClosed) {
				t.Errorf("the client: %v, want PEER_CLOSED", err)
			}
		})
	}
}
