//! DynamoDB, as far as the poller asks it: answers a request at an instant, within its limits, or throttles it. Sizes and
//! units are the documented ones; what a request does to a job is what its expressions say.
//! It never waits: how long an answer takes is its caller's. Neighbours: `request` reads, `jobs` holds, `throughput` limits.

use shared::store::TableNames;

use super::jobs::{Jobs, Millis, START, State, id_text, instant_text, tenant_text, uuid_text};
use super::request::Request;
use super::throughput::{Throttle, Throughput};

/// Bytes of a key in the queue's index, as `Store::count_due` counts them, and of the largest page.
const KEY_BYTES: usize = 160;
const PAGE_BYTES: usize = 1 << 20;
/// Bytes of half a read unit.
const READ_BYTES: usize = 4_096;
const TIMEOUT_SECONDS: i64 = 30;
const PAYLOAD: &str =
    "{\\\"message\\\":\\\"a payload of two hundred bytes, as most are\\\",\\\"order\\\":\\\"4711\\\"}";

/// A store with one deployment's tables.
#[derive(Clone, Debug)]
pub(super) struct DynamoDb {
    pub(super) names: TableNames,
    pub(super) jobs: Jobs,
    pub(super) table: Throughput,
    pub(super) queue: Throughput,
    pub(super) lists: Throughput,
    /// Units of the usage and tenants tables: a few a tick, never near a limit.
    pub(super) other_writes: f64,
    pub(super) other_reads: f64,
    pub(super) failed_conditions: u64,
    /// The first request that the model does not know. A run that has one is void.
    pub(super) refused: Option<String>,
    /// Receivers, each with a host of its own.
    pub(super) hosts: u32,
}

/// What DynamoDB answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

impl Answer {
    fn ok(body: String) -> Self {
        Self { status: 200, body }
    }

    fn error(kind: &str, more: &str) -> Self {
        Self { status: 400, body: format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{kind}"{more}}}"#) }
    }
}

impl From<Throttle> for Answer {
    fn from(throttle: Throttle) -> Self {
        match throttle {
            Throttle::Table => Self::error("ThrottlingException", r#","message":"the table's throughput is exceeded""#),
            Throttle::Partition => Self::error(
                "ProvisionedThroughputExceededException",
                r#","message":"the throughput of a range of keys is exceeded""#,
            ),
        }
    }
}

impl DynamoDb {
    /// The answer to a request that arrives at `now`, in seconds since the beginning.
    pub(super) fn answer(&mut self, now: f64, target: &str, body: &[u8]) -> Answer {
        let request = match Request::read(target, body, &self.names) {
            Ok(request) => request,
            Err(problem) => return self.refuse(problem),
        };
        match request {
            Request::Claim { row, now: at, lease_base, write } => self.claim(now, row, at, lease_base, write),
            Request::Settle { row, lease, write, next } => self.settle(now, row, lease, write, next),
            Request::Due { shard, until, after, most } => self.due(now, shard, until, after, most),
            Request::Count { shard, until, most } => self.count(now, shard, until, most),
            Request::Tenant => {
                self.other_reads += 0.5;
                Answer::ok("{}".to_owned())
            }
            Request::Usage => {
                self.other_writes += 1.0;
                Answer::ok("{}".to_owned())
            }
        }
    }

