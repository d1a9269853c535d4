package fidl

//go:generate sh -c "go run ./cmd/fidlgen -out . lib/*/*.fidl"
