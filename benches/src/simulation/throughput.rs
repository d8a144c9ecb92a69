//! What DynamoDB lets through: of a partition, of a whole table or index, and how both grow. The rules are documented ones;
//! docs/scaling.md names each with its source, and says which figures are assumed.
//! It never knows what is written. Neighbour: `dynamodb` asks it before each read and write.

use std::collections::HashMap;

/// Units a second of one partition, whatever is done.
pub(super) const PARTITION_WRITES: f64 = 1_000.0;
pub(super) const PARTITION_READS: f64 = 3_000.0;
/// Units a second of a new on-demand table or index.
pub(super) const NEW_WRITES: f64 = 4_000.0;
/// Reads grow with writes in this proportion: that of a new table.
const READS_A_WRITE: f64 = 3.0;
/// Up to twice the peak, this long after the peak was reached.
const RAMP_SECONDS: f64 = 30.0 * 60.0;
/// Assumed: minutes on end in which a partition throttles before it is split.
const HOT_MINUTES: u32 = 5;

/// Why a call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Throttle {
    /// More than the whole table or index may have by now.
    Table,
    /// More than one partition ever has.
    Partition,
}

/// So many units a second, of which those of one second are kept. Nothing more is kept of what was not used: burst
/// capacity does not lift the limit of a partition.
#[derive(Clone, Debug)]
struct Bucket {
    rate: f64,
    level: f64,
    at: f64,
}

impl Bucket {
    fn new(rate: f64) -> Self {
        Self { rate, level: rate, at: 0.0 }
    }

    fn has(&mut self, now: f64, units: f64) -> bool {
        self.level = (self.level + (now - self.at).max(0.0) * self.rate).min(self.rate);
        self.at = self.at.max(now);
        self.level >= units
    }

    fn take(&mut self, units: f64) {
        self.level -= units;
    }
}

/// On-demand capacity of a whole table or index: what it has had, doubled after half an hour.
#[derive(Clone, Debug)]
struct Ramp {
    limit: f64,
    quota: f64,
    bucket: Bucket,
    minute: f64,
    in_minute: f64,
    peak: f64,
    raised_at: f64,
}

impl Ramp {
    fn new(limit: f64, quota: f64) -> Self {
        let limit = limit.min(quota);
        Self { limit, quota, bucket: Bucket::new(limit), minute: 0.0, in_minute: 0.0, peak: 0.0, raised_at: 0.0 }
    }

    fn has(&mut self, now: f64, units: f64) -> bool {
        let minute = (now / 60.0).floor();
        if minute > self.minute {
            self.peak = self.peak.max(self.in_minute / 60.0);
            (self.minute, self.in_minute) = (minute, 0.0);
        }
        if now - self.raised_at >= RAMP_SECONDS {
            self.limit = self.limit.max(2.0 * self.peak).min(self.quota);
            self.bucket.rate = self.limit;
            self.raised_at = now;
        }
        self.bucket.has(now, units)
    }

    fn take(&mut self, units: f64) {
        self.in_minute += units;
        self.bucket.take(units);
    }
}

#[derive(Clone, Debug)]
struct Partition {
    writes: Bucket,
    reads: Bucket,
    keys: Vec<u32>,
    hot_for: u32,
    hot_in: f64,
}

impl Partition {
    fn of(keys: Vec<u32>, writes: f64) -> Self {
        Self { writes: Bucket::new(writes), reads: Bucket::new(PARTITION_READS), keys, hot_for: 0, hot_in: -9.0 }
    }

    /// Whether it has been hot for so long that it is split.
    fn note_heat(&mut self, now: f64) -> bool {
        let minute = (now / 60.0).floor();
        if minute > self.hot_in {
            self.hot_for = if minute - self.hot_in < 1.5 { self.hot_for + 1 } else { 1 };
            self.hot_in = minute;
        }
        self.hot_for > HOT_MINUTES
    }
}

