//! Where callbacks may not go (CONTRACT §8): asked by name when a job is created, and about the resolved addresses when
//! it is delivered. It never resolves a name; the poller's `resolver` does.
//! Neighbours: `egress::ranges` is the list of refused addresses, `request` asks about URLs.

mod ranges;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};
use url::{Host, Url};

use self::ranges::{embedded_v4, refused_kind};

/// Names that mean this machine wherever they are looked up (RFC 6761) or in common hosts files, and all names under them.
const LOCAL_NAMES: [&str; 7] = [
    "localhost",
    "localhost.localdomain",
    "localhost4",
    "localhost6",
    "localhost6.localdomain6",
    "ip6-localhost",
    "ip6-loopback",
];

/// Decides whether a callback may go to a target.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    allowed: Vec<IpNet>,
}

/// Why a target is refused, in words for whoever asked for it. It tells of what the URL says, never of what was looked up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("callbacks may not go to {0} addresses")]
    Address(&'static str),
    #[error("callbacks may not go to localhost")]
    Localhost,
    #[error("callbacks go over http or https only")]
    Scheme,
    #[error("the URL's host is not a name that can be looked up")]
    NoHost,
}

impl Guard {
    /// `allowed` networks may be called although they are on the list, in whatever form their addresses are written:
    /// `10.0.0.0/8` also allows `::ffff:10.0.0.1` and `64:ff9b::10.0.0.1`.
    #[must_use]
    pub fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed: allowed.into_iter().map(unmapped).collect() }
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
                network.ok_or_else(|| format!("{entry:?} is neither a network such as 10.0.0.0/8 nor an address"))
            })
            .collect()
    }

    /// Whether a callback may connect to this address.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        self.check_address(address).is_ok()
    }

    /// What the URL itself tells: literal addresses in any spelling, and names that mean this machine. Those may be
    /// called where loopback may.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn check_url(&self, url: &Url) -> Result<(), Refused> {
        // Only of these does the URL parser normalise the host.
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused::Scheme);
        }
        match url.host() {
            None => Err(Refused::NoHost),
            Some(Host::Ipv4(address)) => self.check_address(address.into()),
            Some(Host::Ipv6(address)) => self.check_address(address.into()),
            Some(Host::Domain(name)) => self.check_name(name),
        }
    }

    fn check_name(&self, name: &str) -> Result<(), Refused> {
        // One trailing dot is the root of all names; with more, resolvers differ in what they make of it.
        let name = name.strip_suffix('.').unwrap_or(name);
        if name.split('.').any(str::is_empty) {
            return Err(Refused::NoHost);
        }
        let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        if is_local_name(name) && !loopback.into_iter().any(|address| self.permits(address)) {
            return Err(Refused::Localhost);
        }
        Ok(())
    }

    fn check_address(&self, address: IpAddr) -> Result<(), Refused> {
        // A socket that is told to connect to an IPv4-mapped address connects over IPv4.
        let address = address.to_canonical();
        let reached = match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(v6) => embedded_v4(v6).map_or(address, IpAddr::V4),
        };
        if self.allowed.iter().any(|network| network.contains(&address) || network.contains(&reached)) {
            return Ok(());
        }
        refused_kind(reached).map_or(Ok(()), |kind| Err(Refused::Address(kind)))
    }
}

