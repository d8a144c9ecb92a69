//! Receivers that are a function: what the simulation (`benches/src/simulation`) puts in place of the network.
//! It never runs in what is deployed: only the feature `simulation` builds it. Everything before the network is real: the
//! guard, the signature, the headers. Neighbour: `deliver` sends through it where it would connect.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;

type Answer = Pin<Box<dyn Future<Output = StatusCode> + Send>>;

/// Takes a callback and answers with a status when it pleases. Clones share the function.
#[derive(Clone)]
pub struct Wire(Arc<dyn Fn(Request<Full<Bytes>>) -> Answer + Send + Sync>);

impl Wire {
    pub fn new<F>(receiver: impl Fn(Request<Full<Bytes>>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = StatusCode> + Send + 'static,
    {
        Self(Arc::new(move |request| Box::pin(receiver(request))))
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> StatusCode {
        (self.0)(request).await
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}
