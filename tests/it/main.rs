//! The black-box tests.

mod tidy;
