//! Which state a file in a folder is: by a pattern, or by where it lies.
//!
//! Only the parts of the path that say something count: `terraform.tfstate.d` and a file's own name
//! `terraform.tfstate` do not, an ending `.tfstate` does not. So
//! `terraform.tfstate.d/NAME/terraform.tfstate`, `NAME/terraform.tfstate` and `NAME.tfstate` have
//! one part, NAME. Backends put the program's workspace into the name in ways of their own; it is
//! the last part, as it is for files of the program itself: `KEYenv:NAME` (azurerm),
//! `PATH-env:NAME` (consul) and `env:/NAME/KEY` (s3, oss) are KEY, NAME.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::model::name::StateName;

/// The placeholders of a pattern.
const WORKSPACE: &str = "{workspace}";
const NAMES: [&str; 2] = ["{name}", "{building-block}"];
const RESTS: [&str; 4] = [
    "{name...}",
    "{name…}",
    "{building-block...}",
    "{building-block…}",
];
const ANY: &str = "*";
/// What stands between a key and the workspace, or is the folder of all workspaces.
const ENVIRONMENT: &str = "env:";
/// How some tools write a colon in a file's name.
const COLONS: [&str; 2] = ["%3A", "%3a"];
/// How many names are told if several files are left out for one reason.
const MAX_NAMED: usize = 5;

/// A path of which the backend says that it is a workspace of a key.
pub(super) struct OfWorkspace {
    /// The path of the key, which is where the default workspace is.
    pub(super) key: String,
    /// The workspace; none for the default one.
    pub(super) workspace: Option<String>,
}

/// The key and the workspace that a path says in one of the ways of backends.
pub(super) fn of_workspace(path: &str) -> Option<OfWorkspace> {
    let path = COLONS.iter().fold(Cow::Borrowed(path), |path, colon| {
        path.replace(colon, ":").into()
    });
    let segments: Vec<&str> = path.split('/').collect();
    let (name, folders) = segments.split_last()?;
    match folders.iter().position(|folder| *folder == ENVIRONMENT) {
        Some(at) => Some(below_environment(&segments[..at], &segments[at + 1..])),
        None => in_name(name, folders),
    }
}

/// `env:/NAME/KEY`, with or without folders before it.
fn below_environment(before: &[&str], below: &[&str]) -> OfWorkspace {
    let (workspace, key) = match below {
        [workspace, key @ ..] if !key.is_empty() => (Some((*workspace).to_owned()), key),
        key => (None, key),
    };
    OfWorkspace {
        key: [before, key].concat().join("/"),
        workspace,
    }
}

/// `KEYenv:NAME`, or `PATH-env:NAME`.
fn in_name(name: &str, folders: &[&str]) -> Option<OfWorkspace> {
    let (key, workspace) = name
        .rsplit_once(ENVIRONMENT)
        .filter(|(key, workspace)| !key.is_empty() && !workspace.is_empty())?;
    let without_hyphen = key.strip_suffix('-').filter(|key| !key.is_empty());
    let key = without_hyphen.unwrap_or(key);
    Some(OfWorkspace {
        key: [folders, &[key]].concat().join("/"),
        workspace: Some(workspace.to_owned()),
    })
}

/// The parts of a path, relative to the folder, that say something, as they stand there.
fn parts(path: &str) -> Vec<&str> {
    let path = path.strip_suffix(".tfstate").unwrap_or(path);
    let mut parts: Vec<&str> = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != "terraform.tfstate.d")
        .collect();
    if parts.last() == Some(&"terraform") {
        parts.pop();
    }
    parts
}

/// A pattern such as `{workspace}/{name}` or `*/env-{workspace}/{name}`.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Vec<Segment>);

/// The same, with the workspace last if the backend says one.
fn parts_with_workspace(path: &str) -> Vec<String> {
    let owned = |parts: Vec<&str>| parts.into_iter().map(str::to_owned).collect::<Vec<_>>();
    match of_workspace(path) {
        Some(OfWorkspace { key, workspace }) => {
            owned(parts(&key)).into_iter().chain(workspace).collect()
        }
        None => owned(parts(path)),
    }
}

/// Why a file has no name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unnamed {
    /// Its path has so many parts, and the pattern takes so many.
    Parts(usize, usize),
    /// The texts of the pattern are not those of its path.
    Texts,
    /// Nothing in its path is a name.
    Nothing,
    /// Nothing says which workspace.
    Workspace,
    /// What stands there cannot be a name.
    Bad(String),
}

