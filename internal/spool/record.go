package spool

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"stafette/internal/message"
)

// A record is a header and the sealed body. The header names its own length so
// that a later version may add to it.
//
//	0  magic "STFb"          4
//	4  header length         4
//	8  message id           16
//	24 length of the body    4
//	28 CRC-32C of all other header bytes and the body   4
const (
	recordMagic  = "STFb"
	recordHeader = 32
)

// MaxSealed bounds one sealed body in bytes.
const MaxSealed = 128 << 20

// Body is one sealed body on its way into an archive.
type Body struct {
	Message message.ID
	Sealed  []byte
}

func appendRecord(dst []byte, b Body) []byte {
	start := len(dst)
	dst = append(dst, recordMagic...)
	dst = binary.BigEndian.AppendUint32(dst, recordHeader)
	dst = append(dst, b.Message[:]...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(b.Sealed)))
	sum := checksum(dst[start:], b.Sealed)
	dst = binary.BigEndian.AppendUint32(dst, sum)
	return append(dst, b.Sealed...)
}

// parseRecord returns the sealed body of a whole record of message m, or
// ErrCorrupt.
func parseRecord(record []byte, m message.ID) ([]byte, error) {
	if len(record) < recordHeader || string(record[:4]) != recordMagic {
		return nil, ErrCorrupt
	}
	header := uint64(binary.BigEndian.Uint32(record[4:]))
	length := uint64(binary.BigEndian.Uint32(record[24:]))
	if header < recordHeader || header+length != uint64(len(record)) || !bytes.Equal(record[8:24], m[:]) {
		return nil, ErrCorrupt
	}
	sealed := record[header:]
	if checksum(record[:28], record[32:header], sealed) != binary.BigEndian.Uint32(record[28:]) {
		return nil, ErrCorrupt
	}
	return sealed, nil
}

func checksum(parts ...[]byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	var sum uint32
	for _, p := range parts {
		sum = crc32.Update(sum, table, p)
	}
	return sum
}
