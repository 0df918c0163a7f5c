//! Which state a file in a folder is: by a pattern, or by where it lies.
//!
//! Only the parts of the path that say something count: `terraform.tfstate.d` and a file's own name `terraform.tfstate` do not, an ending `.tfstate`
//! does not. So `terraform.tfstate.d/NAME/terraform.tfstate`, `NAME/terraform.tfstate` and `NAME.tfstate` have one part, NAME.

use std::str::FromStr;

use crate::model::name::StateName;

/// The placeholders of a pattern.
const WORKSPACE: &str = "{workspace}";
const NAMES: [&str; 2] = ["{name}", "{building-block}"];
const ANY: &str = "*";

/// The parts of a path, relative to the folder, that say something.
pub(super) fn parts(path: &str) -> Vec<&str> {
    let path = path.strip_suffix(".tfstate").unwrap_or(path);
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != "terraform.tfstate.d").collect();
    if parts.last() == Some(&"terraform") {
        parts.pop();
    }
    parts
}

/// A pattern such as `{workspace}/{name}` or `*/env-{workspace}/{name}`.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Vec<Segment>);

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
    Any,
    /// Nothing but the text.
    Text,
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let segments: Vec<Segment> = text.split('/').map(segment).collect::<Result<_, _>>()?;
        let count = |what| segments.iter().filter(|segment| segment.what == what).count();
        if count(What::Name) != 1 || count(What::Workspace) > 1 {
            return Err("a pattern has {name} once and {workspace} at most once, each in a part of its own".to_owned());
        }
        Ok(Self(segments))
    }
}

fn segment(text: &str) -> Result<Segment, String> {
    let known = [(WORKSPACE, What::Workspace), (NAMES[0], What::Name), (NAMES[1], What::Name), (ANY, What::Any)];
    let found = known.iter().find_map(|(mark, what)| text.split_once(mark).map(|(before, after)| (before, *what, after)));
    let (before, what, after) = found.unwrap_or((text, What::Text, ""));
    if text.is_empty() || before.contains(['{', '}', '*']) || after.contains(['{', '}', '*']) {
        return Err(format!("{text:?} is no part of a pattern: text around one of {{workspace}}, {{name}} and *"));
    }
    Ok(Segment { before: before.to_owned(), what, after: after.to_owned() })
}

impl Segment {
    fn matches<'p>(&self, part: &'p str) -> Option<&'p str> {
        let inner = part.strip_prefix(self.before.as_str())?.strip_suffix(self.after.as_str())?;
        (self.what != What::Text || inner.is_empty()).then_some(inner)
    }
}

impl Pattern {
    /// Whether it says which workspace.
    pub(super) fn has_workspace(&self) -> bool {
        self.0.iter().any(|segment| segment.what == What::Workspace)
    }

    /// The state at a path, in this workspace unless the pattern says which.
    fn name(&self, parts: &[&str], workspace: Option<&str>) -> Result<StateName, String> {
        if parts.len() != self.0.len() {
            return Err("its path does not fit the pattern".to_owned());
        }
        let (mut found, mut name) = (workspace, "");
        for (segment, part) in self.0.iter().zip(parts) {
            let inner = segment.matches(part).ok_or("its path does not fit the pattern")?;
            match segment.what {
                What::Workspace => found = Some(inner),
                What::Name => name = inner,
                What::Any | What::Text => {}
            }
        }
        let workspace = found.ok_or("its workspace is not known: give --workspace, or {workspace} in the pattern")?;
        StateName::parse(workspace, name).map_err(|error| error.to_string())
    }
}

/// The state at a path: by a pattern; else in the given workspace, its parts joined by `-`; else by two parts, workspace and building block.
pub(super) fn name_of(path: &str, pattern: Option<&Pattern>, workspace: Option<&str>) -> Result<StateName, String> {
    let parts = parts(path);
    if let Some(pattern) = pattern {
        return pattern.name(&parts, workspace);
    }
    match (parts.as_slice(), workspace) {
        ([], _) => Err("its path has no name in it: import it alone, with --workspace and --building-block".to_owned()),
        (parts, Some(workspace)) => StateName::parse(workspace, &parts.join("-")).map_err(|error| error.to_string()),
        ([workspace, name], None) => StateName::parse(workspace, name).map_err(|error| error.to_string()),
        (_, None) => Err("its workspace is not known: give --workspace, or --name-pattern '{workspace}/{name}'".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(path: &str, pattern: Option<&str>, workspace: Option<&str>) -> Option<String> {
        let pattern = pattern.map(|pattern| pattern.parse::<Pattern>().unwrap());
        name_of(path, pattern.as_ref(), workspace).ok().map(|name| name.to_string())
    }

    #[test]
    fn a_path_says_which_state_it_is() {
        for (path, workspace, name) in [
            ("terraform.tfstate.d/dev/terraform.tfstate", Some("team"), Some("team/dev")),
            ("dev/terraform.tfstate", Some("team"), Some("team/dev")),
            ("dev.tfstate", Some("team"), Some("team/dev")),
            ("network/dev.tfstate", Some("team"), Some("team/network-dev")),
            ("network/dev.tfstate", None, Some("network/dev")),
            ("network/terraform.tfstate.d/dev/terraform.tfstate", None, Some("network/dev")),
            ("dev.tfstate", None, None),
            ("a/b/c.tfstate", None, None),
            ("terraform.tfstate", Some("team"), None),
            (".dev.tfstate", Some("team"), None),
        ] {
            assert_eq!(named(path, None, workspace).as_deref(), name, "{path}");
        }
    }

    #[test]
    fn a_pattern_says_it_better() {
        for (path, pattern, workspace, name) in [
            ("live/env-team/net.tfstate", "*/env-{workspace}/{name}", None, Some("team/net")),
            ("live/env-team/net.tfstate", "live/*-{workspace}/{name}", None, None),
            ("live/env-team/net.tfstate", "dead/env-{workspace}/{name}", None, None),
            ("net/team/terraform.tfstate", "{name}/{workspace}", None, Some("team/net")),
            ("x/net.tfstate", "*/{building-block}", Some("team"), Some("team/net")),
            ("x/net.tfstate", "*/{name}", None, None),
            ("net.tfstate", "*/{name}", Some("team"), None),
        ] {
            let parsed = pattern.parse::<Pattern>();
            assert_eq!(parsed.ok().and_then(|_| named(path, Some(pattern), workspace)).as_deref(), name, "{path} by {pattern}");
        }
        for bad in ["", "{workspace}", "{name}/{name}", "{name}/", "{workspace}{name}", "{what}/{name}", "**/{name}"] {
            assert!(bad.parse::<Pattern>().is_err(), "{bad}");
        }
    }
}
