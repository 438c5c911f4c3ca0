package approval

import (
	"crypto/sha256"
	"encoding/json"
	"maps"
	"slices"

	"stafette/internal/audience"
)

// Content is what a group consists of, as far as an approval is bound to it: how many,
// what brought them, and from where. People who leave do not change it.
type Content struct {
	Members int64 `json:"members"`
	// Batches are how many members came with each batch, by its identifier.
	Batches map[string]int64 `json:"batches,omitempty"`
	// Origins are where batches came from: the way in, and what was said of it.
	Origins []string `json:"origins,omitempty"`
	// Sources are what was said of origins, word for word; for people to read, not kept and
	// not compared.
	Sources []string `json:"-"`
	// Segment is the rule of a dynamic group as JSON, "" of others.
	Segment string `json:"segment,omitempty"`
}

// ContentOf makes the Content of a group.
func ContentOf(g audience.Group, f audience.GroupFacts) Content {
	c := Content{Members: f.Members}
	if g.Segment != nil {
		text, _ := json.Marshal(g.Segment) //nolint:errchkjson // a tree of strings
		c.Segment = string(text)
	}
	for _, b := range f.Batches {
		if c.Batches == nil {
			c.Batches = map[string]int64{}
		}
		c.Batches[b.ID.String()] = b.Added
		if !b.Undone && b.Added > 0 {
			c.Origins = append(c.Origins, originOf(b))
			if b.Source != "" && !slices.Contains(c.Sources, b.Source) {
				c.Sources = append(c.Sources, b.Source)
			}
		}
	}
	slices.Sort(c.Origins)
	c.Origins = slices.Compact(c.Origins)
	return c
}

func originOf(b audience.Batch) string {
	if b.Source == "" {
		return string(b.Origin)
	}
	return string(b.Origin) + ": " + audience.Fold(b.Source)
}

// Hash names the content: what is approved is what was looked at, to the last contact.
func (c Content) Hash() [32]byte {
	text, _ := json.Marshal(c) //nolint:errchkjson // strings and numbers; maps are written in order
	return sha256.Sum256(text)
}

// Drift is how a group went away from what was approved. The zero Drift: it did not.
type Drift struct {
	Added   int64  `json:"added,omitempty"`  // came since, where these are too many
	Of      int64  `json:"of,omitempty"`     // were approved
	Origin  string `json:"origin,omitempty"` // is new
	Segment bool   `json:"segment,omitempty"`
}

// IsZero reports whether the group is still what was approved.
func (d Drift) IsZero() bool { return d == Drift{} }

// Drift compares what was approved with what is there now. More than percent of the
// members may not be new, counting those that left again; another origin, or another rule
// of a dynamic group, is always too much.
func (c Content) Drift(now Content, percent int) Drift {
	if c.Segment != now.Segment {
		return Drift{Segment: true}
	}
	for _, o := range now.Origins {
		if !slices.Contains(c.Origins, o) {
			return Drift{Origin: o}
		}
	}
	var added int64
	for name, n := range now.Batches {
		added += max(n-c.Batches[name], 0)
	}
	if now.Segment != "" {
		added = now.Members - c.Members
	}
	if added*100 > c.Members*int64(percent) {
		return Drift{Added: added, Of: c.Members}
	}
	return Drift{}
}

// Equal reports whether two contents are the same.
func (c Content) Equal(o Content) bool {
	return c.Members == o.Members && c.Segment == o.Segment && maps.Equal(c.Batches, o.Batches) && slices.Equal(c.Origins, o.Origins)
}
