package avatars

import (
	"bytes"
	"encoding/binary"
)

// look returns the media type of a picture, and how wide and high it is in pixels. They are "" and 0 for
// what is neither PNG nor JPEG, for what ends too early, and for a PNG that moves.
func look(data []byte) (kind string, wide, high int) {
	if bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")) {
		return png(data)
	}
	if bytes.HasPrefix(data, []byte{0xff, 0xd8, 0xff}) {
		return jpeg(data)
	}
	return "", 0, 0
}

// png reads the first chunk, IHDR, which begins with the width and the height. A chunk acTL says that the
// picture moves.
func png(data []byte) (string, int, int) {
	const header = 8 + 8 + 8 // the signature; length and name of the chunk; width and height
	if len(data) < header || string(data[12:16]) != "IHDR" || bytes.Contains(data, []byte("acTL")) {
		return "", 0, 0
	}
	return "image/png", int(binary.BigEndian.Uint32(data[16:])), int(binary.BigEndian.Uint32(data[20:]))
}

// jpeg goes from segment to segment to the one that begins a frame.
func jpeg(data []byte) (string, int, int) {
	for at := 2; at+9 <= len(data) && data[at] == 0xff; {
		marker := data[at+1]
		switch {
		case marker == 0xff: // it fills
			at++
			continue
		case marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc:
			return "image/jpeg", int(binary.BigEndian.Uint16(data[at+7:])), int(binary.BigEndian.Uint16(data[at+5:]))
		case marker == 0x01 || marker >= 0xd0 && marker <= 0xd9: // it stands alone
			at += 2
			continue
		}
		at += 2 + int(binary.BigEndian.Uint16(data[at+2:]))
	}
	return "", 0, 0
}
