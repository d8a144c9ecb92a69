//! Places, lines and shares, step by step and at random.

use proptest::prelude::*;

use super::*;

fn due(host: &str) -> Due {
    due_of("acme", host)
}

fn due_of(tenant: &str, host: &str) -> Due {
    let due_at = shared::clock::parse_instant("2026-01-01T00:00:00Z").unwrap();
    Due { id: JobId::random(), due_at, tenant: tenant.to_owned(), host: host.to_owned() }
}

fn free(place: Place) -> Seat {
    let Place::Free(seat) = place else { panic!("not free: {place:?}") };
    seat
}

impl State {
    fn is_empty(&self) -> bool {
        self.hosts.is_empty() && self.tenants.is_empty() && self.in_hand.is_empty()
    }
}

fn hosts(per_host: usize) -> Arc<Hosts> {
    Arc::new(Hosts::new(100, per_host))
}

#[test]
fn one_host_gets_its_share_and_the_others_theirs() {
    let hosts = hosts(2);
    let mut first = free(hosts.place(due("a")));
    let _second = free(hosts.place(due("a")));
    let third = due("a");
    assert!(matches!(hosts.place(third.clone()), Place::InLine));
    drop(free(hosts.place(due("b"))));
    first.turn();
    assert_eq!(first.due(), Some(&third));
}

#[test]
fn a_job_in_hand_is_not_taken_twice() {
    let hosts = hosts(1);
    let (first, second) = (due("a"), due("a"));
    let mut seat = free(hosts.place(first.clone()));
    assert!(matches!(hosts.place(first.clone()), Place::InHand));
    assert!(matches!(hosts.place(second.clone()), Place::InLine));
    assert!(matches!(hosts.place(second.clone()), Place::InHand));
    seat.turn();
    assert_eq!(seat.due(), Some(&second));
    seat.turn();
    assert_eq!(seat.due(), None);
    free(hosts.place(first));
}

#[tokio::test]
async fn a_full_line_tells_when_there_is_room() {
    let hosts = hosts(1);
    let mut seat = free(hosts.place(due("a")));
    for _ in 0..LINE {
        assert!(matches!(hosts.place(due("a")), Place::InLine));
    }
    let Place::Full(_, full) = hosts.place(due("a")) else { panic!("not full") };
    assert_eq!(full.whose, Whose::Host("a".to_owned()));
    seat.turn();
    full.room.notified().await;
    assert!(matches!(hosts.place(due("a")), Place::InLine));
}

#[test]
fn a_host_without_work_is_forgotten() {
    let hosts = hosts(1);
    free(hosts.place(due("a"))).turn();
    assert!(hosts.state().is_empty());
}

#[test]
fn of_several_tenants_none_has_all_places() {
    let hosts = Arc::new(Hosts::new(8, 2));
    let of = |tenant: &str, number: usize| due_of(tenant, &format!("{tenant}{number}"));
    let mut seats: Vec<Seat> = (0..8).map(|n| free(hosts.place(of("a", n)))).collect();
    // Alone it may have all. Then somebody else comes.
    let other = free(hosts.place(of("b", 0)));
    let (ninth, tenth) = (of("a", 9), of("a", 0));
    assert!(matches!(hosts.place(ninth.clone()), Place::InLine));
    assert!(matches!(hosts.place(tenth.clone()), Place::InLine));
    seats[7].turn();
    assert_eq!(seats[7].due(), Some(&ninth), "to another host");
    seats.truncate(5);
    assert!(matches!(hosts.place(of("a", 10)), Place::Free(_)), "five of eight");
    seats[4].turn();
    assert_eq!(seats[4].due(), Some(&tenth));
    drop((seats, other));
    assert!(hosts.state().is_empty(), "{hosts:?}");
}

#[test]
fn of_two_lines_neither_waits_for_the_end_of_the_other() {
    let hosts = Arc::new(Hosts::new(4, 2));
    let other = free(hosts.place(due_of("b", "b")));
    let mut seats: Vec<Seat> = ["h", "h", "i"].map(|host| free(hosts.place(due_of("a", host)))).into();
    for _ in 0..4 {
        assert!(matches!(hosts.place(due_of("a", "h")), Place::InLine), "before its host");
        assert!(matches!(hosts.place(due_of("a", "j")), Place::InLine), "before its tenant's places");
    }
    let taken: Vec<String> = (0..4)
        .map(|n| {
            seats[n % 2].turn();
            seats[n % 2].due().unwrap().host.clone()
        })
        .collect();
    assert!(["h", "j"].iter().all(|host| taken.iter().any(|taken| taken == host)), "{taken:?}");
    drop((seats, other));
    assert!(hosts.state().is_empty(), "{hosts:?}");
}

