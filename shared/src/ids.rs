//! The names of things: jobs, series, tenants, writes. The only place that makes random ones.
//! Never parses anything else of a request; that is `request`.
//! Neighbours: `job` uses them, `store::item` writes them.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Names one occurrence: the `id` of the API and the partition key of the jobs table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub Uuid);

/// Names a recurring job through all its occurrences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SeriesId(pub Uuid);

/// Names one write of one item. The write that claims a job names its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WriteId(pub Uuid);

/// Names a payload that is kept apart from its jobs: `payload#{uuid}`, which no job's id can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PayloadId(Uuid);

/// Who owns a job: 1 to 64 characters of `a-z 0-9 - _`, so that it can stand in a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(String);

impl JobId {
    #[must_use]
    pub fn random() -> Self {
        Self(random_uuid())
    }

    /// The id of a job created with an `Idempotency-Key` header: the same tenant and key name the same job,
    /// so that "create once" is the one condition `attribute_not_exists(id)`.
    #[must_use]
    pub fn from_request_key(tenant: &TenantId, key: &str) -> Self {
        let namespace = Uuid::new_v5(&Uuid::NAMESPACE_URL, b"scheduler:idempotency-key");
        Self(Uuid::new_v5(&namespace, format!("{tenant}#{key}").as_bytes()))
    }
}

impl SeriesId {
    #[must_use]
    pub fn random() -> Self {
        Self(random_uuid())
    }

    /// The id of occurrence `number`, the same for every poller that creates it (DESIGN: UUIDv5).
    #[must_use]
    pub fn occurrence(self, number: u32) -> JobId {
        JobId(Uuid::new_v5(&self.0, number.to_string().as_bytes()))
    }
}

impl WriteId {
    #[must_use]
    pub fn random() -> Self {
        Self(random_uuid())
    }
}

impl PayloadId {
    const PREFIX: &str = "payload#";

    #[must_use]
    pub fn random() -> Self {
        Self(random_uuid())
    }

    /// `None` for anything else, such as the id of a job.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.strip_prefix(Self::PREFIX)?.parse().ok().map(Self)
    }
}

impl fmt::Display for PayloadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, self.0)
    }
}

impl TryFrom<String> for PayloadId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("{text:?} does not name a payload"))
    }
}

impl From<PayloadId> for String {
    fn from(id: PayloadId) -> Self {
        id.to_string()
    }
}

/// A random UUID as text: request ids and generated idempotency keys.
#[must_use]
pub fn random_key() -> String {
    random_uuid().to_string()
}

#[expect(clippy::disallowed_methods, reason = "the one place that makes random ids")]
fn random_uuid() -> Uuid {
    Uuid::new_v4()
}

impl TenantId {
    /// # Errors
    /// What is wrong with the name, for whoever typed it.
    pub fn parse(name: &str) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if (1..=64).contains(&name.len()) && name.chars().all(allowed) {
            Ok(Self(name.to_owned()))
        } else {
            Err(format!("tenant {name:?} is not 1 to 64 characters of a-z, 0-9, '-' and '_'"))
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TenantId {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::parse(&name)
    }
}

impl From<TenantId> for String {
    fn from(tenant: TenantId) -> Self {
        tenant.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for SeriesId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for WriteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_of_two_tenants_names_two_jobs() {
        let (a, b) = (TenantId::parse("a").unwrap(), TenantId::parse("b").unwrap());
        assert_eq!(JobId::from_request_key(&a, "k"), JobId::from_request_key(&a, "k"));
        assert_ne!(JobId::from_request_key(&a, "k"), JobId::from_request_key(&b, "k"));
    }

    #[test]
    fn an_occurrence_has_the_same_id_for_every_poller() {
        let series = SeriesId(Uuid::nil());
        assert_eq!(series.occurrence(2), series.occurrence(2));
        assert_ne!(series.occurrence(2), series.occurrence(3));
    }

    #[test]
    fn a_tenant_cannot_break_out_of_its_key() {
        for name in ["", "A", "a#b", "a b", "é", &"x".repeat(65)] {
            assert!(TenantId::parse(name).is_err(), "{name:?}");
        }
        assert!(TenantId::parse("acme-2_eu").is_ok());
    }
}
