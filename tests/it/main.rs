//! The black-box tests.

mod calendar_oracle;
