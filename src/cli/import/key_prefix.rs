//! The folder of a bucket in which the s3 backend puts the program's workspaces: `env:`, unless
//! `workspace_key_prefix` of the backend names another one.

use std::fmt;
use std::str::FromStr;

/// A folder of workspaces, from the top of what was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyPrefix(String);

impl FromStr for KeyPrefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let folders = text.strip_suffix('/').unwrap_or(text);
        if folders.is_empty() {
            return Err(
                "without a prefix no path says which part is a workspace; leave it out, and say \
                    by --name-pattern how paths name states"
                    .to_owned(),
            );
        }
        let is_folder = |part: &str| !matches!(part, "" | "." | "..");
        if !folders.split('/').all(is_folder) {
            return Err(format!(
                "{text:?} is no workspace_key_prefix: folders from the top of the bucket, such as \
                    workspaces or team/workspaces"
            ));
        }
        Ok(Self(folders.to_owned()))
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl KeyPrefix {
    /// The workspace and the key of a path below this folder, which is `PREFIX/NAME/KEY`. What lies
    /// in the folder itself is a key as any other.
    fn split<'p>(&self, path: &'p str) -> Option<(&'p str, &'p str)> {
        let below = path.strip_prefix(self.0.as_str())?.strip_prefix('/')?;
        below.split_once('/')
    }

    /// The workspace and the key of a path, by the longest of these folders that it is below.
    pub(super) fn split_by<'p>(prefixes: &[Self], path: &'p str) -> Option<(&'p str, &'p str)> {
        let fitting = prefixes.iter().filter_map(|prefix| {
            let found = prefix.split(path)?;
            Some((prefix.0.len(), found))
        });
        let longest = fitting.max_by_key(|(length, _)| *length);
        longest.map(|(_, found)| found)
    }

    /// One of these folders of which no path is below it.
    pub(super) fn unused<'p>(prefixes: &'p [Self], paths: &[String]) -> Option<&'p Self> {
        let mut prefixes = prefixes.iter();
        prefixes.find(|prefix| paths.iter().all(|path| prefix.split(path).is_none()))
    }
}
