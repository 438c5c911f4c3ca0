package blocks

import (
	"math"
	"strconv"
)

// Contrast is that of two colours ("#rrggbb") by WCAG 2.2, 1 to 21; 0 if one is none.
func Contrast(a, b string) float64 {
	if !Colour(a) || !Colour(b) {
		return 0
	}
	la, lb := luminance(a), luminance(b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

// On is the colour of words on a ground: white or nearly black, whichever is easier to
// read.
func On(ground string) string {
	if Contrast(paper, ground) >= Contrast(ink, ground) {
		return paper
	}
	return ink
}

func luminance(c string) float64 {
	part := func(i int) float64 {
		n, err := strconv.ParseUint(c[i:i+2], 16, 8)
		if err != nil {
			return 0
		}
		v := float64(n) / 255
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*part(1) + 0.7152*part(3) + 0.0722*part(5)
}
