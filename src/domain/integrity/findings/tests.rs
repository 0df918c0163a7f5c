//! What is judged a finding, and how findings are bounded.

use super::*;
use crate::model::state::StateId;
use crate::store::StoreError;

fn address() -> RowAddress {
    RowAddress {
        workspace: "a".to_owned(),
        block: "b".to_owned(),
    }
}

#[test]
fn counts_are_whole_where_findings_are_bounded() {
    let mut tally = Tally::default();
    for number in 0..5 {
        tally.find(
            3,
            Finding::new(
                Code::Damaged,
                Some(&address()),
                Some(number),
                &"x".repeat(2 * MAX_DETAIL),
            ),
        );
    }
    assert_eq!(
        (tally.found, tally.findings.len(), tally.truncated),
        (5, 3, true)
    );
    assert!(
        tally
            .findings
            .iter()
            .all(|finding| finding.detail.len() == MAX_DETAIL)
    );
}

#[test]
fn what_can_be_read_is_told_in_runs() {
    let mut outcome = StateOutcome::default();
    (1..=8).for_each(|number| outcome.add(number, number != 7));
    let mut tally = Tally::default();
    tally.end_state(10, &address(), outcome);
    let told = serde_json::to_value(&tally.states).unwrap();
    assert_eq!(
        told,
        serde_json::json!([{
            "workspace": "a",
            "buildingBlock": "b",
            "damaged": [[7, 7]],
            "readable": [[1, 6], [8, 8]],
        }])
    );
    tally.end_state(
        10,
        &address(),
        StateOutcome {
            readable: Runs(vec![[1, 2]]),
            ..StateOutcome::default()
        },
    );
    assert_eq!(
        (tally.states.len(), tally.truncated),
        (1, false),
        "a sound state is not told"
    );
}

#[test]
fn runs_are_bounded_and_say_so() {
    let mut outcome = StateOutcome::default();
    (0..4 * MAX_RUNS as u64).for_each(|number| outcome.add(number, number % 2 == 0));
    let mut tally = Tally::default();
    tally.end_state(10, &address(), outcome);
    assert_eq!(
        (
            tally.states[0].readable.0.len(),
            tally.states[0].damaged.0.len(),
            tally.truncated
        ),
        (MAX_RUNS, MAX_RUNS, true)
    );
}

fn good_state() -> StateFacts {
    StateFacts {
        id: StateId::for_tests(),
        workspace: "a".to_owned(),
        block: "b".to_owned(),
        current: Some(3),
        last_number: 4,
        fits: true,
        is_listed: true,
        versions: Ok(VersionsOfState {
            current_kind: Some("write".to_owned()),
            highest: Some(4),
            highest_accepted: Some(3),
            kept: (4, 100),
            counted: (4, Some(100)),
        }),
    }
}

fn codes_of(state: &StateFacts) -> Vec<Code> {
    faults_of_state(state)
        .into_iter()
        .map(|(code, _)| code)
        .collect()
}

#[test]
fn a_state_is_judged_by_its_hash_and_by_the_second_list() {
    let (fits, is_listed) = (false, false);
    let changed = StateFacts {
        fits,
        ..good_state()
    };
    assert_eq!(codes_of(&changed), [Code::ChangedRow]);
    let unlisted = StateFacts {
        is_listed,
        ..good_state()
    };
    assert_eq!(codes_of(&unlisted), [Code::LostRow]);
}

#[test]
fn a_current_version_is_the_newest_that_was_accepted() {
    for current in [Some(2), None] {
        let versions = Ok(VersionsOfState {
            current_kind: current.map(|_| "write".to_owned()),
            ..good_state().versions.unwrap()
        });
        let older = StateFacts {
            current,
            versions,
            ..good_state()
        };
        assert_eq!(codes_of(&older), [Code::BadRow]);
    }
}

#[test]
fn a_state_is_judged_by_its_row() {
    let good = good_state();
    let codes = |state: StateFacts| codes_of(&state);
    let with = |kind: Option<&str>, highest: Option<i64>| StateFacts {
        versions: Ok(VersionsOfState {
            current_kind: kind.map(str::to_owned),
            highest,
            highest_accepted: kind.map(|_| 3),
            ..good.versions.clone().unwrap()
        }),
        ..good.clone()
    };
    assert_eq!(codes(good.clone()), []);
    assert_eq!(
        codes(StateFacts {
            current: None,
            last_number: 0,
            ..with(None, None)
        }),
        []
    );
    let miscounted = VersionsOfState {
        kept: (5, 100),
        ..good.versions.clone().unwrap()
    };
    assert_eq!(
        codes(StateFacts {
            versions: Ok(miscounted),
            ..good.clone()
        }),
        [Code::BadRow]
    );
    assert_eq!(codes(with(None, Some(4))), [Code::Dangling]);
    assert_eq!(codes(with(Some("rejected"), Some(4))), [Code::BadRow]);
    assert_eq!(codes(with(Some("write"), Some(5))), [Code::BadRow]);
    assert_eq!(
        codes(StateFacts {
            last_number: -1,
            ..good.clone()
        }),
        [Code::BadRow, Code::BadRow]
    );
    assert_eq!(
        codes(StateFacts {
            versions: Err(StoreError::Damaged(String::new())),
            ..good
        }),
        [Code::Structure]
    );
}

#[test]
fn bytes_are_judged_by_their_row_and_their_chain() {
    let good = BlobFacts {
        is_there: true,
        fits: true,
        chain: Chain::Ends(MAX_STEPS),
    };
    let codes = |blob: BlobFacts| {
        faults_of_blob(&blob)
            .into_iter()
            .map(|(code, _)| code)
            .collect::<Vec<_>>()
    };
    assert_eq!(codes(good.clone()), []);
    assert_eq!(
        codes(BlobFacts {
            is_there: false,
            ..good.clone()
        }),
        [Code::Dangling]
    );
    assert_eq!(
        codes(BlobFacts {
            fits: false,
            ..good.clone()
        }),
        [Code::BadRow]
    );
    assert_eq!(
        codes(BlobFacts {
            chain: Chain::Ends(MAX_STEPS + 1),
            ..good.clone()
        }),
        [Code::BadRow]
    );
    assert_eq!(
        codes(BlobFacts {
            chain: Chain::Endless,
            ..good.clone()
        }),
        [Code::BadRow]
    );
    assert_eq!(
        codes(BlobFacts {
            chain: Chain::Broken,
            ..good
        }),
        [Code::Dangling]
    );
}
