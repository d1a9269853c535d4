package fidl_test

import (
	"context"
	"errors"
	"fmt"

	"go.fuchsia.dev/fidl-go"
	"go.fuchsia.dev/fidl-go/example/calc"
	"go.fuchsia.dev/fidl-go/fidltest"
)

// The protocol is in example/calc/calc.fidl, and
//
//	go run ./cmd/fidlgen -out . example/calc/calc.fidl
//
// makes package calc of it. A server implements calc.CalculatorServer.
type calculator struct{ count uint32 }

func (c *calculator) Add(_ context.Context, req *calc.CalculatorAddRequest) (*calc.CalculatorAddResponse, error) {
	c.count++
	return &calc.CalculatorAddResponse{Sum: req.A + req.B}, nil
}

// Divide returns calc.DivideErrorByZero as an error: the client gets it as one.
func (c *calculator) Divide(_ context.Context, req *calc.CalculatorDivideRequest) (*calc.CalculatorDivideResponse, error) {
	if req.Divisor == 0 {
		return nil, calc.DivideErrorByZero
	}
	c.count++
	return &calc.CalculatorDivideResponse{Quotient: req.Dividend / req.Divisor, Remainder: req.Dividend % req.Divisor}, nil
}

// Clear is a one-way method; it sends an event.
func (c *calculator) Clear(ctx context.Context) error {
	call := fidl.CallFrom(ctx)
	ev := &calc.CalculatorOnClearedRequest{Count: c.count}
	c.count = 0
	return calc.SendCalculatorOnCleared(call.Transport(), call.Format(), ev)
}

// A client that wants events implements calc.CalculatorEventHandler.
type printer struct{}

func (printer) OnCleared(ev *calc.CalculatorOnClearedRequest) {
	fmt.Println("forgotten:", ev.Count)
}

// A protocol is defined in FIDL, generated, served and called.
func Example() {
	// A transport is a channel, or here its like within one process.
	clientEnd, serverEnd := fidltest.NewPair(new(fidltest.Handles))
	ctx := context.Background()

	served := make(chan error)
	go func() { served <- calc.ServeCalculator(ctx, serverEnd, new(calculator)) }()

	client := calc.NewCalculatorClient(clientEnd, printer{})
	sum, err := client.Add(ctx, &calc.CalculatorAddRequest{A: 456, B: 123})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("sum:", sum.Sum)

	_, err = client.Divide(ctx, &calc.CalculatorDivideRequest{Dividend: 1})
	fmt.Println(err, errors.Is(err, calc.DivideErrorByZero))

	// Nothing answers a one-way method but, here, an event.
	if err := client.Clear(ctx); err != nil {
		fmt.Println(err)
		return
	}
	if err := client.HandleOne(ctx); err != nil {
		fmt.Println(err)
		return
	}

	if err := client.Close(); err != nil {
		fmt.Println(err)
	}
	fmt.Println("server:", <-served)
	// Output:
	// sum: 579
	// example.calc/DivideError BY_ZERO true
	// forgotten: 1
	// server: <nil>
}
