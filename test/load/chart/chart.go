// Package chart draws measured curves as SVG, small and without a library: lines
// over a logarithmic or linear axis, legible in a light and a dark page.
//
// It serves docs/benchmarks.md. It knows nothing of what it draws.
package chart

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// Point is one measurement.
type Point struct{ X, Y float64 }

// Series is a named line through its points, in the order given.
type Series struct {
	Name   string
	Points []Point
}

// Chart is a drawing. X must be positive where LogX is set; Y starts at zero.
type Chart struct {
	Title  string
	X, Y   string // names of the axes with units
	LogX   bool
	Series []Series
}

const (
	width, height            = 720, 400
	left, right, top, bottom = 80, 20, 50, 60
)

// colours are told apart by people who see red and green alike, and by lightness.
func colours() []string { return []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9"} }

// SVG returns the drawing, or an error if there is nothing to draw.
func (c Chart) SVG() (string, error) {
	xs, ys, err := c.scales()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13" role="img">`+"\n", width, height)
	fmt.Fprintf(&b, "<title>%s</title>\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n", html.EscapeString(c.Title), width, height)
	fmt.Fprintf(&b, `<text x="%d" y="24" font-size="16">%s</text>`+"\n", left, html.EscapeString(c.Title))
	c.axes(&b, xs, ys)
	for i, s := range c.Series {
		colour := colours()[i%len(colours())]
		var path []string
		for _, p := range s.Points {
			path = append(path, fmt.Sprintf("%.1f,%.1f", xs.at(p.X), ys.at(p.Y)))
			fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"/>`+"\n", xs.at(p.X), ys.at(p.Y), colour)
		}
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(path, " "), colour)
		fmt.Fprintf(&b, `<text x="%d" y="%d" fill="%s">%s</text>`+"\n", left+10+150*i, height-10, colour, html.EscapeString(s.Name))
	}
	b.WriteString("</svg>\n")
	return b.String(), nil
}

func (c Chart) axes(b *strings.Builder, xs, ys scale) {
	for _, v := range ys.ticks() {
		fmt.Fprintf(b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#ddd"/>`, left, ys.at(v), width-right, ys.at(v))
		fmt.Fprintf(b, `<text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", left-8, ys.at(v)+4, short(v))
	}
	for _, v := range xs.ticks() {
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", xs.at(v), height-bottom+18, short(v))
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", width-right, height-bottom+36, html.EscapeString(c.X))
	fmt.Fprintf(b, `<text x="%d" y="%d">%s</text>`+"\n", 8, top-8, html.EscapeString(c.Y))
}

// scale maps values to pixels.
type scale struct {
	low, high  float64
	from, to   float64
	logarithms bool
}

func (s scale) at(v float64) float64 {
	low, high := s.low, s.high
	if s.logarithms {
		v, low, high = math.Log10(v), math.Log10(low), math.Log10(high)
	}
	return s.from + (v-low)/(high-low)*(s.to-s.from)
}

// ticks are the powers of ten, or about five round values.
func (s scale) ticks() []float64 {
	var ticks []float64
	if s.logarithms {
		for v := math.Pow(10, math.Ceil(math.Log10(s.low)-1e-9)); v <= s.high*1.0001; v *= 10 {
			ticks = append(ticks, v)
		}
		return ticks
	}
	raw := (s.high - s.low) / 5
	step := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{5, 2} {
		if step*m <= raw*1.0001 {
			step *= m
			break
		}
	}
	for v := s.low; v <= s.high*1.0001; v += step {
		ticks = append(ticks, v)
	}
	return ticks
}

func (c Chart) scales() (x, y scale, err error) {
	x = scale{low: math.Inf(1), high: math.Inf(-1), from: left, to: width - right, logarithms: c.LogX}
	y = scale{from: height - bottom, to: top}
	n := 0
	for _, s := range c.Series {
		for _, p := range s.Points {
			if c.LogX && p.X <= 0 {
				return x, y, fmt.Errorf("chart %q: %v on a logarithmic axis", c.Title, p.X)
			}
			x.low, x.high, y.high = min(x.low, p.X), max(x.high, p.X), max(y.high, p.Y)
			n++
		}
	}
	if n == 0 {
		return x, y, fmt.Errorf("chart %q: no points", c.Title)
	}
	if x.low == x.high {
		x.high = x.low*1.1 + 1
	}
	if y.high == 0 {
		y.high = 1
	}
	y.high *= 1.05
	return x, y, nil
}

// short writes 12,000 as 12k and 3,000,000 as 3M.
func short(v float64) string {
	for _, u := range []struct {
		factor float64
		sign   string
	}{{1e6, "M"}, {1e3, "k"}} {
		if v >= u.factor {
			return strconv.FormatFloat(v/u.factor, 'g', 4, 64) + u.sign
		}
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}