    fn refuse(&mut self, problem: String) -> Answer {
        let answer = Answer::error("ValidationException", r#","message":"not known to the model""#);
        self.refused.get_or_insert(problem);
        answer
    }

    fn claim(&mut self, now: f64, row: u32, at: Millis, lease_base: i64, write: u128) -> Answer {
        if let Some(throttle) = self.table.refuses_write(now, row, 1.0) {
            return throttle.into();
        }
        self.table.write(row, 1.0);
        let Some(job) = self.jobs.row(row) else { return self.refuse(format!("there is no job {row}")) };
        let seconds = (START + i64::from(at)).div_euclid(1_000);
        let is_free = match job.state {
            State::Pending => job.due <= at,
            State::Firing { until, .. } => until <= seconds,
            State::Done { .. } => false,
        };
        if !is_free || !job.has_attempts_left() {
            return self.condition_failed(row);
        }
        job.state = State::Firing { write, until: lease_base + TIMEOUT_SECONDS };
        job.attempts += 1;
        Answer::ok(format!(r#"{{"Attributes":{}}}"#, self.item(row)))
    }

    fn settle(&mut self, now: f64, row: u32, lease: u128, write: u128, next: Option<(Millis, u8)>) -> Answer {
        let Some(job) = self.jobs.row(row) else { return self.refuse(format!("there is no job {row}")) };
        let is_mine = matches!(job.state, State::Firing { write, .. } if write == lease);
        let (shard, lists) = (self.jobs.shard_of(row), self.list_keys(row));
        // A write that one of the indexes has no room for is throttled as a whole: back pressure.
        let in_queue = if next.is_some() { 2.0 } else { 1.0 };
        let moves = if is_mine && next.is_none() { lists.as_slice() } else { &[] };
        let mut throttle = self.table.refuses_write(now, row, 1.0);
        if is_mine {
            throttle = throttle.or_else(|| self.queue.refuses_write(now, shard, in_queue));
        }
        for key in moves {
            throttle = throttle.or_else(|| self.lists.refuses_write(now, *key, 1.0));
        }
        if let Some(throttle) = throttle {
            return throttle.into();
        }
        self.table.write(row, 1.0);
        if !is_mine {
            return self.condition_failed(row);
        }
        self.queue.write(shard, in_queue);
        for key in moves {
            self.lists.write(*key, 1.0);
        }
        self.jobs.move_in_queue(now, row, next.map(|(due, _)| due));
        if let Some(job) = self.jobs.row(row) {
            match next {
                Some((_, attempts)) => (job.state, job.attempts) = (State::Pending, attempts),
                None => job.state = State::Done { write },
            }
        }
        Answer::ok("{}".to_owned())
    }

    /// The tenant's list of open jobs and that of done ones.
    fn list_keys(&self, row: u32) -> [u32; 2] {
        let tenant = self.jobs.rows.get(row as usize).map_or(0, |job| job.tenant);
        [2 * tenant, 2 * tenant + 1]
    }

    fn condition_failed(&mut self, row: u32) -> Answer {
        self.failed_conditions += 1;
        let more = format!(r#","message":"The conditional request failed","Item":{}"#, self.item(row));
        Answer::error("ConditionalCheckFailedException", &more)
    }

    fn due(&mut self, now: f64, shard: u32, until: Millis, after: Option<(Millis, u32)>, most: usize) -> Answer {
        let most = most.min(PAGE_BYTES / KEY_BYTES);
        let found = self.jobs.due(now, shard, until, after, most);
        if let Err(throttle) = self.queue.read(now, shard, read_units(found.len())) {
            return throttle.into();
        }
        let suggestion = |(due, row): &(Millis, u32)| {
            let (id, at) = (id_text(*row), instant_text(*due));
            format!(r#""id":{{"S":"{id}"}},"fireAt":{{"S":"{at}"}}"#)
        };
        let mut body = String::with_capacity(64 + found.len() * 220);
        body.push_str(r#"{"Items":["#);
        for (place, due) in found.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            let (host, tenant) =
                (self.host(due.1), self.jobs.rows.get(due.1 as usize).map(|job| tenant_text(job.tenant)));
            body.push_str(&format!(
                r#"{comma}{{{},"tenant":{{"S":"{}"}},"callbackHost":{{"S":"{host}:443"}}}}"#,
                suggestion(due),
                tenant.unwrap_or_default()
            ));
        }
        let last = found.last().filter(|_| found.len() == most);
        let next = last
            .map(|due| {
                format!(r#","LastEvaluatedKey":{{{},"statusShard":{{"S":"Open#{shard:02}"}}}}"#, suggestion(due))
            })
            .unwrap_or_default();
        body.push_str(&format!(r#"],"Count":{count},"ScannedCount":{count}{next}}}"#, count = found.len()));
        Answer::ok(body)
    }

    fn count(&mut self, now: f64, shard: u32, until: Millis, most: usize) -> Answer {
        let count = self.jobs.due(now, shard, until, None, most.min(PAGE_BYTES / KEY_BYTES)).len();
        match self.queue.read(now, shard, read_units(count)) {
            Ok(()) => Answer::ok(format!(r#"{{"Count":{count},"ScannedCount":{count}}}"#)),
            Err(throttle) => throttle.into(),
        }
    }

    fn host(&self, row: u32) -> String {
        // Not in step with the shards, or a shard would have few hosts.
        let host = u64::from(row).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        format!("r{}.example.com", host % u64::from(self.hosts.max(1)))
    }

    /// The whole item, as a claim returns it.
    fn item(&self, row: u32) -> String {
        let Some(job) = self.jobs.rows.get(row as usize) else { return "{}".to_owned() };
        let (id, tenant, host) = (id_text(row), tenant_text(job.tenant), self.host(row));
        let (planned, due) = (instant_text(job.planned), instant_text(job.due));
        let open = format!(r#","statusShard":{{"S":"Open#{:02}"}},"fireAt":{{"S":"{due}"}}"#, self.jobs.shard_of(row));
        let (status, list, write, more) = match job.state {
            State::Pending => ("Pending", "Open", 0, open),
            State::Firing { write, until } => {
                ("Firing", "Open", write, format!(r#"{open},"leaseUntil":{{"N":"{until}"}}"#))
            }
            State::Done { write } => {
                let expires = format!(r#","expiresAt":{{"N":"{}"}},"completedAt":{{"S":"{due}"}}"#, START / 1_000);
                ("Done", "Done", write, expires)
            }
        };
        let write = uuid_text(write);
        format!(
            r#"{{"id":{{"S":"{id}"}},"tenant":{{"S":"{tenant}"}},"status":{{"S":"{status}"}},"tenantStatus":{{"S":"{tenant}#{list}"}},"plannedAtId":{{"S":"{planned}#{id}"}},"callbackHost":{{"S":"{host}:443"}},"writeId":{{"S":"{write}"}},"attempts":{{"N":"{attempts}"}},"createdAt":{{"S":"{planned}"}},"updatedAt":{{"S":"{planned}"}},"callbackUrl":{{"S":"https://{host}/{row}"}},"method":{{"S":"POST"}},"payload":{{"S":"{PAYLOAD}"}},"timeoutSeconds":{{"N":"{TIMEOUT_SECONDS}"}},"maxRetries":{{"N":"8"}},"idempotencyKey":{{"S":"{id}"}}{more}}}"#,
            attempts = job.attempts,
        )
    }
}

/// Of an eventually consistent query that read so many keys, or none.
fn read_units(keys: usize) -> f64 {
    let halves = u32::try_from((keys * KEY_BYTES).div_ceil(READ_BYTES).max(1)).unwrap_or(u32::MAX);
    0.5 * f64::from(halves)
}
