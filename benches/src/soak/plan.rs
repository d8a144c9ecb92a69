//! What is asked of the Scheduler, job by job, and what must become of it: a pure function of a seed and a number.
//! It sends nothing. Neighbours: `load` sends it, `check` compares it with what came of it.

use chrono::{DurationRound as _, TimeDelta};
use serde_json::{Map, Value};
use shared::clock::{Timestamp, format_instant};

/// Receivers, each a host of its own; the last one takes its time.
pub(crate) const HOSTS: usize = 8;
/// Between two occurrences of a series, the least that there may be.
pub(crate) const APART: TimeDelta = TimeDelta::seconds(60);
/// So many occurrences of each series are delivered.
pub(crate) const OCCURRENCES: u32 = 3;
/// A calendar may begin this soon after it is created.
const HEAD_START: TimeDelta = TimeDelta::seconds(10);
/// Times of day that a calendar lists, a minute apart: more than are used before it ends.
const TIMES: i32 = 10;

/// What becomes of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Delivered at once.
    Once,
    /// Its receiver fails the first time.
    Retried,
    /// Its receiver fails every time; so many attempts are allowed.
    Dead { attempts: u32 },
    /// Cancelled while it waits.
    Cancelled,
    /// Recurs every minute, as an interval or by the calendar.
    Series { is_calendar: bool, end: End },
}

/// What ends a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum End {
    /// `maxOccurrences`.
    Count,
    /// A `DELETE` of the occurrence after the last one that is wanted.
    Cancel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) number: u64,
    pub(crate) kind: Kind,
    pub(crate) host: usize,
    /// From the creation to the first time that it is due; a calendar has times of its own.
    pub(crate) delay_ms: i64,
    /// Of the payload, with its quotes.
    pub(crate) payload_bytes: usize,
    /// Sent with the header `Idempotency-Key`.
    pub(crate) has_key: bool,
    /// Sent twice.
    pub(crate) is_repeated: bool,
    /// Read after its creation.
    pub(crate) is_read: bool,
}

impl Planned {
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        let mut dice = Dice(seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let kind = match dice.below(100) {
            0..78 => Kind::Once,
            78..84 => Kind::Retried,
            84 => Kind::Dead { attempts: 1 },
            85 => Kind::Dead { attempts: 2 },
            86..96 => Kind::Cancelled,
            rest => Kind::Series {
                is_calendar: rest < 98,
                end: if rest.is_multiple_of(2) { End::Count } else { End::Cancel },
            },
        };
        // A job that is to be cancelled must not be due before that.
        let (least_ms, most_ms) = match kind {
            Kind::Once => (1_000, 120_000),
            Kind::Retried | Kind::Dead { .. } | Kind::Series { .. } => (1_000, 60_000),
            Kind::Cancelled => (60_000, 120_000),
        };
        let payload_bytes = match dice.below(100) {
            0..70 => dice.between(200, 1_024),
            70..95 => dice.between(1_024, 4_096),
            _ => dice.between(4_096, 20_480),
        };
        let has_key = dice.below(100) < 20;
        Self {
            number,
            kind,
            host: usize::try_from(dice.below(HOSTS as u64)).unwrap_or_default(),
            delay_ms: i64::try_from(dice.between(least_ms, most_ms)).unwrap_or_default(),
            payload_bytes: usize::try_from(payload_bytes).unwrap_or_default(),
            has_key,
            is_repeated: has_key && dice.below(2) == 0,
            is_read: dice.below(100) < 5,
        }
    }

    /// What every occurrence of it carries, so that its calls and its jobs can be told.
    pub(crate) fn name(&self) -> String {
        format!("soak-{}", self.number)
    }

    /// The number in a [`Self::name`].
    pub(crate) fn number_in(name: &str) -> Option<u64> {
        name.strip_prefix("soak-")?.parse().ok()
    }

    /// The first instant that it is due, when it is created now.
    pub(crate) fn due(&self, now: Timestamp) -> Timestamp {
        if let Kind::Series { is_calendar: true, .. } = self.kind
            && let Ok(minute) = (now + HEAD_START).duration_trunc(TimeDelta::minutes(1))
        {
            return minute + TimeDelta::minutes(1);
        }
        now + TimeDelta::milliseconds(self.delay_ms)
    }

    /// JSON, a string.
    pub(crate) fn payload(&self) -> String {
        let begin = format!("\"{}-", self.name());
        let fill = self.payload_bytes.saturating_sub(begin.len() + 1);
        format!("{begin}{}\"", "x".repeat(fill))
    }