/// Which keys share a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// Any number of keys, by their hash: the table, whose keys are the ids of jobs.
    Hashed,
    /// Each key has a partition of its own, as after every split that there can be.
    Apart,
    /// As many partitions as the table's capacity needs, the keys side by side in them.
    Packed,
}

/// One table or index.
#[derive(Clone, Debug)]
pub(super) struct Throughput {
    ramp: Ramp,
    reads: Bucket,
    placement: Placement,
    partitions: Vec<Partition>,
    by_key: HashMap<u32, usize>,
    /// What a partition has left for what is simulated.
    partition_writes: f64,
    pub(super) written: f64,
    pub(super) read: f64,
    pub(super) throttled_by_table: u64,
    pub(super) throttled_by_partition: u64,
    pub(super) splits: u64,
}

impl Throughput {
    /// `warm` and `quota` are units a second of the whole; `sample` is how much of the whole is simulated.
    pub(super) fn new(placement: Placement, keys: u32, warm: f64, quota: f64, sample: f64) -> Self {
        let ramp = Ramp::new(warm * sample, quota * sample);
        let mut this = Self {
            reads: Bucket::new(ramp.limit * READS_A_WRITE),
            placement,
            partitions: Vec::new(),
            by_key: HashMap::new(),
            partition_writes: PARTITION_WRITES,
            written: 0.0,
            read: 0.0,
            throttled_by_table: 0,
            throttled_by_partition: 0,
            splits: 0,
            ramp,
        };
        let count = match placement {
            Placement::Hashed | Placement::Packed => this.wanted_partitions(),
            Placement::Apart => keys.max(1) as usize,
        };
        this.partitions = vec![Partition::of(Vec::new(), PARTITION_WRITES); count];
        if placement != Placement::Hashed {
            for key in 0..keys {
                let at = key as usize % count;
                this.by_key.insert(key, at);
                this.partitions.iter_mut().skip(at).take(1).for_each(|partition| partition.keys.push(key));
            }
        }
        this
    }

