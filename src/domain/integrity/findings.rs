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

/// A row's hash does not fit.
pub(super) const CHANGED: &str = "is not as it was written: its hash does not fit";
/// A row is in one list only.
pub(super) const UNLISTED: &str = "is not in the second list of what there is";

/// What is wrong, as a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// SQLite finds its own structure damaged.
    Structure,
    /// A row does not say what it has to say.
    BadRow,
    /// A row is not as it was written: its hash does not fit.
    ChangedRow,
    /// Two lists do not agree on whether there is a row.
    LostRow,
    /// A row refers to one that is not there.
    Dangling,
    /// The bytes of a version cannot be read, or are not those that were written.
    Damaged,
    /// The chain of events does not hold, or has not a head that was noted.
    EventChain,
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
    /// Events that were compared with their hashes.
    #[serde(default)]
    pub events: u64,
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
    if !state.fits {
        bad(Code::ChangedRow, format!("its row {CHANGED}"));
    }
    if !state.is_listed {
        bad(Code::LostRow, format!("its row {UNLISTED}"));
    }
    match &state.versions {
        Ok(versions) => faults.extend(faults_of_versions(state, versions)),
        Err(error) => bad(
            Code::Structure,
            format!("not all rows of its versions can be read: {error}"),
        ),
    }
    faults
}

/// What a state's row says of its versions that is not so.
fn faults_of_versions(state: &StateFacts, versions: &VersionsOfState) -> Vec<(Code, String)> {
    let last = state.last_number;
    let above = versions
        .highest
        .filter(|highest| *highest > last)
        .map(|highest| {
            let detail =
                format!("version {highest} is above the highest number that was given, {last}");
            (Code::BadRow, detail)
        });
    let newest = versions.highest_accepted;
    let wrong = match (state.current, versions.current_kind.as_deref()) {
        (Some(current), None) => Some((
            Code::Dangling,
            format!("its current version, {current}, is not there"),
        )),
        (Some(current), Some("rejected")) => Some((
            Code::BadRow,
            format!("its current version, {current}, is a rejected one"),
        )),
        (current, _) if current != newest => Some((
            Code::BadRow,
            format!(
                "its current version is {}, and the newest that was accepted is {}",
                number_or_none(current),
                number_or_none(newest)
            ),
        )),
        (Some(_), Some(_)) | (None, _) => None,
    };
    let (kept, counted) = (versions.kept, versions.counted);
    // Frames that are not there are told of by themselves.
    let bytes = counted.1.unwrap_or(kept.1);
    let miscounted = (kept != (counted.0, bytes)).then(|| {
        let detail = format!(
            "its row says {} versions with {} bytes, and there are {} with {bytes}; start once \
                with `statekeep serve --new-row-key` to have them counted",
            kept.0, kept.1, counted.0
        );
        (Code::BadRow, detail)
    });
    above.into_iter().chain(wrong).chain(miscounted).collect()
}

fn number_or_none(number: Option<i64>) -> String {
    number.map_or_else(|| "none".to_owned(), |number| number.to_string())
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
mod tests;
