package view

import (
	"reflect"
	"strconv"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"
)

// keyed is a Div whose children are known by keys. go-app compares by position: where a window
// on a long list has moved on, each row on the page would be written anew. Before it compares,
// keyed puts the children that stay where they are going to be, and those that go where new
// ones come, so that go-app meets equals and writes new rows alone.
//
// It follows what go-app does with the children it was given: one of the same type is updated
// and stays, any other one is replaced (nodeManager.updateHTML).
type keyed struct {
	app.Compo

	Class string
	Rows  func() *rows // never equal to another one, so it is always drawn

	div  app.HTMLDiv // the one on the page
	here rows        // what is in it
}

// rows are children and their keys, each different.
type rows struct {
	keys []string
	kids []app.UI
}

func (r *rows) add(key string, kid app.UI) { r.keys, r.kids = append(r.keys, key), append(r.kids, kid) }

// Render implements app.Composer.
func (k *keyed) Render() app.UI {
	next := k.Rows()
	div := app.Div().Class(k.Class).Body(append([]app.UI(nil), next.kids...)...)
	if k.div == nil {
		k.div, k.here = div, *next
		return div
	}
	if order := arrange(k.here.keys, next.keys); order != nil {
		kids := make([]app.UI, len(order))
		for i, from := range order {
			kids[i] = k.here.kids[max(from, ^from)]
		}
		k.here.kids = kids
		k.div.Body(append([]app.UI(nil), kids...)...)
		if app.IsClient {
			helper().Call("arrange", k.div, spaced(order))
		}
	}
	for i, kid := range k.here.kids[:min(len(k.here.kids), len(next.kids))] {
		if reflect.TypeOf(kid) == reflect.TypeOf(next.kids[i]) {
			next.kids[i] = kid
		}
	}
	k.here = *next
	return div
}

// arrange returns in which order what is there has to be for what comes: which one is to stand
// at each place, ^i for one that is not among what comes. It is nil if that is the order they
// are in.
func arrange(here, next []string) []int {
	places := make(map[string]int, len(next))
	for i, key := range next[:min(len(here), len(next))] {
		places[key] = i
	}
	order := make([]int, len(here))
	taken := make([]bool, len(here))
	var rest []int
	for i, key := range here {
		if place, ok := places[key]; ok && !taken[place] {
			order[place], taken[place] = i, true
		} else {
			rest = append(rest, i)
		}
	}
	same := true
	for i := range order {
		if !taken[i] {
			order[i], rest = ^rest[0], rest[1:]
		}
		same = same && max(order[i], ^order[i]) == i
	}
	if same {
		return nil
	}
	return order
}

func spaced(numbers []int) string {
	var b strings.Builder
	for _, n := range numbers {
		b.WriteString(strconv.Itoa(n))
		b.WriteByte(' ')
	}
	return b.String()
}
