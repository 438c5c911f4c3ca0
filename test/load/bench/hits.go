package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"stafette/internal/event"
	"stafette/internal/seal"
	"stafette/internal/store"
	"stafette/internal/store/storetest"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
	"stafette/test/load/peers"
	"stafette/test/load/usage"
)

// Hits measures P4: pictures fetched and links followed by many clients at once, each an
// activity on stable storage before it is answered. Then the program is killed in the
// middle of a burst, and what it had answered is looked for.
type Hits struct {
	Binary   string
	Domain   string
	Messages int // tracked mails that the hits are about
	Total    int // hits of a round
	Rounds   int
	Sessions int    // connections
	Profile  string // file for a CPU profile of the first seconds; "": none
	Progress func(line string)
}

// Struck is what was measured.
type Struck struct {
	Rate  []float64 // hits per second, by round
	CPU   []float64 // milliseconds of the server's processor time per hit, by round
	Own   []float64 // the same of the clients, who share the machine
	Acked int       // answered before the kill
	Kept  int       // of the burst that was cut off, found afterwards
}

// Run seeds an instance and lets the bursts come.
func (h Hits) Run(ctx context.Context) (s Struck, err error) {
	dir, err := os.MkdirTemp("", "hits")
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	data := filepath.Join(dir, "data")
	peer, err := peers.SetUpStafette(ctx, peers.StafetteConfig{Binary: h.Binary, Dir: dir, Data: data, Sink: "127.0.0.1:9", Domain: h.Domain, Unsigned: true, Profile: h.Profile})
	if err != nil {
		return s, err
	}
	paths, err := h.seed(ctx, data)
	if err != nil {
		return s, fmt.Errorf("seed tracked mail: %w", err)
	}
	if err := peer.Start(ctx); err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, peer.Kill()) }()
	for range h.Rounds {
		before, err := usage.CPU(peer.Roots()...)
		if err != nil {
			return s, err
		}
		ownBefore := ownCPU()
		began := time.Now()
		n, err := h.burst(strings.TrimPrefix(peer.HTTP().URL, "http://"), paths, h.Total, nil)
		if err != nil {
			return s, err
		}
		rate := float64(n) / time.Since(began).Seconds()
		after, err := usage.CPU(peer.Roots()...)
		if err != nil {
			return s, err
		}
		cpu := (after - before).Seconds() * 1000 / float64(n)
		own := (ownCPU() - ownBefore).Seconds() * 1000 / float64(n)
		s.Rate, s.CPU, s.Own = append(s.Rate, rate), append(s.CPU, cpu), append(s.Own, own)
		h.say("hits: %.0f/s, %.3f ms of CPU each, and %.3f ms of the clients", rate, cpu, own)
	}
	if kept, err := h.keptAll(ctx, data); err != nil || kept != h.Rounds*h.Total {
		return s, fmt.Errorf("%d of %d hits kept: %w", kept, h.Rounds*h.Total, err)
	}
	var once sync.Once
	s.Acked, _ = h.burst(strings.TrimPrefix(peer.HTTP().URL, "http://"), paths, h.Total, func(n int) {
		if n > h.Total/3 {
			once.Do(func() { err = peer.Kill() })
		}
	})
	kept, lookErr := h.kept(ctx, data)
	s.Kept = kept - h.Rounds*h.Total
	if err := errors.Join(err, lookErr); err != nil {
		return s, err
	}
	if s.Kept < s.Acked {
		return s, fmt.Errorf("%d hits answered, %d kept", s.Acked, s.Kept)
	}
	return s, peer.Start(ctx)
}

// ownCPU is the processor time of this process so far.
func ownCPU() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func (h Hits) say(format string, args ...any) {
	if h.Progress != nil {
		h.Progress(fmt.Sprintf(format, args...))
	}
}

// open opens the data of an instance that may run.
func (h Hits) open(ctx context.Context, data string) (*store.Store, tenant.ID, error) {
	s, err := store.Open(ctx, store.Config{DataDir: data, Now: time.Now})
	if err != nil {
		return nil, tenant.ID{}, err
	}
	t, err := s.OwnerOfDomain(ctx, h.Domain)
	if err != nil {
		return nil, tenant.ID{}, errors.Join(err, s.Close())
	}
	return s, t, nil
}

// links is how many links a mail has; each is hit as often as its picture.
const links = 3

