package monitor

//go:generate sh -c "go run go.fuchsia.dev/fidl-go/cmd/fidlgen -out bindings -prefix go.fuchsia.dev/launcherd/internal/monitor/bindings -package fuchsia.io=go.fuchsia.dev/fidl-go/fuchsia/io -library launcherd.monitor monitor.fidl ../../fidl/lib/zx/*.fidl ../../fidl/lib/fuchsia.io/*.fidl ../../fidl/lib/fuchsia.mem/*.fidl ../../fidl/lib/fuchsia.unknown/*.fidl"
