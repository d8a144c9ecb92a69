"""Writes what calendar schedules must do, one case a line, as JSON: calendar_vectors.py FILE.

Independent of the Rust code by method: nothing here turns a wall-clock time into an instant. A wall clock is watched
minute by minute through some weeks around each clock change, and every time it strikes is written down (`strikes`):
  - a time that the hands jump over strikes as many minutes after the jump as it lies behind the jumped-from minute,
  - a time that the hands show again does not strike again.
What a schedule does is then a search in that record. Deterministic: the same file each time.

The first line tells which edition of the time zone database was used. That is the one of the package `tzdata` if it is
installed (requirements.txt pins it), else the system's.
"""

import json
import random
import sys
import zoneinfo
from collections import defaultdict
from datetime import date, datetime, timedelta, timezone

MINUTE = 60_000  # instants are milliseconds since 1970, minutes are counted from there too
DAY = 24 * 60
BEFORE, AFTER = 4 * DAY, 11 * DAY  # how much of the time around a clock change is watched
LONGEST_WAIT = 9 * DAY  # no allowed day is further away, a skipped day included
CASES_PER_CHANGE = 40
EPOCH = datetime(1970, 1, 1)

# Zone, and the years whose clock changes are watched. All are settled but those still to come.
CHANGES = [
    ("Europe/Rome", range(2025, 2038)),
    ("America/New_York", range(2025, 2031)),
    ("America/St_Johns", [*range(2006, 2013), 2026, 2027]),  # at 00:01 until 2011
    ("Australia/Lord_Howe", range(2022, 2030)),
    ("Africa/Casablanca", range(2018, 2026)),  # Ramadan
    ("Pacific/Apia", range(2010, 2022)),  # without 30 December 2011
    ("Asia/Kathmandu", [1986]),  # a quarter of an hour at New Year's midnight
]
# And weeks without any.
QUIET = [("Asia/Kathmandu", date(2026, 3, 1)), ("Asia/Kathmandu", date(2031, 12, 31)), ("Pacific/Apia", date(2027, 4, 4))]


def database_version():
    try:
        import tzdata

        zoneinfo.reset_tzpath(to=[])  # without a path, zoneinfo falls back to the package
        return tzdata.IANA_VERSION
    except ImportError:
        pass
    for folder in zoneinfo.TZPATH:
        try:
            with open(f"{folder}/tzdata.zi", encoding="utf-8") as file:
                return file.readline().removeprefix("# version").strip()
        except OSError:
            pass
    return "unknown"


def wall_minute(zone, minute):
    """What a wall clock shows, as the minute since 1970 at which a clock in UTC shows the same."""
    shown = datetime.fromtimestamp(minute * 60, zone).replace(tzinfo=None) - EPOCH
    assert shown.seconds % 60 == 0, "these zones have whole minutes"
    return shown.days * DAY + shown.seconds // 60


def clock_changes(zone, years):
    """The minutes at which a wall clock does not simply go on, found by watching it."""
    day = int(datetime(years[0], 1, 1, tzinfo=timezone.utc).timestamp()) // 60 - DAY
    end = int(datetime(years[-1] + 1, 1, 1, tzinfo=timezone.utc).timestamp()) // 60
    while day < end:
        if wall_minute(zone, day + DAY) != wall_minute(zone, day) + DAY:
            for minute in range(day + 1, day + DAY + 1):
                if wall_minute(zone, minute) != wall_minute(zone, minute - 1) + 1:
                    if (EPOCH + timedelta(minutes=wall_minute(zone, minute))).year in years:
                        yield minute
        day += DAY


