//! The one list of address ranges that callbacks may not go to (CONTRACT §8), and the IPv4 addresses inside IPv6 ones.
//! It never knows what a deployment allows; that is `egress`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// Refused IPv4 ranges: what the IANA registry of special-purpose addresses holds, and multicast.
const REFUSED_V4: [(Ipv4Net, &str); 17] = [
    (v4([0, 0, 0, 0], 8), "unspecified"),
    (v4([10, 0, 0, 0], 8), "private"),
    (v4([100, 64, 0, 0], 10), "carrier-grade NAT"),
    (v4([127, 0, 0, 0], 8), "loopback"),
    (v4([169, 254, 0, 0], 16), "link-local"),
    (v4([172, 16, 0, 0], 12), "private"),
    (v4([192, 0, 0, 0], 24), "reserved"),
    (v4([192, 0, 2, 0], 24), "documentation"),
    (v4([192, 31, 196, 0], 24), "reserved"),
    (v4([192, 88, 99, 0], 24), "6to4 relay"),
    (v4([192, 168, 0, 0], 16), "private"),
    (v4([198, 18, 0, 0], 15), "benchmark"),
    (v4([198, 51, 100, 0], 24), "documentation"),
    (v4([203, 0, 113, 0], 24), "documentation"),
    (v4([224, 0, 0, 0], 4), "multicast"),
    (v4([255, 255, 255, 255], 32), "broadcast"),
    (v4([240, 0, 0, 0], 4), "reserved"),
];

/// Refused IPv6 ranges, the narrower before the wider one that holds it. What carries an IPv4 address is not among
/// them: [`embedded_v4`] takes it out, to be judged as such.
const REFUSED_V6: [(Ipv6Net, &str); 21] = [
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), "unspecified"),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "loopback"),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), "local NAT64"),
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), "discard"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), "Teredo"),
    (v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48), "benchmark"),
    (v6([0x2001, 0x10, 0, 0, 0, 0, 0, 0], 28), "ORCHID"),
    (v6([0x2001, 0x20, 0, 0, 0, 0, 0, 0], 28), "ORCHID"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), "reserved"),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), "documentation"),
    (v6([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48), "reserved"),
    (v6([0x3ffe, 0, 0, 0, 0, 0, 0, 0], 16), "reserved"),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), "documentation"),
    (v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16), "segment routing"),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "private"),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "link-local"),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "site-local"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "multicast"),
    // All that is not global unicast (2000::/3).
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 3), "reserved"),
    (v6([0x4000, 0, 0, 0, 0, 0, 0, 0], 2), "reserved"),
    (v6([0x8000, 0, 0, 0, 0, 0, 0, 0], 1), "reserved"),
];

/// What kind of refused range an address lies in, if in any. An address that leads to an IPv4 one is of its kind.
pub(super) fn refused_kind(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => REFUSED_V4.iter().find(|(network, _)| network.contains(&address)).map(|(_, kind)| *kind),
        IpAddr::V6(address) => match embedded_v4(address) {
            Some(inner) => refused_kind(inner.into()),
            None => REFUSED_V6.iter().find(|(network, _)| network.contains(&address)).map(|(_, kind)| *kind),
        },
    }
}

/// The IPv4 address that is reached through an IPv4-mapped or -compatible (RFC 4291), NAT64 (RFC 6052) or
/// 6to4 (RFC 3056) one.
pub(super) fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        // `::` and `::1` have the form of a compatible one, but are addresses of their own.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

const fn v4([a, b, c, d]: [u8; 4], length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_range_is_refused_from_its_first_address_to_its_last() {
        for (network, _) in REFUSED_V4 {
            assert_eq!(network.addr(), network.network(), "{network} begins inside itself");
            for address in [network.network(), network.broadcast()] {
                assert!(refused_kind(address.into()).is_some(), "{address}");
                for inside in [address.to_ipv6_mapped(), address.to_ipv6_compatible()] {
                    assert!(refused_kind(inside.into()).is_some(), "{inside}");
                }
            }
        }
        for (network, _) in REFUSED_V6 {
            assert_eq!(network.addr(), network.network(), "{network} begins inside itself");
            for address in [network.network(), network.broadcast()] {
                assert!(refused_kind(address.into()).is_some(), "{address}");
            }
        }
    }

    #[test]
    fn each_refused_address_is_named_by_the_narrowest_range() {
        for (address, kind) in [
            ("0.0.0.0", "unspecified"),
            ("10.1.2.3", "private"),
            ("100.100.100.200", "carrier-grade NAT"),
            ("127.0.0.53", "loopback"),
            ("169.254.169.254", "link-local"),
            ("172.31.0.1", "private"),
            ("192.0.0.192", "reserved"),
            ("192.0.2.1", "documentation"),
            ("192.31.196.1", "reserved"),
            ("192.88.99.1", "6to4 relay"),
            ("192.168.1.1", "private"),
            ("198.18.0.1", "benchmark"),
            ("198.51.100.1", "documentation"),
            ("203.0.113.1", "documentation"),
            ("224.0.0.251", "multicast"),
            ("240.0.0.1", "reserved"),
            ("255.255.255.255", "broadcast"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::2", "unspecified"),
            ("::ffff:10.0.0.1", "private"),
            ("::127.0.0.1", "loopback"),
            ("::ffff:0:127.0.0.1", "reserved"),
            ("64:ff9b::169.254.169.254", "link-local"),
            ("64:ff9b:1::8.8.8.8", "local NAT64"),
            ("100::1", "discard"),
            ("100:0:0:1::1", "reserved"),
            ("2001::1", "Teredo"),
            ("2001:1::1", "reserved"),
            ("2001:2::1", "benchmark"),
            ("2001:1f::1", "ORCHID"),
            ("2001:2f::1", "ORCHID"),
            ("2001:30::1", "reserved"),
            ("2001:1ff::1", "reserved"),
            ("2001:db8:ffff::1", "documentation"),
            ("2002:c0a8:101::1", "private"),
            ("2620:4f:8000::1", "reserved"),
            ("3ffe::1", "reserved"),
            ("3fff:fff::1", "documentation"),
            ("4000::1", "reserved"),
            ("5f00::1", "segment routing"),
            ("6000::1", "reserved"),
            ("8000::1", "reserved"),
            ("fd00:ec2::254", "private"),
            ("fe80::1", "link-local"),
            ("febf::1", "link-local"),
            ("fec0::1", "site-local"),
            ("ff02::1", "multicast"),
        ] {
            assert_eq!(refused_kind(address.parse().unwrap()), Some(kind), "{address}");
        }
    }

    #[test]
    fn the_neighbours_of_each_range_are_public() {
        for address in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "191.255.255.255",
            "192.0.1.0",
            "192.0.1.255",
            "192.0.3.0",
            "192.31.195.255",
            "192.31.197.0",
            "192.88.98.255",
            "192.88.100.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "198.51.101.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "64:ff9b::8.8.8.8",
            "::ffff:8.8.8.8",
            "2000::",
            "2001:200::",
            "2001:db7:ffff::",
            "2001:db9::",
            "2002:808:808::1",
            "2003::1",
            "2620:4f:7fff::",
            "2620:4f:8001::",
            "3ffd:ffff::",
            "3fff:1000::",
            "3fff:ffff::",
        ] {
            assert_eq!(refused_kind(address.parse().unwrap()), None, "{address}");
        }
    }
}
