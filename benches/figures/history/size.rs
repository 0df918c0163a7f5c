//! What versions of one state add to an empty database once they are compacted: all pages in use,
//! so with rows, indexes, events and the whole current version.
//!
//! The rival is every version in a frame of its own, without any row. The versions are made here,
//! or are the files of a directory that [`STATES`] names, so that somebody else's history can be
//! measured. They are written without a lock.

use std::path::PathBuf;

use statekeep::blob;
use tempfile::TempDir;

use crate::Res;
use crate::look::Look;
use crate::process::{Server, directory};
use crate::states::Series;
use crate::wire::Request;

/// An environment variable: a directory whose files, in the order of their names, are the versions.
const STATES: &str = "FIGURES_STATES";
/// How many resources the state has that is made here; with them it is about 0.95 MB.
pub(super) const RESOURCES: usize = 540;
const SEED: u64 = 70_000;
/// Where the state is.
pub(super) const PATH: &str = "/api/terraform/state/workspace/bench/buildingblock/history";

/// A history on the disk, compacted, and what it takes.
pub(super) struct History {
    pub(super) versions: usize,
    /// The bytes of all versions.
    pub(super) raw: f64,
    /// The bytes of all versions, each in a frame of its own.
    pub(super) whole: f64,
    /// How many bytes of the database are in use beyond what an empty one has.
    pub(super) added: f64,
    compacted_after: f64,
    dir: TempDir,
}

/// Which state it is, in words.
pub(super) fn source() -> Res<String> {
    let first = states(1)?.next().ok_or("no states")??;
    let from = if std::env::var_os(STATES).is_some() {
        format!("{STATES}, the first of")
    } else {
        format!("{RESOURCES} resources,")
    };
    Ok(format!("{from} {} bytes", first.len()))
}

/// The versions, the first one first.
fn states(versions: usize) -> Res<Box<dyn Iterator<Item = Res<Vec<u8>>>>> {
    let Some(dir) = std::env::var_os(STATES) else {
        let mut series = Series::with_resources(SEED, RESOURCES)?;
        return Ok(Box::new(
            (0..versions).map(move |_| Ok(series.next().to_vec())),
        ));
    };
    let mut files = std::fs::read_dir(dir)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<Vec<PathBuf>>>()?;
    files.sort_unstable();
    if files.len() < versions {
        return Err(format!(
            "{STATES} has {} files, and {versions} versions are needed",
            files.len()
        )
        .into());
    }
    Ok(Box::new(
        files
            .into_iter()
            .take(versions)
            .map(|file| Ok(std::fs::read(file)?)),
    ))
}

impl History {
    /// Writes so many versions through the front door, and waits until they are compacted and the
    /// server has left in good order.
    pub(super) fn write(versions: usize) -> Res<Self> {
        let dir = directory()?;
        let data = dir.path().join("data");
        Server::on(&data, &[])?.stop()?;
        let empty = Look::into(&data)?.bytes_in_use()?;
        let server = Server::on(&data, &[])?;
        let mut connection = server.connect()?;
        let (mut raw, mut whole) = (0.0, 0.0);
        let mut last = Vec::new();
        for state in states(versions)? {
            let state = state?;
            raw += f64::from(u32::try_from(state.len())?);
            whole += f64::from(u32::try_from(blob::encode(&state)?.len())?);
            connection.exchange(&Request::post(PATH, &server.secret, state.clone()))?;
            last = state;
        }
        let compacted_after = Look::into(&data)?.wait_until_compacted()?;
        // The server hangs up where nobody asks for long.
        if server
            .connect()?
            .exchange(&Request::get(PATH, &server.secret))?
            != last
        {
            return Err("what was read is not what was written last".into());
        }
        server.stop()?;
        let added = Look::into(&data)?.bytes_in_use()? - empty;
        Ok(Self {
            versions,
            raw,
            whole,
            added,
            compacted_after,
            dir,
        })
    }

    pub(super) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(super) fn cells(&self) -> [String; 5] {
        let bytes = |bytes: f64| format!("{bytes:.0}");
        let compacted = format!("{:.1}", self.compacted_after);
        [
            self.versions.to_string(),
            bytes(self.raw),
            bytes(self.whole),
            bytes(self.added),
            compacted,
        ]
    }
}
