//! Any text as a callback URL: what the guard lets through leads to nothing that the standard library calls internal,
//! and writing the URL otherwise changes nothing. It never looks a name up.
//! Neighbours: `shared::egress`, whose tables are the first inputs.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libfuzzer_sys::fuzz_target;
use shared::egress::Guard;
use url::{Host, Url};

fuzz_target!(|text: &str| {
    let Ok(url) = Url::parse(text) else { return };
    let guard = Guard::default();
    let verdict = guard.check_url(&url);
    if let Ok(again) = Url::parse(url.as_str()) {
        assert_eq!(guard.check_url(&again), verdict, "{text:?} and {url}");
    }
    if verdict.is_err() {
        return;
    }
    assert!(matches!(url.scheme(), "http" | "https"), "{url}");
    match url.host() {
        None => panic!("{url} has no host"),
        Some(Host::Ipv4(address)) => {
            assert!(!is_internal_v4(address), "{url}");
            assert!(guard.permits(IpAddr::V4(address)), "{url}: one answer at creation, another at delivery");
        }
        Some(Host::Ipv6(address)) => {
            assert!(!is_internal_v6(address), "{url}");
            assert!(guard.permits(IpAddr::V6(address)), "{url}: one answer at creation, another at delivery");
        }
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            let last = name.rsplit('.').next().unwrap_or_default();
            assert!(name.is_ascii() && !name.is_empty(), "{url}");
            assert!(last != "localhost", "{url}");
            assert!(!last.bytes().all(|byte| byte.is_ascii_digit()), "{url} is an address to inet_aton");
            let hex = last.strip_prefix("0x");
            let is_hex = hex.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
            assert!(!is_hex, "{url} is an address to inet_aton");
            assert!(name.parse::<IpAddr>().is_err(), "{url}");
        }
    }
});

fn is_internal_v4(address: Ipv4Addr) -> bool {
    address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_unspecified()
        || address.is_broadcast()
        || address.is_multicast()
        || address.is_documentation()
}

fn is_internal_v6(address: Ipv6Addr) -> bool {
    address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        || address.to_ipv4().is_some_and(is_internal_v4)
}
