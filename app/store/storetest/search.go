package storetest

import (
	"fmt"
	"strings"
	"testing"

	"natter/app/jid"
	"natter/app/state"
	"natter/app/store"
)

func search(t *testing.T, open Open) {
	s := must(t, open, ada)
	saying := func(conv state.ConvID, second, seq int64, body string) state.MessageRow {
		m := said(conv, second, seq)
		m.Body = body
		return m
	}
	waits := queued(edith, 5)
	waits.Body = "A MOTH of ours"
	about := said(grace, 7, 0)
	about.Subject, about.Body = "Déjà vu", "by subject"
	commit(t, s, store.Batch{Rows: Messages(
		saying(grace, 1, 0, "a moth, the first"), saying(edith, 2, 0, "Im Café gab es keine"), saying(grace, 3, 1, "Moth two"),
		saying(grace, 3, 0, "moth one of that second"), saying(edith, 3, 0, "no m.th"), waits, saying(grace, 6, 0, "butterflies"), about)})
	for _, tc := range []struct{ typed, want string }{
		{"moth", "A MOTH of ours|Moth two|moth one of that second|a moth, the first"},
		{"first moth", "a moth, the first"},
		{"CAFE", "Im Café gab es keine"},
		{"m.th", "no m.th"},
		{"deja subject", "by subject"},
		{"vuby", ""},
		{"\\", ""},
		{"", ""},
	} {
		found, next, err := s.Search(t.Context(), state.Words(tc.typed), 0, 100)
		var got []string
		for _, m := range found {
			got = append(got, m.Body)
		}
		if strings.Join(got, "|") != tc.want || next != 0 || err != nil {
			t.Errorf("%q: %q, want %q; next %d, %v", tc.typed, got, tc.want, next, err)
		}
	}
	found, _, err := s.Search(t.Context(), state.Words("ours"), 0, 100)
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	expect(t, "the row", found[0], waits)
	none, next, err := must(t, open, grace).Search(t.Context(), state.Words("moth"), 0, 100)
	if len(none) > 0 || next != 0 || err != nil {
		t.Errorf("grace finds what is ada's: %v, %d, %v", none, next, err)
	}
}

func inSlices(t *testing.T, open Open) {
	s := must(t, open, ada)
	var all []state.MessageRow
	for i := range int64(60) {
		m := said([]state.ConvID{grace, edith}[i%2], i/4+1, i) // four in each second
		m.Body = fmt.Sprint("number ", i)
		all = append(all, m)
	}
	commit(t, s, store.Batch{Rows: Messages(all...)})
	for _, n := range []int{1, 5, 7, 59, 60, 61} {
		var got []string
		asked := 0
		for before, more := int64(0), true; more; asked++ {
			found, next, err := s.Search(t.Context(), []string{"number"}, before, n)
			if err != nil || asked > 60 {
				t.Fatal(asked, err)
			}
			for _, m := range found {
				got = append(got, m.Body)
			}
			before, more = next, next != 0
		}
		var want []string
		for i := range 60 {
			want = append(want, fmt.Sprint("number ", 59-i))
		}
		expect(t, fmt.Sprint("in slices of ", n), got, want)
		if most := 60/max(n, 4) + 2; asked > most {
			t.Errorf("asked %d times for slices of %d", asked, n)
		}
	}
}

// Search finds a text in upper and lower case, and folds texts as state.Fold does.
func folding(t *testing.T, open Open) {
	s := must(t, open, ada)
	texts := []string{
		"Crème brûlée", "CAFE\u0301", "Straße STRAẞE", "Łódź Øre Đakovo Æther Œuvre þing ðe Ħal", "İstanbul ISPARTA ılık",
		"Ὀδυσσεύς ΟΔΥΣΣΕΎΣ σας ΣΑΣ", "Ёлка Йод", "شُكْراً شـكرا", "שָׁלוֹם", "한국어 각", "がぎ パ", "☺\ufe0f 👩‍💻", "Ǆ ǅ ǆ Ǳ", "ﬁ ﬃ Å K",
		"नमस्ते की", "ไทย น้ำ", "Ⅷ ⓐ Ⓐ", "Ꭰ ꭰ Ა ა", "𐐀 𐐨 𝒜", "tab\tnew\nline\u00a0space\u2028x",
	}
	var all []state.MessageRow
	for i, text := range texts {
		m := said(grace, int64(i+1), 0)
		m.Body = text
		all = append(all, m)
	}
	commit(t, s, store.Batch{Rows: Messages(all...)})
	for _, text := range texts {
		for _, typed := range []string{text, strings.ToUpper(text), strings.ToLower(text)} {
			words := state.Words(typed)
			found, _, err := s.Search(t.Context(), words, 0, 100)
			if err != nil {
				t.Fatal(err)
			}
			var want []state.MessageRow
			for i := len(texts) - 1; i >= 0; i-- {
				if state.Has(texts[i], words) {
					want = append(want, all[i])
				}
			}
			if len(want) == 0 {
				t.Errorf("%q is not in %q", typed, text)
			}
			expect(t, fmt.Sprintf("%q", typed), found, want)
		}
	}
}

