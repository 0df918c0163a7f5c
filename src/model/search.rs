//! What can be found: the words of a question, the entries of a state, and when an entry holds a
//! word.
//!
//! A word of a question is found where a word of a value begins, in any letter case, and may go on
//! beyond its end: `role/adm` is in `arn:aws:iam::1:role/admin`. The index knows only beginnings
//! of at most [`MAX_INDEXED`] bytes; whether an entry really holds a word is asked of the entry.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::name::{BuildingBlock, StateName, Workspace};
use super::page::DamagedRow;
use super::state::StateId;

/// The longest question, in bytes.
pub const MAX_QUERY: usize = 256;
/// How many words a question may have.
pub const MAX_QUERY_WORDS: usize = 8;
/// How many bytes of a word are in the index.
pub const MAX_INDEXED: usize = 24;
/// Digits inside a value that are fewer begin no word: parts of IP addresses, numbers of instances.
const LEAST_DIGITS: usize = 4;

/// Why a question cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadQuestion {
    /// It has no letter and no digit.
    #[error("q has to have a word with a letter or a digit in it")]
    Empty,
    /// It is too long.
    #[error("q has to have at most {MAX_QUERY} bytes")]
    Long,
    /// It has too many words.
    #[error("q has to have at most {MAX_QUERY_WORDS} words")]
    Crowded,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FoundKind {
    /// A state, found by its name.
    State,
    /// An instance of a resource.
    Resource,
    /// An output.
    Output,
}

impl FoundKind {
    /// Each of them, in their order.
    pub const ALL: [Self; 3] = [Self::State, Self::Resource, Self::Output];

    /// Its number: entries of a state are in the order of these.
    pub const fn number(self) -> i64 {
        match self {
            Self::State => 0,
            Self::Resource => 1,
            Self::Output => 2,
        }
    }

    /// The kind with a number.
    pub fn of_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// Its name in questions and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Resource => "resource",
            Self::Output => "output",
        }
    }

    /// The kind with a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A text that an entry is found by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FoundText {
    /// Where it stands, as in `tags.Name`.
    pub path: String,
    /// The text.
    pub value: String,
}

/// What is found of a state: the state, an instance or an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findable {
    /// What it is.
    pub kind: FoundKind,
    /// The address of an instance as Terraform prints it; the name of an output or a state.
    pub address: String,
    /// The type of a resource.
    pub resource_type: Option<String>,
    /// The source of its provider.
    pub provider: Option<String>,
    /// By what it is found, beside its address. Nothing of it is masked.
    pub texts: Vec<FoundText>,
}

impl Findable {
    /// The entry of a state itself.
    pub fn of_state(name: &StateName) -> Self {
        Self {
            kind: FoundKind::State,
            address: name.to_string(),
            resource_type: None,
            provider: None,
            texts: Vec::new(),
        }
    }

    fn values(&self) -> impl Iterator<Item = &str> {
        let texts = self.texts.iter().map(|text| text.value.as_str());
        std::iter::once(self.address.as_str()).chain(texts)
    }

    /// What the index has to have of it.
    pub fn indexed_words(&self) -> BTreeSet<String> {
        let mut words = BTreeSet::new();
        for value in self.values() {
            let value = value.to_lowercase();
            words.extend(beginnings(&value).map(|at| indexed(&value[at..]).to_owned()));
        }
        words
    }

    /// Whether it holds each of these words.
    pub fn holds(&self, words: &[String]) -> bool {
        let values: Vec<String> = self.values().map(str::to_lowercase).collect();
        let is_held = |word: &String| values.iter().any(|value| holds(value, word));
        words.iter().all(is_held)
    }

    /// Only those of its texts that hold one of these words.
    #[must_use]
    pub fn reduced_to(mut self, words: &[String]) -> Self {
        self.texts.retain(|text| {
            let value = text.value.to_lowercase();
            words.iter().any(|word| holds(&value, word))
        });
        self
    }

    /// Whether its provider is this one: `aws`, `hashicorp/aws`, or the whole source.
    pub fn is_of_provider(&self, wanted: &str) -> bool {
        self.provider.as_ref().is_some_and(|source| {
            let before = source.strip_suffix(wanted);
            before.is_some_and(|before| before.is_empty() || before.ends_with('/'))
        })
    }
}

