//! The poller: find what is due, claim, deliver, settle. One invocation is one tick, shared out when it is large.
//! It keeps nothing between ticks that matters: it may be killed at any instant and nothing is lost.
//! Neighbours: `fire` is the protocol for one job, `hosts` the fair share of each receiver, `deliver` the call, `told`
//! what the pictures of the API are made of.

mod client;
mod deliver;
mod event;
mod fanout;
mod fire;
mod headers;
mod hosts;
mod metered;
pub mod metrics;
mod resolver;
mod tally;
mod tick;
mod told;
mod window;
#[cfg(feature = "simulation")]
mod wire;

use std::sync::{Arc, OnceLock};

use shared::clock::Clock;
use shared::config::Settings;
use shared::store::Store;
use shared::store::tenants::Tenants;
use tokio::sync::Semaphore;

pub use deliver::{Deliverer, DelivererError};
pub use event::{Event, UnknownEvent};
pub use fanout::FanOut;
pub use tally::Summary;
pub use window::{COMFORTABLE, Window};
#[cfg(feature = "simulation")]
pub use wire::Wire;

use fire::Fire;
use hosts::Hosts;
use told::Told;

/// Everything a tick needs. One for a process, shared by ticks that overlap.
#[derive(Debug)]
pub struct Poller {
    store: Store,
    clock: Clock,
    fire: Fire,
    in_flight: Arc<Semaphore>,
    hosts: Arc<Hosts>,
    told: Told,
}

impl Poller {
    /// Ready for its first delivery.
    ///
    /// # Errors
    /// When the HTTP client cannot be built on this machine.
    pub fn new(settings: &Settings, store: Store, tenants: Tenants, clock: Clock) -> Result<Arc<Self>, DelivererError> {
        let deliverer = Deliverer::new(settings, tenants.clone(), clock.clone())?;
        Ok(Self::with(deliverer, settings, store, tenants, clock))
    }

    /// The same, but its callbacks go to a function in place of the network.
    ///
    /// # Errors
    /// When the HTTP client cannot be built on this machine.
    #[cfg(feature = "simulation")]
    pub fn on_wire(
        settings: &Settings,
        store: Store,
        tenants: Tenants,
        clock: Clock,
        wire: Wire,
    ) -> Result<Arc<Self>, DelivererError> {
        let mut deliverer = Deliverer::new(settings, tenants.clone(), clock.clone())?;
        deliverer.wire = Some(wire);
        Ok(Self::with(deliverer, settings, store, tenants, clock))
    }

    fn with(deliverer: Deliverer, settings: &Settings, store: Store, tenants: Tenants, clock: Clock) -> Arc<Self> {
        let poller = Self::lazy(settings.clone(), store, tenants, clock);
        // It is new: nobody else has set it.
        drop(poller.fire.deliverer.set(Ok(deliverer)));
        poller
    }

    /// As [`Poller::new`], but the HTTP client is built at the first delivery: it reads the certificates of the machine, and a
    /// tick with nothing due should not wait for that. If it cannot be built then, the jobs stay where they are.
    #[must_use]
    pub fn lazy(settings: Settings, store: Store, tenants: Tenants, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            in_flight: Arc::new(Semaphore::new(settings.concurrency)),
            hosts: Arc::new(Hosts::new(settings.concurrency, settings.concurrency_per_host)),
            told: Told::new(store.usage()),
            fire: Fire { store: store.clone(), deliverer: OnceLock::new(), settings, tenants, clock: clock.clone() },
            store,
            clock,
        })
    }
}
