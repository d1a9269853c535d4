package fidl

// The bindings, and what the tests and the example use.

//go:generate sh -c "go run ./cmd/fidlgen -out . lib/*/*.fidl"
//go:generate sh -c "go run ./cmd/fidlgen -out internal/gentest -prefix go.fuchsia.dev/fidl-go/internal/gentest -library test.wire -library test.range -library test.string lib/zx/*.fidl internal/gentest/*.fidl"
//go:generate sh -c "go run ./cmd/fidlgen -out . example/*/*.fidl"
//go:generate sh -c "go run ./cmd/fidlgen -registry messages.fidl_test.go -package test.wire=go.fuchsia.dev/fidl-go/internal/gentest/test/wire -package test.range=go.fuchsia.dev/fidl-go/internal/gentest/test/range -package test.string=go.fuchsia.dev/fidl-go/internal/gentest/test/string lib/*/*.fidl internal/gentest/*.fidl"
