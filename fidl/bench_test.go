package fidl_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"go.fuchsia.dev/fidl-go"
	"go.fuchsia.dev/fidl-go/fuchsia/process"
	"go.fuchsia.dev/fidl-go/zx"
)

// noHandles accepts every handle as it is.
type noHandles struct{}

func (noHandles) CloseHandles(...zx.Handle) {}
func (noHandles) ReplaceHandle(h zx.Handle, _ zx.Rights) (zx.Handle, error) {
	return h, nil
}

func launchRequest() *process.LauncherLaunchRequest {
	return &process.LauncherLaunchRequest{Info: process.LaunchInfo{Executable: 3, Job: 7, Name: "hello_world"}}
}

func hundredArgs() *process.LauncherAddArgsRequest {
	r := &process.LauncherAddArgsRequest{}
	for i := range 100 {
		r.Args = append(r.Args, fmt.Appendf(nil, "--argument-number-%d", i))
	}
	return r
}

// The handles of a Launch request as a channel delivers them.
var launchHandles = []zx.HandleInfo{
	{Handle: 3, Type: zx.ObjTypeVMO, Rights: zx.RightsBasic},
	{Handle: 7, Type: zx.ObjTypeJob, Rights: zx.RightsBasic},
}

func benchEncode(b *testing.B, m fidl.Message) {
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := fidl.Marshal(m, fidl.V2); err != nil {
			b.Fatal(err)
		}
	}
}

func benchDecode[T any, M interface {
	*T
	fidl.Message
}](b *testing.B, m fidl.Message, h []zx.HandleInfo) {
	bytes, _, err := fidl.Marshal(m, fidl.V2)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := fidl.Unmarshal(M(new(T)), bytes, h, fidl.V2, noHandles{}); err != nil {
			b.Fatal(err)
		}
	}
}

func benchJSONDecode[T any](b *testing.B, m any) {
	text, err := json.Marshal(m)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := json.Unmarshal(text, new(T)); err != nil {
			b.Fatal(err)
		}
	}
}

func benchJSONEncode(b *testing.B, m any) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := json.Marshal(m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLaunchEncode(b *testing.B)     { benchEncode(b, launchRequest()) }
func BenchmarkLaunchEncodeJSON(b *testing.B) { benchJSONEncode(b, launchRequest()) }
func BenchmarkLaunchDecode(b *testing.B) {
	benchDecode[process.LauncherLaunchRequest](b, launchRequest(), launchHandles)
}
func BenchmarkLaunchDecodeJSON(b *testing.B) {
	benchJSONDecode[process.LauncherLaunchRequest](b, launchRequest())
}

func BenchmarkAddArgs100Encode(b *testing.B)     { benchEncode(b, hundredArgs()) }
func BenchmarkAddArgs100EncodeJSON(b *testing.B) { benchJSONEncode(b, hundredArgs()) }
func BenchmarkAddArgs100Decode(b *testing.B) {
	benchDecode[process.LauncherAddArgsRequest](b, hundredArgs(), nil)
}
func BenchmarkAddArgs100DecodeJSON(b *testing.B) {
	benchJSONDecode[process.LauncherAddArgsRequest](b, hundredArgs())
}
