//! A pattern that says how the path of a file names its state.

use std::str::FromStr;

use super::unnamed::{Unnamed, fitting};
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

    /// This pattern with a name that takes the rest, if a path of so many parts would fit that.
    fn fitting(&self, parts: usize) -> Option<String> {
        let is_last = self.0.last().is_some_and(|last| last.what == What::Name);
        if !is_last || parts < self.0.len() {
            return fitting(parts)
                .filter(|_| self.has_workspace())
                .map(str::to_owned);
        }
        let segments = self.0.iter().map(|segment| {
            let mark = match segment.what {
                What::Workspace => WORKSPACE,
                What::Name | What::Rest => RESTS[1],
                What::Any => ANY,
                What::Text => "",
            };
            format!("{}{mark}{}", segment.before, segment.after)
        });
        Some(segments.collect::<Vec<_>>().join("/"))
    }

    /// The state at a path, in this workspace unless the pattern says which.
    pub(super) fn name<T: AsRef<str>>(
        &self,
        parts: &[T],
        workspace: Option<&str>,
    ) -> Result<StateName, Unnamed> {
        let takes_rest = self
            .0
            .last()
            .is_some_and(|segment| segment.what == What::Rest);
        if parts.len() < self.0.len() || (parts.len() > self.0.len() && !takes_rest) {
            let fits = self.fitting(parts.len());
            return Err(Unnamed::Parts(parts.len(), self.0.len(), fits));
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
        parse(&found.ok_or(Unnamed::Workspace(parts.len()))?, &name)
    }
}

/// The state of two names, if they can be names.
pub(super) fn parse(workspace: &str, name: &str) -> Result<StateName, Unnamed> {
    StateName::parse(workspace, name).map_err(|error| Unnamed::Bad(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
