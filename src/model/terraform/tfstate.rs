//! The few fields of a state that the server reads, and whether bytes are a state at all.
//!
//! Nothing here recurses and nothing is copied but the few texts that are kept: a state may be
//! hundreds of megabytes and thousands of levels deep. Serials are unsigned 64-bit integers
//! throughout; no floating point, anywhere.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;

use super::counting::{self, Name};
use super::depth::is_deeper_than;
use super::head_value::HeadValue;
use super::instead::{self, Instead};
use super::member::is_member;

/// The most members that the outermost object may have; states have about ten.
pub const MAX_TOP_LEVEL_MEMBERS: usize = 256;

/// The last format that has its resources in modules.
const LAST_WITH_MODULES: i64 = 3;
/// The members that are looked at. Their names are known in any letter case, as they are to the
/// programs.
const KNOWN: [&str; 9] = [
    "version",
    "serial",
    "lineage",
    "terraform_version",
    "resources",
    "modules",
    "outputs",
    "check_results",
    "encrypted_data",
];

/// The name of a member as it is known.
fn known(name: &str) -> &str {
    KNOWN
        .into_iter()
        .find(|known| is_member(name, known))
        .unwrap_or(name)
}

/// What the server knows of a state without looking inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateHead {
    /// The version of the state's format; none when encrypted.
    pub format: Option<i64>,
    /// Its serial; 0 for an encrypted state that shows none.
    pub serial: u64,
    /// Its lineage; empty when it has none.
    pub lineage: String,
    /// The program version that wrote it.
    pub terraform_version: Option<String>,
    /// How many resource instances it has; none when that cannot be seen.
    pub resources: Option<u64>,
    /// Whether OpenTofu encrypted it.
    pub encrypted: bool,
}

/// Why bytes are no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAState {
    /// Nothing at all.
    #[error("there is nothing in it, and a state is never empty")]
    Empty,
    /// Not JSON.
    #[error("this is no state, for it is not JSON: {0}")]
    NotJson(String),
    /// JSON that ends in the middle.
    #[error("this is cut short, and no whole state: {0}")]
    CutShort(String),
    /// Nested too deep.
    #[error("this is nested deeper than {0} levels")]
    TooDeep(usize),
    /// A member of the outermost object stands there twice.
    #[error("the member {0:?} stands in the state twice")]
    DuplicateKey(String),
    /// A lock where a state belongs.
    #[error("{}", instead::LOCK)]
    LooksLikeALock,
    /// JSON, but no state.
    #[error("this is JSON, but no state: {0}")]
    NotAState(&'static str),
    /// Something that people take for a state.
    #[error("{0}")]
    Instead(Instead),
}

/// Reads what the server needs to know of a state, and refuses what is none or is nested deeper
/// than `max_depth`.
pub fn read_head(bytes: &[u8], max_depth: usize) -> Result<StateHead, NotAState> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(NotAState::Empty);
    }
    let or_instead = |why: NotAState| instead::of_bytes(bytes).map_or(why, NotAState::Instead);
    let text = std::str::from_utf8(bytes)
        .map_err(|_| or_instead(NotAState::NotJson("it is not UTF-8".to_owned())))?;
    if is_deeper_than(bytes, max_depth) {
        return Err(NotAState::TooDeep(max_depth));
    }
    let top: Top = serde_json::from_str(text).map_err(|error| match error.classify() {
        Category::Data => NotAState::NotAState("it is not a JSON object"),
        Category::Eof if bytes.trim_ascii_start().starts_with(b"{") => {
            NotAState::CutShort(error.to_string())
        }
        Category::Io | Category::Syntax | Category::Eof => {
            or_instead(NotAState::NotJson(error.to_string()))
        }
    })?;
    top.into_head().map_err(|why| {
        let instead = if matches!(why, NotAState::NotAState(_)) {
            instead::of_object(text)
        } else {
            None
        };
        instead.map_or(why, NotAState::Instead)
    })
}

/// The outermost object, as far as it is of interest.
#[derive(Default)]
struct Top {
    version: Option<HeadValue>,
    serial: Option<HeadValue>,
    lineage: Option<HeadValue>,
    terraform_version: Option<HeadValue>,
    resources: u64,
    in_modules: u64,
    encrypted: bool,
    lock_like: u8,
    backend: bool,
    duplicate: Option<String>,
    crowded: bool,
}

impl Top {
    fn into_head(self) -> Result<StateHead, NotAState> {
        self.check_that_it_is_a_state()?;
        let format = self.format()?;
        let serial = match self.serial {
            Some(HeadValue::Unsigned(serial)) => serial,
            None if self.encrypted => 0,
            _ => {
                return Err(NotAState::NotAState(
                    "it needs a `serial` that is an unsigned 64-bit integer",
                ));
            }
        };
        let has_modules = format.is_some_and(|format| format <= LAST_WITH_MODULES);
        let resources = if has_modules {
            self.in_modules
        } else {
            self.resources
        };
        let lineage = self.lineage.and_then(HeadValue::into_text);
        Ok(StateHead {
            format,
            serial,
            lineage: lineage.unwrap_or_default(),
            terraform_version: self.terraform_version.and_then(HeadValue::into_text),
            resources: (!self.encrypted).then_some(resources),
            encrypted: self.encrypted,
        })
    }

