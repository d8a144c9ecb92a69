//! The receivers of the soak, each on a port of its own: they accept or fail as the plan says and write down who called.
//! They remember nothing else. Neighbours: `plan`, `ledger`.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use shared::clock::Clock;
use tokio::net::TcpListener;

use super::ledger::{Call, Ledger};
use super::plan::{HOSTS, Planned};
use crate::receiver::wait;

/// What the last of them takes for an answer.
const SLOW: Duration = Duration::from_millis(250);

/// Their addresses, as long as this process lives.
pub(crate) async fn start(seed: u64, ledger: &Arc<Ledger>) -> anyhow::Result<Vec<String>> {
    let mut urls = Vec::new();
    for host in 0..HOSTS {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        urls.push(format!("http://{}", listener.local_addr()?));
        let ledger = ledger.clone();
        let router = Router::new().fallback(async move |headers: HeaderMap, body: Bytes| {
            let status = take(seed, &ledger, &headers, &body);
            if host == HOSTS - 1 {
                wait(SLOW).await;
            }
            status
        });
        tokio::spawn(axum::serve(listener, router).into_future());
    }
    Ok(urls)
}

fn take(seed: u64, ledger: &Ledger, headers: &HeaderMap, body: &[u8]) -> StatusCode {
    let now = Clock::System.now();
    let Some((number, call)) = read(headers) else {
        ledger.note_wrong(format!("a call that nobody asked for: {headers:?}"));
        return StatusCode::BAD_REQUEST;
    };
    let planned = Planned::new(seed, number);
    if planned.payload().as_bytes() != body {
        ledger.note_wrong(format!("job {number} was called with another payload, of {} bytes", body.len()));
    }
    ledger.note_call(number, call, now);
    if planned.is_accepted(call.attempt) { StatusCode::NO_CONTENT } else { StatusCode::INTERNAL_SERVER_ERROR }
}

/// Whose call it is: occurrences after the first have their number behind the key.
fn read(headers: &HeaderMap) -> Option<(u64, Call)> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let number = Planned::number_in(text("contit-correlation-id")?)?;
    let key = text("contit-idempotency-key")?.strip_prefix(&format!("soak-{number}"))?;
    let occurrence = match key.strip_prefix(':') {
        Some(occurrence) => occurrence.parse().ok()?,
        None => 1,
    };
    Some((number, Call { occurrence, attempt: text("contit-attempt")?.parse().ok()? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_tells_its_job_its_occurrence_and_its_attempt() {
        let headers = |key: &str| {
            let all = [("contit-correlation-id", "soak-7"), ("contit-idempotency-key", key), ("contit-attempt", "2")];
            let all = all.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            HeaderMap::from_iter(all)
        };
        assert_eq!(read(&headers("soak-7")), Some((7, Call { occurrence: 1, attempt: 2 })));
        assert_eq!(read(&headers("soak-7:3")), Some((7, Call { occurrence: 3, attempt: 2 })));
        assert_eq!(read(&headers("soak-8")), None);
        assert_eq!(read(&HeaderMap::new()), None);
    }
}
