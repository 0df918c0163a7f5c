//! A file of settings for a backend, as `init -backend-config=FILE` takes it: by its name in JSON,
//! else in HCL, and nothing but arguments.

use serde_json::Value;

use super::syntax::{Item, What, plain_text, walk};

/// The end of a file's name that is read as JSON.
const JSON: &str = ".json";

/// The arguments in it in their order: names, and values where these are plain texts.
///
/// # Errors
///
/// The reason, if it cannot be read.
pub fn settings(name: &str, text: &str) -> Result<Vec<(String, Option<String>)>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if name.ends_with(JSON) {
        json(text)
    } else {
        native(text)
    }
}

fn native(text: &str) -> Result<Vec<(String, Option<String>)>, String> {
    let (mut arguments, mut has_a_block) = (Vec::new(), false);
    let mut tell = |item: Item<'_>| match item.what {
        What::Argument { value } => arguments.push((item.name.to_owned(), plain_text(value))),
        What::Block { .. } => has_a_block = true,
    };
    walk(text, None, &mut tell)
        .map_err(|failure| format!("it does not parse: {}", failure.reason))?;
    if has_a_block {
        Err("it has a block in it, and may hold arguments only".to_owned())
    } else {
        Ok(arguments)
    }
}

fn json(text: &str) -> Result<Vec<(String, Option<String>)>, String> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
    let Value::Object(members) = value else {
        return Err("it is no JSON object".to_owned());
    };
    // A text is a template in the JSON form as well.
    let plain = |value: Value| {
        value
            .as_str()
            .filter(|text| !text.contains("${") && !text.contains("%{"))
            .map(str::to_owned)
    };
    Ok(members
        .into_iter()
        .filter(|(name, _)| name != "//")
        .map(|(name, value)| (name, plain(value)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_in_both_forms() {
        let text = "# a comment\naddress = \"http://a/\"\nretry_max = 3\nusername = \"${var.x}\"\n";
        let read = settings("env.http.tfbackend", text).expect("arguments");
        let own = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
        assert_eq!(
            read,
            [
                own("address", Some("http://a/")),
                own("retry_max", None),
                own("username", None)
            ]
        );
        let read = settings(
            "x.json",
            r#"{"//": "a comment", "address": "http://a/", "username": "${x}"}"#,
        )
        .expect("arguments");
        assert_eq!(
            read,
            [own("address", Some("http://a/")), own("username", None)]
        );
        for (name, text) in [
            ("x.json", "address = \"x\""),
            ("x", "{\"address\": \"x\"}"),
            ("x", "a {\n}\n"),
            ("x.json", "[]"),
            ("x", "a = "),
        ] {
            assert!(settings(name, text).is_err(), "{name}: {text}");
        }
        assert_eq!(settings("x", ""), Ok(Vec::new()));
    }
}
