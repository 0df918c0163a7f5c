//! Values of JSON as one text for each meaning, to be hashed: the order of members, blanks, and how
//! numbers and texts are spelled are nothing.
//!
//! Each part has its kind and its length, so that no two values have the same bytes. Nothing
//! recurses, however deep a value is.

use super::json::{JsonKind, Tree, Value};
use super::number;
use super::text::unquoted;
use crate::model::digest::Hasher;

/// What is still to be hashed.
enum Rest<'t> {
    Value(Value<'t>),
    Name(std::borrow::Cow<'t, str>),
}

/// Hashes a text, with its length.
pub(super) fn hash_text(hasher: &mut Hasher, text: &str) {
    hash_part(hasher, b't', text.as_bytes());
}

fn hash_part(hasher: &mut Hasher, kind: u8, bytes: &[u8]) {
    hasher.update(&[kind]);
    hasher.update(&(bytes.len() as u64).to_be_bytes());
    hasher.update(bytes);
}

fn hash_count(hasher: &mut Hasher, kind: u8, count: usize) {
    hasher.update(&[kind]);
    hasher.update(&(count as u64).to_be_bytes());
}

/// Hashes a value; false if it is too crowded to be taken apart.
pub(super) fn hash_value(hasher: &mut Hasher, text: &str) -> bool {
    let Some(tree) = Tree::of(text) else {
        return false;
    };
    let mut rest = vec![Rest::Value(tree.root())];
    while let Some(next) = rest.pop() {
        let value = match next {
            Rest::Name(name) => {
                hash_text(hasher, &name);
                continue;
            }
            Rest::Value(value) => value,
        };
        match value.kind() {
            JsonKind::Object => {
                let members = value.members();
                hash_count(hasher, b'o', members.len());
                for member in members.into_iter().rev() {
                    rest.push(Rest::Value(member.value()));
                    rest.push(Rest::Name(member.name()));
                }
            }
            JsonKind::List => {
                let mut elements: Vec<Rest<'_>> = value.children().map(Rest::Value).collect();
                hash_count(hasher, b'l', elements.len());
                elements.reverse();
                rest.append(&mut elements);
            }
            JsonKind::Text => hash_text(hasher, &unquoted(value.text())),
            JsonKind::Number => {
                hash_part(hasher, b'n', number::canonical(value.text()).as_bytes());
            }
            JsonKind::Word => hash_part(hasher, b'w', value.text().as_bytes()),
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(text: &str) -> crate::model::digest::Digest {
        let mut hasher = Hasher::default();
        assert!(hash_value(&mut hasher, text));
        hasher.finish()
    }

    #[test]
    fn one_meaning_has_one_hash_however_it_is_written() {
        for (one, other) in [
            (r#"{"a":1,"b":[true]}"#, "{ \"b\" : [ true ], \"a\": 1.0 }"),
            (r#""<""#, r#""\u003c""#),
            ("100", "1e2"),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
        ] {
            assert_eq!(hash(one), hash(other), "{one} {other}");
        }
        let all = [
            "null",
            "true",
            "\"true\"",
            "1",
            "\"1\"",
            "[]",
            "{}",
            "[1]",
            "[[1]]",
            "[1,1]",
            "[1,[1]]",
            "[[1],1]",
            r#"{"a":1}"#,
            r#"["a",1]"#,
            r#"{"a":{"b":1}}"#,
            r#"{"a":{},"b":1}"#,
            "-1",
            "10",
            "0.1",
            "1e400",
            "1e99999999999999999999",
        ];
        let different: std::collections::HashSet<_> = all.iter().map(|text| hash(text)).collect();
        assert_eq!(different.len(), all.len());
        let deep = format!("{}{}", "[".repeat(60_000), "]".repeat(60_000));
        assert_eq!(hash(&deep), hash(&deep.replace("[]", "[ ]")));
    }
}
