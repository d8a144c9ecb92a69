//! Single fields of a request: each is taken once, and what is wrong with it is kept.
//! It never knows what a field means; `request` does.

use std::fmt;
use std::ops::RangeInclusive;

use chrono::NaiveTime;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::FieldError;
use crate::clock::{Timestamp, parse_instant};

/// How many unknown and repeated fields are named: a body has room for a hundred thousand.
const MOST_NAMED: usize = 50;
/// In bytes, of a name that may be a slip: twice the longest that we know.
const LONGEST_SLIP: usize = 40;

/// The fields of a body and the errors found so far.
pub(super) struct Fields<'a> {
    entries: Vec<(String, &'a RawValue)>,
    known: &'static [&'static str],
    errors: Vec<FieldError>,
}

/// The members of a JSON object in their order, repeated ones included.
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

pub(super) fn read_object(body: &[u8]) -> Result<Vec<(String, &RawValue)>, String> {
    serde_json::from_slice::<Object<'_>>(body)
        .map(|object| object.0)
        .map_err(|error| format!("the body is not a JSON object: {error}"))
}

/// The members of a field that is an object, if it is one.
pub(super) fn members(raw: &RawValue) -> Option<Vec<(String, &RawValue)>> {
    serde_json::from_str::<Object<'_>>(raw.get()).ok().map(|object| object.0)
}

impl<'a> Fields<'a> {
    /// `what` the fields are of, for messages.
    pub(super) fn new(entries: Vec<(String, &'a RawValue)>, what: &str, known: &'static [&'static str]) -> Self {
        let mut fields = Self { entries: Vec::with_capacity(known.len()), known, errors: Vec::new() };
        let mut unnamed = 0_usize;
        for (name, raw) in entries {
            let is_known = known.contains(&name.as_str());
            if is_known && fields.raw(&name).is_none() {
                fields.entries.push((name, raw));
            } else if fields.errors.len() == MOST_NAMED {
                unnamed += 1;
            } else if is_known {
                fields.refuse(&name, "is given twice");
            } else {
                fields.refuse(&name, unknown(&name, what, known));
            }
        }
        if unnamed > 0 {
            fields.refuse_at(&[], format!("has {unnamed} more fields that are unknown or given twice"));
        }
        fields
    }

    /// Notes what is wrong with a field or, by a path such as `headers/X-A`, with a part of it.
    pub(super) fn refuse(&mut self, name: &str, detail: impl Into<String>) {
        self.refuse_at(&[name], detail);
    }

    pub(super) fn refuse_at(&mut self, path: &[&str], detail: impl Into<String>) {
        self.errors.push(FieldError::at(path, detail));
    }

    /// All errors, those of one field together and in the order in which the contract lists the fields.
    pub(super) fn finish(self) -> Vec<FieldError> {
        let mut errors = self.errors;
        let place = |error: &FieldError| self.known.iter().position(|known| *known == field_of(error));
        errors.sort_by_key(|error| place(error).unwrap_or(self.known.len()));
        errors
    }

    /// Whether nothing is wrong so far but, perhaps, fields of which this says that they do not matter.
    pub(super) fn are_right_but_for(&self, does_not_matter: impl Fn(&str) -> bool) -> bool {
        self.errors.iter().all(|error| does_not_matter(field_of(error)))
    }

    /// Given, and not `null`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.given(name).is_some()
    }

    /// Refuses a field that is given although `condition` does not hold.
    pub(super) fn require(&mut self, name: &'static str, condition: bool, detail: &str) {
        if self.has(name) && !condition {
            self.refuse(name, detail);
        }
    }

    /// The JSON of a field, `null` included.
    pub(super) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.entries.iter().find(|(known, _)| known == name).map(|(_, raw)| *raw)
    }

