//! Named places between two writes, where the crash laboratory stops, delays or kills the program.
//! Without the feature `failpoints` nothing of them is compiled: the functions that are deployed have none.
//! Neighbour: `tests/it/lab` says what happens where.

/// Whether this program has any.
pub const ARE_BUILT_IN: bool = cfg!(feature = "failpoints");

/// Does what the environment variable `FAILPOINTS` says of this place: `return` ends the process on the spot, as a power
/// cut would; `sleep(2000)` stops the thread for two seconds; `panic` ends the task.
/// See [`fail::cfg`](https://docs.rs/fail/latest/fail/fn.cfg.html) for the rest, such as `3*off->return`.
#[cfg(feature = "failpoints")]
pub fn failpoint(name: &'static str) {
    fail::fail_point!(name, |_| -> () {
        eprintln!("died at {name}");
        std::process::abort()
    });
}

/// Nothing.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn failpoint(_: &'static str) {}

/// Holds the failpoints armed, if there are any.
#[must_use]
pub struct Armed {
    #[cfg(feature = "failpoints")]
    _scenario: fail::FailScenario<'static>,
}

/// Reads `FAILPOINTS`. They stay armed until the result is dropped.
pub fn arm() -> Armed {
    Armed {
        #[cfg(feature = "failpoints")]
        _scenario: fail::FailScenario::setup(),
    }
}
