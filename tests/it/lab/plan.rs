//! What a run of the laboratory decides, all of it drawn from one seed: which jobs, when which program dies and where,
//! what the store's network and the receivers do. It never looks at what happens: the same question has the same answer,
//! whenever it is asked. Neighbour: `storm` carries it out.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::json;

use crate::support::builders::{JobRequest, a_job};
use crate::support::chaos_proxy::{Fault, Seen};
use crate::support::receiver::{self, Step, answer, cut, cut_in_body, hang, stuck_body};

/// Every failpoint of the program (`shared::failpoint`).
pub(crate) const FAILPOINTS: [&str; 10] = [
    "poller-claimed",
    "poller-answered",
    "poller-putting-successor",
    "poller-successor-put",
    "poller-settled",
    "poller-exhausted",
    "api-created",
    "api-payload-put",
    "api-ending-series",
    "api-successor-there",
];
/// Where few programs ever come, only those that are asked to cancel a series behind which another poller died: each
/// waits for death at one of them, the first time.
const SELDOM: [&str; 2] = ["api-ending-series", "api-successor-there"];
/// Where a program may stand still for longer than its lease. Not between the claim and the call: a lease is no lock on
/// the receiver, and who stands still there calls late.
const STANDSTILLS: [&str; 3] = ["poller-answered", "poller-putting-successor", "poller-successor-put"];

pub(super) struct Plan {
    pub(super) seed: u64,
    /// How often each request was seen, so that a repeated one has another fate.
    seen: Mutex<HashMap<u64, u64>>,
}

/// One life of a program.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) death: Death,
    pub(super) poll_interval: Duration,
    /// A place where it stands still once, after so many visits, for so many milliseconds.
    pub(super) standstill: Option<(&'static str, u64, u64)>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Death {
    /// By SIGKILL, so long after it was ready.
    Killed { after: Duration },
    /// By its own hand at the first of these places that it has passed so many times; killed if it gets to none.
    At([(&'static str, u64); 5]),
}

#[derive(Clone, Debug)]
pub(super) struct PlannedJob {
    pub(super) number: u64,
    pub(super) request: JobRequest,
    pub(super) path: String,
    pub(super) answers: Vec<Step>,
    /// Cancelled so long after its creation.
    pub(super) cancel: Option<Duration>,
}

/// A source of decisions (SplitMix64): small, and the same on every machine and in every version.
struct Dice(u64);

impl Dice {
    fn of(seed: u64, what: impl Debug) -> Self {
        Self(seed ^ hash(what))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }

    fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }
}

/// FNV-1a of what it looks like: the hash of the standard library may change from version to version.
fn hash(what: impl Debug) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
    format!("{what:?}").bytes().fold(0xCBF2_9CE4_8422_2325, step)
}

impl Plan {
    pub(super) fn of(seed: u64) -> Self {
        Self { seed, seen: Mutex::default() }
    }

    pub(super) fn life(&self, program: usize, number: u64) -> Life {
        let mut dice = Dice::of(self.seed, ("life", program, number));
        let death = if dice.percent(65) {
            let often = FAILPOINTS.map(|place| (place, dice.below(4)));
            let often = often.into_iter().filter(|(place, _)| !SELDOM.contains(place));
            let often: Vec<_> = often.collect();
            let [a, b, c, d] = [(); 4].map(|()| dice.pick(&often));
            Death::At([a, b, c, d, (dice.pick(&SELDOM), 0)])
        } else {
            Death::Killed { after: dice.millis(50, 1_200) }
        };
        let standstill = dice.percent(15).then(|| (dice.pick(&STANDSTILLS), dice.below(4), 1_500 + dice.below(3_000)));
        Life { death, poll_interval: Duration::from_millis(dice.pick(&[100, 200, 200, 1_000])), standstill }
    }

    pub(super) fn job(&self, number: u64, receiver: &str) -> PlannedJob {
        let mut dice = Dice::of(self.seed, ("job", number));
        let path = format!("/{number}");
        let mut payload = json!({ "job": number });
        if dice.percent(20) {
            payload["much"] = "x".repeat(1_500).into();
        }
        let request = a_job()
            .to(&format!("{receiver}{path}"))
            .named(&format!("job {number}"))
            .payload(payload)
            .timeout_seconds(1)
            .attempts(dice.pick(&[1, 2, 3, 5]));
        let request = match dice.below(10) {
            0..=5 => request.in_seconds(dice.below(8)),
            6..=8 => request.in_seconds(dice.below(8)).every(60).times(dice.pick(&[2, 3, 5])),
            _ => request.daily_at(["02:30", "13:00"]).in_zone("Europe/Rome").times(2),
        };
        let failures = dice.pick(&[0, 0, 0, 1, 1, 2, 6]);
        let mut answers: Vec<Step> = (0..failures).map(|_| unhelpful(&mut dice)).collect();
        answers.push(if dice.percent(20) { cut_in_body() } else { answer(200) });
        if dice.percent(30) {
            // A repetition, which is one because nobody recorded the success, fails.
            answers.insert(0, answer(200));
        }
        // At first a job waits; and again when its lease is over and it has failed once more.
        let cancel = dice
            .percent(50)
            .then(|| if dice.percent(50) { dice.millis(0, 8_000) } else { dice.millis(35_000, 80_000) });
        PlannedJob { number, request, path, answers, cancel }
    }

    /// To whom a client turns, for its nth try.
    pub(super) fn choice(&self, what: &str, number: u64, attempt: u64, among: usize) -> usize {
        usize::try_from(Dice::of(self.seed, (what, number, attempt)).below(among as u64)).unwrap()
    }

    /// What becomes of a request to the store. Which one it is says what it does to which item, and how often that was seen.
    pub(super) fn weather(&self, request: &Seen) -> Option<Fault> {
        let item = ["Key", "Item"].iter().find_map(|member| request.body[member]["id"]["S"].as_str());
        let which = hash((&request.operation, item, request.body["UpdateExpression"].as_str()));
        let time = {
            let mut seen = self.seen.lock().unwrap();
            let times = seen.entry(which).or_default();
            *times += 1;
            *times
        };
        let mut dice = Dice::of(self.seed, ("weather", which, time));
        if !dice.percent(8) {
            return None;
        }
        Some(match dice.below(9) {
            0 => Fault::DropRequest,
            1 | 2 => Fault::DropAnswer,
            3 => Fault::CutAnswer,
            4 => Fault::Delay(dice.millis(50, 2_500)),
            5 => Fault::DelayAnswer(dice.millis(50, 2_500)),
            6 => Fault::Duplicate(dice.millis(0, 8_000)),
            7 => Fault::throttled(),
            _ => Fault::internal_error(),
        })
    }
}

/// An answer that fails, stalls or lies.
fn unhelpful(dice: &mut Dice) -> Step {
    match dice.below(9) {
        0 => cut(),
        1 => hang(),
        // A success that never ends is none.
        2 => stuck_body(),
        3 => receiver::endless_body().status(500),
        4 => answer(429).header("retry-after", "90"),
        5 => answer(503).header("retry-after", "yesterday"),
        6 => answer(302).header("location", "http://127.0.0.1:9/"),
        7 => answer(404).body("{\"status\": 200, \"ok\": true}"),
        _ => answer(500),
    }
}
