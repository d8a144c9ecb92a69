//! The settings of a deployment, read once at start into a typed struct. A bad one stops the program with its name.
//! It never reads the environment itself: `main` hands the variables over. Neighbour: README's table of settings.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::egress::Guard;
use crate::request::{LARGEST_PAYLOAD, LARGEST_PAYLOAD_BYTES, Rules};
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
    /// Name servers to ask instead of those that the machine is set up with.
    pub dns_servers: Vec<SocketAddr>,
    /// Jobs that a tenant may create in a minute; 0 is no limit. `None` when not set at all.
    pub creations_per_minute: Option<u32>,
    /// The largest payload of a job, in bytes of JSON.
    pub largest_payload: usize,
    /// The issuer whose JSON Web Tokens are accepted beside the Scheduler's own tokens, if any.
    pub oidc: Option<OidcSettings>,
    /// Deliveries at a time.
    pub concurrency: usize,
    /// Deliveries at a time to one `host:port`.
    pub concurrency_per_host: usize,
    /// Due jobs that one poller takes by itself; above, it invokes more of itself.
    pub fan_out_threshold: u32,
    /// Pollers that one tick may start, the first included.
    pub fan_out_max: u32,
    /// The value of the dimension `Service` of the metrics. `None`: none are written.
    pub metrics_service: Option<String>,
}

/// What AWS Lambda sets in every function: the runtime cannot start without any of them.
const SET_BY_LAMBDA: [&str; 5] = [
    "AWS_REGION",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
];
/// What has a default on one machine, and none in a deployment, where the wrong table would go unnoticed.
const SET_BY_THE_STACK: [&str; 3] = ["JOBS_TABLE", "TENANTS_TABLE", "USAGE_TABLE"];

/// An OpenID Connect issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcSettings {
    /// The exact `iss` of its tokens.
    pub issuer: String,
    /// What must be in their `aud`.
    pub audience: String,
    /// Where its public keys are.
    pub jwks_url: String,
    /// The claim that names the tenant.
    pub tenant_claim: String,
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
            dns_servers: Vec::new(),
            creations_per_minute: None,
            largest_payload: LARGEST_PAYLOAD,
            oidc: None,
            concurrency: 256,
            concurrency_per_host: 32,
            fan_out_threshold: 5_000,
            fan_out_max: 8,
            metrics_service: None,
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
            dns_servers: match variable("DNS_SERVERS") {
                None => Vec::new(),
                Some(text) => dns_servers(&text)?,
            },
            creations_per_minute: match variable("CREATIONS_PER_MINUTE") {
                None => None,
                Some(_) => Some(number("CREATIONS_PER_MINUTE", 0, 0..=10_000_000)?),
            },
            largest_payload: number("LARGEST_PAYLOAD_BYTES", LARGEST_PAYLOAD_BYTES, 2..=LARGEST_PAYLOAD_BYTES)?
                as usize,
            oidc: OidcSettings::read(&variable)?,
            concurrency: number("POLLER_CONCURRENCY", 256, 1..=4096)? as usize,
            concurrency_per_host: number("POLLER_CONCURRENCY_PER_HOST", 32, 1..=4096)? as usize,
            fan_out_threshold: number("FANOUT_THRESHOLD", default.fan_out_threshold, 1..=50_000)?,
            fan_out_max: number("FANOUT_MAX", default.fan_out_max, 1..=100)?,
            metrics_service: match variable("METRICS_SERVICE") {
                None => None,
                Some(service) => Some(dimension_value(service)?),
            },
        })
    }

    /// The same for a function on AWS: what the stack and Lambda itself set there has no default.
    ///
    /// # Errors
    /// The first setting that is missing or makes no sense.
    pub fn read_deployed(variable: impl Fn(&str) -> Option<String>) -> Result<Self, BadSetting> {
        let mut needed = SET_BY_THE_STACK.into_iter().chain(SET_BY_LAMBDA);
        if let Some(name) = needed.find(|name| variable(name).is_none()) {
            return Err(BadSetting { name, problem: "it is not set".to_owned() });
        }
        // The Lambda runtime would panic on it.
        let memory = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";
        if let Some(text) = variable(memory).filter(|text| text.parse::<i32>().is_err()) {
            return Err(BadSetting { name: memory, problem: format!("{text:?} is not a number") });
        }
        Self::read(variable)
    }

    /// The guard on callback targets of this deployment.
    #[must_use]
    pub fn guard(&self) -> Guard {
        Guard::new(self.allowed_networks.clone().unwrap_or_default())
    }

    /// What a create request is held against in this deployment.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let (header_prefix, largest_payload) = (self.header_prefix.clone(), self.largest_payload);
        Rules { header_prefix, guard: self.guard(), largest_payload }
    }
}

