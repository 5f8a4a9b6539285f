package main

import (
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const database = "/usr/share/zoneinfo"

// The names of the database that the library can load.
var zones = sync.OnceValue(func() []string {
	var names []string
	filepath.WalkDir(database, func(path string, entry os.DirEntry, err error) error {
		name := strings.TrimPrefix(strings.TrimPrefix(path, database), "/")
		if err != nil || name == "" {
			return err
		}
		if entry.IsDir() && (name == "posix" || name == "right") {
			return filepath.SkipDir
		}
		if _, err := time.LoadLocation(name); !entry.IsDir() && err == nil && name[0] >= 'A' && name[0] <= 'Z' {
			names = append(names, name)
		}
		return nil
	})
	return names
})

type source struct {
	rand *rand.Rand
}

func (s *source) one(of ...string) string {
	return of[s.rand.Intn(len(of))]
}

func (s *source) chance(percent int) bool {
	return s.rand.Intn(100) < percent
}

type bounds struct {
	min, max int
	names    []string
}

var fields = []bounds{
	{0, 59, nil},
	{0, 23, nil},
	{1, 31, nil},
	{1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{0, 6, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

func (s *source) value(b bounds) string {
	n := b.min + s.rand.Intn(b.max-b.min+1)
	switch {
	case s.chance(1):
		n = s.rand.Intn(70)
	case b.names != nil && s.chance(30):
		name := []byte(b.names[n-b.min])
		for i := range name {
			if s.chance(30) {
				name[i] -= 'a' - 'A'
			}
		}
		return string(name)
	}
	return fmt.Sprintf(s.one("%d", "%d", "%d", "%d", "%02d", "+%d"), n)
}

func (s *source) item(b bounds) string {
	text := ""
	switch s.rand.Intn(8) {
	case 0:
		text = "*"
	case 1:
		text = s.one("?", "*", "*-5", "?-x-y")
	case 2, 3:
		low := b.min + s.rand.Intn(b.max-b.min+1)
		high := low + s.rand.Intn(b.max-low+1)
		text = fmt.Sprintf("%d-%d", low, high)
		if s.chance(10) {
			text = s.value(b) + "-" + s.value(b)
		}
	default:
		text = s.value(b)
	}
	if s.chance(20) {
		text += "/" + fmt.Sprint(1+s.rand.Intn(12))
	} else if s.chance(1) {
		text += "/" + s.one("0", "100", "x", "", "-1", "+2", "1/2", "99999999999", "99999999999999999999")
	}
	return text
}

func (s *source) field(b bounds) string {
	if s.chance(35) {
		return s.one("*", "*", "*", "?", "*/2", "*/1")
	}
	text := s.item(b)
	for s.chance(25) {
		text += s.one(",", ",", ",", ",,") + s.item(b)
	}
	if s.chance(1) {
		text = s.one(",", ",,"+text, text+",")
	}
	return text
}

func (s *source) fields() string {
	blank := s.one(" ", " ", " ", "  ", "\t", "\u00a0", "\u3000", " \u2003", "\n", "\u0085")
	var words []string
	for i, b := range fields {
		if i < 2 && s.chance(50) {
			words = append(words, s.value(b))
		} else {
			words = append(words, s.field(b))
		}
	}
	if s.chance(1) {
		words = words[:s.rand.Intn(len(words))]
	}
	return s.one("", "", "", " ", "\t") + strings.Join(words, blank) + s.one("", "", "", " ", "\n")
}

func (s *source) duration() string {
	text := s.one("", "", "", "", "-", "+")
	for range 1 + s.rand.Intn(3) {
		text += fmt.Sprint(s.rand.Intn(100)) + s.one("", "", "", ".5", ".", ".123456789", ".000001") +
			s.one("h", "m", "s", "s", "m", "ms", "us", "ns", "\u00b5s", "\u03bcs", "d", "")
	}
	return s.one(text, text, text, text, "0", "", "1", ".5s", "s", "1 h", "2562047h", "2562048h", "9223372036854775808ns")
}

func (s *source) text() string {
	switch s.rand.Intn(40) {
	case 0:
		return s.one("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
	case 1:
		return s.one("@Daily", "@reboot", "@", "@every", "@every ", " @daily", "@daily ", "", " ", "* * * *", "L", "TZ=", "TZ=UTC", "CRON_TZ=Asia/Tokyo")
	case 2, 3:
		return "@every " + s.duration()
	case 4, 5:
		return s.mutate(s.fields())
	}
	return s.fields()
}

func (s *source) mutate(text string) string {
	letters := "*?/-,0123456789LW#aenrTZ= \t@:."
	bytes := []byte(text)
	for range 1 + s.rand.Intn(2) {
		at := s.rand.Intn(len(bytes) + 1)
		letter := letters[s.rand.Intn(len(letters))]
		switch {
		case s.chance(40) || at == len(bytes):
			bytes = append(bytes[:at], append([]byte{letter}, bytes[at:]...)...)
		case s.chance(50):
			bytes[at] = letter
		default:
			bytes = append(bytes[:at], bytes[at+1:]...)
		}
	}
	return string(bytes)
}

func (s *source) zone() string {
	names := zones()
	if s.chance(3) {
		return s.one("", "Nowhere", "europe/berlin", "Europe", "../UTC", "/etc/localtime", "Europe/../UTC", "tzdata.zi", "utc", "UTC\t", "\\UTC", "Europe/Berlin/")
	}
	if s.chance(20) {
		// Zones whose clocks were moved in unusual ways.
		return s.one("Australia/Lord_Howe", "America/Sao_Paulo", "Africa/Casablanca", "Asia/Amman", "Asia/Beirut", "Asia/Gaza",
			"America/Asuncion", "America/Havana", "America/Santiago", "Asia/Tehran", "Atlantic/Azores", "Pacific/Apia",
			"Africa/Cairo", "Antarctica/Troll", "Africa/Monrovia", "America/Scoresbysund", "Asia/Pyongyang", "America/Caracas",
			"America/St_Johns", "Europe/Dublin", "Pacific/Kwajalein", "Asia/Kathmandu", "Antarctica/Casey")
	}
	return names[s.rand.Intn(len(names))]
}

var years = struct{ first, last time.Time }{
	time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2101, 1, 1, 0, 0, 0, 0, time.UTC),
}

// Half of them are near a change of the zone's clock.
func (s *source) instant(zone string) time.Time {
	seconds := years.first.Unix() + s.rand.Int63n(years.last.Unix()-years.first.Unix())
	if location, err := time.LoadLocation(zone); err == nil && s.chance(50) {
		if changes := changesOf(location); len(changes) > 0 {
			seconds = changes[s.rand.Intn(len(changes))].at.Unix() + s.rand.Int63n(5*86400) - 3*86400
		}
	}
	if s.chance(30) {
		seconds -= seconds % (1 + s.rand.Int63n(3600))
	}
	at := time.Unix(seconds, 0)
	if s.chance(30) {
		at = at.Add(time.Duration(s.rand.Int63n(int64(time.Second))))
	}
	if at.Before(years.first) || at.After(years.last) {
		at = years.first
	}
	return at.UTC()
}

func (s *source) next() testCase {
	c := testCase{text: s.text()}
	zone := s.zone()
	switch s.rand.Intn(10) {
	case 0, 1:
		zone = ""
	case 2, 3:
		c.text = s.one("TZ=", "CRON_TZ=") + zone + s.one(" ", " ", " ", "  ", "\t") + c.text
	case 4:
		c.zone = zone
		if s.chance(3) {
			c.text = "TZ=UTC " + c.text
		}
	default:
		c.zone = zone
	}
	c.after = s.instant(zone)
	return c
}
