module go.fuchsia.dev/fidl-go

go 1.24.0

require (
	github.com/google/go-cmp v0.7.0 // indirect
	go.uber.org/goleak v1.3.0 // indirect
)
