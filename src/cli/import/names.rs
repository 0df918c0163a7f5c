//! Which state a file in a folder is: by a pattern, or by where it lies.
//!
//! Only the parts of the path that say something count: `terraform.tfstate.d` and a file's own name
//! `terraform.tfstate` do not, an ending `.tfstate` does not. So
//! `terraform.tfstate.d/NAME/terraform.tfstate`, `NAME/terraform.tfstate` and `NAME.tfstate` have
//! one part, NAME. Backends put the program's workspace into the name in ways of their own; it is
//! the last part, as it is for files of the program itself: `KEYenv:NAME` (azurerm),
//! `PATH-env:NAME` (consul) and `env:/NAME/KEY` (s3, oss) are KEY, NAME.

use std::borrow::Cow;

use super::key_prefix::KeyPrefix;
use super::pattern::{Pattern, parse};
use super::unnamed::Unnamed;
use crate::model::name::StateName;

/// What stands between a key and the workspace, or is the folder of all workspaces.
const ENVIRONMENT: &str = "env:";
/// How some tools write a colon in a file's name.
const COLONS: [&str; 2] = ["%3A", "%3a"];

/// Where a backend writes the program's workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkspaceIn {
    /// `env:/NAME/KEY`
    Folder,
    /// `KEYenv:NAME` or `PATH-env:NAME`
    FileName,
}

/// A path of which the backend says that it is a workspace of a key.
pub(super) struct OfWorkspace {
    /// Where it says so.
    pub(super) within: WorkspaceIn,
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
        within: WorkspaceIn::Folder,
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
        within: WorkspaceIn::FileName,
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

/// The same, with the workspace last if the backend says one.
fn parts_with_workspace(path: &str, prefixes: &[KeyPrefix]) -> Vec<String> {
    let owned = |parts: Vec<&str>| parts.into_iter().map(str::to_owned).collect::<Vec<_>>();
    if let Some((workspace, key)) = KeyPrefix::split_by(prefixes, path) {
        return owned([parts(key), vec![workspace]].concat());
    }
    match of_workspace(path) {
        Some(OfWorkspace { key, workspace, .. }) => {
            owned(parts(&key)).into_iter().chain(workspace).collect()
        }
        None => owned(parts(path)),
    }
}

/// The state at a path: by a pattern; else in the given workspace, its parts joined by `-`; else by
/// two parts, workspace and building block. `prefixes` are the folders of the program's workspaces
/// beside `env:`.
pub(super) fn name_of(
    path: &str,
    pattern: Option<&Pattern>,
    workspace: Option<&str>,
    prefixes: &[KeyPrefix],
) -> Result<StateName, Unnamed> {
    let with_workspace = parts_with_workspace(path, prefixes);
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
        (parts, None) => Err(Unnamed::Workspace(parts.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(path: &str, pattern: Option<&str>, workspace: Option<&str>) -> Option<String> {
        let pattern = pattern.map(|pattern| pattern.parse::<Pattern>().unwrap());
        name_of(path, pattern.as_ref(), workspace, &[])
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
    fn a_refusal_names_a_pattern_that_fits() {
        for (path, pattern, workspace, fits) in [
            (
                "live/eu/db/x.tfstate",
                Some("live/{workspace}/{name}"),
                None,
                Some("eu/db-x"),
            ),
            (
                "a/b-c/d/e.tfstate",
                Some("*/b-{workspace}/{name}"),
                None,
                Some("c/d-e"),
            ),
            (
                "a/b.tfstate",
                Some("live/{workspace}/{name}"),
                None,
                Some("a/b"),
            ),
            ("a/b/c.tfstate", Some("{name}"), Some("w"), Some("w/a-b-c")),
            ("a/b/c.tfstate", None, None, Some("a/b-c")),
            (
                "a/b/c.tfstate",
                Some("{name}/{workspace}"),
                None,
                Some("a/b-c"),
            ),
            ("a.tfstate", Some("{workspace}/{name}"), None, None),
            ("a.tfstate", None, None, None),
        ] {
            let parsed = pattern.map(|pattern| pattern.parse::<Pattern>().expect("a pattern"));
            let told = name_of(path, parsed.as_ref(), workspace, &[])
                .expect_err("refused")
                .to_string();
            let named_fit = told.split_once("--name-pattern '").and_then(|(_, rest)| {
                let pattern = rest.split('\'').next();
                named(path, pattern, workspace)
            });
            assert_eq!(named_fit.as_deref(), fits, "{path}: {told}");
        }
    }
}
