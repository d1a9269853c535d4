module go.fuchsia.dev/launcherd

go 1.24.0

require go.fuchsia.dev/fidl-go v0.0.0

replace go.fuchsia.dev/fidl-go => ./fidl