impl OidcSettings {
    /// All three of its settings or none: half an issuer would let nobody in, or everybody.
    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, BadSetting> {
        const NAMES: [&str; 3] = ["OIDC_ISSUER", "OIDC_AUDIENCE", "OIDC_JWKS_URL"];
        let [issuer, audience, jwks_url] = NAMES.map(|name| variable(name).unwrap_or_default());
        let tenant_claim = variable("OIDC_TENANT_CLAIM").unwrap_or_else(|| "tenant".to_owned());
        if [&issuer, &audience, &jwks_url].into_iter().all(String::is_empty) {
            return Ok(None);
        }
        let missing = NAMES.into_iter().zip([&issuer, &audience, &jwks_url]).find(|(_, text)| text.is_empty());
        if let Some((name, _)) = missing {
            return Err(BadSetting { name, problem: format!("it is missing: {} go together", NAMES.join(", ")) });
        }
        if tenant_claim.is_empty() {
            return Err(BadSetting { name: "OIDC_TENANT_CLAIM", problem: "a claim needs a name".to_owned() });
        }
        if !is_trustworthy(&jwks_url) {
            let problem = format!("{jwks_url:?} is not an https URL (http is for loopback addresses alone)");
            return Err(BadSetting { name: "OIDC_JWKS_URL", problem });
        }
        Ok(Some(Self { issuer, audience, jwks_url, tenant_claim }))
    }
}

/// Whoever can change the keys on their way can let themselves in.
fn is_trustworthy(url: &str) -> bool {
    let Ok(url) = url::Url::parse(url) else { return false };
    let on_this_machine = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(_)) | None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && on_this_machine)
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

/// CloudWatch takes 1 to 1,024 characters of ASCII, not all of them blank, not beginning with a colon.
fn dimension_value(value: String) -> Result<String, BadSetting> {
    let printable = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if printable && !value.trim().is_empty() && !value.starts_with(':') && value.len() <= 1024 {
        Ok(value)
    } else {
        let problem = format!("{value:?} is not 1 to 1,024 printable ASCII characters that begin without a colon");
        Err(BadSetting { name: "METRICS_SERVICE", problem })
    }
}

