//! Where callbacks may not go: the one list of refused address ranges (CONTRACT §8).
//! Used by name when a job is created, and on the resolved addresses when it is delivered.
//! It never resolves a name; the poller's `resolver` does. Neighbour: `request` asks it about URLs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

/// Refused IPv4 ranges, from the IANA special-purpose registry: (network, length, what it is).
const REFUSED_V4: [([u8; 4], u8, &str); 16] = [
    ([0, 0, 0, 0], 8, "unspecified"),
    ([10, 0, 0, 0], 8, "private"),
    ([100, 64, 0, 0], 10, "carrier-grade NAT"),
    ([127, 0, 0, 0], 8, "loopback"),
    ([169, 254, 0, 0], 16, "link-local"),
    ([172, 16, 0, 0], 12, "private"),
    ([192, 0, 0, 0], 24, "reserved"),
    ([192, 0, 2, 0], 24, "documentation"),
    ([192, 31, 196, 0], 24, "reserved"),
    ([192, 88, 99, 0], 24, "reserved"),
    ([192, 168, 0, 0], 16, "private"),
    ([198, 18, 0, 0], 15, "benchmark"),
    ([198, 51, 100, 0], 24, "documentation"),
    ([203, 0, 113, 0], 24, "documentation"),
    ([224, 0, 0, 0], 4, "multicast"),
    ([240, 0, 0, 0], 4, "reserved or broadcast"),
];

/// Refused IPv6 ranges inside global unicast (2000::/3); everything outside it is refused as well.
const REFUSED_V6: [([u16; 8], u8, &str); 5] = [
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, "reserved"),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, "documentation"),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, "documentation"),
    ([0x3ffe, 0, 0, 0, 0, 0, 0, 0], 16, "reserved"),
    ([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48, "reserved"),
];

/// Decides whether a callback may go to a target.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    allowed: Vec<IpNet>,
}

/// Why a target is refused, in words for whoever asked for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("callbacks may not go to {0} addresses")]
    Address(&'static str),
    #[error("callbacks may not go to localhost")]
    Localhost,
    #[error("the URL has no host")]
    NoHost,
}

impl Guard {
    /// `allowed` networks may be called although they are on the list.
    #[must_use]
    pub fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed }
    }

    /// Networks as CIDRs or single addresses, separated by commas; blank means none.
    ///
    /// # Errors
    /// Which entry is neither.
    pub fn parse_networks(text: &str) -> Result<Vec<IpNet>, String> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries
            .map(|entry| {
                let network = entry.parse::<IpNet>().ok().or_else(|| entry.parse::<IpAddr>().ok().map(IpNet::from));
                network.ok_or_else(|| format!("{entry:?} is not a network such as 10.0.0.0/8"))
            })
            .collect()
    }

    /// Whether a callback may connect to this address.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        self.check_address(address).is_ok()
    }

    /// What the URL itself tells: literal addresses in any spelling, and names that mean this machine.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn check_url(&self, url: &Url) -> Result<(), Refused> {
        match url.host() {
            None => Err(Refused::NoHost),
            Some(Host::Ipv4(address)) => self.check_address(address.into()),
            Some(Host::Ipv6(address)) => self.check_address(address.into()),
            Some(Host::Domain(name)) => {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                let local = name == "localhost" || name.ends_with(".localhost") || name == "localhost.localdomain";
                if name.is_empty() {
                    Err(Refused::NoHost)
                } else if local && !self.permits(Ipv4Addr::LOCALHOST.into()) {
                    Err(Refused::Localhost)
                } else if let Ok(address) = name.parse::<IpAddr>() {
                    self.check_address(address)
                } else {
                    Ok(())
                }
            }
        }
    }

    fn check_address(&self, address: IpAddr) -> Result<(), Refused> {
        let embedded = match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(v6) => embedded_v4(v6),
        };
        let targets = [Some(address), embedded.map(IpAddr::V4)];
        if targets.iter().flatten().any(|target| self.allowed.iter().any(|network| network.contains(target))) {
            return Ok(());
        }
        let refused = match (address, embedded) {
            (_, Some(v4)) | (IpAddr::V4(v4), None) => refused_v4(v4),
            (IpAddr::V6(v6), None) => refused_v6(v6),
        };
        refused.map_or(Ok(()), |kind| Err(Refused::Address(kind)))
    }
}

fn refused_v4(address: Ipv4Addr) -> Option<&'static str> {
    REFUSED_V4.iter().find_map(|(network, length, kind)| {
        let network = Ipv4Net::new(Ipv4Addr::from(*network), *length).ok()?;
        network.contains(&address).then_some(*kind)
    })
}

fn refused_v6(address: Ipv6Addr) -> Option<&'static str> {
    let [first, ..] = address.segments();
    if address.is_loopback() {
        return Some("loopback");
    }
    if first & 0xe000 != 0x2000 {
        return Some("local or reserved");
    }
    REFUSED_V6.iter().find_map(|(network, length, kind)| {
        let network = Ipv6Net::new(Ipv6Addr::from(*network), *length).ok()?;
        network.contains(&address).then_some(*kind)
    })
}

/// The IPv4 address inside an IPv4-mapped or -compatible, NAT64 (RFC 6052) or 6to4 (RFC 3056) one: what is reached.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] if (high, low) > (0, 1) => Some(v4(high, low)),
        [0, 0, 0, 0, 0xffff, 0, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(guard: &Guard, url: &str) -> bool {
        // What the URL parser refuses never becomes a job.
        Url::parse(url).map_or(true, |url| guard.check_url(&url).is_err())
    }

    #[test]
    fn internal_targets_are_refused_however_they_are_spelled() {
        let guard = Guard::default();
        for host in include_str!("egress/hostile_hosts.txt").lines().filter(|line| !line.is_empty()) {
            assert!(refused(&guard, &format!("http://{host}/")), "{host}");
            assert!(refused(&guard, &format!("https://{host}:8443/x?y#z")), "{host} with a port");
        }
    }

    #[test]
    fn public_targets_are_allowed() {
        let guard = Guard::default();
        for host in include_str!("egress/public_hosts.txt").lines().filter(|line| !line.is_empty()) {
            assert!(!refused(&guard, &format!("https://{host}/")), "{host}");
        }
    }

    #[test]
    fn a_deployment_may_allow_networks_in_either_form() {
        let guard = Guard::new(Guard::parse_networks("127.0.0.0/8, ::1/128,10.1.2.3").unwrap());
        for host in ["127.0.0.1", "[::1]", "localhost", "10.1.2.3", "[::ffff:127.0.0.1]"] {
            assert!(!refused(&guard, &format!("http://{host}/")), "{host}");
        }
        for host in ["10.1.2.4", "169.254.169.254", "[fe80::1]"] {
            assert!(refused(&guard, &format!("http://{host}/")), "{host}");
        }
    }

    #[test]
    fn a_network_that_is_none_is_named() {
        assert!(Guard::parse_networks("10.0.0.0/8,ten").unwrap_err().contains("\"ten\""));
        assert_eq!(Guard::parse_networks(" ").unwrap(), vec![]);
    }
}
