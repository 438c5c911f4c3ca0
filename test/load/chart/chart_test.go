package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

func TestSVGIsWellFormedAndComplete(t *testing.T) {
	c := Chart{Title: "Rate <over> size", X: "deliveries", Y: "msg/s", LogX: true, Series: []Series{
		{Name: "SQLite", Points: []Point{{1e4, 5000}, {1e5, 4900}, {1e6, 4800}, {5e6, 4700}}},
		{Name: "PostgreSQL", Points: []Point{{1e4, 3000}, {5e6, 2900}}},
	}}
	svg, err := c.SVG()
	if err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(svg, "<circle"); n != 6 {
		t.Errorf("%d points drawn, want 6", n)
	}
	for _, want := range []string{"Rate &lt;over&gt; size", ">10k<", ">1M<", ">PostgreSQL<"} {
		if !strings.Contains(svg, want) {
			t.Errorf("misses %s", want)
		}
	}
}

func TestScaleEndsAtTheEdges(t *testing.T) {
	s := scale{low: 1e4, high: 1e6, from: 80, to: 700, logarithms: true}
	if s.at(1e4) != 80 || s.at(1e6) != 700 || math.Abs(s.at(1e5)-390) > 1e-9 {
		t.Errorf("%v %v %v", s.at(1e4), s.at(1e5), s.at(1e6))
	}
	if got := (scale{high: 5250}).ticks(); len(got) != 6 || got[1] != 1000 {
		t.Errorf("ticks %v", got)
	}
}

func TestNothingToDraw(t *testing.T) {
	for _, c := range []Chart{{}, {LogX: true, Series: []Series{{Points: []Point{{0, 1}}}}}} {
		if _, err := c.SVG(); err == nil {
			t.Errorf("drew %+v", c)
		}
	}
}