impl fmt::Display for Unnamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = |count: &usize| crate::cli::output::counted(*count, "part");
        match self {
            Self::Parts(has, takes) => write!(
                f,
                "a path of {} does not fit the pattern, which has {takes}; `{{name…}}` at its end \
                    takes all that is left of a path",
                parts(has)
            ),
            Self::Texts => f.write_str("the path does not fit the pattern"),
            Self::Nothing => f.write_str(
                "the path has no name in it: import it alone, with \
                --workspace and --building-block",
            ),
            Self::Workspace => f.write_str(
                "the workspace is not known: give --workspace, or \
                --name-pattern '{workspace}/{name}'",
            ),
            Self::Bad(why) => f.write_str(why),
        }
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

#[derive(Clone, Debug)]
struct Segment {
    before: String,
    what: What,
    after: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Workspace,
    Name,
    /// The name, of all parts that are left.
    Rest,
    Any,
    /// Nothing but the text.
    Text,
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let segments: Vec<Segment> = text.split('/').map(segment).collect::<Result<_, _>>()?;
        let count = |what| {
            segments
                .iter()
                .filter(|segment| segment.what == what)
                .count()
        };
        if count(What::Name) + count(What::Rest) != 1 || count(What::Workspace) > 1 {
            return Err(
                "a pattern has {name} once and {workspace} at most once, each in a part of its own"
                    .to_owned(),
            );
        }
        if segments
            .iter()
            .rev()
            .skip(1)
            .any(|segment| segment.what == What::Rest)
        {
            return Err(
                "{name…} takes all that is left of a path, so it is the last part".to_owned(),
            );
        }
        Ok(Self(segments))
    }
}

fn segment(text: &str) -> Result<Segment, String> {
    let rests = RESTS.map(|mark| (mark, What::Rest));
    let known = [
        (WORKSPACE, What::Workspace),
        (NAMES[0], What::Name),
        (NAMES[1], What::Name),
        (ANY, What::Any),
    ];
    let found = rests.iter().chain(&known).find_map(|(mark, what)| {
        text.split_once(mark)
            .map(|(before, after)| (before, *what, after))
    });
    let (before, what, after) = found.unwrap_or((text, What::Text, ""));
    if text.is_empty() || before.contains(['{', '}', '*']) || after.contains(['{', '}', '*']) {
        return Err(format!(
            "{text:?} is no part of a pattern: text around one of {{workspace}}, {{name}}, \
                {{name…}} and *"
        ));
    }
    Ok(Segment {
        before: before.to_owned(),
        what,
        after: after.to_owned(),
    })
}

impl Segment {
    fn matches<'p>(&self, part: &'p str) -> Option<&'p str> {
        let inner = part
            .strip_prefix(self.before.as_str())?
            .strip_suffix(self.after.as_str())?;
        (self.what != What::Text || inner.is_empty()).then_some(inner)
    }
}

impl Pattern {
    /// Whether it says which workspace.
    pub(super) fn has_workspace(&self) -> bool {
        self.0.iter().any(|segment| segment.what == What::Workspace)
    }

    /// The state at a path, in this workspace unless the pattern says which.
    fn name<T: AsRef<str>>(
        &self,
        parts: &[T],
        workspace: Option<&str>,
    ) -> Result<StateName, Unnamed> {
        let takes_rest = self
            .0
            .last()
            .is_some_and(|segment| segment.what == What::Rest);
        if parts.len() < self.0.len() || (parts.len() > self.0.len() && !takes_rest) {
            return Err(Unnamed::Parts(parts.len(), self.0.len()));
        }
        let (mut found, mut name) = (workspace.map(str::to_owned), String::new());
        for (index, segment) in self.0.iter().enumerate() {
            let rest = parts[index..]
                .iter()
                .map(AsRef::as_ref)
                .collect::<Vec<_>>()
                .join("-");
            let part = if segment.what == What::Rest {
                rest.as_str()
            } else {
                parts[index].as_ref()
            };
            let inner = segment.matches(part).ok_or(Unnamed::Texts)?;
            match segment.what {
                What::Workspace => found = Some(inner.to_owned()),
                What::Name | What::Rest => inner.clone_into(&mut name),
                What::Any | What::Text => {}
            }
        }
        parse(&found.ok_or(Unnamed::Workspace)?, &name)
    }
}

fn parse(workspace: &str, name: &str) -> Result<StateName, Unnamed> {
    StateName::parse(workspace, name).map_err(|error| Unnamed::Bad(error.to_string()))
}

