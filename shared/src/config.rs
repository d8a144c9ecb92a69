//! The settings of a deployment, read once at start into a typed struct. A bad one stops the program with its name.
//! It never reads the environment itself: `main` hands the variables over. Neighbour: README's table of settings.

use ipnet::IpNet;

use crate::egress::Guard;
use crate::store::TableNames;

/// What both functions are told by their environment.
#[derive(Clone, Debug)]
pub struct Settings {
    pub tables: TableNames,
    /// Partitions of the queue; may be raised, never lowered.
    pub shards: u32,
    /// The prefix of the callback headers.
    pub header_prefix: String,
    /// Networks that callbacks may go to although the guard would refuse them. `None` when not set at all.
    pub allowed_networks: Option<Vec<IpNet>>,
    /// Deliveries at a time.
    pub concurrency: usize,
    /// Deliveries at a time to one `host:port`.
    pub concurrency_per_host: usize,
}

/// A setting that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the setting {name} is wrong: {problem}")]
pub struct BadSetting {
    pub name: &'static str,
    pub problem: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tables: TableNames::default(),
            shards: 16,
            header_prefix: "Contit-".to_owned(),
            allowed_networks: None,
            concurrency: 256,
            concurrency_per_host: 32,
        }
    }
}

impl Settings {
    /// Reads the settings through `variable`, which looks one up by name; absent ones have their default.
    ///
    /// # Errors
    /// The first setting that makes no sense.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, BadSetting> {
        let default = Self::default();
        let table = |name, default| match variable(name) {
            Some(text) if text.is_empty() => Err(BadSetting { name, problem: "a table needs a name".to_owned() }),
            text => Ok(text.unwrap_or(default)),
        };
        let number = |name, default, range: std::ops::RangeInclusive<u32>| match variable(name) {
            None => Ok(default),
            Some(text) => text.parse().ok().filter(|n| range.contains(n)).ok_or_else(|| BadSetting {
                name,
                problem: format!("{text:?} is not a number from {} to {}", range.start(), range.end()),
            }),
        };
        Ok(Self {
            tables: TableNames {
                jobs: table("JOBS_TABLE", default.tables.jobs)?,
                tenants: table("TENANTS_TABLE", default.tables.tenants)?,
                usage: table("USAGE_TABLE", default.tables.usage)?,
            },
            shards: number("SHARD_COUNT", 16, 1..=100)?,
            header_prefix: match variable("HEADER_PREFIX") {
                None => default.header_prefix,
                Some(prefix) => header_prefix(&prefix)?,
            },
            allowed_networks: match variable("ALLOWED_CALLBACK_NETWORKS") {
                None => None,
                Some(text) => Some(
                    Guard::parse_networks(&text)
                        .map_err(|problem| BadSetting { name: "ALLOWED_CALLBACK_NETWORKS", problem })?,
                ),
            },
            concurrency: number("POLLER_CONCURRENCY", 256, 1..=4096)? as usize,
            concurrency_per_host: number("POLLER_CONCURRENCY_PER_HOST", 32, 1..=4096)? as usize,
        })
    }

    /// The guard on callback targets of this deployment.
    #[must_use]
    pub fn guard(&self) -> Guard {
        Guard::new(self.allowed_networks.clone().unwrap_or_default())
    }
}

fn header_prefix(prefix: &str) -> Result<String, BadSetting> {
    let token = prefix.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if token && (1..=40).contains(&prefix.len()) {
        Ok(prefix.to_owned())
    } else {
        let problem = format!("{prefix:?} is not 1 to 40 letters, digits and '-'");
        Err(BadSetting { name: "HEADER_PREFIX", problem })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, BadSetting> {
        Settings::read(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn everything_has_a_default() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.tables.jobs, "scheduler-jobs");
        assert_eq!((settings.shards, settings.concurrency, settings.concurrency_per_host), (16, 256, 32));
        assert_eq!(settings.header_prefix, "Contit-");
        assert_eq!(settings.allowed_networks, None);
    }

    #[test]
    fn a_bad_setting_is_named() {
        for (name, value) in [
            ("SHARD_COUNT", "0"),
            ("SHARD_COUNT", "many"),
            ("SHARD_COUNT", "101"),
            ("JOBS_TABLE", ""),
            ("HEADER_PREFIX", ""),
            ("HEADER_PREFIX", "Bad Prefix"),
            ("ALLOWED_CALLBACK_NETWORKS", "10.0.0.0/33"),
            ("POLLER_CONCURRENCY", "-1"),
            ("POLLER_CONCURRENCY_PER_HOST", ""),
        ] {
            assert_eq!(read(&[(name, value)]).unwrap_err().name, name, "{value}");
        }
    }

    #[test]
    fn networks_set_to_nothing_differ_from_networks_not_set() {
        assert_eq!(read(&[("ALLOWED_CALLBACK_NETWORKS", "")]).unwrap().allowed_networks, Some(vec![]));
    }
}
