//! What the tests take from the environment of whoever runs them.
//! It never hands it on to the program wholesale. Neighbours: `app` and `stores` ask it.

use std::ffi::OsString;

pub fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}