#[test]
fn a_place_counts_for_whose_job_it_has() {
    let hosts = Arc::new(Hosts::new(4, 1));
    let mut seat = free(hosts.place(due_of("a", "h")));
    assert!(matches!(hosts.place(due_of("b", "h")), Place::InLine));
    seat.turn();
    let counts = |tenant: &str| hosts.state().tenants.get(tenant).map(|tenant| tenant.delivering);
    assert_eq!((counts("a"), counts("b")), (None, Some(1)));
}

#[test]
fn a_line_that_nobody_takes_on_leaves_nothing_behind() {
    let hosts = hosts(1);
    let seat = free(hosts.place(due_of("a", "h")));
    assert!(matches!(hosts.place(due_of("b", "h")), Place::InLine));
    drop(seat);
    assert!(hosts.state().is_empty(), "{hosts:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// A step places a job of one of three tenants at one of five hosts, or ends a delivery, well or not.
    #[test]
    fn whatever_happens_the_bounds_hold_and_nothing_is_kept_or_forgotten(
        steps in prop::collection::vec((0..3usize, 0..5usize, 0..4usize, any::<prop::sample::Index>()), 1..300),
    ) {
        let hosts = Arc::new(Hosts::new(6, 2));
        let (mut seats, mut in_line) = (Vec::new(), HashSet::new());
        for (tenant, host, what, which) in steps {
            if what < 2 {
                let due = due_of(&format!("t{tenant}"), &format!("h{host}"));
                let id = due.id;
                match hosts.place(due) {
                    Place::Free(seat) => seats.push(seat),
                    Place::InLine => { in_line.insert(id); }
                    other @ (Place::InHand | Place::Full(..)) => prop_assert!(false, "{:?}", other),
                }
            } else if !seats.is_empty() {
                let at = which.index(seats.len());
                if what == 2 {
                    seats[at].turn();
                }
                let taken_on = seats[at].due().map(|due| due.id).filter(|_| what == 2);
                match taken_on {
                    Some(id) => prop_assert!(in_line.remove(&id), "taken on once, from a line"),
                    None => drop(seats.swap_remove(at)),
                }
            }
            let state = hosts.state();
            prop_assert!(state.hosts.values().all(|host| (1..=2).contains(&host.delivering)), "{:?}", state);
            prop_assert_eq!(state.hosts.values().map(|host| host.delivering).sum::<usize>(), seats.len());
            prop_assert_eq!(state.tenants.values().map(|tenant| tenant.delivering).sum::<usize>(), seats.len());
            let standing = state.hosts.values().map(|host| host.line.len()).sum::<usize>()
                + state.tenants.values().map(|tenant| tenant.line.len()).sum::<usize>();
            prop_assert_eq!(state.in_hand.len(), seats.len() + standing);
        }
        for mut seat in seats {
            while seat.due().is_some() {
                seat.turn();
            }
        }
        prop_assert!(hosts.state().is_empty(), "{:?}", hosts);
    }
}

#[test]
fn a_delivery_that_breaks_off_frees_its_place_and_those_behind_it() {
    let hosts = hosts(2);
    let (first, third) = (free(hosts.place(due("a"))), due("a"));
    let second = free(hosts.place(due("a")));
    assert!(matches!(hosts.place(third.clone()), Place::InLine));
    let panicking = std::panic::AssertUnwindSafe(first);
    let broken = std::panic::catch_unwind(|| {
        let _seat = panicking;
        panic!("in the middle of a delivery");
    });
    assert!(broken.is_err());
    assert!(matches!(hosts.place(third.clone()), Place::InHand), "the second delivery will take it on");
    // As when an invocation is over before its first step.
    drop(second);
    assert!(hosts.state().is_empty(), "{hosts:?}");
    free(hosts.place(third));
}
