//! Whatever joins, leaves and is approved: no vote lets more processes go on than its voter was shown, and none twice.

use std::{collections::HashSet, num::NonZeroU64};

use holdpoint_core::{
    id::HoldId,
    request::{Fate, Joined, Verdict, fate},
};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Happening {
    Joins(u64),
    Leaves(u64),
    Approved(u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (1_u64..9).prop_map(Happening::Joins),
        2 => (1_u64..9).prop_map(Happening::Leaves),
        1 => prop_oneof![0_u64..6, Just(u64::MAX)].prop_map(Happening::Approved),
    ]
}

fn hold(number: u64) -> HoldId {
    HoldId(NonZeroU64::MIN.saturating_add(number))
}

proptest! {
    #[test]
    fn a_vote_is_about_no_more_than_its_voter_was_shown(happenings in prop::collection::vec(happening(), 1..80)) {
        let mut joined = Joined::default();
        let mut waits: Vec<HoldId> = Vec::new();
        for happening in happenings {
            match happening {
                Happening::Joins(number) => {
                    joined.join(hold(number));
                    waits.retain(|known| *known != hold(number));
                    waits.push(hold(number));
                }
                Happening::Leaves(number) => {
                    let left = joined.leave(hold(number));
                    assert_eq!(left, waits.contains(&hold(number)));
                    waits.retain(|known| *known != hold(number));
                }
                Happening::Approved(shown) => {
                    let approved = joined.approved(shown);
                    assert!(approved.len() as u64 <= shown.saturating_sub(1));
                    // The first that came, and what is left waits on.
                    let rest = waits.split_off(approved.len());
                    assert_eq!(approved, waits);
                    waits = rest;
                }
            }
            assert_eq!(joined.holds(), waits);
            assert_eq!(waits.iter().collect::<HashSet<_>>().len(), waits.len(), "one waits twice");
        }
    }
}

#[test]
fn nobody_goes_on_by_what_was_no_approval_of_it() {
    for verdict in [Verdict::Denied, Verdict::Expired] {
        assert_eq!(fate(verdict), Fate::Refuse);
    }
    for verdict in [Verdict::Approved, Verdict::Cancelled] {
        assert_eq!(fate(verdict), Fate::AskAnew);
    }
}
