//! What both functions use: the domain (pure) and the store (DynamoDB).
//! It never knows an HTTP server or Lambda. Neighbours: `functions/api` and `functions/poller` build on it.

pub mod backoff;
pub mod clock;
#[cfg(feature = "store")]
pub mod config;
#[cfg(feature = "store")]
pub mod cursor;
pub mod egress;
pub mod failpoint;
pub mod ids;
pub mod job;
pub mod lifecycle;
#[cfg(test)]
mod model;
pub mod outcomes;
pub mod remembered;
pub mod request;
pub mod schedule;
pub mod signature;
#[cfg(feature = "store")]
pub mod store;
pub mod telemetry;
pub mod token;
pub mod wire;
