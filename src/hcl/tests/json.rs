//! Sources in HCL's JSON form.

use super::*;

#[test]
fn json_is_examined_only_when_asked() {
    let text = "{\n \"terraform\": {\"backend\": {\"http\": {}}}\n}";
    let without = look(&[("main.tf.json", text)], None, false);
    assert_eq!(
        (short(&without).as_str(), without.not_examined.as_slice()),
        ("none", ["main.tf.json".to_owned()].as_slice())
    );
    rows(
        "main.tf.json",
        &[
            (text, "backend http 2:36"),
            (
                "{\"terraform\": [{\"required_version\": \"1\"}, {\"backend\": [{\"s3\": [{}]}]}]}",
                "backend s3 1:64",
            ),
            ("[{\"terraform\": {\"cloud\": {}}}]", "cloud 1:26"),
            (
                "{\"terraform\": {\"state_store\": {\"x\": {}}}}",
                "state_store x 1:37",
            ),
            // A parser that keeps only the last of two equal names would not see it.
            (
                "{\"terraform\": {\"backend\": {\"a\": {}}}, \"terraform\": {}}",
                "backend a 1:33",
            ),
            ("{\"terr\\u0061form\": {\"cloud\": {}}}", "cloud 1:30"),
            ("{\"terraform\": {\"cloud\": null}}", "none"),
            ("{\"terraform\": [null, {\"cloud\": []}]}", "none"),
            // A label is missing, and both programs say so.
            ("{\"terraform\": {\"backend\": null}}", "? 1"),
            ("{\"terraform\": {\n\"backend\": {}}}", "? 2"),
            ("{\"terraform\": {\"backend\": []}}", "? 1"),
            ("{\"terraform\": {\"state_store\": [{}]}}", "? 1"),
        ],
    );
}

#[test]
fn a_body_of_json_may_be_a_list_of_objects() {
    rows(
        "main.tf.json",
        &[
            (
                "{\"terraform\": [[{\"backend\": {\"local\": {}}}, {}]]}",
                "backend local 1:39",
            ),
            (
                "{\"terraform\": {\"backend\": {\"local\": [null]}}}",
                "backend local 1:38",
            ),
            (
                "{\"terraform\": {\"backend\": [{\"local\": {}}, {\"s3\": null}]}}",
                "backend local 1:38",
            ),
            ("{\"terraform\": {\"backend\": {\"local\": [1]}}}", "? 1"),
            (
                "{\"terraform\": {\"backend\": {\"local\": {}, \"//\": \"x\"}}}",
                "? 1",
            ),
            (
                r#"{"//": "x", "terraform": {"//": [1], "backend": {"local": {"//": 1}}}}"#,
                "backend local 1:59",
            ),
        ],
    );
}

#[test]
fn json_of_other_shapes_says_nothing_or_is_undecided() {
    rows(
        "main.tf.json",
        &[
            ("[null]", "? 1"),
            ("[]", "none"),
            (
                "{\"terraform\": {\"required_version\": \"1\",\n\"required_version\": \"1\"}}",
                "? 2",
            ),
            ("{\"locals\": {\"x\":\n1e99999999999}}", "? 2"),
            (
                "{\"locals\": {\"x\": \"1e99999999999\", \"y\": -1.5E+3}}",
                "none",
            ),
            (
                "{\"module\": {\"x\": {\"terraform\": {\"backend\": {\"a\": {}}}}}}",
                "none",
            ),
            ("{}", "none"),
            ("{", "? 1"),
            ("{\"terraform\": \"x\"}", "? 1"),
            ("{\"terraform\": {\n\"backend\": {\"a\": 7}}}", "? 2"),
            ("", "? 1"),
        ],
    );
}
