package dmarc

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/encoding/charmap"
)

// Limits of packed reports (T9: a small file that unpacks to a huge one).
const (
	maxPacked   = 10 << 20
	maxUnpacked = 40 << 20
	maxFiles    = 10 // in a zip archive
	maxRatio    = 200
)

// Unpack returns the XML of a report as it comes: plain, in gzip, or as the one file of
// a zip archive. It goes by the first bytes, not by names, and refuses what unpacks to
// more than 40 MiB or 200 times its size.
func Unpack(raw []byte) ([]byte, error) {
	if len(raw) > maxPacked {
		return nil, fmt.Errorf("more than %d bytes", maxPacked)
	}
	switch {
	case bytes.HasPrefix(raw, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return nil, err
		}
		return bounded(z, len(raw))
	case bytes.HasPrefix(raw, []byte("PK\x03\x04")):
		return unzip(raw)
	}
	return raw, nil
}

func unzip(raw []byte) ([]byte, error) {
	// The reader makes something of every entry it is told of, before we can count them.
	if n := bytes.Count(raw, []byte("PK\x01\x02")); n > maxFiles {
		return nil, errors.New("too many files in the archive")
	}
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return nil, err
	}
	var found *zip.File
	for _, f := range z.File {
		if f.FileInfo().IsDir() {
			continue
		}
		if found != nil {
			return nil, errors.New("several files in the archive")
		}
		found = f
	}
	if found == nil {
		return nil, errors.New("no file in the archive")
	}
	f, err := found.Open()
	if err != nil {
		return nil, err
	}
	text, err := bounded(f, len(raw))
	return text, errors.Join(err, f.Close())
}

func bounded(r io.Reader, packed int) ([]byte, error) {
	limit := min(maxUnpacked, max(packed*maxRatio, 1<<20))
	text, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	if len(text) > limit {
		return nil, errors.New("unpacks to far more than it is")
	}
	return text, nil
}

// newDecoder takes the encodings that old reporters use, and no entities but XML's own.
func newDecoder(text []byte) *xml.Decoder {
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
	d.CharsetReader = func(label string, input io.Reader) (io.Reader, error) {
		switch strings.ToLower(label) {
		case "us-ascii", "ascii", "iso-8859-1", "windows-1252":
			return charmap.Windows1252.NewDecoder().Reader(input), nil
		case "iso-8859-15":
			return charmap.ISO8859_15.NewDecoder().Reader(input), nil
		}
		return nil, fmt.Errorf("encoding %.20q is not taken", label)
	}
	return d
}
