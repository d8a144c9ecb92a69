//! The stored jobs, as little of each as the poller's requests depend on, and the queue's index, which hears of changes
//! late. It never decides what a request means. Neighbour: `dynamodb` reads and changes it.

use std::collections::{BTreeSet, VecDeque};

use shared::clock::{Timestamp, format_instant};

/// An instant of the simulation: milliseconds after its first.
pub(super) type Millis = u32;

/// Where the clock of the simulation begins, in milliseconds since 1970: 2026-06-01T12:00:00Z.
pub(super) const START: i64 = 1_780_315_200_000;
/// How many attempts a job has.
const MOST_ATTEMPTS: u8 = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Pending,
    /// Until that second since 1970.
    Firing {
        write: u128,
        until: i64,
    },
    Done {
        write: u128,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) planned: Millis,
    /// When to act next.
    pub(super) due: Millis,
    pub(super) tenant: u32,
    pub(super) state: State,
    pub(super) attempts: u8,
    /// Calls that its receiver got, and when the first one came.
    pub(super) calls: u8,
    pub(super) called: Millis,
}

impl Row {
    pub(super) fn has_attempts_left(&self) -> bool {
        self.attempts < MOST_ATTEMPTS
    }
}

/// A change of the queue that its index does not show yet.
#[derive(Clone, Copy, Debug)]
struct Change {
    seen_at: f64,
    shard: usize,
    gone: (Millis, u32),
    come: Option<Millis>,
}

#[derive(Clone, Debug)]
pub(super) struct Jobs {
    pub(super) rows: Vec<Row>,
    shards: Vec<BTreeSet<(Millis, u32)>>,
    on_their_way: VecDeque<Change>,
    /// How late the index is, in seconds.
    lag: f64,
    pub(super) open: usize,
}

impl Jobs {
    /// Jobs that are all pending, planned at these instants for these tenants.
    pub(super) fn new(planned: impl Iterator<Item = (Millis, u32)>, shards: u32, lag: f64) -> Self {
        let row = |(planned, tenant)| Row {
            planned,
            due: planned,
            tenant,
            state: State::Pending,
            attempts: 0,
            calls: 0,
            called: 0,
        };
        let rows: Vec<Row> = planned.map(row).collect();
        let mut queues = vec![BTreeSet::new(); shards.max(1) as usize];
        for (number, row) in (0u32..).zip(&rows) {
            let shard = number as usize % queues.len().max(1);
            queues.iter_mut().skip(shard).take(1).for_each(|queue| {
                queue.insert((row.due, number));
            });
        }
        Self { open: rows.len(), rows, shards: queues, on_their_way: VecDeque::new(), lag }
    }

    pub(super) fn shard_of(&self, row: u32) -> u32 {
        u32::try_from(row as usize % self.shards.len().max(1)).unwrap_or_default()
    }

    pub(super) fn row(&mut self, row: u32) -> Option<&mut Row> {
        self.rows.get_mut(row as usize)
    }

    /// The job leaves the queue, or is due again at another instant.
    pub(super) fn move_in_queue(&mut self, now: f64, row: u32, to: Option<Millis>) {
        let shard = self.shard_of(row) as usize;
        let Some(job) = self.rows.get_mut(row as usize) else { return };
        self.on_their_way.push_back(Change { seen_at: now + self.lag, shard, gone: (job.due, row), come: to });
        match to {
            Some(due) => job.due = due,
            None => self.open = self.open.saturating_sub(1),
        }
    }

    /// What the index shows of a shard: due by then, after that place, so many at most.
    pub(super) fn due(
        &mut self,
        now: f64,
        shard: u32,
        until: Millis,
        after: Option<(Millis, u32)>,
        most: usize,
    ) -> Vec<(Millis, u32)> {
        while let Some(change) = self.on_their_way.front().copied().filter(|change| change.seen_at <= now) {
            self.on_their_way.pop_front();
            let Some(queue) = self.shards.get_mut(change.shard) else { continue };
            queue.remove(&change.gone);
            queue.extend(change.come.map(|due| (due, change.gone.1)));
        }
        let Some(queue) = self.shards.get(shard as usize) else { return Vec::new() };
        let from = after.map_or((0, 0), |(due, row)| (due, row + 1));
        if from > (until, u32::MAX) {
            return Vec::new();
        }
        queue.range(from..=(until, u32::MAX)).take(most).copied().collect()
    }
}

/// Ids end in the number of their row, which is what their shard is made of.
pub(super) fn id_of(row: u32) -> u128 {
    let mixed = u128::from(u64::from(row).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    (mixed << 64) | u128::from(row)
}

/// An id as text, in its five groups.
pub(super) fn id_text(row: u32) -> String {
    uuid_text(id_of(row))
}

pub(super) fn uuid_text(value: u128) -> String {
    let hex = format!("{value:032x}");
    let group = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", group(0, 8), group(8, 12), group(12, 16), group(16, 20), group(20, 32))
}

pub(super) fn row_of(id: &str) -> Option<u32> {
    let row = u32::from_str_radix(id.get(28..36)?, 16).ok()?;
    (id_text(row) == id).then_some(row)
}

pub(super) fn timestamp(at: Millis) -> Timestamp {
    Timestamp::from_timestamp_millis(START + i64::from(at)).unwrap_or_default()
}

pub(super) fn instant_text(at: Millis) -> String {
    format_instant(timestamp(at))
}

/// The tenant's name.
pub(super) fn tenant_text(tenant: u32) -> String {
    format!("tenant-{tenant}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_leads_back_to_its_row_and_to_no_other() {
        for row in [0, 1, 77, 4_000_000_000] {
            assert_eq!(row_of(&id_text(row)), Some(row));
        }
        assert_eq!(row_of("00000000-0000-0000-0000-000000000001"), None);
        assert_eq!(row_of("x"), None);
    }

    #[test]
    fn the_index_hears_of_a_change_late() {
        let mut jobs = Jobs::new([(1_000, 0), (2_000, 0), (3_000, 0)].into_iter(), 1, 0.1);
        assert_eq!(jobs.due(5.0, 0, 2_500, None, 9), [(1_000, 0), (2_000, 1)]);
        jobs.move_in_queue(5.0, 0, None);
        jobs.move_in_queue(5.0, 1, Some(9_000));
        assert_eq!(jobs.due(5.05, 0, 9_999, None, 9), [(1_000, 0), (2_000, 1), (3_000, 2)]);
        assert_eq!(jobs.due(5.11, 0, 9_999, None, 9), [(3_000, 2), (9_000, 1)]);
        assert_eq!(jobs.due(5.11, 0, 9_999, Some((3_000, 2)), 9), [(9_000, 1)]);
        assert_eq!(jobs.open, 2);
    }
}
