package main

import (
	"sort"
	"sync"
	"time"

	"github.com/robfig/cron/v3"
)

// A change of a zone's clock.
type change struct {
	at            time.Time
	before, after int // seconds ahead of UTC
}

var changesByZone sync.Map

// The changes of a zone from 1968 to 2110. Found by looking at each day, since Time.ZoneBounds does not always end after
// the time it is asked about.
func changesOf(zone *time.Location) []change {
	if known, ok := changesByZone.Load(zone.String()); ok {
		return known.([]change)
	}
	const day = 86400
	offset := func(at int64) int {
		_, seconds := time.Unix(at, 0).In(zone).Zone()
		return seconds
	}
	var list []change
	for at := int64(-2 * 366 * day); at < 140*366*day; at += day {
		before, after := offset(at), offset(at+day)
		if before == after {
			continue
		}
		begin := at + 1 + int64(sort.Search(day-1, func(n int) bool { return offset(at+1+int64(n)) == after }))
		list = append(list, change{time.Unix(begin, 0), before, after})
	}
	changesByZone.Store(zone.String(), list)
	return list
}

// Whether there is such a change between the begin of the month and a month after the end: the library's steps go
// beyond the time that is asked for.
func hasChange(zone *time.Location, from, to time.Time, is func(change) bool) bool {
	list := changesOf(zone)
	from, to = from.AddDate(0, -1, -1), to.AddDate(0, 1, 1)
	first := sort.Search(len(list), func(i int) bool { return list[i].at.After(from) })
	for _, c := range list[first:] {
		if c.at.After(to) {
			return false
		}
		if is(c) {
			return true
		}
	}
	return false
}

func skipsDay(zone *time.Location, from, to time.Time) bool {
	return hasChange(zone, from, to, func(c change) bool {
		return c.after-c.before > 12*3600 || c.before-c.after > 12*3600
	})
}

// Whether the library may err: a change by something else than whole hours, or within an hour, or with a midnight in
// what it leaves out or repeats.
func isOdd(zone *time.Location, from, to time.Time) bool {
	if _, offset := from.In(zone).Zone(); offset%60 != 0 {
		return true
	}
	return hasChange(zone, from, to, func(c change) bool {
		low, high := c.before, c.after
		if low > high {
			low, high = high, low
		}
		first := c.at.Unix() + int64(low)
		last := c.at.Unix() + int64(high)
		return (high-low)%3600 != 0 || first%3600 != 0 || first/86400 != last/86400 || first%86400 == 0
	})
}

func matches(spec *cron.SpecSchedule, at time.Time) (day, all bool) {
	const star = 1 << 63
	bit := func(value int, set uint64) bool { return set>>uint(value)&1 != 0 }
	monthDay, weekDay := bit(at.Day(), spec.Dom), bit(int(at.Weekday()), spec.Dow)
	day = monthDay || weekDay
	if spec.Dom&star != 0 || spec.Dow&star != 0 {
		day = monthDay && weekDay
	}
	day = day && bit(int(at.Month()), spec.Month)
	return day, day && bit(at.Hour(), spec.Hour) && bit(at.Minute(), spec.Minute) && at.Second() == 0
}

// The first time after this one, found by looking at every minute (every second where a zone's offset has seconds). A
// day that does not match is left in steps of five minutes: at such a minute all days have begun since 1970, but for
// offsets with seconds.
func walk(spec *cron.SpecSchedule, after time.Time) time.Time {
	at := after.Truncate(time.Second).Add(time.Second)
	limit := at.In(spec.Location).Year() + 5
	for {
		local := at.In(spec.Location)
		if local.Year() > limit {
			return time.Time{}
		}
		day, all := matches(spec, local)
		step := time.Minute
		if all {
			return local.UTC()
		} else if _, offset := local.Zone(); offset%60 != 0 {
			step = time.Second
		} else if !day {
			step = 5 * time.Minute
		}
		at = at.Truncate(step).Add(step)
	}
}