    /// The body of the request.
    pub(crate) fn body(&self, receiver: &str, due: Timestamp) -> String {
        let mut fields = Map::new();
        let mut set = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
        set("callbackUrl", format!("{receiver}/hook").into());
        set("idempotencyKey", self.name().into());
        set("correlationId", self.name().into());
        match self.kind {
            Kind::Once | Kind::Retried | Kind::Cancelled => {}
            Kind::Dead { attempts } => set("maxRetries", attempts.into()),
            Kind::Series { is_calendar, end } => {
                if is_calendar {
                    let at = |minute| (due + TimeDelta::minutes(i64::from(minute))).format("%H:%M").to_string();
                    set("scheduleTimes", (0..TIMES).map(at).collect());
                    set("timeZone", "UTC".into());
                } else {
                    set("recurrenceSeconds", APART.num_seconds().into());
                }
                if end == End::Count {
                    set("maxOccurrences", OCCURRENCES.into());
                }
            }
        }
        if !matches!(self.kind, Kind::Series { is_calendar: true, .. }) {
            set("fireAtUtc", format_instant(due).into());
        }
        let fields = Value::Object(fields).to_string();
        format!("{},\"payload\":{}}}", fields.trim_end_matches('}'), self.payload())
    }

    /// Whether the receiver accepts the call of this attempt.
    pub(crate) fn is_accepted(&self, attempt: u32) -> bool {
        match self.kind {
            Kind::Once | Kind::Series { .. } | Kind::Cancelled => true,
            Kind::Retried => attempt > 1,
            Kind::Dead { .. } => false,
        }
    }
}

/// SplitMix64: the same seed throws the same numbers, everywhere.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Both included.
    fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }
}

#[cfg(test)]
mod tests {
    use shared::clock::parse_instant;

    use super::*;

    fn share(is_counted: impl Fn(&Planned) -> bool) -> f64 {
        let count = (0..20_000).filter(|number| is_counted(&Planned::new(7, *number))).count();
        f64::from(u32::try_from(count).unwrap()) / 200.0
    }

    #[test]
    fn the_same_seed_makes_the_same_plan_and_another_one_another() {
        let plan = |seed| (0..500).map(|number| Planned::new(seed, number)).collect::<Vec<_>>();
        assert_eq!(plan(1), plan(1));
        assert_ne!(plan(1), plan(2));
    }

    #[test]
    fn the_mix_has_the_shares_that_the_page_tells() {
        for (what, percent, found) in [
            ("once", 78.0, share(|job| job.kind == Kind::Once)),
            ("retried", 6.0, share(|job| job.kind == Kind::Retried)),
            ("dead", 2.0, share(|job| matches!(job.kind, Kind::Dead { .. }))),
            ("cancelled", 10.0, share(|job| job.kind == Kind::Cancelled)),
            ("calendar", 2.0, share(|job| matches!(job.kind, Kind::Series { is_calendar: true, .. }))),
            ("ends by a cancel", 2.0, share(|job| matches!(job.kind, Kind::Series { end: End::Cancel, .. }))),
            ("with a key", 20.0, share(|job| job.has_key)),
            ("repeated", 10.0, share(|job| job.is_repeated)),
            ("read", 5.0, share(|job| job.is_read)),
            ("over 4 KiB", 5.0, share(|job| job.payload_bytes > 4_096)),
        ] {
            assert!((found - percent).abs() < 1.0, "{what}: {found} %");
        }
        assert_eq!(share(|job| !(200..=20_480).contains(&job.payload_bytes)), 0.0);
    }

    /// So the number of live series is bounded by what is created in that time.
    #[test]
    fn every_series_ends_within_four_minutes() {
        let now = parse_instant("2026-11-25T23:58:55.000Z").unwrap();
        let series =
            (0..5_000).map(|number| Planned::new(3, number)).filter(|job| matches!(job.kind, Kind::Series { .. }));
        let ends: Vec<_> = series.map(|job| job.due(now) + APART * i32::try_from(OCCURRENCES).unwrap()).collect();
        assert!(ends.len() > 100);
        assert!(ends.iter().all(|end| *end - now <= TimeDelta::minutes(4) + HEAD_START), "{:?}", ends.iter().max());
    }

    #[test]
    fn the_parser_takes_every_body_and_plans_it_as_the_plan_does() {
        let now = parse_instant("2026-11-25T23:58:55.000Z").unwrap();
        let rules = shared::config::Settings::default().rules();
        for number in 0..2_000 {
            let planned = Planned::new(9, number);
            let due = planned.due(now);
            let body = planned.body("http://receiver.example", due);
            let job = shared::request::parse(body.as_bytes(), now, &rules).unwrap_or_else(|e| panic!("{e:?}: {body}"));
            assert_eq!(job.planned_at, due, "{body}");
            assert_eq!(planned.payload().len(), planned.payload_bytes);
            assert!(body.ends_with(&format!("{}}}", planned.payload())));
        }
    }

    #[test]
    fn a_name_tells_its_number() {
        assert_eq!(Planned::number_in(&Planned::new(1, 42).name()), Some(42));
        assert_eq!(Planned::number_in("soak-x"), None);
    }
}
