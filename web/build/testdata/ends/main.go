// Command ends says where it is, has its stacks moved and swept, and ends in the way that its
// argument says.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

type link struct {
	next *link
	n    int
}

// deep holds on to what only its frames know, while others collect garbage and stacks move.
func deep(n int, above *link) int {
	here := &link{above, n}
	if n == 0 {
		runtime.GC()
		return len(fmt.Sprint(here.n))
	}
	defer func() { here.n = -here.n }()
	sum := deep(n-1, here)
	for l := here; l != nil; l = l.next {
		if l.n < here.n {
			panic("a frame has lost what it held")
		}
		if l.next == nil || l.next.n != l.n+1 {
			break
		}
		sum++
	}
	return sum
}

type number interface{ ~int | ~string }

func names[T number](T) (all []string) {
	var pcs [10]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs[:])])
	for frame, more := frames.Next(); more; frame, more = frames.Next() {
		all = append(all, frame.Function)
	}
	return all
}

func inlined(s []int, i int) int { return s[i] + 1 }

type word string

func (w word) String() string {
	var parts []string
	strings.Map(func(r rune) rune {
		parts = append(parts, fmt.Sprint(inlined(nil, int(r))))
		return r
	}, string(w))
	return strings.Join(parts, "")
}

func main() {
	sums := make(chan int)
	for i := range 4 {
		go func() { sums <- deep(500+i, nil) }()
	}
	for range 4 {
		<-sums
	}
	fmt.Println(names(1), names("a"))
	switch how := os.Args[1]; how {
	case "index":
		fmt.Println(inlined([]int{1}, len(os.Args)))
	case "nil":
		var l *link
		fmt.Println(l.next.n)
	case "generated":
		_ = fmt.Stringer(word("a")).String()
	case "copied":
		var a strings.Builder
		a.WriteString("a")
		b := a
		b.WriteString("b")
	case "goroutine":
		go func() { panic(how) }()
		<-sums
	case "asleep":
		<-sums
	}
}
