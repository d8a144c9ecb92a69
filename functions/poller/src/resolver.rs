//! Name resolution behind the guard: what was checked is what is connected to, with no second look-up.
//! It never lets a refused address through, whatever the name. Neighbour: `shared::egress` is the list.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use shared::egress::Guard;

/// The system's resolver with the guard after it.
#[derive(Clone, Debug)]
pub(crate) struct GuardedResolver {
    guard: Guard,
}

/// All addresses of a name are refused. Which ones is nobody's business.
#[derive(Debug, thiserror::Error)]
#[error("the host resolves to an address that callbacks may not go to")]
pub(crate) struct RefusedHost;

impl GuardedResolver {
    pub(crate) fn new(guard: Guard) -> Self {
        Self { guard }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.guard.clone();
        Box::pin(async move {
            // Port 0: the connector puts in that of the URL.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let permitted: Vec<SocketAddr> = found.into_iter().filter(|address| guard.permits(address.ip())).collect();
            if permitted.is_empty() {
                return Err(RefusedHost.into());
            }
            let addresses: Addrs = Box::new(permitted.into_iter());
            Ok(addresses)
        })
    }
}
