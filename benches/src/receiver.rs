//! The receiver of all callbacks, ours and the peers': at once, after a while, never, or only when enough calls wait.
//! It looks at nothing but the path, and only when it is to say how late the calls came. Neighbour: `roles`.

use std::future::pending;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::Uri;
use clap::Args;
use shared::clock::Clock;
use tokio::net::TcpListener;
use tokio::sync::Barrier;

use crate::process::say;
use crate::roles::end_of_input;

#[derive(Clone, Debug, Args)]
pub(crate) struct Manner {
    #[arg(long)]
    ports: usize,
    /// So many of the ports never answer.
    #[arg(long, default_value_t = 0)]
    silent: usize,
    /// The others answer after so many milliseconds.
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
    /// Answer only when so many calls wait.
    #[arg(long)]
    hold: Option<usize>,
    /// At the end, say how many milliseconds each call came after the instant that its path ends with.
    #[arg(long)]
    lateness: bool,
}

/// Serves until standard input ends.
pub(crate) async fn serve(manner: Manner) -> anyhow::Result<()> {
    let lateness = Arc::new(Mutex::new(Vec::new()));
    let mut urls = Vec::new();
    let answering = answering(&manner, lateness.clone());
    let silent = Router::new().fallback(async |_: Bytes| pending::<()>().await);
    for port in 0..manner.ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        urls.push(format!("http://{}", listener.local_addr()?));
        let router = if port < manner.silent { &silent } else { &answering };
        tokio::spawn(axum::serve(listener, router.clone()).into_future());
    }
    say(&urls.join(" "))?;
    end_of_input().await;
    if manner.lateness {
        let lateness = lateness.lock().unwrap_or_else(PoisonError::into_inner);
        say(&serde_json::to_string(&*lateness)?)?;
    }
    Ok(())
}

fn answering(manner: &Manner, lateness: Arc<Mutex<Vec<i64>>>) -> Router {
    let barrier = manner.hold.map(|calls| Arc::new(Barrier::new(calls)));
    let delay = Duration::from_millis(manner.delay_ms);
    let notes_lateness = manner.lateness;
    Router::new().fallback(async move |uri: Uri, _: Bytes| {
        if notes_lateness && let Some(due_ms) = uri.path().rsplit('/').next().and_then(|ms| ms.parse::<i64>().ok()) {
            let late = Clock::System.now().timestamp_millis() - due_ms;
            lateness.lock().unwrap_or_else(PoisonError::into_inner).push(late);
        }
        if let Some(barrier) = barrier {
            barrier.wait().await;
        }
        if !delay.is_zero() {
            wait(delay).await;
        }
    })
}

#[expect(clippy::disallowed_methods, reason = "taking its time is what a slow receiver is for")]
pub(crate) async fn wait(delay: Duration) {
    tokio::time::sleep(delay).await;
}
