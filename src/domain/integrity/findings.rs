//! What a verification finds: bounded in what it remembers, whole in what it counts. Pure.

use serde::{Deserialize, Serialize};

use crate::model::frame::MAX_STEPS;
use crate::store::{BlobFacts, Chain, StateFacts, VersionsOfState};

/// The most findings that are kept of one verification.
pub(super) const MAX_FINDINGS: usize = 1_000;
/// The most findings that are kept of a pass in the background.
pub(super) const MAX_KEPT_FINDINGS: usize = 100;
/// The most runs of numbers that are told of one state.
pub(super) const MAX_RUNS: usize = 100;
/// The most characters of a finding's text.
const MAX_DETAIL: usize = 500;

/// What is wrong, as a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// SQLite finds its own structure damaged.
    Structure,
    /// A row does not say what it has to say.
    BadRow,
    /// A row refers to one that is not there.
    Dangling,
    /// The bytes of a version cannot be read, or are not those that were written.
    Damaged,
    /// Bytes that no version refers to. They take room and do no harm.
    Orphan,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What kind of thing.
    pub code: Code,
    /// The workspace that it concerns, as its row has it.
    pub workspace: Option<String>,
    /// The building block that it concerns, as its row has it.
    #[serde(rename = "buildingBlock")]
    pub block: Option<String>,
    /// The version that it concerns.
    pub version: Option<u64>,
    /// What is wrong.
    pub detail: String,
}

impl Finding {
    /// Something about the whole database, about a state, or about one of its versions.
    pub(super) fn new(
        code: Code,
        address: Option<&RowAddress>,
        version: Option<u64>,
        detail: &str,
    ) -> Self {
        let (workspace, block) = address
            .map(|address| (address.workspace.clone(), address.block.clone()))
            .unzip();
        Self {
            code,
            workspace,
            block,
            version,
            detail: detail.chars().take(MAX_DETAIL).collect(),
        }
    }
}

/// How many of each were looked at.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Checked {
    /// States.
    pub states: u64,
    /// Versions.
    pub versions: u64,
    /// Versions whose bytes were decoded and hashed.
    pub decoded: u64,
    /// How many bytes came out of that.
    pub bytes: u64,
    /// Frames, each looked at for whether a version refers to it.
    pub blobs: u64,
    /// Addresses of moved states, locks and marks.
    pub addresses: u64,
    /// API keys.
    pub keys: u64,
}

/// Numbers of versions as runs, in their order: `[[1, 6], [8, 8]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Runs(Vec<[u64; 2]>);

impl Runs {
    /// One more number, higher than all before. False when there is no room for another run.
    fn push(&mut self, number: u64) -> bool {
        if let Some([_, end]) = self.0.last_mut().filter(|[_, end]| *end + 1 == number) {
            *end = number;
            return true;
        }
        let has_room = self.0.len() < MAX_RUNS;
        if has_room {
            self.0.push([number, number]);
        }
        has_room
    }
}

/// A state with versions that cannot be read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DamagedState {
    /// Its workspace.
    pub workspace: String,
    /// Its building block.
    #[serde(rename = "buildingBlock")]
    pub block: String,
    /// The versions that cannot be read.
    pub damaged: Runs,
    /// Those that can be.
    pub readable: Runs,
}

/// What a verification comes to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tally {
    /// How much was looked at.
    pub checked: Checked,
    /// How many findings there are, those that are not told too.
    pub found: u64,
    /// How many versions cannot be read.
    pub damaged_versions: u64,
    /// The findings, up to a bound.
    pub findings: Vec<Finding>,
    /// The states with versions that cannot be read, up to the same bound; empty where nothing was
    /// decoded.
    pub states: Vec<DamagedState>,
    /// Whether more was found than is told.
    pub truncated: bool,
}

/// Whose versions are being looked at.
#[derive(Clone, Debug)]
pub(super) struct RowAddress {
    pub(super) workspace: String,
    pub(super) block: String,
}

impl Tally {
    /// Something is wrong; the first `most` are told.
    pub(super) fn find(&mut self, most: usize, finding: Finding) {
        self.found += 1;
        if self.findings.len() < most {
            self.findings.push(finding);
        } else {
            self.truncated = true;
        }
    }

