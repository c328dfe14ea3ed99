package transport

import "fmt"

// Panic is the value of a panic that is passed on to another goroutine, with the stack of
// the goroutine that panicked.
type Panic struct {
	Value any
	Stack []byte
}

func (p *Panic) Error() string { return fmt.Sprintf("panic in another goroutine (%T)", p.Value) }
