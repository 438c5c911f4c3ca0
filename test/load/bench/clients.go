package bench

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"syscall"
)

// waiters is how many threads the connections of a burst are spread over. Each looks at all
// of its connections that have an answer at once: a goroutine for each connection needed
// half as much processor time again, and the clients share the processors with the server.
const waiters = 2

// request makes the next thing that is asked; more is false when there is none.
type request func(b []byte) (asked []byte, more bool)

// client is one connection on which one request is under way at a time.
type client struct {
	fd     int
	asked  []byte // reused
	answer [4096]byte
	have   int // bytes of answer
}

// converse keeps n connections busy with requests until there are no more, and calls
// answered for every answer, all of which must be good.
func converse(addr netip.AddrPort, n int, next request, answered func()) (err error) {
	poll, err := syscall.EpollCreate1(0)
	if err != nil {
		return fmt.Errorf("make a poll: %w", err)
	}
	defer func() { err = errors.Join(err, syscall.Close(poll)) }()
	clients := map[int32]*client{}
	defer func() {
		for _, c := range clients {
			err = errors.Join(err, syscall.Close(c.fd))
		}
	}()
	for range n {
		c, err := dial(addr, poll)
		if err != nil {
			return err
		}
		clients[int32(c.fd)] = c
	}
	busy := 0
	for _, c := range clients {
		more, err := c.ask(next)
		if err != nil {
			return err
		}
		if more {
			busy++
		}
	}
	events := make([]syscall.EpollEvent, n)
	for busy > 0 {
		ready, err := syscall.EpollWait(poll, events, -1)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("wait for answers: %w", err)
		}
		for _, e := range events[:max(ready, 0)] {
			c := clients[e.Fd]
			whole, err := c.read()
			if err != nil {
				return err
			}
			if !whole {
				continue
			}
			answered()
			more, err := c.ask(next)
			if err != nil {
				return err
			}
			if !more {
				busy--
			}
		}
	}
	return nil
}

func dial(addr netip.AddrPort, poll int) (*client, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make a socket: %w", err)
	}
	err = syscall.Connect(fd, &syscall.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()})
	if err == nil {
		err = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	}
	if err == nil {
		err = syscall.SetNonblock(fd, true)
	}
	if err == nil {
		err = syscall.EpollCtl(poll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connect to %s: %w", addr, err), syscall.Close(fd))
	}
	return &client{fd: fd}, nil
}

// ask sends the next request. It is far shorter than what the kernel takes at once.
func (c *client) ask(next request) (more bool, err error) {
	if c.asked, more = next(c.asked[:0]); !more {
		return false, nil
	}
	if n, err := syscall.Write(c.fd, c.asked); err != nil || n < len(c.asked) {
		return false, fmt.Errorf("ask: %d of %d bytes: %w", n, len(c.asked), err)
	}
	return true, nil
}

// read takes what has come and says whether it is a whole answer.
func (c *client) read() (whole bool, err error) {
	n, err := syscall.Read(c.fd, c.answer[c.have:])
	switch {
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EINTR):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read answer: %w", err)
	case n == 0:
		return false, errors.New("read answer: the server left, or it is too long")
	}
	c.have += n
	size, err := wholeAnswer(c.answer[:c.have])
	if err != nil || size == 0 {
		return false, err
	}
	if size != c.have {
		return false, fmt.Errorf("%d bytes after an answer", c.have-size)
	}
	c.have = 0
	return true, nil
}

// wholeAnswer returns the length of the answer that b begins with, 0 if it is not whole. It
// parses no more than that takes, lest the clients need the processor that is measured.
func wholeAnswer(b []byte) (size int, err error) {
	head := bytes.Index(b, []byte("\r\n\r\n"))
	if head < 0 {
		return 0, nil
	}
	if !bytes.HasPrefix(b, []byte("HTTP/1.1 200 ")) && !bytes.HasPrefix(b, []byte("HTTP/1.1 302 ")) {
		return 0, fmt.Errorf("answered %q", b[:head])
	}
	size = head + len("\r\n\r\n")
	const field = "\r\nContent-Length: "
	if at := bytes.Index(b[:head], []byte(field)); at >= 0 {
		value, _, _ := bytes.Cut(b[at+len(field):size], []byte("\r"))
		n, err := strconv.Atoi(string(value))
		if err != nil {
			return 0, fmt.Errorf("length of an answer: %w", err)
		}
		size += n
	}
	if len(b) < size {
		return 0, nil
	}
	return size, nil
}
