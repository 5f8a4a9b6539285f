// Compares our cron expressions with github.com/robfig/cron/v3, random case by random case.
//
// A case is an expression, a time zone and an instant. Both sides have to accept or refuse the expression, and have to
// name the same times after the instant. Known differences, each counted and printed:
//
//   - extensions: texts that only our side accepts on purpose (cron.h lists them). The library's error tells which.
//   - "TZ=UTC" without a blank behind it makes the library panic; our side refuses it.
//   - without a zone it is UTC on our side and the process's zone in the library; here the process's zone is UTC.
//   - our times end in the year 2262.
//   - the library steps by hours and days of the clock. Where a zone is moved by something else than whole hours, or within
//     an hour, or at midnight, it may leave out a time or name a wrong one; where a whole day is left out it may never come back, and
//     is not asked. A model decides there: it walks from minute to minute and looks at the local time.
package main

import (
	"bufio"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/robfig/cron/v3"
)

const timesPerCase = 4

// What 64 bits of nanoseconds hold.
var last = time.Unix(0, math.MaxInt64)

type testCase struct {
	text, zone string
	after      time.Time
}

func (c testCase) String() string {
	return fmt.Sprintf("%q in %q after %s", c.text, c.zone, c.after.Format(time.RFC3339Nano))
}

// As the reference puts the two together.
func (c testCase) spec() string {
	if c.zone == "" {
		return c.text
	}
	return "CRON_TZ=" + c.zone + " " + c.text
}

// What one worker has seen.
type tally struct {
	cases, times, refused, extensions, model, notAsked int
	failures                                           []string
}

func (t *tally) add(other tally) {
	t.cases += other.cases
	t.times += other.times
	t.refused += other.refused
	t.extensions += other.extensions
	t.model += other.model
	t.notAsked += other.notAsked
	t.failures = append(t.failures, other.failures...)
}

func (t *tally) fail(c testCase, format string, args ...any) {
	t.failures = append(t.failures, fmt.Sprintf("%v: %s", c, fmt.Sprintf(format, args...)))
}

// The library refuses these where our side may have an extension.
var extension = regexp.MustCompile(`^expected exactly 5 fields, found 6|end of range \(7\) above maximum \(6\)|` +
	`beginning of range \(\d+\) beyond end of range|failed to parse int from .*: strconv\.Atoi: parsing ".*([LlWw]|#.*)": invalid syntax`)

func parse(spec string) (schedule cron.Schedule, err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("panic: %v", problem)
		}
	}()
	return cron.ParseStandard(spec)
}

func (t *tally) compare(c testCase, answer string) {
	t.cases++
	schedule, err := parse(c.spec())
	refused := strings.HasPrefix(answer, "refused: ")
	switch {
	case err != nil && refused:
		t.refused++
		return
	case err != nil && extension.MatchString(err.Error()):
		t.extensions++
		return
	case err != nil:
		t.fail(c, "the library refuses it (%v), our side does not: %s", err, answer)
		return
	case refused:
		t.fail(c, "the library accepts it, our side does not: %s", answer)
		return
	}
	after := c.after
	words := strings.Fields(answer)
	for _, word := range words {
		var ours time.Time
		if word != "none" {
			ns, err := strconv.ParseInt(word, 10, 64)
			if err != nil {
				t.fail(c, "answer %q", answer)
				return
			}
			ours = time.Unix(0, ns).UTC()
		}
		if !t.compareTime(c, schedule, after, ours) {
			return
		}
		after = ours
	}
	if len(words) != timesPerCase && (len(words) == 0 || words[len(words)-1] != "none") {
		t.fail(c, "answer %q", answer)
	}
}

func (t *tally) compareTime(c testCase, schedule cron.Schedule, after, ours time.Time) bool {
	t.times++
	spec, hasFields := schedule.(*cron.SpecSchedule)
	end := ours
	if ours.IsZero() {
		end = after.AddDate(7, 0, 0)
	}
	if hasFields && skipsDay(spec.Location, after, end) {
		t.notAsked++
		return t.askModel(c, spec, after, ours)
	}
	theirs := schedule.Next(after)
	if theirs.Equal(ours) || (ours.IsZero() && theirs.After(last)) {
		return true
	}
	if hasFields && (isOdd(spec.Location, after, end) || (!theirs.IsZero() && isOdd(spec.Location, after, theirs))) {
		t.model++
		return t.askModel(c, spec, after, ours)
	}
	t.fail(c, "after %v comes %v, the library says %v", after, ours, theirs)
	return false
}

func (t *tally) askModel(c testCase, spec *cron.SpecSchedule, after, ours time.Time) bool {
	if expected := walk(spec, after); !expected.Equal(ours) {
		t.fail(c, "after %v comes %v, the model says %v", after, ours, expected)
		return false
	}
	return true
}

// A worker has an answering process of its own. Cases go to it from one goroutine and are compared in another, so that
// neither side waits for the other.
func work(answers string, seed int64, cases int) (tally, error) {
	var result tally
	command := exec.Command(answers)
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		return result, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return result, err
	}
	if err := command.Start(); err != nil {
		return result, err
	}
	asked := make(chan testCase, 20000)
	go func() {
		writer := bufio.NewWriterSize(in, 1<<16)
		source := &source{rand: rand.New(rand.NewSource(seed))}
		for range cases {
			c := source.next()
			fmt.Fprintf(writer, "%s %s %d %d\n", encode(c.text), encode(c.zone), c.after.UnixNano(), timesPerCase)
			asked <- c
		}
		writer.Flush()
		in.Close()
		close(asked)
	}()
	reader := bufio.NewReaderSize(out, 1<<16)
	for c := range asked {
		line, err := reader.ReadString('\n')
		if err != nil {
			return result, fmt.Errorf("%v: the answering process has ended: %w", c, err)
		}
		result.compare(c, strings.TrimSuffix(line, "\n"))
	}
	if _, err := reader.ReadByte(); err != io.EOF {
		return result, fmt.Errorf("more answers than questions")
	}
	return result, command.Wait()
}

func encode(text string) string {
	if text == "" {
		return "-"
	}
	return hex.EncodeToString([]byte(text))
}

func main() {
	answers := flag.String("answers", "", "the program that answers for our side")
	seed := flag.Int64("seed", 1, "another seed, other cases")
	cases := flag.Int("cases", 300000, "how many")
	workers := flag.Int("workers", 2, "how many at once")
	flag.Parse()
	time.Local = time.UTC
	begin := time.Now()
	var total tally
	var lock sync.Mutex
	var group sync.WaitGroup
	for i := range *workers {
		group.Add(1)
		go func() {
			defer group.Done()
			result, err := work(*answers, *seed*1000+int64(i), *cases / *workers)
			lock.Lock()
			defer lock.Unlock()
			total.add(result)
			if err != nil {
				total.failures = append(total.failures, err.Error())
			}
		}()
	}
	group.Wait()
	for i, failure := range total.failures {
		if i == 50 {
			fmt.Println("and more")
			break
		}
		fmt.Println(failure)
	}
	fmt.Printf("seed %d, %d zones, %.0f s: %d expressions, %d times; %d refused by both, %d extensions; "+
		"%d times where the library errs and %d where it is not asked, checked by the model\n", *seed, len(zones()),
		time.Since(begin).Seconds(), total.cases, total.times, total.refused, total.extensions, total.model, total.notAsked)
	fmt.Printf("%d passed, %d failed\n", total.cases-len(total.failures), len(total.failures))
	if len(total.failures) > 0 || total.cases == 0 {
		os.Exit(1)
	}
}
