package zx

import "context"

// Port is a queue of packets from users and from objects that were waited for.
type Port struct{ Object }

// Packet is a zx_port_packet_t. Payload is the union in it, as bytes.
type Packet struct {
	Key     uint64
	Type    uint32
	Status  Status
	Payload [32]byte
}

// Types of packets.
const (
	PacketUser      uint32 = 0
	PacketSignalOne uint32 = 1
)

// PortFromHandle makes a Port that owns h.
func PortFromHandle(h Handle) Port { return Port{Object{h}} }

// NewPort makes a port (zx_port_create).
func NewPort() (Port, error) {
	h, st := sysPortCreate(0)
	return PortFromHandle(h), st.Err()
}

// Duplicate gives a second handle with rights r.
func (p *Port) Duplicate(r Rights) (Port, error) {
	o, err := p.Object.Duplicate(r)
	return Port{o}, err
}

// Queue puts a user packet in the port (zx_port_queue).
func (p *Port) Queue(pkt Packet) error { return sysPortQueue(p.Handle(), pkt).Err() }

// WaitPacket takes the next packet, waiting for one (zx_port_wait).
func (p *Port) WaitPacket(ctx context.Context, deadline Time) (Packet, error) {
	pkt, st := sysPortWait(ctx.Done(), p.Handle(), deadline)
	return pkt, waitErr(ctx, st)
}

// Cancel ends the waits that were made through source with key, and drops their
// packets (zx_port_cancel).
func (p *Port) Cancel(source *Object, key uint64) error {
	return sysPortCancel(p.Handle(), source.Handle(), key).Err()
}
