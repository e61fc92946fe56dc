// blitiri.com.ar/go/spf in `npm run bench:spf`: judges each case again and again, and says how often in a second of
// CPU time. ../worker.ts says what is read and written. DNS is in memory.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"blitiri.com.ar/go/spf"
)

const batch = 200

type benchCase struct {
	IP, Helo, From, Result string
}

type entry struct {
	TXT [][]string
	MX  [][2]any
	A   []string
}

type input struct {
	Zone  map[string]entry
	Cases []benchCase
}

// zone answers from memory, as net.Resolver would.
type zone struct {
	txt map[string][]string
	mx  map[string][]*net.MX
	a   map[string][]net.IPAddr
}

var notFound = &net.DNSError{Err: "no such host", IsNotFound: true}

func answer[T any](records map[string][]T, name string) ([]T, error) {
	if found, ok := records[strings.TrimSuffix(name, ".")]; ok {
		return found, nil
	}
	return nil, notFound
}

func (z zone) LookupTXT(_ context.Context, name string) ([]string, error) { return answer(z.txt, name) }
func (z zone) LookupMX(_ context.Context, name string) ([]*net.MX, error) { return answer(z.mx, name) }
func (z zone) LookupIPAddr(_ context.Context, name string) ([]net.IPAddr, error) {
	return answer(z.a, name)
}
func (z zone) LookupAddr(context.Context, string) ([]string, error) { return nil, notFound }

func zoneOf(entries map[string]entry) zone {
	z := zone{map[string][]string{}, map[string][]*net.MX{}, map[string][]net.IPAddr{}}
	for name, e := range entries {
		for _, record := range e.TXT {
			z.txt[name] = append(z.txt[name], strings.Join(record, ""))
		}
		for _, mx := range e.MX {
			z.mx[name] = append(z.mx[name], &net.MX{Pref: uint16(mx[0].(float64)), Host: mx[1].(string)})
		}
		for _, address := range e.A {
			z.a[name] = append(z.a[name], net.IPAddr{IP: net.ParseIP(address)})
		}
	}
	return z
}

// rateOf says how many evaluations are done in a second of CPU time, measured for so many microseconds of it.
func rateOf(z zone, c benchCase, limit int64) float64 {
	start := cpuMicros()
	for count := 1; ; count++ {
		result, _ := spf.CheckHostWithSender(net.ParseIP(c.IP), c.Helo, c.From, spf.WithResolver(z))
		if count%batch != 0 {
			continue
		}
		if string(result) != c.Result {
			panic(fmt.Sprintf("%s: %s instead of %s", c.From, result, c.Result))
		}
		if cpu := cpuMicros() - start; cpu >= limit {
			return float64(count) / float64(cpu) * 1e6
		}
	}
}

func cpuMicros() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return usage.Utime.Nano()/1000 + usage.Stime.Nano()/1000
}

func main() {
	lines := bufio.NewReader(os.Stdin)
	first, err := lines.ReadBytes('\n')
	if err != nil {
		panic(err)
	}
	var in input
	if err := json.Unmarshal(first, &in); err != nil {
		panic(err)
	}
	z := zoneOf(in.Zone)
	for {
		var index int
		var limit int64
		if _, err := fmt.Fscanln(lines, &index, &limit); err != nil {
			return
		}
		fmt.Println(rateOf(z, in.Cases[index], limit))
	}
}
