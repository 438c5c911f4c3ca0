package picture

import (
	"bytes"
	"encoding/binary"
)

// orientation reads how a camera was held from the EXIF block of a JPEG (TIFF 6.0, tag
// 0x0112); 1, upright, where there is none or it makes no sense.
func orientation(jpeg []byte) int {
	tiff := exifOf(jpeg)
	if len(tiff) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.BigEndian
	if bytes.HasPrefix(tiff, []byte("II")) {
		order = binary.LittleEndian
	}
	first := int64(order.Uint32(tiff[4:]))
	if first+2 > int64(len(tiff)) {
		return 1
	}
	dir := tiff[first:]
	for i := range int(order.Uint16(dir)) {
		at := 2 + i*12
		if at+12 > len(dir) {
			return 1
		}
		if order.Uint16(dir[at:]) == 0x0112 {
			if v := int(order.Uint16(dir[at+8:])); v >= 1 && v <= 8 {
				return v
			}
			return 1
		}
	}
	return 1
}

// exifOf finds the TIFF structure in the segments before the picture's data.
func exifOf(jpeg []byte) []byte {
	if !bytes.HasPrefix(jpeg, []byte{0xff, 0xd8}) {
		return nil
	}
	rest := jpeg[2:]
	for len(rest) >= 4 && rest[0] == 0xff && rest[1] != 0xda {
		size := int(binary.BigEndian.Uint16(rest[2:]))
		if size < 2 || 2+size > len(rest) {
			return nil
		}
		if body := rest[4 : 2+size]; rest[1] == 0xe1 && bytes.HasPrefix(body, []byte("Exif\x00\x00")) {
			return body[6:]
		}
		rest = rest[2+size:]
	}
	return nil
}
