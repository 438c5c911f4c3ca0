package frame

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"stafette/internal/audit"
	"stafette/internal/tenant"
)

// visitAct is what the record calls a look of staff at a page of a tenant.
const visitAct = "visit.page"

// visits remembers which pages were lately noted of which visit, so that a page that keeps
// itself fresh does not fill the record. It is safe for concurrent use; the zero value is
// ready.
type visits struct {
	mu    sync.Mutex
	noted map[visitedPage]time.Time
}

// visitedPage is one page in one session.
type visitedPage struct {
	session [32]byte
	pattern string
	things  string
}

const (
	// visitAgain is after which time the same page is noted again.
	visitAgain = 5 * time.Minute
	// maxVisited bounds what is remembered; when it is too much, all is forgotten and noted
	// once more.
	maxVisited = 5000
)

// due reports whether a look must be noted, and takes it for noted.
func (v *visits) due(page visitedPage, now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if at, ok := v.noted[page]; ok && now.Sub(at).Abs() < visitAgain {
		return false
	}
	if v.noted == nil || len(v.noted) >= maxVisited {
		v.noted = map[visitedPage]time.Time{}
	}
	v.noted[page] = now
	return true
}

// forget makes a look due that could not be noted.
func (v *visits) forget(page visitedPage) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.noted, page)
}

// visited notes in the tenant's record that staff look at a page: the route and the things
// its address names, never what was searched for.
func (f *Frame) visited(r *http.Request, rt Route, p Page) error {
	if f.Visited == nil || !p.Who.Visiting() || rt.Access != SignedIn {
		return nil
	}
	things := placed(r, rt.Pattern)
	page := visitedPage{p.Who.Session.Hash, rt.Pattern, strings.Join(things, " ")}
	if !f.visits.due(page, p.Now) {
		return nil
	}
	err := f.Visited(r.Context(), audit.Act{
		Tenant: p.Tenant(), Actor: p.Who.User.ID.String(), Door: "office", Action: visitAct, Target: page.things, Detail: rt.Pattern,
		Network: tenant.Network(f.ClientIP(r)),
	})
	if err != nil {
		f.visits.forget(page)
		return fmt.Errorf("note visit: %w", err)
	}
	return nil
}

// placed is what stands in the places of a route's path.
func placed(r *http.Request, pattern string) (things []string) {
	_, path, _ := strings.Cut(pattern, " ")
	for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			if name = strings.TrimRight(name, "$}."); name != "" {
				things = append(things, r.PathValue(name))
			}
		}
	}
	return things
}