/// What of a word is in the index.
pub fn indexed(word: &str) -> &str {
    &word[..word.floor_char_boundary(MAX_INDEXED)]
}

fn holds(value: &str, word: &str) -> bool {
    beginnings(value).any(|at| value[at..].starts_with(word))
}

/// Where the words of a value begin. A value in which a word begins with its first letter or digit
/// has that one, whatever it is.
fn beginnings(value: &str) -> impl Iterator<Item = usize> {
    let (mut before, mut is_first) = (None::<char>, true);
    value.char_indices().filter_map(move |(at, letter)| {
        let inside = before.is_some_and(char::is_alphanumeric);
        before = Some(letter);
        if inside || !letter.is_alphanumeric() {
            return None;
        }
        let is_first = std::mem::take(&mut is_first);
        (is_first || !is_short_number(&value[at..])).then_some(at)
    })
}

fn is_short_number(rest: &str) -> bool {
    let word = rest.split(|letter: char| !letter.is_alphanumeric()).next();
    let word = word.unwrap_or_default();
    word.len() < LEAST_DIGITS && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// The words of a question: each has to be found.
///
/// # Errors
///
/// If there are none, or too many.
pub fn words_of(question: &str) -> Result<Vec<String>, BadQuestion> {
    if question.len() > MAX_QUERY {
        return Err(BadQuestion::Long);
    }
    let mut words: Vec<String> = Vec::new();
    for word in question.to_lowercase().split_whitespace() {
        let word = word.trim_start_matches(|letter: char| !letter.is_alphanumeric());
        if !word.is_empty() && !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    match words.len() {
        0 => Err(BadQuestion::Empty),
        1..=MAX_QUERY_WORDS => Ok(words),
        _ => Err(BadQuestion::Crowded),
    }
}

/// Behind what a page begins, in the order of workspaces, building blocks, kinds and addresses.
/// It is written `W`, `W/B` or `W/B/resource/ADDRESS`, with the address in base64 so that it can
/// stand in a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchPlace {
    /// Behind this workspace, if there is no building block.
    pub workspace: Workspace,
    /// Behind this state, if there is no entry.
    pub block: Option<BuildingBlock>,
    /// Behind this entry of the state.
    pub entry: Option<(FoundKind, String)>,
}

impl SearchPlace {
    /// Reads one; none if it is not written so.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '/');
        let workspace = parts.next()?.parse().ok()?;
        let block = parts.next().map(str::parse).transpose().ok()?;
        let kind = parts.next().map(FoundKind::parse);
        let entry = match (kind, parts.next()) {
            (None, _) => None,
            (Some(kind), Some(address)) => {
                let address = URL_SAFE_NO_PAD.decode(address).ok()?;
                Some((kind?, String::from_utf8(address).ok()?))
            }
            (Some(_), None) => return None,
        };
        Some(Self {
            workspace,
            block,
            entry,
        })
    }
}

impl std::fmt::Display for SearchPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.workspace)?;
        if let Some(block) = &self.block {
            write!(f, "/{block}")?;
        }
        if let Some((kind, address)) = &self.entry {
            write!(f, "/{}/{}", kind.name(), URL_SAFE_NO_PAD.encode(address))?;
        }
        Ok(())
    }
}

/// A question.
#[derive(Clone, Debug)]
pub struct Question {
    /// Only of this workspace.
    pub workspace: Option<String>,
    /// Only of this building block.
    pub block: Option<String>,
    /// Each of these has to be found; see [`words_of`].
    pub words: Vec<String>,
    /// Only entries of this kind.
    pub kind: Option<FoundKind>,
    /// Only resources of this type.
    pub resource_type: Option<String>,
    /// Only resources of this provider.
    pub provider: Option<String>,
    /// Where the page begins.
    pub after: Option<SearchPlace>,
    /// How many entries a page has at most.
    pub limit: u32,
}

impl Question {
    /// Whether an entry is asked for.
    pub fn wants(&self, entry: &Findable) -> bool {
        let is_type = |wanted: &String| entry.resource_type.as_ref() == Some(wanted);
        self.kind.is_none_or(|kind| kind == entry.kind)
            && self.resource_type.as_ref().is_none_or(is_type)
            && self
                .provider
                .as_ref()
                .is_none_or(|wanted| entry.is_of_provider(wanted))
            && entry.holds(&self.words)
    }
}

