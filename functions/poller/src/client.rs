//! The HTTP client that callbacks go out through, with its limits: HTTP/1.1, no proxy, no redirect, no decompression,
//! no more of an answer in memory than stands here. It never decides what an answer means; `deliver` does.
//! Neighbours: `resolver` says which addresses it connects to, `metered` how much may come from there.

use std::error::Error;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::aws_lc_rs;

use crate::metered::MeteredConnector;
use crate::resolver::{GuardedResolver, NoAddress};

pub(crate) type CallbackClient = Client<MeteredConnector<HttpsConnector<HttpConnector<GuardedResolver>>>, Full<Bytes>>;

/// The most that one connection holds of what was read and not yet used. An answer's head must fit in.
const READ_BUFFER: usize = 64 << 10;
/// How long an unused connection is kept for the next callback to the same receiver.
const KEPT_IDLE: Duration = Duration::from_secs(60);

/// # Errors
/// When the machine has no certificates of authorities to trust.
pub(crate) fn callback_client(resolver: GuardedResolver, idle_per_host: usize) -> io::Result<CallbackClient> {
    let mut tcp = HttpConnector::new_with_resolver(resolver);
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let tls = HttpsConnectorBuilder::new().with_provider_and_native_roots(aws_lc_rs::default_provider())?;
    let connector = tls.https_or_http().enable_http1().wrap_connector(tcp);
    let mut client = Client::builder(TokioExecutor::new());
    client.pool_timer(TokioTimer::new()).pool_idle_timeout(KEPT_IDLE).pool_max_idle_per_host(idle_per_host);
    client.http1_max_buf_size(READ_BUFFER);
    Ok(client.build(MeteredConnector(connector)))
}

/// Why there is no answer, in one line: what was being done, and the innermost reason. Never an address that a name
/// resolved to.
pub(crate) fn describe(error: &hyper_util::client::legacy::Error) -> String {
    let mut cause: &(dyn Error + 'static) = error;
    while let Some(source) = cause.source() {
        if let Some(NoAddress::Refused) = source.downcast_ref() {
            return format!("refused: {source}");
        }
        cause = source;
    }
    let doing = if error.is_connect() { "no connection" } else { "no answer" };
    if error.source().is_none() { doing.to_owned() } else { format!("{doing}: {cause}") }
}