/// The state at a path: by a pattern; else in the given workspace, its parts joined by `-`; else by
/// two parts, workspace and building block.
pub(super) fn name_of(
    path: &str,
    pattern: Option<&Pattern>,
    workspace: Option<&str>,
) -> Result<StateName, Unnamed> {
    let with_workspace = parts_with_workspace(path);
    if let Some(pattern) = pattern {
        // A pattern with `env:` in it means the path as it stands.
        return pattern
            .name(&parts(path), workspace)
            .or_else(|_| pattern.name(&with_workspace, workspace));
    }
    match (with_workspace.as_slice(), workspace) {
        ([], _) => Err(Unnamed::Nothing),
        (parts, Some(workspace)) => parse(workspace, &parts.join("-")),
        ([workspace, name], None) => parse(workspace, name),
        (_, None) => Err(Unnamed::Workspace),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(path: &str, pattern: Option<&str>, workspace: Option<&str>) -> Option<String> {
        let pattern = pattern.map(|pattern| pattern.parse::<Pattern>().unwrap());
        name_of(path, pattern.as_ref(), workspace)
            .ok()
            .map(|name| name.to_string())
    }

    #[test]
    fn a_path_says_which_state_it_is() {
        for (path, workspace, name) in [
            (
                "terraform.tfstate.d/dev/terraform.tfstate",
                Some("team"),
                Some("team/dev"),
            ),
            ("dev/terraform.tfstate", Some("team"), Some("team/dev")),
            ("dev.tfstate", Some("team"), Some("team/dev")),
            (
                "network/dev.tfstate",
                Some("team"),
                Some("team/network-dev"),
            ),
            ("network/dev.tfstate", None, Some("network/dev")),
            (
                "network/terraform.tfstate.d/dev/terraform.tfstate",
                None,
                Some("network/dev"),
            ),
            ("dev.tfstate", None, None),
            ("a/b/c.tfstate", None, None),
            ("terraform.tfstate", Some("team"), None),
            (".dev.tfstate", Some("team"), None),
            // As backends name the program's workspaces.
            (
                "prod.terraform.tfstateenv:blue",
                Some("team"),
                Some("team/prod.terraform-blue"),
            ),
            ("netenv:blue", None, Some("net/blue")),
            (
                "stacks/net-env:blue",
                Some("team"),
                Some("team/stacks-net-blue"),
            ),
            (
                "env:/blue/stacks/net/terraform.tfstate",
                Some("team"),
                Some("team/stacks-net-blue"),
            ),
            ("env:/terraform.tfstate", Some("team"), None),
            ("env%3A/blue/net", None, Some("net/blue")),
            (
                "bucket/env:/blue/net.tfstate",
                Some("team"),
                Some("team/bucket-net-blue"),
            ),
            ("state/blue.tfstate", Some("team"), Some("team/state-blue")),
            ("env:blue", Some("team"), None),
        ] {
            assert_eq!(named(path, None, workspace).as_deref(), name, "{path}");
        }
    }

    #[test]
    fn a_pattern_says_it_better() {
        for (path, pattern, workspace, name) in [
            (
                "live/env-team/net.tfstate",
                "*/env-{workspace}/{name}",
                None,
                Some("team/net"),
            ),
            (
                "live/env-team/net.tfstate",
                "live/*-{workspace}/{name}",
                None,
                None,
            ),
            (
                "live/env-team/net.tfstate",
                "dead/env-{workspace}/{name}",
                None,
                None,
            ),
            (
                "net/team/terraform.tfstate",
                "{name}/{workspace}",
                None,
                Some("team/net"),
            ),
            (
                "x/net.tfstate",
                "*/{building-block}",
                Some("team"),
                Some("team/net"),
            ),
            ("x/net.tfstate", "*/{name}", None, None),
            ("net.tfstate", "*/{name}", Some("team"), None),
            (
                "env:/team/x/net.tfstate",
                "env:/{workspace}/*/{name}",
                None,
                Some("team/net"),
            ),
            (
                "team/netenv:blue",
                "{workspace}/{name}/blue",
                None,
                Some("team/net"),
            ),
            (
                "live/eu/team/net.tfstate",
                "live/{workspace}/{name…}",
                None,
                Some("eu/team-net"),
            ),
            (
                "live/eu/net.tfstate",
                "live/{workspace}/{name...}",
                None,
                Some("eu/net"),
            ),
            ("live/eu", "live/{workspace}/{name...}", None, None),
        ] {
            let parsed = pattern.parse::<Pattern>();
            assert_eq!(
                parsed
                    .ok()
                    .and_then(|_| named(path, Some(pattern), workspace))
                    .as_deref(),
                name,
                "{path} by {pattern}"
            );
        }
    }

    #[test]
    fn a_pattern_that_names_no_state_is_refused() {
        for bad in [
            "",
            "{workspace}",
            "{name}/{name}",
            "{name}/",
            "{workspace}{name}",
            "{what}/{name}",
            "**/{name}",
            "{name…}/{workspace}",
            "{name…}/{name}",
        ] {
            assert!(bad.parse::<Pattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn files_that_are_left_out_for_one_reason_are_told_once() {
        let files: Vec<(String, Unnamed)> = (0..7)
            .map(|number| (format!("a/b/{number}.tfstate"), Unnamed::Parts(3, 2)))
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