/// Something that was found.
#[derive(Clone, Debug)]
pub struct FoundEntry {
    /// The state that has it.
    pub name: StateName,
    /// The state's current version, which has it.
    pub version: u64,
    /// What it is, with those of its texts that hold a word.
    pub entry: Findable,
}

/// A page of what was found.
#[derive(Clone, Debug, Default)]
pub struct FoundPage {
    /// What was found.
    pub found: Vec<FoundEntry>,
    /// Behind what the next page begins; none at the end.
    pub next: Option<SearchPlace>,
    /// With how many states of the caller's the index is behind; counted up to a bound.
    pub behind: u64,
    /// States that were passed over because their rows are damaged.
    pub damaged: Vec<DamagedRow>,
}

/// A state that the index is behind with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingWords {
    /// In which workspace it changed.
    pub workspace: String,
    /// The state.
    pub state: StateId,
    /// Another one after each change.
    pub stamp: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(address: &str, values: &[&str]) -> Findable {
        let text = |value: &&str| FoundText {
            path: "x".to_owned(),
            value: (*value).to_owned(),
        };
        Findable {
            kind: FoundKind::Resource,
            address: address.to_owned(),
            resource_type: None,
            provider: Some("registry.terraform.io/hashicorp/aws".to_owned()),
            texts: values.iter().map(text).collect(),
        }
    }

    fn holds_it(entry: &Findable, question: &str) -> bool {
        let words = words_of(question).unwrap();
        let known = entry.indexed_words();
        let is_known = |word: &String| known.iter().any(|known| known.starts_with(indexed(word)));
        let holds = entry.holds(&words);
        assert!(
            !holds || words.iter().all(is_known),
            "{question} is in the index"
        );
        holds
    }

    #[test]
    fn words_are_found_where_words_begin() {
        let entry = entry(
            "module.net.aws_instance.Web[\"a/b\"]",
            &[
                "arn:aws:iam::123456789012:role/Admin-of-everything-there-is",
                "10.20.3.4",
                "Größe=ÄÖ",
            ],
        );
        for found in [
            "module.net",
            "aws_instance",
            "instance",
            "web",
            "WEB",
            "a/b",
            "\"b",
            "role/adm",
            "admin-of-everything-there-is",
            "iam::1234",
            "10.20.3",
            "10.20.3.4",
            "größe",
            "äö",
            "web admin 10.20",
            "123456789012",
        ] {
            assert!(holds_it(&entry, found), "{found}");
        }
        for not_found in [
            "nstance",
            "dmin",
            "20.3.4",
            "3.4",
            "web nothing",
            "admin-of-nothing",
        ] {
            assert!(!holds_it(&entry, not_found), "{not_found}");
        }
    }

    #[test]
    fn a_provider_is_named_by_its_end() {
        let entry = entry("a", &[]);
        for of in [
            "aws",
            "hashicorp/aws",
            "registry.terraform.io/hashicorp/aws",
        ] {
            assert!(entry.is_of_provider(of), "{of}");
        }
        assert!(!entry.is_of_provider("ws") && !entry.is_of_provider("google"));
    }

    #[test]
    fn questions_have_bounds() {
        assert_eq!(
            words_of(" A \"a [b] "),
            Ok(vec!["a".to_owned(), "b]".to_owned()])
        );
        assert_eq!(words_of("-- /"), Err(BadQuestion::Empty));
        assert_eq!(words_of("a b c d e f g h i"), Err(BadQuestion::Crowded));
        assert_eq!(words_of(&"a".repeat(MAX_QUERY + 1)), Err(BadQuestion::Long));
    }

    #[test]
    fn a_place_is_read_as_it_is_written() {
        for place in ["w", "w/b", "w/b/resource/YVsieC95Il0", "w/b/output/bw"] {
            assert_eq!(SearchPlace::parse(place).unwrap().to_string(), place);
        }
        for odd in [
            "",
            "/",
            "w/",
            "w/b/resource",
            "w/b/x/bw",
            "w/b/output/!",
            "w b",
        ] {
            assert_eq!(SearchPlace::parse(odd), None, "{odd}");
        }
    }
}