    /// A state is through: which of its versions can be read, and which not.
    pub(super) fn end_state(&mut self, most: usize, address: &RowAddress, outcome: StateOutcome) {
        let StateOutcome {
            damaged,
            readable,
            truncated,
        } = outcome;
        if damaged.0.is_empty() {
            return;
        }
        self.truncated |= truncated;
        if self.states.len() >= most {
            self.truncated = true;
            return;
        }
        self.states.push(DamagedState {
            workspace: address.workspace.clone(),
            block: address.block.clone(),
            damaged,
            readable,
        });
    }
}

/// Which versions of a state can be read.
#[derive(Debug, Default)]
pub(super) struct StateOutcome {
    damaged: Runs,
    readable: Runs,
    truncated: bool,
}

impl StateOutcome {
    /// What became of the next version.
    pub(super) fn add(&mut self, number: u64, can_be_read: bool) {
        let runs = if can_be_read {
            &mut self.readable
        } else {
            &mut self.damaged
        };
        self.truncated |= !runs.push(number);
    }
}

/// What a state's row says that cannot be.
pub(super) fn faults_of_state(state: &StateFacts) -> Vec<(Code, String)> {
    let mut faults = Vec::new();
    let mut bad = |code, text: String| faults.push((code, text));
    if state.last_number < 0 {
        bad(
            Code::BadRow,
            format!("the highest number that was given is {}", state.last_number),
        );
    }
    let VersionsOfState {
        current_kind,
        highest,
    } = match &state.versions {
        Ok(versions) => versions,
        Err(error) => {
            bad(
                Code::Structure,
                format!("not all rows of its versions can be read: {error}"),
            );
            return faults;
        }
    };
    if let Some(highest) = highest.filter(|highest| *highest > state.last_number) {
        bad(
            Code::BadRow,
            format!(
                "version {highest} is above the highest number that was given, {}",
                state.last_number
            ),
        );
    }
    match (state.current, current_kind.as_deref()) {
        (Some(current), None) => bad(
            Code::Dangling,
            format!("its current version, {current}, is not there"),
        ),
        (Some(current), Some("rejected")) => bad(
            Code::BadRow,
            format!("its current version, {current}, is a rejected one"),
        ),
        (Some(_), Some(_)) | (None, _) => {}
    }
    faults
}

/// What a version's row and that of its bytes say that cannot be.
pub(super) fn faults_of_blob(blob: &BlobFacts) -> Vec<(Code, String)> {
    if !blob.is_there {
        return vec![(Code::Dangling, "its bytes are not there".to_owned())];
    }
    let mut faults = Vec::new();
    if !blob.fits {
        faults.push((
            Code::BadRow,
            "the SHA-256, the size or the length of its bytes is not the one that its row says"
                .to_owned(),
        ));
    }
    match blob.chain {
        Chain::Ends(steps) if steps <= MAX_STEPS => {}
        Chain::Ends(steps) => faults.push((
            Code::BadRow,
            format!("its bytes are {steps} steps from a whole frame, more than {MAX_STEPS}"),
        )),
        Chain::Endless => {
            faults.push((
                Code::BadRow,
                "its bytes are a difference to themselves, or too many steps from a whole frame"
                    .to_owned(),
            ));
        }
        Chain::Broken => faults.push((
            Code::Dangling,
            "its bytes are a difference to a frame that is not there".to_owned(),
        )),
    }
    faults
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn a_state_is_judged_by_its_row() {
        let good = StateFacts {
            id: StateId::for_tests(),
            workspace: "a".to_owned(),
            block: "b".to_owned(),
            current: Some(3),
            last_number: 4,
            versions: Ok(VersionsOfState {
                current_kind: Some("write".to_owned()),
                highest: Some(4),
            }),
        };
        let codes = |state: StateFacts| {
            faults_of_state(&state)
                .into_iter()
                .map(|(code, _)| code)
                .collect::<Vec<_>>()
        };
        let with = |kind: Option<&str>, highest: Option<i64>| StateFacts {
            versions: Ok(VersionsOfState {
                current_kind: kind.map(str::to_owned),
                highest,
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
}
