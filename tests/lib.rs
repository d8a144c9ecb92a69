//! Black-box tests of the whole; see `it/`.
