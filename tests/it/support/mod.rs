//! The harness of the black-box tests: the program, its stores, a receiver, a proxy that fails, the checker.
//! It never calls the product's code to find out whether the product is right, apart from the schedule oracle.
//! Neighbours: `support_works` tests the harness itself.
#![allow(dead_code, reason = "a toolbox: a tool stays while no test happens to need it")]

pub mod chaos_proxy;
pub mod http_server;
pub mod receiver;
pub mod stores;
pub mod waiting;