    fn check_that_it_is_a_state(&self) -> Result<(), NotAState> {
        if let Some(name) = &self.duplicate {
            return Err(NotAState::DuplicateKey(name.clone()));
        }
        if self.crowded {
            return Err(NotAState::NotAState(
                "its outermost object has too many members",
            ));
        }
        if self.lock_like >= 2 && self.serial.is_none() {
            return Err(NotAState::LooksLikeALock);
        }
        // The record of a client's backend is kept as a state of format 3 without any resources.
        let is_empty = self.resources == 0 && self.in_modules == 0;
        if self.backend && is_empty && !matches!(self.version, Some(HeadValue::Unsigned(4))) {
            return Err(NotAState::Instead(instead::RECORD));
        }
        Ok(())
    }

    fn format(&self) -> Result<Option<i64>, NotAState> {
        match self.version {
            Some(HeadValue::Signed(version)) => Ok(Some(version)),
            Some(HeadValue::Unsigned(version)) => i64::try_from(version)
                .map(Some)
                .map_err(|_| NotAState::NotAState("its `version` is no format version")),
            _ if self.encrypted => Ok(None),
            _ => Err(NotAState::NotAState("it needs an integer `version`")),
        }
    }

    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match known(key) {
            "version" => self.version = Some(map.next_value()?),
            "serial" => self.serial = Some(map.next_value()?),
            "lineage" => self.lineage = Some(map.next_value()?),
            "terraform_version" => self.terraform_version = Some(map.next_value()?),
            "resources" => self.resources = map.next_value_seed(counting::RESOURCES)?,
            "modules" => self.in_modules = map.next_value_seed(counting::MODULES)?,
            "encrypted_data" => {
                self.encrypted = map.next_value::<HeadValue>()?.into_text().is_some();
            }
            "backend" | "state_store" => {
                self.backend |= map.next_value::<Option<IgnoredAny>>()?.is_some();
            }
            "ID" | "Operation" | "Who" | "Created" | "Info" | "Path" => {
                self.lock_like += 1;
                map.next_value::<IgnoredAny>()?;
            }
            _ => {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Top {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TopVisitor)
    }
}

struct TopVisitor;

impl<'de> Visitor<'de> for TopVisitor {
    type Value = Top;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Top, A::Error> {
        let mut top = Top::default();
        let mut seen = HashSet::new();
        while let Some(Name(key)) = map.next_key::<Name<'de>>()? {
            if seen.len() >= MAX_TOP_LEVEL_MEMBERS {
                top.crowded = true;
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            top.take(&key, &mut map)?;
            // To a program, `Serial` is `serial`, and the later of both counts.
            if !seen.insert(Cow::from(known(&key)).into_owned()) {
                top.duplicate = Some(key.chars().take(64).collect());
            }
        }
        Ok(top)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_DEPTH: usize = 10_000;

    fn refusal(text: &str) -> NotAState {
        read_head(text.as_bytes(), MAX_DEPTH).unwrap_err()
    }

    #[test]
    fn reads_a_state() {
        let text = r#"{"version":4,"terraform_version":"1.11.4","serial":18446744073709551615,
            "lineage":"l","outputs":{},
            "resources":[{"instances":[{"index_key":0},{"x":[1],"index_key":1}]},{"instances":[{}]},
            {"name":"none"}]}"#;
        let head = read_head(text.as_bytes(), MAX_DEPTH).unwrap();
        assert_eq!(
            (head.format, head.serial, head.resources),
            (Some(4), u64::MAX, Some(3))
        );
        assert_eq!(
            (
                head.lineage.as_str(),
                head.terraform_version.as_deref(),
                head.encrypted
            ),
            ("l", Some("1.11.4"), false)
        );
    }