fn is_local_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    LOCAL_NAMES.iter().any(|local| name.strip_suffix(local).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// A network of IPv4-mapped addresses as the IPv4 network that it is; any other as it stands.
fn unmapped(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let v4 = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    v4.and_then(|(address, length)| Ipv4Net::new(address, length).ok()).map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One a line; blank lines and lines that begin with `# ` are for the reader.
    fn urls(table: &str) -> Vec<&str> {
        table.lines().filter(|line| !line.is_empty() && !line.starts_with("# ")).collect()
    }

    fn hostile() -> Vec<&'static str> {
        urls(include_str!("egress/hostile_urls.txt"))
    }

    fn is_refused(guard: &Guard, url: &str) -> bool {
        // What the URL parser refuses never becomes a job.
        Url::parse(url).map_or(true, |url| guard.check_url(&url).is_err())
    }

    #[test]
    fn internal_targets_are_refused_however_they_are_spelled() {
        let guard = Guard::default();
        let hostile = hostile();
        assert!(hostile.len() >= 120, "{}", hostile.len());
        for url in hostile {
            assert!(is_refused(&guard, url), "{url}");
        }
    }

    #[test]
    fn public_targets_are_allowed() {
        let guard = Guard::default();
        let public = urls(include_str!("egress/public_urls.txt"));
        assert!(public.len() >= 40, "{}", public.len());
        for url in public {
            assert!(!is_refused(&guard, url), "{url}");
        }
    }

    #[test]
    fn it_is_the_guard_that_refuses_most_of_the_table() {
        let everything = Guard::new(Guard::parse_networks("0.0.0.0/0,::/0").unwrap());
        let let_through = hostile().into_iter().filter(|url| !is_refused(&everything, url)).count();
        assert!(let_through >= 110, "{let_through}");
    }

    #[test]
    fn a_deployment_may_allow_networks_in_either_form() {
        for allowed in ["127.0.0.0/8, ::1/128,10.1.2.3", "::ffff:127.0.0.0/104, ::1, ::ffff:10.1.2.3"] {
            let guard = Guard::new(Guard::parse_networks(allowed).unwrap());
            for host in ["127.0.0.1", "[::1]", "localhost", "10.1.2.3", "[::ffff:127.0.0.1]", "[64:ff9b::10.1.2.3]"] {
                assert!(!is_refused(&guard, &format!("http://{host}/")), "{host}");
            }
            for host in ["10.1.2.4", "[::ffff:10.1.2.4]", "169.254.169.254", "[fe80::1]"] {
                assert!(is_refused(&guard, &format!("http://{host}/")), "{host}");
            }
        }
    }

    #[test]
    fn to_allow_all_of_ipv6_allows_nothing_of_ipv4() {
        let guard = Guard::new(Guard::parse_networks("::/0").unwrap());
        assert!(guard.permits("fd00::1".parse().unwrap()));
        assert!(!guard.permits("127.0.0.1".parse().unwrap()));
        assert!(!guard.permits("::ffff:127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn local_names_may_be_called_where_either_loopback_address_may() {
        for (allowed, may) in [("127.0.0.0/8", true), ("::1", true), ("10.0.0.0/8", false), ("", false)] {
            let guard = Guard::new(Guard::parse_networks(allowed).unwrap());
            assert_eq!(!is_refused(&guard, "http://LocalHost./"), may, "{allowed}");
            assert_eq!(!is_refused(&guard, "http://api.localhost:8080/"), may, "{allowed}");
        }
    }

    #[test]
    fn a_refusal_says_why() {
        for (url, why) in [
            ("http://0x7f.1/", "callbacks may not go to loopback addresses"),
            ("http://[64:ff9b::a9fe:a9fe]/", "callbacks may not go to link-local addresses"),
            ("http://localhost/", "callbacks may not go to localhost"),
            ("http://a..example.com/", "the URL's host is not a name that can be looked up"),
            ("gopher://2130706433/", "callbacks go over http or https only"),
        ] {
            let refused = Guard::default().check_url(&Url::parse(url).unwrap()).unwrap_err();
            assert_eq!(refused.to_string(), why, "{url}");
        }
    }

    #[test]
    fn a_network_that_is_none_is_named() {
        for bad in ["ten", "10.0.0.0/33", "10.0.0", "::1/129", "localhost"] {
            let problem = Guard::parse_networks(&format!("10.0.0.0/8,{bad}")).unwrap_err();
            assert_eq!(problem, format!("{bad:?} is neither a network such as 10.0.0.0/8 nor an address"));
        }
        assert_eq!(Guard::parse_networks(" ").unwrap(), vec![]);
        assert_eq!(Guard::parse_networks("10.0.0.1, ,").unwrap(), vec!["10.0.0.1/32".parse::<IpNet>().unwrap()]);
    }

    proptest::proptest! {
        #[test]
        fn every_spelling_of_an_ipv4_address_is_judged_as_the_address(bits: u32, spelling in 0..9_usize) {
            let address = Ipv4Addr::from(bits);
            let [a, b, c, d] = address.octets();
            let (low3, low2) = (bits & 0x00ff_ffff, bits & 0xffff);
            let host = match spelling {
                0 => bits.to_string(),
                1 => format!("0x{bits:x}"),
                2 => format!("0{bits:o}"),
                3 => format!("{a}.{low3}"),
                4 => format!("0{a:o}.0x{b:X}.{low2}"),
                5 => format!("%{:02x}{}.{b}.{c}.{d}.", a.to_string().as_bytes()[0], &a.to_string()[1..]),
                6 => format!("[::ffff:{address}]"),
                7 => format!("[64:ff9b::{address}]"),
                _ => format!("[2002:{:x}:{:x}::1]", bits >> 16, bits & 0xffff),
            };
            let refused = is_refused(&Guard::default(), &format!("http://{host}/"));
            proptest::prop_assert_eq!(refused, !Guard::default().permits(address.into()), "{} for {}", host, address);
        }

        #[test]
        fn any_text_is_judged_without_a_panic(text in "(http://)?\\PC{0,40}(localhost|127\\.1|\\[::1\\])?[./:@%]{0,4}") {
            drop(Url::parse(&text).map(|url| Guard::default().check_url(&url)));
            drop(Guard::parse_networks(&text));
        }
    }
}
