module go.fuchsia.dev/fidl-go

go 1.24.0
