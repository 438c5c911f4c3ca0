// Command toy runs one toy relay for the proof of the crash harness.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"stafette/test/crash/toy"
)

func main() {
	var c toy.Config
	flag.StringVar(&c.Dir, "dir", "", "directory of the journal")
	flag.StringVar(&c.SMTP, "smtp", "", "host:port to take mail at")
	flag.StringVar(&c.HTTP, "http", "", "host:port to tell states at")
	flag.StringVar(&c.Sink, "sink", "", "host:port of the next hop")
	flag.StringVar((*string)(&c.Vice), "vice", string(toy.Honest), "what it does wrong")
	flag.IntVar(&c.Workers, "workers", 10, "deliveries at a time")
	flag.Parse()
	if err := toy.Run(context.Background(), c); err != nil {
		fmt.Fprintln(os.Stderr, "toy:", err)
		os.Exit(1)
	}
}