    /// The same, with so much of each partition's writes taken by what is not simulated; a key that stands for one of
    /// which only a part is simulated has that part.
    pub(super) fn with_partitions_of(mut self, writes: f64) -> Self {
        self.partition_writes = writes.max(1.0);
        let writes = self.partition_writes;
        self.partitions.iter_mut().for_each(|partition| partition.writes = Bucket::new(writes));
        self
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
    fn wanted_partitions(&self) -> usize {
        (self.ramp.limit / PARTITION_WRITES).ceil().max(1.0) as usize
    }

    fn place(&self, key: u32) -> usize {
        match self.placement {
            Placement::Hashed => {
                (u64::from(key).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33) as usize % self.partitions.len().max(1)
            }
            Placement::Apart | Placement::Packed => self.by_key.get(&key).copied().unwrap_or_default(),
        }
    }

    /// Why so many write units cannot be had now, if they cannot. Nothing is taken.
    pub(super) fn refuses_write(&mut self, now: f64, key: u32, units: f64) -> Option<Throttle> {
        let fits = self.ramp.has(now, units);
        while self.placement == Placement::Hashed && self.partitions.len() < self.wanted_partitions() {
            self.partitions.push(Partition::of(Vec::new(), self.partition_writes));
        }
        if !fits {
            self.throttled_by_table += 1;
            return Some(Throttle::Table);
        }
        let at = self.place(key);
        let partition = self.partitions.get_mut(at)?;
        if partition.writes.has(now, units) {
            return None;
        }
        self.throttled_by_partition += 1;
        // The keys of both indexes are in order of time, and the load is where time is: to split one of them is no help.
        if partition.note_heat(now) && partition.keys.len() > 1 {
            let moved = partition.keys.split_off(partition.keys.len() / 2);
            partition.hot_for = 0;
            self.by_key.extend(moved.iter().map(|key| (*key, self.partitions.len())));
            self.partitions.push(Partition::of(moved, self.partition_writes));
            self.splits += 1;
        }
        Some(Throttle::Partition)
    }

    pub(super) fn write(&mut self, key: u32, units: f64) {
        self.written += units;
        self.ramp.take(units);
        let at = self.place(key);
        self.partitions.iter_mut().skip(at).take(1).for_each(|partition| partition.writes.take(units));
    }

    /// Takes what is left of a read that is allowed to begin: its size is known only when it is done.
    pub(super) fn read(&mut self, now: f64, key: u32, units: f64) -> Result<(), Throttle> {
        self.reads.rate = self.ramp.limit * READS_A_WRITE;
        if !self.reads.has(now, 0.5) {
            self.throttled_by_table += 1;
            return Err(Throttle::Table);
        }
        let at = self.place(key);
        let Some(partition) = self.partitions.get_mut(at) else { return Ok(()) };
        if !partition.reads.has(now, 0.5) {
            self.throttled_by_partition += 1;
            return Err(Throttle::Partition);
        }
        partition.reads.take(units);
        self.reads.take(units);
        self.read += units;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_QUOTA: f64 = 1e9;

    /// How many of `asked` writes in each second get through, second by second.
    fn rates(throughput: &mut Throughput, key: impl Fn(u32) -> u32, asked: u32, seconds: u32) -> Vec<u32> {
        let mut passed = Vec::new();
        for second in 0..seconds {
            let mut through = 0;
            for n in 0..asked {
                let now = f64::from(second) + f64::from(n) / f64::from(asked);
                if throughput.refuses_write(now, key(n), 1.0).is_none() {
                    throughput.write(key(n), 1.0);
                    through += 1;
                }
            }
            passed.push(through);
        }
        passed
    }

    #[test]
    fn a_partition_takes_a_thousand_writes_a_second_and_nothing_is_saved_up() {
        let mut index = Throughput::new(Placement::Apart, 2, 40_000.0, NO_QUOTA, 1.0);
        let passed = rates(&mut index, |_| 0, 1_500, 20);
        // The first second has what was kept, of one second at most.
        assert!(passed[0] == 1_500 && passed[2..].iter().all(|n| (990..=1_001).contains(n)), "{passed:?}");
        assert_eq!(index.refuses_write(20.0, 1, 1.0), None, "another key is not throttled");
        assert_eq!(index.throttled_by_table, 0);
        assert!(index.throttled_by_partition > 8_000);
    }

    #[test]
    fn keys_that_share_a_hot_partition_are_split_and_a_single_key_never_is() {
        let mut index = Throughput::new(Placement::Packed, 2, 1_000.0, NO_QUOTA, 1.0);
        index.ramp = Ramp::new(NO_QUOTA, NO_QUOTA);
        let passed = rates(&mut index, |n| n % 2, 1_800, 60 * (HOT_MINUTES + 2));
        assert!(passed[100] < 1_010, "one partition: {}", passed[100]);
        assert_eq!(passed.last(), Some(&1_800));
        assert_eq!(index.splits, 1);
        rates(&mut index, |_| 0, 1_800, 60);
        assert_eq!(index.splits, 1);
    }

    #[test]
    fn a_new_table_begins_at_4000_and_doubles_its_peak_in_half_an_hour_up_to_its_quota() {
        let mut table = Throughput::new(Placement::Hashed, 0, NEW_WRITES, 12_000.0, 0.01);
        let passed = rates(&mut table, |n| n, 200, 3_700);
        assert!((39..=41).contains(&passed[1_000]), "{}", passed[1_000]);
        assert!((78..=82).contains(&passed[2_000]), "{}", passed[2_000]);
        assert!((118..=121).contains(&passed[3_690]), "{}", passed[3_690]);
        assert!(table.throttled_by_partition == 0 && table.throttled_by_table > 0);
    }

    #[test]
    fn reads_have_a_limit_of_their_own() {
        let mut index = Throughput::new(Placement::Apart, 1, 40_000.0, NO_QUOTA, 1.0);
        let through = (0..1_000).filter(|_| index.read(0.0, 0, 10.0).is_ok()).count();
        assert_eq!(through, 300);
    }
}