/// Addresses, with a port where it is not the usual one, separated by commas.
fn dns_servers(text: &str) -> Result<Vec<SocketAddr>, BadSetting> {
    const DNS: u16 = 53;
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    entries
        .map(|entry| {
            let server = entry.parse().ok().or_else(|| Some((entry.parse::<IpAddr>().ok()?, DNS).into()));
            server.ok_or_else(|| BadSetting {
                name: "DNS_SERVERS",
                problem: format!("{entry:?} is not an address such as 10.0.0.2 or 10.0.0.2:53"),
            })
        })
        .collect()
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
        assert_eq!((settings.creations_per_minute, settings.largest_payload), (None, 262_144));
        assert_eq!((settings.fan_out_threshold, settings.fan_out_max, settings.metrics_service), (5_000, 8, None));
    }

    #[test]
    fn a_function_on_aws_says_what_it_was_not_told() {
        let all = SET_BY_THE_STACK.into_iter().chain(SET_BY_LAMBDA).map(|name| (name, "128")).collect::<Vec<_>>();
        let read = |variables: &[(&str, &str)]| {
            Settings::read_deployed(|name| {
                variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(read(&all).unwrap().tables.jobs, "128");
        for (missing, _) in &all {
            let others: Vec<_> = all.iter().filter(|(name, _)| name != missing).copied().collect();
            let problem = read(&others).unwrap_err();
            assert_eq!(problem.name, *missing);
            assert_eq!(problem.to_string(), format!("the setting {missing} is wrong: it is not set"));
        }
        let mut odd = all.clone();
        odd.insert(0, ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "much"));
        assert_eq!(read(&odd).unwrap_err().name, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE");
    }

    #[test]
    fn no_limit_is_zero_and_differs_from_a_limit_not_set() {
        assert_eq!(read(&[("CREATIONS_PER_MINUTE", "0")]).unwrap().creations_per_minute, Some(0));
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
            ("DNS_SERVERS", "10.0.0.2,resolver.internal"),
            ("CREATIONS_PER_MINUTE", ""),
            ("CREATIONS_PER_MINUTE", "none"),
            ("LARGEST_PAYLOAD_BYTES", "1"),
            ("LARGEST_PAYLOAD_BYTES", "262145"),
            ("POLLER_CONCURRENCY", "-1"),
            ("POLLER_CONCURRENCY_PER_HOST", ""),
            ("FANOUT_THRESHOLD", "0"),
            ("FANOUT_THRESHOLD", "50001"),
            ("FANOUT_MAX", "0"),
            ("FANOUT_MAX", "eight"),
            ("METRICS_SERVICE", ""),
            ("METRICS_SERVICE", ":prod"),
            ("METRICS_SERVICE", "prod\n"),
        ] {
            assert_eq!(read(&[(name, value)]).unwrap_err().name, name, "{value}");
        }
    }

    #[test]
    fn name_servers_are_addresses_and_have_the_usual_port_unless_another_is_given() {
        let servers = read(&[("DNS_SERVERS", "10.0.0.2, 127.0.0.1:5353,::1,[::1]:54")]).unwrap().dns_servers;
        let servers: Vec<_> = servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["10.0.0.2:53", "127.0.0.1:5353", "[::1]:53", "[::1]:54"]);
    }

    #[test]
    fn an_issuer_is_set_whole_or_not_at_all() {
        let issuer = ("OIDC_ISSUER", "https://issuer.example");
        let (audience, url) = (("OIDC_AUDIENCE", "scheduler"), ("OIDC_JWKS_URL", "https://issuer.example/keys"));
        assert_eq!(read(&[]).unwrap().oidc, None);
        let oidc = read(&[issuer, audience, url]).unwrap().oidc.unwrap();
        assert_eq!((oidc.issuer.as_str(), oidc.tenant_claim.as_str()), ("https://issuer.example", "tenant"));
        let claim = ("OIDC_TENANT_CLAIM", "https://acme.example/tenant");
        assert_eq!(read(&[issuer, audience, url, claim]).unwrap().oidc.unwrap().tenant_claim, claim.1);
        for (variables, wrong) in [
            (&[issuer][..], "OIDC_AUDIENCE"),
            (&[audience, url], "OIDC_ISSUER"),
            (&[issuer, audience], "OIDC_JWKS_URL"),
            (&[issuer, audience, ("OIDC_JWKS_URL", "http://issuer.example/keys")], "OIDC_JWKS_URL"),
            (&[issuer, audience, ("OIDC_JWKS_URL", "keys")], "OIDC_JWKS_URL"),
            (&[issuer, audience, url, ("OIDC_TENANT_CLAIM", "")], "OIDC_TENANT_CLAIM"),
        ] {
            assert_eq!(read(variables).unwrap_err().name, wrong, "{variables:?}");
        }
    }

    #[test]
    fn networks_set_to_nothing_differ_from_networks_not_set() {
        assert_eq!(read(&[("ALLOWED_CALLBACK_NETWORKS", "")]).unwrap().allowed_networks, Some(vec![]));
    }
}
