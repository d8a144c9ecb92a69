//! Name resolution behind the guard: what was checked is what is connected to, with no second look-up.
//! It never lets a refused address through, whatever the name, and never tells which address that was.
//! Neighbours: `shared::egress` is the list, `deliver` puts it into the HTTP client.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use std::vec;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::Name as DnsName;
use hickory_resolver::system_conf::read_system_conf;
use hyper_util::client::legacy::connect::dns::Name;
use shared::egress::Guard;
use tower_service::Service;

/// Answers are remembered for as long as their owners say, but not longer than this.
const LONGEST_MEMORY: Duration = Duration::from_secs(300);

/// A resolver with the guard after it. Look-ups are futures: one that hangs ends with its attempt and holds no thread.
#[derive(Clone)]
pub(crate) struct GuardedResolver {
    names: TokioResolver,
    guard: Guard,
}

/// Why there is no address to connect to, in words that tell nothing about the network that the answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAddress {
    /// All its addresses are refused. Which ones is nobody's business.
    #[error("the host resolves to an address that callbacks may not go to")]
    Refused,
    #[error("the host's name has no address")]
    Unknown,
    #[error("the host's name could not be looked up")]
    Unanswered,
}

impl GuardedResolver {
    /// Asks `servers`, or those that the machine is set up with if there are none.
    pub(crate) fn new(guard: Guard, servers: &[SocketAddr]) -> Result<Self, NetError> {
        let (config, mut options) = if servers.is_empty() { of_this_machine() } else { asking(servers) };
        options.positive_max_ttl = Some(LONGEST_MEMORY);
        options.negative_max_ttl = Some(LONGEST_MEMORY);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options;
        Ok(Self { names: builder.build()?, guard })
    }

    async fn addresses(&self, name: &str) -> Result<Vec<SocketAddr>, NoAddress> {
        // The name is ASCII by now: the URL parser has made it so.
        let name = DnsName::from_ascii(name).map_err(|_| NoAddress::Unknown)?;
        let found =
            self.names.lookup_ip(name).await.map_err(|error| {
                if error.is_no_records_found() { NoAddress::Unknown } else { NoAddress::Unanswered }
            })?;
        let mut found = found.iter().peekable();
        if found.peek().is_none() {
            return Err(NoAddress::Unknown);
        }
        // Port 0: the connector puts in that of the URL.
        let permitted = found.filter(|address| self.guard.permits(*address)).map(|address| (address, 0).into());
        let permitted: Vec<SocketAddr> = permitted.collect();
        if permitted.is_empty() { Err(NoAddress::Refused) } else { Ok(permitted) }
    }
}

/// As the HTTP client wants to be told.
impl Service<Name> for GuardedResolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = NoAddress;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolver = self.clone();
        Box::pin(async move { Ok(resolver.addresses(name.as_str()).await?.into_iter()) })
    }
}

/// `/etc/resolv.conf`; without one that can be used, the name server on this machine, as resolv.conf(5) has it.
fn of_this_machine() -> (ResolverConfig, ResolverOpts) {
    read_system_conf().unwrap_or_else(|error| {
        tracing::warn!("the machine's name servers cannot be read ({error}): asking 127.0.0.1");
        asking(&[([127, 0, 0, 1], 53).into()])
    })
}

fn asking(servers: &[SocketAddr]) -> (ResolverConfig, ResolverOpts) {
    let server = |address: &SocketAddr| {
        let mut connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
        for connection in &mut connections {
            connection.port = address.port();
        }
        NameServerConfig::new(address.ip(), true, connections.into())
    };
    let servers = servers.iter().map(server).collect();
    (ResolverConfig::from_name_servers(servers), ResolverOpts::default())
}
