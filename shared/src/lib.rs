//! What both functions use: the domain (pure) and the store (DynamoDB).
//! It never knows an HTTP server or Lambda. Neighbours: `functions/api` and `functions/poller` build on it.

pub mod clock;
pub mod ids;
pub mod job;
pub mod schedule;