// A message is found by its text after the last correction, and not by an earlier one, even while the correction waits
// in its row.
func corrected(t *testing.T, open Open) {
	s := must(t, open, ada)
	var rows []state.MessageRow
	for i, body := range []string{"moth one", "moth two", "moth three", "moth four", "moth five"} {
		m := said(grace, int64(i+1), 0)
		m.ID, m.ArchiveID, m.Author, m.Body, m.Subject = fmt.Sprint("m", i+1), fmt.Sprint("a", i+1), grace, body, "about"
		if i == 4 {
			m.Conv, m.Author, m.ID = state.Groupchat.With("attic@rooms.localhost"), "attic@rooms.localhost/grace", "m1"
		}
		rows = append(rows, m)
	}
	rows[3].Facts = &state.Facts{{Kind: state.Corrected, By: grace, At: 1, Text: "crow four"}}
	commit(t, s, store.Batch{Rows: Messages(rows...)})
	say := func(of state.MessageRow, author jid.JID, id string, me jid.JID, f state.Fact) {
		commit(t, s, store.Batch{Rows: Rows(&state.Filed{Target: state.Target{Conv: of.Conv, Author: author, ID: id}, Fact: f, Me: me})})
	}
	say(rows[0], grace, "m1", "", state.Fact{Kind: state.Corrected, By: grace, At: 2, Text: "bird one"})
	say(rows[0], grace, "m1", "", state.Fact{Kind: state.Corrected, By: grace, At: 1, Text: "moth once more"})
	say(rows[0], grace, "m1", "", state.Fact{Kind: state.Corrected, By: edith, At: 3, Text: "moth of somebody else"})
	say(rows[1], grace, "m2", "", state.Fact{Kind: state.Retracted, By: edith, At: 3})
	say(rows[1], "", "m2", ada, state.Fact{Kind: state.Reacted, By: ada, At: 3, Text: "👍"}) // whosever it is
	say(rows[2], grace, "m3", "", state.Fact{Kind: state.Corrected, By: grace, At: 2, Text: "moth again"})
	say(rows[2], grace, "m3", "", state.Fact{Kind: state.Retracted, By: grace, At: 3})
	say(rows[4], "", "a5", "", state.Fact{Kind: state.Moderated, By: "attic@rooms.localhost", At: 3})
	for typed, want := range map[string]string{"moth": "m2", "bird": "m1", "crow": "m4", "about": "m2"} {
		found, _, err := s.Search(t.Context(), state.Words(typed), 0, 100)
		var got []string
		for _, m := range found {
			got = append(got, m.ID)
		}
		if strings.Join(got, "|") != want || err != nil {
			t.Errorf("%q: %q, want %q; %v", typed, got, want, err)
		}
	}
	for i, conv := range []state.ConvID{grace, rows[4].Conv} {
		page, err := s.Messages(t.Context(), conv, state.Key{}, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page {
			whole := m.Whole()
			_, gone := whole.Gone()
			if wanted := m.ID == "m3" || i == 1; gone != wanted || wanted && (m.Body != "" || m.Subject != "" || strings.Contains(fmt.Sprint(m.Waiting), "moth")) {
				t.Errorf("%s is gone: %v, and the row is %+v", m.ID, gone, m)
			}
			if m.ID == "m2" && whole.Reaction(ada) != "👍" {
				t.Errorf("the reaction is lost: %+v", m)
			}
		}
	}
}
