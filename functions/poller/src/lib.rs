//! The poller: find what is due, claim, deliver, settle. One call of [`Poller::tick`] is one invocation.
//! It keeps nothing between ticks that matters: it may be killed at any instant and nothing is lost.
//! Neighbours: `fire` is the protocol for one job, `hosts` the fair share of each receiver, `deliver` the call.

mod deliver;
mod fire;
mod hosts;
mod resolver;
mod tick;

use std::sync::Arc;

use shared::clock::Clock;
use shared::config::Settings;
use shared::store::Store;
use shared::store::tenants::Tenants;
use tokio::sync::Semaphore;

pub use deliver::{Deliverer, DelivererError};
pub use tick::{Summary, Window};

use fire::Fire;
use hosts::Hosts;

/// Everything a tick needs. One a process, shared by ticks that overlap.
#[derive(Debug)]
pub struct Poller {
    store: Store,
    clock: Clock,
    fire: Fire,
    in_flight: Arc<Semaphore>,
    hosts: Hosts,
}

impl Poller {
    /// # Errors
    /// When the HTTP client cannot be built on this machine.
    pub fn new(settings: &Settings, store: Store, tenants: Tenants, clock: Clock) -> Result<Arc<Self>, DelivererError> {
        let deliverer = Deliverer::new(settings, tenants, clock.clone())?;
        Ok(Arc::new(Self {
            fire: Fire { store: store.clone(), deliverer, clock: clock.clone() },
            store,
            clock,
            in_flight: Arc::new(Semaphore::new(settings.concurrency)),
            hosts: Hosts::new(settings.concurrency_per_host),
        }))
    }
}