// seed stores mail that was delivered long ago and returns the paths of all tokens.
func (h Hits) seed(ctx context.Context, data string) (paths []string, err error) {
	s, t, err := h.open(ctx, data)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	keeper, err := seal.Load(filepath.Join(data, "root.key"))
	if err != nil {
		return nil, err
	}
	tokens, err := tracking.NewTokens(keeper.MACKey("tracking tokens"))
	if err != nil {
		return nil, err
	}
	now := time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond)
	err = s.PutTrackingSetting(ctx, tracking.Setting{Tenant: t, Level: tracking.Individual, Basis: tracking.BasisContract, Justification: "bench", At: now})
	if err != nil {
		return nil, err
	}
	level := tracking.Decision{Level: tracking.Individual, Rule: tracking.RuleTenant}
	var all sync.WaitGroup
	errs := make([]error, h.Messages)
	slots := make(chan struct{}, h.Sessions)
	for n := range h.Messages {
		a := storetest.Draft(now.Add(time.Duration(n)*time.Millisecond/10), t, fmt.Sprintf("r%d@kunde.example", n))
		a.Sealed = a.Sealed[:64]
		a.Deliveries[0].State = event.Delivered
		a.Tracked = &tracking.Tracked{Decision: level, Recipients: 1}
		m := a.Message.ID
		for i := range links {
			a.Tracked.Links = append(a.Tracked.Links, tracking.Link{Target: fmt.Sprintf("https://%s/%d", h.Domain, i), Label: "Exposé"})
			paths = append(paths, tracking.LinkPath+tokens.Make(tracking.Token{Purpose: tracking.ForLink, Tenant: t, Message: m, Number: uint16(i + 1)}))
		}
		paths = append(paths, tracking.PixelPath+tokens.Make(tracking.Token{Purpose: tracking.ForPixel, Tenant: t, Message: m}))
		// Many at a time share a flush: one by one they would take longer than the rounds.
		slots <- struct{}{}
		all.Go(func() {
			errs[n] = s.Accept(ctx, a)
			<-slots
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return paths, nil
}

// keptAll is kept for a program that runs: what it has answered is in rows, which alone
// another process sees, a moment later.
func (h Hits) keptAll(ctx context.Context, data string) (n int, err error) {
	for range 50 {
		if n, err = h.kept(ctx, data); err != nil || n == h.Rounds*h.Total {
			return n, err
		}
		time.Sleep(100 * time.Millisecond)
	}
	return n, nil
}

// kept counts the activities that are in rows, and those that the last process left in its
// journal.
func (h Hits) kept(ctx context.Context, data string) (n int, err error) {
	s, t, err := h.open(ctx, data)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	q := tracking.Query{Limit: tracking.MaxPage, Forward: true}
	for more := true; more; {
		var list []tracking.Activity
		if list, more, err = s.Activities(ctx, t, q); err != nil {
			return n, err
		}
		for _, a := range list {
			q.After = a.ID
		}
		n += len(list)
	}
	return n, nil
}

// programs is how many kinds of mail programs there are. Hits of a message by the same one
// within seconds would be a scanner's, which is not what is measured.
const programs = 997

// burst asks for the paths in turn until there were n answers, or nobody answers any more,
// and returns how many there were. The connections are those of a proxy in front of the
// program, which does this for many.
func (h Hits) burst(addr string, paths []string, n int, answered func(int)) (int, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return 0, fmt.Errorf("address of the server: %w", err)
	}
	var next, done atomic.Int64
	var all sync.WaitGroup
	errs := make([]error, waiters)
	for i := range waiters {
		all.Go(func() {
			errs[i] = converse(to, h.Sessions/waiters, func(b []byte) ([]byte, bool) {
				at := int(next.Add(1) - 1)
				if at >= n {
					return b, false
				}
				b = append(append(append(b, "GET "...), paths[at*7919%len(paths)]...), " HTTP/1.1\r\nHost: "...)
				b = append(append(b, addr...), "\r\nAccept-Language: de\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140."...)
				b = strconv.AppendInt(b, int64(at%programs), 10)
				b = append(b, ") Gecko/20100101 Firefox/140."...)
				return append(strconv.AppendInt(b, int64(at%programs), 10), "\r\n\r\n"...), true
			}, func() {
				if k := done.Add(1); answered != nil {
					answered(int(k))
				}
			})
		})
	}
	all.Wait()
	return int(done.Load()), errors.Join(errs...)
}

// Markdown is the section of the report.
func (h Hits) Markdown(s Struck) string {
	rates, cpu := slices.Sorted(slices.Values(s.Rate)), slices.Sorted(slices.Values(s.CPU))
	var b strings.Builder
	fmt.Fprintf(&b, "## P4: open pixel and click with durable activity\n\n%d hits per round on %d mails with %d links, %d connections, %d rounds; median (least to most). Each is on stable storage before it is answered.\n\n",
		h.Total, h.Messages, links, h.Sessions, h.Rounds)
	fmt.Fprintf(&b, "| hits/s | CPU ms/hit | killed in the middle of a burst |\n|---|---|---|\n| %.0f (%.0f to %.0f) | %.3f | %d answered, %d kept, 0 lost |\n",
		rates[len(rates)/2], rates[0], rates[len(rates)-1], cpu[len(cpu)/2], s.Acked, s.Kept)
	return b.String()
}
