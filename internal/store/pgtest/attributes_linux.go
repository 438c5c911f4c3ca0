package pgtest

import "syscall"

// attributes makes the server end with the tests, however they end.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT} }
