//! Claims of ID tokens: found by name, compared with patterns, and put into the names of scopes.
//! Pure, and a table test for each.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::name::{BuildingBlock, Workspace};

/// The claims of an ID token.
pub type Claims = Map<String, Value>;

/// The most characters of a claim's value that an event tells.
const MAX_TOLD: usize = 200;

/// The claim of a name. `a/b` is the claim `a/b`, or else the member `b` of the claim `a`.
pub fn claim<'c>(claims: &'c Claims, name: &str) -> Option<&'c Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    name.match_indices('/').find_map(|(at, _)| {
        let inner = claims.get(&name[..at])?.as_object()?;
        claim(inner, &name[at + 1..])
    })
}

/// A single value as text; none for lists, objects and null.
fn text_of(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text.into()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string().into()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A claim's value as an event tells it.
pub fn told(value: &Value) -> String {
    let text = text_of(value).map_or_else(|| value.to_string(), Cow::into_owned);
    text.chars().take(MAX_TOLD).collect()
}

/// What a claim's value has to be: a text in which `*` stands for any characters but `/`, and `**`
/// for any characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPattern {
    /// The claim.
    pub name: String,
    /// Its pattern.
    pub pattern: String,
}

impl ClaimPattern {
    /// Whether the claim is there and fits; of a list, whether one of its values does.
    pub fn fits(&self, claims: &Claims) -> bool {
        let one = |value: &Value| text_of(value).is_some_and(|text| glob(&self.pattern, &text));
        match claim(claims, &self.name) {
            Some(Value::Array(values)) => values.iter().any(one),
            Some(value) => one(value),
            None => false,
        }
    }
}

/// Whether a text fits a pattern. It takes as many steps as the product of their lengths.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    // Whether the pattern so far fits the first `n` bytes of the text, for each `n`.
    let mut fits = vec![false; text.len() + 1];
    fits[0] = true;
    let mut at = 0;
    while let Some(byte) = pattern.get(at).copied() {
        let is_any = pattern[at..].starts_with(b"**");
        at += 1 + usize::from(is_any);
        if byte == b'*' {
            for end in 0..text.len() {
                fits[end + 1] |= fits[end] && (is_any || text[end] != b'/');
            }
        } else {
            for end in (0..text.len()).rev() {
                fits[end + 1] = fits[end] && text[end] == byte;
            }
            fits[0] = false;
        }
    }
    fits[text.len()]
}

/// The name of a workspace or building block in which `{claim}` stands for a claim's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameTemplate(String);

/// A part of a template.
enum Piece<'t> {
    Text(&'t str),
    Claim(&'t str),
}

impl NameTemplate {
    /// Reads a template for the name of a workspace; none if no claims can make it a name.
    pub fn of_workspace(text: &str) -> Option<Self> {
        let template = Self::read(text)?;
        let filled = template.with(|_| Some("x".into()))?;
        filled.parse::<Workspace>().ok()?;
        Some(template)
    }

    /// The same for a building block.
    pub fn of_block(text: &str) -> Option<Self> {
        let template = Self::read(text)?;
        let filled = template.with(|_| Some("x".into()))?;
        filled.parse::<BuildingBlock>().ok()?;
        Some(template)
    }

    fn read(text: &str) -> Option<Self> {
        let template = Self(text.to_owned());
        template.pieces().map(drop)?;
        Some(template)
    }

    /// The template as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The claims that it names.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        let pieces = self.pieces().unwrap_or_default().into_iter();
        pieces.filter_map(|piece| match piece {
            Piece::Claim(name) => Some(name),
            Piece::Text(_) => None,
        })
    }

    /// The name that it makes of claims; none if one is missing, or is no single value.
    pub fn fill(&self, claims: &Claims) -> Option<String> {
        self.with(|name| text_of(claim(claims, name)?))
    }

    fn with<'c>(&self, value: impl Fn(&str) -> Option<Cow<'c, str>>) -> Option<String> {
        let filled = self.pieces()?.into_iter().map(|piece| match piece {
            Piece::Text(text) => Some(Cow::Owned(text.to_owned())),
            // An empty value would make another template's name of this one.
            Piece::Claim(name) => value(name).filter(|value| !value.is_empty()),
        });
        filled.collect()
    }

    fn pieces(&self) -> Option<Vec<Piece<'_>>> {
        let mut pieces = Vec::new();
        let mut rest = self.0.as_str();
        while let Some((text, behind)) = rest.split_once('{') {
            let (name, after) = behind.split_once('}')?;
            if name.is_empty() || name.contains('{') || text.contains('}') {
                return None;
            }
            pieces.extend([Piece::Text(text), Piece::Claim(name)]);
            rest = after;
        }
        pieces.push(Piece::Text(rest));
        (!rest.contains('}')).then_some(pieces)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims() -> Claims {
        let claims = json!({
            "project_path": "infra/web", "ref_protected": "true", "flag": true, "run": 7,
            "groups": ["a", "ops/b"], "none": null, "empty": "",
            "kubernetes.io": {"namespace": "ci", "pod": {"name": "p"}},
            "https://x.example/a": "whole",
        });
        claims.as_object().unwrap().clone()
    }

    #[test]
    fn a_claim_fits_a_pattern() {
        for (name, pattern, expected) in [
            ("project_path", "infra/web", true),
            ("project_path", "infra/*", true),
            ("project_path", "infra/w*b", true),
            ("project_path", "infra/we", false),
            ("project_path", "infra/web2", false),
            ("project_path", "Infra/web", false),
            ("project_path", "*", false),
            ("project_path", "**", true),
            ("project_path", "**/web", true),
            ("project_path", "*/*", true),
            ("project_path", "*/*/*", false),
            ("project_path", "", false),
            ("project_path", "?nfra/web", false),
            ("ref_protected", "true", true),
            ("flag", "true", true),
            ("flag", "false", false),
            ("run", "7", true),
            ("groups", "a", true),
            ("groups", "ops/*", true),
            ("groups", "c", false),
            ("none", "null", false),
            ("none", "**", false),
            ("missing", "**", false),
            ("kubernetes.io/namespace", "ci", true),
            ("kubernetes.io/pod/name", "p", true),
            ("kubernetes.io", "**", false),
            ("https://x.example/a", "whole", true),
        ] {
            let (name, pattern) = (name.to_owned(), pattern.to_owned());
            let told = format!("{name}={pattern}");
            assert_eq!(
                ClaimPattern { name, pattern }.fits(&claims()),
                expected,
                "{told}"
            );
        }
    }

    #[test]
    fn a_pattern_takes_no_more_than_its_steps() {
        let pattern = "*a".repeat(100);
        assert!(!glob(&pattern, &"b".repeat(8_000)));
        assert!(glob(&pattern, &"a".repeat(8_000)));
    }

    #[test]
    fn a_template_is_filled_from_claims() {
        for (template, expected) in [
            ("team", Some("team")),
            ("{kubernetes.io/namespace}", Some("ci")),
            ("ci-{run}-{flag}", Some("ci-7-true")),
            ("{project_path}", Some("infra/web")),
            ("{missing}", None),
            ("{groups}", None),
            ("{none}", None),
            ("x{empty}", None),
        ] {
            let read = NameTemplate::of_workspace(template).expect(template);
            assert_eq!(read.fill(&claims()).as_deref(), expected, "{template}");
        }
        for bad in [
            "", "{", "}", "{}", "a{b", "a}b", "{a{b}}", "a/b", "a/{b}", "-{a}", " {a}",
        ] {
            assert_eq!(NameTemplate::of_workspace(bad), None, "{bad}");
        }
    }
}
