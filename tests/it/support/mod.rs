//! The harness of the black-box tests: the program, its stores, a receiver, a proxy that fails, the checker.
//! It never asks the product's code whether the product is right.
//! Neighbours: `support_works` tests the harness itself.
#![allow(dead_code, reason = "a toolbox: a tool stays while no test happens to need it")]

pub mod administration;
pub mod api_gateway;
pub mod app;
pub mod builders;
pub mod calendar_oracle;
pub mod chaos_proxy;
pub mod cloudformation;
pub mod conversation;
pub mod dns_server;
pub mod emulator;
pub mod flaky_line;
pub mod http_server;
pub mod invariants;
pub mod issuer;
pub mod lambda;
pub mod ports;
pub mod process;
pub mod raw_receiver;
pub mod receiver;
pub mod rows;
pub mod secrets;
pub mod stores;
pub mod tls;
pub mod waiting;
