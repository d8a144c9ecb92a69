//! Receivers over TLS: whom nobody vouches for is told nothing.
//! It never reaches an authority: certificates are made here. Neighbour: `receivers`, for all else that can go wrong.

use crate::support::app::App;
use crate::support::builders::a_job;
use crate::support::conversation::id;
use crate::support::raw_receiver::{Connection, RawReceiver};
use crate::support::tls::Identity;

const NOW: &str = "2026-03-28T12:00:00Z";
const LATER: &str = "2026-03-28T12:01:00Z";

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_a_failure_that_says_so() {
    let identity = Identity::self_signed("localhost");
    let trusted = Identity::self_signed("localhost");
    let authorities = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(authorities.path(), &trusted.pem).unwrap();
    let app = App::dev().now(NOW).env("SSL_CERT_FILE", authorities.path()).start().await;

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let serve = |identity: Identity| {
        RawReceiver::start(move |connection| {
            let identity = identity.clone();
            async move { identity.answer(connection, OK).await }
        })
    };
    let (unknown, known) = (serve(identity).await, serve(trusted).await);
    let stalled = RawReceiver::start(async |mut connection: Connection| {
        connection.hold().await;
        connection.end();
    })
    .await;
    let mut jobs = Vec::new();
    let targets =
        [(&unknown, "localhost", 50), (&known, "localhost", 50), (&known, "127.0.0.1", 50), (&stalled, "localhost", 1)];
    for (receiver, host, seconds) in targets {
        let url = format!("https://{host}:{}/", receiver.address().port());
        jobs.push(app.post_job(a_job().to(&url).attempts(1).timeout_seconds(seconds)).await.created());
    }
    app.advance_to(LATER).await;
    let mut errors = Vec::new();
    for job in &jobs {
        errors.push(app.job(id(job)).await["lastError"].as_str().map(str::to_owned));
    }
    let [unknown_issuer, none, other_name, stall] = errors.as_slice() else { panic!("{errors:?}") };
    assert!(
        unknown_issuer.as_deref().is_some_and(|e| e.starts_with("no connection: invalid peer certificate: ")),
        "{errors:?}"
    );
    assert_eq!(*none, None, "with a certificate that is vouched for, it is delivered");
    assert!(other_name.as_deref().is_some_and(|e| e.contains("not valid for name")), "{errors:?}");
    assert_eq!(stall.as_deref(), Some("timeout: no answer within 1 s"));
    assert!(unknown.heard().iter().all(|heard| heard.sent == 0), "nothing is said to whom nobody vouches for");
}
