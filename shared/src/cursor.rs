//! The opaque `cursor` of the lists: a position and a fingerprint of the tenant and filters it belongs to.
//! It carries no authority and nothing secret: what may be read follows from the token alone.
//! Neighbour: `store::list` uses the position.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::clock::{format_instant, parse_instant};
use crate::store::{ListQuery, Order, Position};

const FINGERPRINT: usize = 8;

/// The text for the client.
#[must_use]
pub fn encode(query: &ListQuery, position: &Position) -> String {
    let mut bytes = fingerprint(query).to_vec();
    bytes.extend_from_slice(position.0.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The position, if the text is a cursor of this very list; else `None`.
#[must_use]
pub fn decode(query: &ListQuery, cursor: &str) -> Option<Position> {
    let cursor = read(cursor)?;
    let is_of_this_list = cursor.in_series == query.series.is_some() && cursor.fingerprint == fingerprint(query);
    is_of_this_list.then_some(cursor.position)
}

/// Whether the text is a cursor at all: all that can be told while the filters of its list cannot be read.
#[must_use]
pub fn is_cursor(text: &str) -> bool {
    read(text).is_some()
}

struct Cursor {
    fingerprint: [u8; FINGERPRINT],
    position: Position,
    in_series: bool,
}

fn read(cursor: &str) -> Option<Cursor> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (fingerprint, position) = bytes.split_first_chunk()?;
    let position = std::str::from_utf8(position).ok()?;
    let (place, id) = position.split_once('#')?;
    let in_series = place.parse::<u32>().is_ok_and(|number| format!("{number:010}") == place);
    let is_place = in_series || parse_instant(place).map(format_instant).as_deref() == Some(place);
    let well_formed = is_place && id.parse::<Uuid>().is_ok_and(|uuid| uuid.to_string() == id);
    let position = Position(position.to_owned());
    well_formed.then_some(Cursor { fingerprint: *fingerprint, position, in_series })
}

fn fingerprint(query: &ListQuery) -> [u8; FINGERPRINT] {
    let order = match query.order {
        Order::Ascending => "asc",
        Order::Descending => "desc",
    };
    let instant = |at: Option<_>| at.map(format_instant).unwrap_or_default();
    let status = query.status.map(|s| s.as_str()).unwrap_or_default();
    let series = query.series.map(|s| s.to_string()).unwrap_or_default();
    let text = format!("{}|{status}|{}|{}|{order}|{series}", query.tenant, instant(query.from), instant(query.to));
    let digest = Sha256::digest(text.as_bytes());
    let mut short = [0; FINGERPRINT];
    short.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    short
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::TenantId;
    use crate::job::Status;

    fn query(tenant: &str) -> ListQuery {
        let tenant = TenantId::parse(tenant).unwrap();
        ListQuery {
            tenant,
            status: None,
            series: None,
            from: None,
            to: None,
            limit: 50,
            order: Order::Descending,
            after: None,
        }
    }

    fn position() -> Position {
        Position("2026-01-01T00:00:00.000Z#6ba7b810-9dad-11d1-80b4-00c04fd430c8".to_owned())
    }

    #[test]
    fn a_cursor_leads_back_to_its_position_whatever_the_page_size() {
        let cursor = encode(&query("a"), &position());
        assert_eq!(decode(&ListQuery { limit: 7, ..query("a") }, &cursor), Some(position()));
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        let cursor = encode(&query("a"), &position());
        assert_eq!(decode(&query("b"), &cursor), None);
        assert_eq!(decode(&ListQuery { status: Some(Status::Done), ..query("a") }, &cursor), None);
        assert_eq!(decode(&ListQuery { order: Order::Ascending, ..query("a") }, &cursor), None);
        let from = parse_instant("2026-01-01T00:00:00Z");
        assert_eq!(decode(&ListQuery { from, ..query("a") }, &cursor), None);
        assert_eq!(decode(&ListQuery { to: from, ..query("a") }, &cursor), None);
    }

    #[test]
    fn a_place_in_a_series_is_none_in_another_or_outside() {
        let of = |series| ListQuery { series: Some(crate::ids::SeriesId(Uuid::from_u128(series))), ..query("a") };
        let place = Position("0000000012#6ba7b810-9dad-11d1-80b4-00c04fd430c8".to_owned());
        let cursor = encode(&of(1), &place);
        assert_eq!(decode(&of(1), &cursor), Some(place.clone()));
        assert_eq!(decode(&of(2), &cursor), None);
        assert_eq!(decode(&query("a"), &cursor), None);
        assert_eq!(decode(&query("a"), &encode(&query("a"), &place)), None);
        assert_eq!(decode(&of(1), &encode(&of(1), &position())), None);
    }

    #[test]
    fn a_forged_or_cut_cursor_is_refused_at_every_length() {
        let cursor = encode(&query("a"), &position());
        assert!(is_cursor(&cursor));
        for length in 0..cursor.len() {
            assert_eq!(decode(&query("a"), &cursor[..length]), None, "{length}");
            assert!(!is_cursor(&cursor[..length]), "{length}");
        }
        for forged in ["", "!", "AAAA", "AAAAAAAAAAAjIyM", &"A".repeat(5_000)] {
            assert_eq!(decode(&query("a"), forged), None, "{forged}");
            assert!(!is_cursor(forged), "{forged}");
        }
        let mut bytes = fingerprint(&query("a")).to_vec();
        bytes.extend_from_slice("~#6ba7b810-9dad-11d1-80b4-00c04fd430c8".as_bytes());
        assert_eq!(decode(&query("a"), &URL_SAFE_NO_PAD.encode(bytes)), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_lead_anywhere_but_to_a_well_formed_position(bytes in prop::collection::vec(any::<u8>(), 0..90)) {
            let mut ours = fingerprint(&query("a")).to_vec();
            ours.extend_from_slice(&bytes);
            for bytes in [bytes, ours] {
                prop_assert_eq!(decode(&query("a"), &URL_SAFE_NO_PAD.encode(bytes)), None);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,120}") {
            drop(decode(&query("a"), &text));
        }

        #[test]
        fn a_changed_cursor_leads_nowhere_or_to_another_place_of_the_same_list(
            at in 0_usize..8 + 24 + 1 + 36, flipped in 1_u8..,
        ) {
            let mut bytes = URL_SAFE_NO_PAD.decode(encode(&query("a"), &position())).unwrap();
            bytes[at] ^= flipped;
            if let Some(Position(text)) = decode(&query("a"), &URL_SAFE_NO_PAD.encode(bytes)) {
                prop_assert!(at >= FINGERPRINT);
                prop_assert_eq!(text.len(), position().0.len());
            }
        }
    }
}
