//! What others ask for what one million callbacks take, as far as it could be looked up, and when that was seen.
//! US dollars without taxes, discounts and free tiers, in us-east-1 where it matters. It computes nothing but products.
//! Neighbour: `costs` multiplies them with what was measured, and prints where they come from.

pub(crate) const WRITE_UNITS: f64 = 0.625 / 1e6;
pub(crate) const READ_UNITS: f64 = 0.125 / 1e6;
pub(crate) const STORED_BYTES_MONTH: f64 = 0.25 / 1e9;
pub(crate) const LAMBDA_REQUEST: f64 = 0.20 / 1e6;
pub(crate) const LAMBDA_MB_SECOND: f64 = 0.000_016_666_7 / 1024.0;
pub(crate) const HTTP_API_REQUEST: f64 = 1.00 / 1e6;
/// Megabytes of a function's memory that come with one whole processor.
pub(crate) const MB_A_PROCESSOR: f64 = 1769.0;

/// Another service, and what a million callbacks with so large a payload cost there.
pub(crate) struct Rival {
    pub(crate) name: &'static str,
    pub(crate) how: &'static str,
    pub(crate) dollars: fn(usize) -> f64,
}

pub(crate) const RIVALS: [Rival; 4] = [
    Rival {
        name: "EventBridge Scheduler alone",
        how: "$1.00 an invocation of an AWS target; it calls no URL",
        dollars: |_| 1.00,
    },
    Rival {
        name: "EventBridge Scheduler → bus → API destination",
        how: "$1.00 an invocation, $1.00 an event of up to 64 KB, $0.20 a call; an API destination for each host",
        dollars: |payload| 1.00 + 1.20 * chunks(payload, 64),
    },
    Rival {
        name: "QStash, pay as you go",
        how: "$1 for 100,000 messages; its pages disagree on whether a retry counts as one",
        dollars: |_| 10.00,
    },
    Rival {
        name: "Cloud Tasks",
        how: "$0.40 an operation of up to 32 KB: one to create, one to deliver; tasks up to 1 MiB, 30 days ahead",
        dollars: |payload| 2.0 * 0.40 * chunks(payload, 32),
    },
];

/// Where the prices stand and when they were seen there: as markdown, a row each.
pub(crate) const SOURCES: &str = "\
| DynamoDB on demand: $0.625 a million write units, $0.125 a million read units | airbyte.com, 2025-07-21, after AWS's \
cut of November 2024; not seen on AWS's own page |
| DynamoDB storage: $0.25 a GB-month, the first 25 GB free | aws.amazon.com/dynamodb/pricing, date unknown |
| Lambda: $0.20 a million requests, $0.0000166667 a GB-second (x86_64; arm64 is a fifth cheaper) | a tutorial of \
2025-12-02; AWS's own page in an old copy, rounded |
| API Gateway, HTTP API: $1.00 a million requests of up to 512 KB, to 300 million a month | go-cloud.io, 2026; a transcript \
of AWS's page, 2026-09-20 |
| EventBridge: Scheduler $1.00 a million invocations (14 million a month free), events $1.00, API destinations $0.20 | \
cloudburn.io, 2026-03-13; not seen on AWS's own page |
| QStash: $1 for 100,000 messages, $180 a month for a million a day | upstash.com/pricing/qstash.md, date unknown; \
another page of theirs counts each retry as a message |
| Cloud Tasks: the first million operations a month free, then $0.40 a million | cloud.google.com/tasks/pricing, \
date unknown |
";

/// Pieces of so many KiB.
fn chunks(bytes: usize, kib: usize) -> f64 {
    u32::try_from(bytes.div_ceil(kib * 1024).max(1)).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_paid_for_by_the_piece() {
        assert_eq!([200, 32 * 1024, 32 * 1024 + 1, 96 * 1024].map(|bytes| chunks(bytes, 32)), [1.0, 1.0, 2.0, 3.0]);
    }
}
