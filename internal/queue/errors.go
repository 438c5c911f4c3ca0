package queue

import "errors"

// ErrFenced: this process's epoch was declared dead; its claims belong to others.
var ErrFenced = errors.New("queue epoch is fenced")
