package approvals

import (
	"bytes"
	"slices"

	"stafette/internal/approval"
)

// ordered are files in the order in which they came.
func ordered(files map[approval.FileID]approval.File) []approval.File {
	list := make([]approval.File, 0, len(files))
	for _, f := range files {
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b approval.File) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return list
}
