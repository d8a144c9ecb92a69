//! CONTRACT.md held against the program: a module for each part of it, whose head names the sections.
//! It never looks inside: HTTP in, callbacks out, the program's own commands. Neighbours: `crash` and `network`
//! break the program and its store, `state_diagram` compares the diagram of a job's life with the store.

mod auth;
mod bad_input;
mod callback;
mod changes;
mod create;
mod life;
mod list;
mod preview;
mod recurrence;
mod request_keys;
mod retry;
mod stats;
