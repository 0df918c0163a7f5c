//! `index.json`: which files of the folder are the server's, and which version each is.
//!
//! A file that is not in it is a stranger's and is never touched. So an address gets its row before
//! its file is first written, and loses it after its file is removed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::clock::Timestamp;
use crate::model::name::StateName;
use crate::model::signed_head::SignedHead;
use crate::model::version::Version;

/// What the file says it is.
const FORMAT: &str = "statekeep-mirror";
const FORM: u32 = 1;

/// One state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MirrorRow {
    workspace: String,
    #[serde(rename = "buildingBlock")]
    block: String,
    /// The number of the version in the file.
    version: u64,
    serial: u64,
    lineage: String,
    /// Of the exact bytes, in lower-case hex.
    pub(super) sha256: String,
    pub(super) size: u64,
    created_at: String,
    /// Where the bytes are, from the folder on.
    pub(super) file: String,
}

impl MirrorRow {
    pub(super) fn of(name: &StateName, version: &Version) -> Self {
        Self {
            workspace: name.workspace.to_string(),
            block: name.block.to_string(),
            version: version.number,
            serial: version.head.serial,
            lineage: version.head.lineage.clone(),
            sha256: version.sha256.to_string(),
            size: version.size,
            created_at: version.created_at.to_string(),
            file: file_of(name),
        }
    }
}

/// The names of the files beside the folders of workspaces.
pub(super) const INDEX: &str = "index.json";
pub(super) const RECOVER: &str = "RECOVER.txt";

/// The folder of a workspace. One that has the name of a file of ours, whatever the case of its
/// letters, gets a mark before it that no name begins with.
pub(super) fn folder_of(name: &StateName) -> String {
    let workspace = name.workspace.as_str();
    let is_ours = |file: &&str| workspace.eq_ignore_ascii_case(file);
    let mark = if [INDEX, RECOVER].iter().any(is_ours) {
        "_"
    } else {
        ""
    };
    format!("{mark}{workspace}")
}

/// Where a state is in the folder.
pub(super) fn file_of(name: &StateName) -> String {
    format!("{}/{}.tfstate", folder_of(name), name.block)
}

/// The whole file.
#[derive(Serialize, Deserialize)]
pub(super) struct MirrorIndex {
    format: String,
    form: u32,
    /// Which program wrote it.
    program: String,
    /// Whose data it is.
    instance: String,
    written_at: String,
    /// The head of the event log when it was written; none in an older one.
    #[serde(default)]
    pub(super) event_head: Option<SignedHead>,
    states: Vec<MirrorRow>,
}

impl MirrorIndex {
    pub(super) fn new(
        instance: Uuid,
        at: Timestamp,
        event_head: Option<SignedHead>,
        states: Vec<MirrorRow>,
    ) -> Self {
        Self {
            format: FORMAT.to_owned(),
            form: FORM,
            program: format!("statekeep {}", env!("CARGO_PKG_VERSION")),
            instance: instance.to_string(),
            written_at: at.to_string(),
            event_head,
            states,
        }
    }

    /// The rows by their names, if it is an index of this data. A row that names another file than
    /// its own is none of ours.
    pub(super) fn rows(self, instance: Uuid) -> Result<BTreeMap<StateName, MirrorRow>, String> {
        if self.format != FORMAT || self.form != FORM {
            return Err("is not an index that this program knows".to_owned());
        }
        if self.instance != instance.to_string() {
            return Err(format!(
                "is of other data, with the instance {}",
                self.instance
            ));
        }
        let named = |row: MirrorRow| {
            let name = StateName::parse(&row.workspace, &row.block).ok()?;
            (file_of(&name) == row.file).then_some((name, row))
        };
        Ok(self.states.into_iter().filter_map(named).collect())
    }
}
