package store

import (
	"cmp"
	"errors"
	"path/filepath"
	"slices"

	"stafette/internal/spool"
)

// openHits takes the journal of hits in a data directory, with what an earlier process left
// in it behind the note with number folded. It returns nil where another process has it.
func openHits(dataDir string, disk spool.Disk, folded uint64) (j *journal, left []*noted, err error) {
	if err := disk.Mkdir(filepath.Join(dataDir, hitsDir)); err != nil {
		return nil, nil, err
	}
	release, err := lockDir(filepath.Join(dataDir, hitsDir))
	if errors.Is(err, errInUse) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	j, err = openJournal(dataDir, hitsDir, disk, folded, func(note []byte, number uint64) error {
		h, err := readHit(note)
		if err == nil && number > folded {
			left = append(left, &noted{entry: entry{hit: &h}, number: number})
		}
		return err
	})
	if err != nil {
		return nil, nil, errors.Join(err, release())
	}
	j.release = release
	slices.SortFunc(left, func(a, b *noted) int { return cmp.Compare(a.number, b.number) })
	return j, left, nil
}

// hitsDir is the directory of the journal of hits in the data directory.
const hitsDir = "hits"

// writeHits writes a group of them, see write.
func (j *journal) writeHits(g *noteGroup) error {
	first, err := j.write(g.raw)
	for i, n := range g.notes {
		n.number = first + uint64(i)
	}
	return err
}
