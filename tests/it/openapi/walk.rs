//! A value against a schema of the document. It knows the words that the document uses, and finds
//! any other. Patterns and formats are left to tools.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::resolved;

/// Words that ask for nothing here.
const NOTES: [&str; 5] = ["description", "format", "pattern", "examples", "default"];
/// Words that ask something of objects alone.
const OF_OBJECTS: [&str; 5] = [
    "properties",
    "required",
    "additionalProperties",
    "minProperties",
    "maxProperties",
];
/// Words that say of an object which members it has.
const OF_MEMBERS: [&str; 8] = [
    "properties",
    "required",
    "additionalProperties",
    "maxProperties",
    "$ref",
    "allOf",
    "anyOf",
    "oneOf",
];

/// What of a value does not fit a schema.
pub(super) fn misfits(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let walk = Walk { document };
    walk.closed(schema, value, "the body")
}

struct Walk<'d> {
    document: &'d Value,
}

/// What is wrong with a value, and which of its members a schema knows.
#[derive(Default)]
struct Outcome {
    findings: Vec<String>,
    known: BTreeSet<String>,
}

impl Outcome {
    fn find(&mut self, at: &str, what: &str) {
        self.findings.push(format!("{at} {what}"));
    }

    fn take(&mut self, other: Self) {
        self.findings.extend(other.findings);
        self.known.extend(other.known);
    }

    fn know(&mut self, members: &Map<String, Value>) {
        self.known.extend(members.keys().cloned());
    }
}

impl Walk<'_> {
    /// A whole value: no member beside those that its schema knows.
    fn closed(&self, schema: &Value, value: &Value, at: &str) -> Vec<String> {
        let mut outcome = self.open(schema, value, at);
        for name in value.as_object().into_iter().flat_map(Map::keys) {
            if !outcome.known.contains(name) {
                let what = format!("has a member `{name}` that the document does not have");
                outcome.find(at, &what);
            }
        }
        outcome.findings
    }

    /// A value by one schema of several that hold for it.
    fn open(&self, schema: &Value, value: &Value, at: &str) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(words) = schema.as_object() else {
            panic!("{at}: {schema} is no schema that this walk knows");
        };
        for (word, said) in words {
            match word.as_str() {
                "$ref" => outcome.take(self.open(resolved(self.document, schema), value, at)),
                "allOf" => self.all(&mut outcome, said, value, at),
                "anyOf" | "oneOf" => self.any(&mut outcome, said, value, at),
                "items" => self.items(&mut outcome, said, value, at),
                // Those of members are asked below.
                word if NOTES.contains(&word) || OF_OBJECTS.contains(&word) => {}
                word => scalar(&mut outcome, (word, said), value, at),
            }
        }
        if let Some(members) = value.as_object() {
            self.members(&mut outcome, words, members, at);
        }
        outcome
    }

    fn all(&self, outcome: &mut Outcome, schemas: &Value, value: &Value, at: &str) {
        for schema in schemas.as_array().into_iter().flatten() {
            outcome.take(self.open(schema, value, at));
        }
    }

    /// The schemas that fit; where none does, the one that is nearest says why.
    fn any(&self, outcome: &mut Outcome, schemas: &Value, value: &Value, at: &str) {
        let schemas = schemas.as_array().into_iter().flatten();
        let tried = schemas.map(|schema| (self.closed(schema, value, at), schema));
        let (fitting, others): (Vec<_>, Vec<_>) =
            tried.partition(|(findings, _)| findings.is_empty());
        for (_, schema) in &fitting {
            outcome.take(self.open(schema, value, at));
        }
        if fitting.is_empty() {
            let nearest = others
                .into_iter()
                .min_by_key(|(findings, _)| findings.len());
            outcome.findings.extend(nearest.unwrap_or_default().0);
            if let Some(members) = value.as_object() {
                outcome.know(members);
            }
        }
    }

    fn items(&self, outcome: &mut Outcome, schema: &Value, value: &Value, at: &str) {
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            let at = format!("{at}[{index}]");
            outcome.findings.extend(self.closed(schema, item, &at));
        }
    }

    fn members(
        &self,
        outcome: &mut Outcome,
        words: &Map<String, Value>,
        members: &Map<String, Value>,
        at: &str,
    ) {
        let required = words.get("required").and_then(Value::as_array);
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            if !members.contains_key(name) {
                outcome.find(at, &format!("has no `{name}`"));
            }
        }
        let bound = |word: &str| words.get(word).and_then(Value::as_u64);
        let count = members.len() as u64;
        if bound("maxProperties").is_some_and(|most| count > most)
            || bound("minProperties").is_some_and(|least| count < least)
        {
            outcome.find(at, "has too many members, or too few");
        }
        let told = words.get("properties").and_then(Value::as_object);
        let more = words.get("additionalProperties");
        for (name, member) in members {
            let schema = told.and_then(|told| told.get(name));
            let schema = schema.or_else(|| more.filter(|more| more.is_object()));
            if let Some(schema) = schema {
                let findings = self.closed(schema, member, &format!("{at}.{name}"));
                outcome.findings.extend(findings);
                outcome.known.insert(name.clone());
            }
        }
        let says_nothing = !words.keys().any(|word| OF_MEMBERS.contains(&word.as_str()));
        if says_nothing || more == Some(&Value::Bool(true)) {
            outcome.know(members);
        }
    }
}

