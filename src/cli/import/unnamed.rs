//! Files of a folder that have no name: why, and what is told of them.

use std::collections::BTreeMap;
use std::fmt;

/// How many names are told if several files are left out for one reason.
const MAX_NAMED: usize = 5;

/// Why a file has no name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unnamed {
    /// Its path has so many parts, the pattern takes so many, and this pattern would fit.
    Parts(usize, usize, Option<String>),
    /// The texts of the pattern are not those of its path.
    Texts,
    /// Nothing in its path is a name.
    Nothing,
    /// Nothing says which workspace, in a path of so many parts.
    Workspace(usize),
    /// What stands there cannot be a name.
    Bad(String),
}

impl fmt::Display for Unnamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = |count: &usize| crate::cli::output::counted(*count, "part");
        match self {
            Self::Parts(has, takes, fits) => {
                let path = parts(has);
                write!(
                    f,
                    "a path of {path} does not fit the pattern, which has {takes}"
                )?;
                match fits {
                    Some(fits) => write!(f, "; --name-pattern '{fits}' would fit"),
                    None => f.write_str("; give these files a pattern in a call of their own"),
                }
            }
            Self::Texts => f.write_str("the path does not fit the pattern"),
            Self::Nothing => f.write_str(
                "the path has no name in it: import it alone, with \
                --workspace and --building-block",
            ),
            Self::Workspace(parts) => {
                f.write_str("the workspace is not known: give --workspace")?;
                match fitting(*parts) {
                    Some(fits) => write!(f, ", or --name-pattern '{fits}'"),
                    None => Ok(()),
                }
            }
            Self::Bad(why) => f.write_str(why),
        }
    }
}

/// A pattern that fits each path of so many parts, if there is one that says the workspace.
pub(super) fn fitting(parts: usize) -> Option<&'static str> {
    match parts {
        0 | 1 => None,
        2 => Some("{workspace}/{name}"),
        _ => Some("{workspace}/{name…}"),
    }
}

/// What is to be told of files without a name: one line for a reason, with some of the files.
pub(super) fn told(unnamed: &[(String, Unnamed)]) -> Vec<String> {
    let mut by_reason: BTreeMap<&Unnamed, Vec<&str>> = BTreeMap::new();
    for (path, why) in unnamed {
        by_reason.entry(why).or_default().push(path);
    }
    let line = |(why, paths): (&Unnamed, Vec<&str>)| match paths.as_slice() {
        [path] => format!("{path}: {why}"),
        paths => format!(
            "{} are left out, {}: {why}",
            crate::cli::output::counted(paths.len(), "file"),
            some(paths)
        ),
    };
    by_reason.into_iter().map(line).collect()
}

/// Some of many names.
pub(super) fn some<T: AsRef<str>>(names: &[T]) -> String {
    let shown: Vec<&str> = names.iter().take(MAX_NAMED).map(AsRef::as_ref).collect();
    let more = names.len().saturating_sub(MAX_NAMED);
    if more > 0 {
        format!("{} and {more} more", shown.join(", "))
    } else {
        shown.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_left_out_for_one_reason_are_told_once() {
        let files: Vec<(String, Unnamed)> = (0..7)
            .map(|number| (format!("a/b/{number}.tfstate"), Unnamed::Parts(3, 2, None)))
            .collect();
        let told = told(&[files, vec![("x".to_owned(), Unnamed::Texts)]].concat());
        assert_eq!(told.len(), 2);
        assert!(
            told[0].starts_with("7 files are left out, a/b/0.tfstate")
                && told[0].contains("and 2 more: a path of 3 parts"),
            "{}",
            told[0]
        );
        assert_eq!(told[1], "x: the path does not fit the pattern");
    }
}