class Watch:
    """Some weeks of a wall clock, with a clock change (or nothing special) at `change`."""

    def __init__(self, name, change):
        self.name, self.change = name, change
        self.begin, self.end = change - BEFORE, change + AFTER
        zone = zoneinfo.ZoneInfo(name)
        self.hands_before, self.hands_after = wall_minute(zone, change - 1), wall_minute(zone, change)
        self.strikes = defaultdict(list)  # minute of the day on the wall → (minute, day on the wall)
        shown, previous = set(), None
        for minute in range(self.begin, self.end):
            wall = wall_minute(zone, minute)
            if previous is not None:
                for jumped_over in range(previous + 1, wall):
                    self.strike(minute + jumped_over - (previous + 1), jumped_over)
            if wall not in shown:
                self.strike(minute, wall)
            shown.add(wall)
            previous = wall

    def strike(self, minute, wall):
        self.strikes[wall % DAY].append((minute, wall // DAY))

    def instants(self, times, days):
        """All instants of a calendar in these weeks, in order."""
        found = set()
        for time in times:
            for minute, day in self.strikes[int(time[:2]) * 60 + int(time[3:])]:
                if not days or (day + 4) % 7 in days:  # 1 January 1970 was a Thursday
                    found.add(minute * MINUTE)
        return sorted(found)


def text(minute_of_day):
    return f"{minute_of_day // 60:02}:{minute_of_day % 60:02}"


def pick_times(rng, watch):
    """Times in and at the edges of what was jumped over or repeated, where they land, and others."""
    low, high = sorted((watch.hands_before + 1, watch.hands_after))
    size = high - low
    near = [low - 1, low, low + 1, high - 1, high, high + 1, low + size // 2, low - size, high + size - 1, high + size]
    if size:
        inside = rng.randrange(low, high)
        near += [inside, inside, inside + size, inside - size]
    near = [minute % DAY for minute in near]
    far = [0, 1, 12 * 60, DAY - 1, rng.randrange(DAY), rng.randrange(DAY), rng.randrange(4 * 60)]
    kind = rng.randrange(20)
    if kind == 0:
        picked = rng.sample(range(DAY), 96)
    elif kind == 1:
        picked = list(range(rng.randrange(15), DAY, 15))
    else:
        picked = [rng.choice(near if rng.random() < 0.7 else far) for _ in range(rng.choice([1, 1, 1, 2, 2, 3, 5]))]
    rng.shuffle(picked)
    return [text(minute) for minute in picked]


def pick_days(rng, watch):
    changed_on = (watch.hands_after // DAY + 4) % 7
    kind = rng.randrange(10)
    if kind < 4:
        return []
    if kind < 8:  # one day, at or next to the change
        return [(changed_on + rng.choice([-2, -1, -1, 0, 0, 1])) % 7]
    return rng.sample(range(7), rng.randrange(1, 8))


def pick_instant(rng, watch, instants):
    """An instant from which an answer surely lies within the watched weeks; often at an edge."""
    low, high = (watch.begin + 2 * DAY) * MINUTE, (watch.end - LONGEST_WAIT - 1) * MINUTE
    kind = rng.randrange(6)
    if kind < 3:
        inner = [at for at in instants if low < at < high]
        near = [at for at in inner if abs(at - watch.change * MINUTE) < DAY * MINUTE]
        if inner:
            return rng.choice(near or inner) + rng.choice([-1, 0, 0, 1])
    if kind == 3:
        return watch.change * MINUTE + rng.choice([-1, 0, 1])
    if kind == 4:
        return watch.change * MINUTE + rng.randrange(-3 * 60 * MINUTE, 3 * 60 * MINUTE)
    return rng.randrange(low, high)


def bounded(rng, case, want):
    """Sometimes an end: exactly at the answer, or just before it. Sometimes a largest number."""
    kind = rng.randrange(12)
    if kind == 0:
        case["end"] = want
    elif kind == 1:
        case["end"], want = want - 1, None
    elif kind == 2:
        case["max"] = case.get("number", 0) + 1
    elif kind == 3 and case["op"] == "next":
        case["max"], want = case["number"], None
    return {**case, "want": want}


def make_case(rng, watch, earlier):
    times, days = pick_times(rng, watch), pick_days(rng, watch)
    instants = watch.instants(times, days)
    at = pick_instant(rng, watch, instants)
    at_or_after = [instant for instant in instants if instant >= at]
    after = [instant for instant in instants if instant > at]
    assert after, (watch.name, times, days, at)
    case = {"zone": watch.name, "times": times, "days": days}
    op = rng.choice(["start", "now", "next", "next", "late", "outage", "walk"])
    if op == "start":  # now lies before, at or after the start, and must not matter
        now = at + rng.choice([0, -1, 1, rng.randrange(-(10**10), 10**10)])
        return bounded(rng, {**case, "op": "first", "start": at, "now": now}, at_or_after[0])
    if op == "now":
        return bounded(rng, {**case, "op": "first", "now": at}, after[0])
    if op == "walk":
        count = min(rng.randrange(3, 40), len(at_or_after))
        return {**case, "op": "walk", "start": at, "want": at_or_after[:count]}
    case = {**case, "op": "next", "number": rng.randrange(1, 1000)}
    if op == "next":  # on time: planned for `at`, handled no later than that, as far as this clock knows
        return bounded(rng, {**case, "planned": at, "now": at - rng.choice([0, 1, rng.randrange(10**10)])}, after[0])
    planned = [instant for instant in instants if instant <= at] or [watch.begin * MINUTE]
    if op == "outage":  # since before an earlier clock change, or for some years
        planned = [earlier.change * MINUTE - rng.randrange(5 * DAY) * MINUTE, at - rng.randrange(4 * 10**11)]
    return bounded(rng, {**case, "planned": min(at, rng.choice(planned)), "now": at}, after[0])


def main(path):
    rng = random.Random(20260329)
    version = database_version()
    watches = []
    for name, years in CHANGES:
        found = list(clock_changes(zoneinfo.ZoneInfo(name), years))
        assert name != "Europe/Rome" or len(found) == 2 * len(years), "each change of these years"
        watches += [Watch(name, change) for change in found]
    watches += [Watch(name, (day - date(1970, 1, 1)).days * DAY) for name, day in QUIET]

    with open(path, "w", encoding="utf-8") as file:
        file.write(json.dumps({"tzdb": version}) + "\n")
        for index, watch in enumerate(watches):
            siblings = [other for other in watches[:index] if other.name == watch.name] or [watch]
            for _ in range(CASES_PER_CHANGE):
                case = make_case(rng, watch, rng.choice(siblings))
                file.write(json.dumps(case, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