/// What a word asks of a value by itself.
fn scalar(outcome: &mut Outcome, (word, said): (&str, &Value), value: &Value, at: &str) {
    let list = || said.as_array().into_iter().flatten();
    let bound = || said.as_f64().unwrap_or_default();
    let length = value.as_array().map(Vec::len);
    let characters = value.as_str().map(|text| text.chars().count());
    let size = || said.as_u64().and_then(|size| usize::try_from(size).ok());
    let is_at_least = |it: Option<usize>| it.is_none_or(|it| size().is_some_and(|size| it >= size));
    let is_at_most = |it: Option<usize>| it.is_none_or(|it| size().is_some_and(|size| it <= size));
    let fits = match word {
        "type" if said.is_string() => is_of(value, said),
        "type" => list().any(|kind| is_of(value, kind)),
        "enum" => list().any(|one| one == value),
        "const" => said == value,
        "minimum" => value.as_f64().is_none_or(|number| number >= bound()),
        "maximum" => value.as_f64().is_none_or(|number| number <= bound()),
        "minItems" => is_at_least(length),
        "maxItems" => is_at_most(length),
        "minLength" => is_at_least(characters),
        "maxLength" => is_at_most(characters),
        _ => panic!("{at}: the walk does not know the word `{word}`"),
    };
    if !fits {
        outcome.find(at, &format!("is {value}, which does not fit {word} {said}"));
    }
}

fn is_of(value: &Value, kind: &Value) -> bool {
    match kind.as_str().unwrap_or_default() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("there is no type `{other}`"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_that_does_not_fit_is_found() {
        let document = json!({"two": {"allOf": [
            {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}},
            {"properties": {"b": {"oneOf": [{"type": "null"}, {"enum": ["x"]}]}}}
        ]}});
        let schema = json!({"type": "array", "items": {"$ref": "#/two"}});
        let judge = |value: Value| misfits(&document, &schema, &value);
        for fits in [
            json!([]),
            json!([{"a": 1}]),
            json!([{"a": 1, "b": null}, {"a": 2, "b": "x"}]),
        ] {
            assert_eq!(judge(fits.clone()), [""; 0], "{fits}");
        }
        for (value, finding) in [
            (
                json!({}),
                "the body is {}, which does not fit type \"array\"",
            ),
            (json!([{}]), "the body[0] has no `a`"),
            (
                json!([{"a": "1"}]),
                "the body[0].a is \"1\", which does not fit type \"integer\"",
            ),
            (
                json!([{"a": 1, "b": "y"}]),
                "the body[0].b is \"y\", which does not fit",
            ),
            (
                json!([{"a": 1, "c": 1}]),
                "the body[0] has a member `c` that the document does not have",
            ),
        ] {
            let findings = judge(value.clone());
            let is_found = findings.len() == 1 && findings[0].starts_with(finding);
            assert!(is_found, "{value}: {findings:?}");
        }
    }
}
