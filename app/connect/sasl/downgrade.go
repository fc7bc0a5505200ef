package sasl

import (
	"context"
	"slices"
	"strings"
)

// offerHash returns the hash over everything a server had on offer, as it
// appears in its first message (XEP-0474 §6.1). Bindings that are nil were not
// announced at all, which is not the same as none.
func offerHash(ctx context.Context, crypto Crypto, hash Hash, mechanisms, bindings []string) (string, error) {
	sum, err := crypto.Sum(ctx, hash, []byte(offerText(mechanisms, bindings)))
	if err != nil {
		return "", err
	}
	return Encode(sum), nil
}

func offerText(mechanisms, bindings []string) string {
	s := strings.Join(slices.Sorted(slices.Values(mechanisms)), "\x1e")
	if bindings != nil {
		s += "\x1f" + strings.Join(slices.Sorted(slices.Values(bindings)), "\x1e")
	}
	return s
}
