//! Ports that a test has to name before anybody listens there. Where nobody has to, port 0 is better.
//! It never keeps one: who asked binds it. Neighbours: `docs::reader` and `cli::tail` ask.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below those that the system gives away, so that nobody gets it by chance before it is used, or between two uses.
pub fn unused_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let offset = u16::try_from(std::process::id() % 500).unwrap() * 20;
    let ports = std::iter::repeat_with(|| 20_000 + (offset + NEXT.fetch_add(1, Ordering::SeqCst)) % 10_000);
    ports.take(10_000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a port that nobody uses")
}
