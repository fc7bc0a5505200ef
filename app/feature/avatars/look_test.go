package avatars

import (
	"bytes"
	"image"
	jpegs "image/jpeg"
	pngs "image/png"
	"testing"
)

// pictureOf returns a picture of a size as PNG and as JPEG.
func pictureOf(t testing.TB, wide, high int) (png, jpeg []byte) {
	t.Helper()
	var p, j bytes.Buffer
	img := image.NewGray(image.Rect(0, 0, wide, high))
	if err := pngs.Encode(&p, img); err != nil {
		t.Fatal(err)
	}
	if err := jpegs.Encode(&j, img, nil); err != nil {
		t.Fatal(err)
	}
	return p.Bytes(), j.Bytes()
}

// The size of a picture is read from its head, without making the picture.
func TestLook(t *testing.T) {
	png, jpeg := pictureOf(t, 96, 64)
	moving := bytes.Replace(png, []byte("IDAT"), []byte("acTL"), 1)
	for _, tc := range []struct {
		name       string
		data       []byte
		kind       string
		wide, high int
	}{
		{"PNG", png, "image/png", 96, 64},
		{"JPEG", jpeg, "image/jpeg", 96, 64},
		{"PNG that moves", moving, "", 0, 0},
		{"GIF", []byte("GIF89a\x01\x00\x01\x00"), "", 0, 0},
		{"SVG", []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), "", 0, 0},
		{"nothing", nil, "", 0, 0},
	} {
		if kind, wide, high := look(tc.data); kind != tc.kind || wide != tc.wide || high != tc.high {
			t.Errorf("%s: %q, %d x %d", tc.name, kind, wide, high)
		}
	}
	for _, whole := range [][]byte{png[:24], jpeg[:20]} {
		for n := range whole {
			if kind, wide, high := look(whole[:n]); kind != "" || wide != 0 || high != 0 {
				t.Errorf("of the first %d bytes: %q, %d x %d", n, kind, wide, high)
			}
		}
	}
}

// FuzzLook: whatever a picture holds, looking at it ends, and a size comes with a kind.
func FuzzLook(f *testing.F) {
	png, jpeg := pictureOf(f, 3, 5)
	f.Add(png)
	f.Add(jpeg)
	f.Fuzz(func(t *testing.T, data []byte) {
		if kind, wide, high := look(data); kind == "" && (wide != 0 || high != 0) {
			t.Errorf("%d x %d of nothing", wide, high)
		}
	})
}
