//! What the watched processes hold at one instant, as /proc tells it, how large the store's files are, and how the
//! calls and answers since the sample before were. It changes nothing. Neighbours: `ledger`, `verdict`.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

use super::ledger::{Counts, Ledger};
use crate::process::{cpu_seconds_of_family, whole};
use crate::report::percentile;

/// In the order of [`Sample::processes`].
pub(crate) const WATCHED: [&str; 3] = ["API", "poller", "store"];

#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// Minutes since the start.
    pub(crate) minute: f64,
    pub(crate) processes: [Process; 3],
    /// Of the store's files.
    pub(crate) data_bytes: u64,
    pub(crate) log_bytes: u64,
    pub(crate) counts: Counts,
    /// Of the calls since the sample before, in seconds.
    pub(crate) late: Spread,
    /// Of the creations since then, in milliseconds.
    pub(crate) answers: Spread,
    /// How many jobs the API calls open, where it was asked.
    pub(crate) open: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    pub(crate) memory_mib: f64,
    pub(crate) handles: u64,
    pub(crate) threads: u64,
    /// Processor time so far.
    pub(crate) cpu_seconds: f64,
}

/// Of no figures at all, not numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(figures: &[f64]) -> Self {
        let [p50, p99, max] = [50, 99, 100].map(|percent| percentile(figures, percent));
        Self { p50, p99, max }
    }
}

/// Takes samples, and knows up to where it has read the ledger.
#[derive(Debug)]
pub(crate) struct Sampler<'a> {
    pub(crate) pids: [u32; 3],
    pub(crate) data: &'a Path,
    late_read: usize,
    answers_read: usize,
}

impl<'a> Sampler<'a> {
    pub(crate) fn new(pids: [u32; 3], data: &'a Path) -> Self {
        Self { pids, data, late_read: 0, answers_read: 0 }
    }

    pub(crate) fn take(&mut self, minute: f64, ledger: &Ledger, open: Option<u64>) -> anyhow::Result<Sample> {
        let [api, poller, store] = self.pids;
        let processes = [process(api)?, process(poller)?, process(store)?];
        let log = format!("{}-wal", self.data.display());
        let (data_bytes, log_bytes) = (size(self.data), size(Path::new(&log)));
        let pages = ledger.pages();
        let late = Spread::of(since(&pages.late, &mut self.late_read));
        let answers = Spread::of(since(&pages.answers, &mut self.answers_read));
        let counts = pages.counts;
        Ok(Sample { minute, processes, data_bytes, log_bytes, counts, late, answers, open })
    }
}

/// What has come since the last time.
fn since<'a>(figures: &'a [f64], read: &mut usize) -> &'a [f64] {
    let new = figures.get(*read..).unwrap_or_default();
    *read = figures.len();
    new
}

fn process(pid: u32) -> anyhow::Result<Process> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
        value.with_context(|| format!("/proc/{pid}/status has no {name}"))
    };
    let handles = fs::read_dir(format!("/proc/{pid}/fd"))?.count();
    Ok(Process {
        memory_mib: whole(field("VmRSS:")?) / 1024.0,
        handles: u64::try_from(handles)?,
        threads: field("Threads:")?,
        cpu_seconds: cpu_seconds_of_family(pid)?,
    })
}

/// 0 for a file that is not there.
fn size(file: &Path) -> u64 {
    fs::metadata(file).map(|file| file.len()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_holds_what_has_come_since_the_one_before() {
        let mut read = 0;
        assert_eq!(since(&[1.0, 2.0], &mut read), [1.0, 2.0]);
        assert_eq!(since(&[1.0, 2.0, 9.0], &mut read), [9.0]);
        assert!(Spread::of(since(&[1.0, 2.0, 9.0], &mut read)).max.is_nan());
    }

    #[test]
    fn a_spread_names_the_middle_the_hundredth_and_the_worst() {
        let figures: Vec<f64> = (1..=200).map(f64::from).collect();
        let Spread { p50, p99, max } = Spread::of(&figures);
        assert_eq!((p50, p99, max), (100.0, 198.0, 200.0));
    }

    #[test]
    fn this_process_holds_what_it_has_opened() {
        let pid = std::process::id();
        let before = process(pid).unwrap();
        // More than the other tests may close meanwhile.
        let files: Vec<_> = (0..50).map(|_| tempfile::tempfile().unwrap()).collect();
        let after = process(pid).unwrap();
        assert!(after.handles >= before.handles + 40, "{before:?} {after:?}");
        assert!(after.memory_mib > 0.5 && after.threads > 0, "{after:?}");
        drop(files);
    }
}
