module go.fuchsia.dev/launcherd

go 1.24.0

require go.fuchsia.dev/fidl-go v0.0.0

require (
	go.uber.org/multierr v1.10.0 // indirect
	go.uber.org/zap v1.27.0 // indirect
	golang.org/x/net v0.47.0 // indirect
	golang.org/x/sys v0.38.0 // indirect
)

replace go.fuchsia.dev/fidl-go => ./fidl