    pub(super) fn given(&self, name: &str) -> Option<&'a RawValue> {
        self.raw(name).filter(|raw| raw.get() != "null")
    }

    pub(super) fn text(&mut self, name: &'static str, fits: impl Fn(&str) -> bool, expected: &str) -> Option<String> {
        self.value(name, expected, |raw| text(raw).filter(|text| fits(text)))
    }

    #[cfg(feature = "store")]
    pub(super) fn boolean(&mut self, name: &'static str) -> Option<bool> {
        self.value(name, "true or false", |raw| serde_json::from_str(raw.get()).ok())
    }

    pub(super) fn number(&mut self, name: &'static str) -> Option<f64> {
        self.value(name, "a number", |raw| serde_json::from_str::<f64>(raw.get()).ok().filter(|n| n.is_finite()))
    }

    pub(super) fn integer(&mut self, name: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.value(name, &expected, |raw| {
            whole_number(raw).and_then(|n| u32::try_from(n).ok()).filter(|n| range.contains(n))
        })
    }

    pub(super) fn instant(&mut self, name: &'static str) -> Option<Timestamp> {
        let expected = "an instant such as \"2026-12-24T18:00:00Z\" (RFC 3339)";
        self.value(name, expected, |raw| text(raw).and_then(|text| parse_instant(&text)))
    }

    /// A list of as many elements as `length` allows, each of which `read` can read.
    pub(super) fn list<T>(
        &mut self,
        name: &'static str,
        length: RangeInclusive<usize>,
        expected: &str,
        read: impl Fn(&RawValue) -> Option<T>,
    ) -> Option<Vec<T>> {
        let elements = self.value(name, &format!("a list, each element {expected}"), |raw| {
            serde_json::from_str::<Vec<&RawValue>>(raw.get()).ok()
        })?;
        if !length.contains(&elements.len()) {
            self.refuse(name, format!("must have {} to {} elements", length.start(), length.end()));
            return None;
        }
        let before = self.errors.len();
        let mut values = Vec::with_capacity(elements.len());
        for (index, raw) in elements.into_iter().enumerate() {
            match read(raw) {
                Some(value) => values.push(value),
                None => self.refuse_at(&[name, &index.to_string()], format!("must be {expected}")),
            }
        }
        (self.errors.len() == before).then_some(values)
    }

    fn value<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        read: impl FnOnce(&'a RawValue) -> Option<T>,
    ) -> Option<T> {
        let value = read(self.given(name)?);
        if value.is_none() {
            self.refuse(name, format!("must be {expected}"));
        }
        value
    }
}

/// The name of the field that it is in or, of one that nobody knows, its name as a pointer writes it.
fn field_of(error: &FieldError) -> &str {
    error.pointer.split('/').nth(1).unwrap_or_default()
}

/// Says so, and names the field that was probably meant.
fn unknown(name: &str, what: &str, known: &[&str]) -> String {
    let likeness = |field: &str| strsim::jaro_winkler(&name.to_lowercase(), &field.to_lowercase());
    let compared = known.iter().filter(|_| name.len() <= LONGEST_SLIP).map(|field| (likeness(field), field));
    match compared.max_by(|(a, _), (b, _)| a.total_cmp(b)).filter(|(likeness, _)| *likeness > 0.88) {
        Some((_, field)) => format!("is not a field of {what}; {field} is"),
        None => format!("is not a field of {what}"),
    }
}

pub(super) fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// A whole number in any JSON spelling: `5`, `5.0` and `5e0` are the same (JSON Schema).
pub(super) fn whole_number(raw: &RawValue) -> Option<i64> {
    if let Ok(number) = serde_json::from_str::<i64>(raw.get()) {
        return Some(number);
    }
    let number = serde_json::from_str::<f64>(raw.get()).ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "a whole number within the range that a float holds exactly")]
    (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
}

/// `HH:mm`, 00:00 to 23:59.
pub(super) fn wall_clock_time(raw: &RawValue) -> Option<NaiveTime> {
    let text = text(raw)?;
    let time = NaiveTime::parse_from_str(&text, "%H:%M").ok()?;
    (time.format("%H:%M").to_string() == text).then_some(time)
}
