//! The query of a request, parameter by parameter: each is taken once, and what is wrong with any is kept.
//! It never knows what a parameter means. Neighbours: the handlers of lists and pictures use it.

use std::ops::RangeInclusive;

use shared::clock::{Timestamp, parse_instant};
use shared::request::FieldError;

/// What was given, and what is wrong with it so far.
pub(crate) struct Parameters {
    given: Vec<(String, String)>,
    /// With the place of the parameter in the query.
    errors: Vec<(usize, FieldError)>,
}

impl Parameters {
    /// Refuses what is not `known` and what is given twice; `what` the parameters are of, for messages.
    pub(crate) fn read(text: &str, what: &str, known: &[&str]) -> Self {
        let given = url::form_urlencoded::parse(text.as_bytes()).into_owned().collect::<Vec<(String, String)>>();
        let mut errors = Vec::new();
        for (place, (name, _)) in given.iter().enumerate() {
            let detail = if given.iter().take(place).any(|(before, _)| before == name) {
                "is given twice".to_owned()
            } else if known.contains(&name.as_str()) {
                continue;
            } else {
                format!("is not a parameter of {what}")
            };
            errors.push((place, FieldError::at(&[name], detail)));
        }
        Self { given, errors }
    }

    /// The parameter as `parse` reads it; `must` says what it must be.
    pub(crate) fn take<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Option<T>, must: &str) -> Option<T> {
        let (_, text) = self.given.iter().find(|(given, _)| given == name)?;
        let value = parse(text);
        if value.is_none() {
            self.refuse(name, must);
        }
        value
    }

    pub(crate) fn instant(&mut self, name: &str) -> Option<Timestamp> {
        self.take(name, parse_instant, "must be an instant such as 2026-12-24T18:00:00Z (RFC 3339)")
    }

    pub(crate) fn number(&mut self, name: &str, range: RangeInclusive<usize>) -> Option<usize> {
        let must = format!("must be a whole number from {} to {}", range.start(), range.end());
        self.take(name, |text| text.parse().ok().filter(|number| range.contains(number)), &must)
    }

    /// Notes what is wrong with a parameter, given or not.
    pub(crate) fn refuse(&mut self, name: &str, detail: &str) {
        let place = self.given.iter().position(|(given, _)| given == name).unwrap_or(self.given.len());
        self.errors.push((place, FieldError::at(&[name], detail)));
    }

    /// Whether nothing is wrong so far but, perhaps, these.
    pub(crate) fn are_right_but_for(&self, names: &[&str]) -> bool {
        self.errors.iter().all(|(_, error)| names.iter().any(|name| error.pointer.strip_prefix('/') == Some(name)))
    }

    /// All that is wrong, in the order in which it was given.
    pub(crate) fn finish(mut self) -> Result<(), Vec<FieldError>> {
        self.errors.sort_by_key(|(place, _)| *place);
        if self.errors.is_empty() { Ok(()) } else { Err(self.errors.into_iter().map(|(_, error)| error).collect()) }
    }
}
