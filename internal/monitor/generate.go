package monitor

//go:generate sh -c "go run go.fuchsia.dev/fidl-go/cmd/fidlgen -out bindings -prefix go.fuchsia.dev/launcherd/internal/monitor/bindings -library launcherd.monitor monitor.fidl ../../fidl/lib/zx/*.fidl"