    #[test]
    fn reads_format_3_and_encrypted_states() {
        let old = r#"{"version":3,"serial":1,"lineage":"l","modules":[{"path":["root"],
            "resources":{"a":{"primary":{}},"b":{"primary":{}}}},
            {"resources":{"c":{"primary":{}}}}]}"#;
        assert_eq!(
            read_head(old.as_bytes(), MAX_DEPTH).unwrap().resources,
            Some(3)
        );
        let sealed = r#"{"serial":7,"lineage":"l","meta":{},"encrypted_data":"x",
            "encryption_version":"v0"}"#;
        let head = read_head(sealed.as_bytes(), MAX_DEPTH).unwrap();
        assert_eq!(
            (head.format, head.serial, head.resources, head.encrypted),
            (None, 7, None, true)
        );
    }

    #[test]
    fn members_are_known_in_any_letter_case_and_each_stands_there_once() {
        let head = read_head(
            br#"{"Version":4,"SERIAL":7,"Lineage":"l","Resources":[{"Instances":[{}]}]}"#,
            MAX_DEPTH,
        )
        .unwrap();
        assert_eq!(
            (
                head.format,
                head.serial,
                head.lineage.as_str(),
                head.resources
            ),
            (Some(4), 7, "l", Some(1))
        );
        assert_eq!(
            refusal(r#"{"version":4,"serial":1,"Serial":2}"#),
            NotAState::DuplicateKey("Serial".into())
        );
        assert!(
            read_head(br#"{"version":4,"serial":1,"x":1,"X":2}"#, MAX_DEPTH).is_ok(),
            "nobody reads these"
        );
        assert_eq!(
            read_head(
                br#"{"version":4,"serial":1,"modules":[{"resources":{"a":{"primary":{}}}}]}"#,
                MAX_DEPTH
            )
            .unwrap()
            .resources,
            Some(0)
        );
    }

    #[test]
    fn refuses_what_is_no_state() {
        assert_eq!(refusal(""), NotAState::Empty);
        assert_eq!(refusal(" \n"), NotAState::Empty);
        assert!(matches!(
            refusal(r#"{"version":4,"serial":1"#),
            NotAState::CutShort(_)
        ));
        assert!(matches!(
            refusal(r#"{"version":4,"serial":1} x"#),
            NotAState::NotJson(_)
        ));
        assert_eq!(
            refusal(r#"{"version":4,"serial":1,"serial":2}"#),
            NotAState::DuplicateKey("serial".into())
        );
        assert_eq!(
            refusal(r#"{"version":4,"serial":1,"a\u0062":1,"ab":2}"#),
            NotAState::DuplicateKey("ab".into())
        );
        assert_eq!(
            refusal(r#"{"ID":"x","Who":"y","Created":"z"}"#),
            NotAState::LooksLikeALock
        );
        for text in [
            "[]",
            "7",
            "null",
            "{}",
            r#"{"version":4}"#,
            r#"{"serial":1}"#,
            r#"{"version":"4","serial":1}"#,
            r#"{"version":4.5,"serial":1}"#,
        ] {
            assert!(matches!(refusal(text), NotAState::NotAState(_)), "{text}");
        }
        for serial in [
            "18446744073709551616",
            "-1",
            "1.0",
            "\"1\"",
            "null",
            "[1]",
            "{}",
            "true",
        ] {
            assert!(
                matches!(
                    refusal(&format!(r#"{{"version":4,"serial":{serial}}}"#)),
                    NotAState::NotAState(_)
                ),
                "{serial}"
            );
        }
    }

    #[test]
    fn refuses_the_record_of_a_backend_and_takes_a_state_beside_one() {
        let record = |resources: &str| {
            format!(
                r#"{{"version":3,"serial":1,"lineage":"l","backend":{{"type":"s3"}},
                    "modules":[{{"path":["root"],"resources":{{{resources}}}}}]}}"#
            )
        };
        assert_eq!(refusal(&record("")), NotAState::Instead(instead::RECORD));
        assert_eq!(
            refusal(r#"{"version":3,"terraform_version":"1.11.4","backend":{"type":"s3"}}"#),
            NotAState::Instead(instead::RECORD)
        );
        assert!(
            read_head(
                record(r#""a.b":{"primary":{"id":"i"}}"#).as_bytes(),
                MAX_DEPTH
            )
            .is_ok()
        );
        assert!(read_head(br#"{"version":3,"serial":1,"backend":null}"#, MAX_DEPTH).is_ok());
    }

    #[test]
    fn takes_deep_nesting_up_to_its_limit() {
        let nested = |levels: usize| {
            format!(
                r#"{{"version":4,"serial":1,"x":{}{}}}"#,
                "[".repeat(levels),
                "]".repeat(levels)
            )
        };
        assert!(read_head(nested(MAX_DEPTH - 1).as_bytes(), MAX_DEPTH).is_ok());
        assert_eq!(refusal(&nested(MAX_DEPTH)), NotAState::TooDeep(MAX_DEPTH));
        assert_eq!(refusal(&nested(100_000)), NotAState::TooDeep(MAX_DEPTH));
        let in_text = format!(
            r#"{{"version":4,"serial":1,"x":"\"{}"}}"#,
            "[".repeat(100_000)
        );
        assert!(read_head(in_text.as_bytes(), MAX_DEPTH).is_ok());
    }

    #[test]
    fn does_not_care_what_shape_the_rest_has() {
        for resources in [
            "null",
            "7",
            "\"x\"",
            "{\"a\":[]}",
            "[1,null,[]]",
            "[{\"instances\":7}]",
        ] {
            let text = format!(
                r#"{{"version":4,"serial":1,"lineage":{resources},"resources":{resources}}}"#
            );
            assert_eq!(
                read_head(text.as_bytes(), MAX_DEPTH).map(|head| head.resources),
                Ok(Some(0)),
                "{resources}"
            );
        }
    }
}
