//! The black-box tests: they start the real program and real stores, and speak HTTP to them.
//! Never a mock of our own code: what changes is outside it (store, receiver, proxy, clock).
//! Neighbours: `support` is the harness; unit tests live beside what they test.
#![cfg(test)]

mod batches;
mod calendar_oracle;
mod callback_headers;
mod certificates;
mod changes;
mod cli;
mod contract;
mod crash;
mod dev_command;
mod discretion;
mod docs;
mod fanout;
mod functions;
mod invariants_work;
mod lab;
mod lambda;
mod limits;
mod monitoring;
mod network;
mod oidc;
mod openapi;
mod payloads;
mod poller_alone;
mod receivers;
mod rust_client;
mod standard_webhooks;
mod state_diagram;
mod store;
pub mod support;
mod support_works;
mod tables_command;
mod targets;
mod template;
mod template_settings;
mod template_tables;
mod tenants;
mod tenants_table;
mod tidy;
mod verify_signatures;
