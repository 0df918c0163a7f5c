//! Values that a report hides, masks or leaves out.

use serde_json::{Value, json};

use super::*;

#[test]
fn secrets_are_hidden_unless_asked_for() {
    let of = |canary: &str| {
        state(
            &json!([{"mode": "managed", "type": "random_password", "name": "p", "instances": [{
                "attributes": {"id": "none", "result": canary, "length": canary.len(),
                    "marked": {"deep": [canary, 1]}, "open": canary.len(),
                    "tags": {"db_password": canary},
                        "pem": format!("-----BEGIN PRIVATE KEY-----\n{canary}"),
                        "json": json!({"token": canary}).to_string(),
                    "env": [{"name": "API_TOKEN", "value": canary}, {"name": "PORT",
                        "value": canary.len()}], "whole": {"token": canary, "n": canary.len()}},
                "sensitive_attributes": [[{"type": "get_attr", "value": "marked"},
                    {"type": "get_attr", "value": "deep"}]],
            }]}]),
        )
    };
    let (before, after) = (of("canary"), of("canary-2"));
    let text = report(&before, &after).to_string();
    assert!(!text.contains("canary"), "{text}");
    let hidden = [
        "env[0].value",
        "json",
        "marked.deep",
        "pem",
        "result",
        "tags.db_password",
        "whole.token",
    ];
    for change in report(&before, &after)["resources"][0]["attributes"]
        .as_array()
        .unwrap()
    {
        let path = change["path"].as_str().unwrap();
        assert_eq!(change["hidden"] == true, hidden.contains(&path), "{change}");
        assert_eq!(
            change.get("before").is_none(),
            hidden.contains(&path),
            "{change}"
        );
    }
    let clear = compare(before.as_bytes(), after.as_bytes())
        .unwrap()
        .report(true);
    assert_eq!(
        serde_json::to_string(&clear)
            .unwrap()
            .matches("canary-2")
            .count(),
        hidden.len()
    );
}

#[test]
fn a_shown_value_is_masked_inside() {
    let value = json!({"user": "u", "password": "canary", "list": [{"token": ["canary"]}, 1],
        "env": {"name": "MY_SECRET", "value": "canary"}});
    let changes = report(&only(&json!({})), &only(&json!({"config": value})));
    let expected = json!({"user": "u", "password": "(hidden)", "list": [{"token": "(hidden)"}, 1],
        "env": {"name": "MY_SECRET", "value": "(hidden)"}});
    assert_eq!(
        changes["resources"][0]["attributes"],
        json!([{"path": "config", "after": expected, "hidden_inside": true}])
    );
}

#[test]
fn what_only_one_of_the_two_marks_is_hidden_in_both() {
    let marks = json!([[{"type": "get_attr", "value": "a"}]]);
    let of = |a: &str, marks: &Value| {
        state(&json!([resource(
            "y",
            &json!([{"attributes": {"a": a}, "sensitive_attributes": marks}])
        )]))
    };
    for (before, after) in [
        (of("canary", &marks), of("1", &json!([]))),
        (of("1", &json!([])), of("canary", &marks)),
    ] {
        assert_eq!(
            report(&before, &after)["resources"][0]["attributes"],
            json!([{"path": "a", "hidden": true}])
        );
    }
}

#[test]
fn what_is_nested_deeper_than_answers_may_be_is_not_shown() {
    let nested = |levels: usize| {
        serde_json::from_str::<Value>(&format!("{}1{}", "[".repeat(levels), "]".repeat(levels)))
            .unwrap()
    };
    for (levels, shown) in [(MAX_LEVELS, true), (MAX_LEVELS + 1, false)] {
        let change = &report(&only(&json!({})), &only(&json!({"a": nested(levels)})))["resources"]
            [0]["attributes"][0];
        assert_eq!(
            (change["after"].is_array(), change["too_long"] == true),
            (shown, !shown),
            "{change}"
        );
        let output = json!({"version": 4, "outputs": {"o": {"value": nested(levels),
            "type": nested(levels)}}})
        .to_string();
        let output = &outputs(output.as_bytes(), true).unwrap()["o"];
        assert_eq!(
            (
                output.value.is_some(),
                output.kind.is_some(),
                output.too_deep
            ),
            (shown, shown, !shown)
        );
    }
}

#[test]
fn outputs_are_compared_and_masked() {
    let of = |outputs: Value| json!({"version": 4, "outputs": outputs}).to_string();
    let output = |value: Value, sensitive: bool| {
        json!({"value": value, "type": "dynamic",
        "sensitive": sensitive})
    };
    let before = of(
        json!({"same": output(json!({"b": 1, "a": 2}), false), "gone": output(json!(1), false),
            "marked": output(json!("canary"), true),
        "token": output(json!("canary"), false), "was": output(json!("canary"), true)}),
    );
    let after = of(json!({"same": output(json!({"a": 2, "b": 1}), false), 
            "new": output(json!({"password": "canary"}), false),
            "marked": output(json!("canary-2"), true), "token": output(json!("canary-2"), false),
            "was": output(json!("canary"), false)}));
    assert_eq!(
        report(&before, &after)["outputs"],
        json!([
            {"action": "removed", "path": "gone", "before": 1},
            {"action": "changed", "path": "marked", "hidden": true},
            {"action": "added", "path": "new", "after": {"password": "(hidden)"},
                "hidden_inside": true},
            {"action": "changed", "path": "token", "hidden": true},
            {"action": "changed", "path": "was", "hidden": true, "was_sensitive": true},
        ])
    );
    let shown = outputs(after.as_bytes(), false).unwrap();
    assert!(!serde_json::to_string(&shown).unwrap().contains("canary-2"));
    assert!(
        shown["marked"].hidden
            && shown["token"].hidden
            && shown["new"].hidden_inside
            && !shown["was"].hidden
    );
    assert!(
        serde_json::to_string(&outputs(after.as_bytes(), true).unwrap())
            .unwrap()
            .contains("canary-2")
    );
}

#[test]
fn depth_is_no_danger_and_deep_secrets_stay_hidden() {
    let of = |core: &str| {
        let nested = format!("{}{core}{}", r#"{"a":["#.repeat(5_000), "]}".repeat(5_000));
        format!(
            r#"{{"version":4,"resources":[{{"mode":"managed","type":"t","name":"n","instances":[
                {{"attributes":{nested}}}]}}]}}"#
        )
    };
    let (before, after) = (of(r#"{"token":"canary"}"#), of(r#"{"token":"canary-2"}"#));
    let changes = report(&before, &after);
    assert_eq!(changes["counts"]["changed"], 1);
    let attributes = &changes["resources"][0]["attributes"];
    assert!(
        attributes[0]["path"]
            .as_str()
            .unwrap()
            .starts_with("a[0].a[0]")
    );
    assert_eq!(attributes.as_array().unwrap().len(), 1);
    assert_eq!(
        attributes[0]["too_long"], true,
        "what is nested deeper than answers may be is not shown"
    );
    let shallow = |core: &str| {
        only(
            &serde_json::from_str(&format!(
                "{}{core}{}",
                r#"{"a":"#.repeat(MAX_STEPS + 9),
                "}".repeat(MAX_STEPS + 9)
            ))
            .unwrap(),
        )
    };
    let changes = report(
        &shallow(r#"{"token":"canary"}"#),
        &shallow(r#"{"token":"canary-2","b":1}"#),
    )
    .to_string();
    assert!(
        !changes.contains("canary") && changes.contains("hidden_inside"),
        "{changes}"
    );
    assert_eq!(
        counts(&before, &before.replace("\"a\":[", "\"a\": [")),
        (0, 0, 0)
    );
}

#[test]
fn siblings_of_a_name_and_arguments_of_a_flag_are_hidden() {
    let of = |canary: &str| {
        only(&json!({
            "name": "db-password", "arn": "arn:aws:x", "value": canary,
            "variables": [{"name": "DB_PASSWORD", "default": canary, "type": canary},
                {"name": "PORT", "default": "1"}],
            "args": ["--user", "u", "--password", canary, canary.len()],
            "headers": {"Header": "Authorization", "content": canary},
        }))
    };
    let changes = report(&of("canary-secret"), &of("canary-secret-2"));
    assert!(!changes.to_string().contains("canary"), "{changes}");
    let shown = report(&only(&json!({})), &of("canary-secret"));
    assert!(!shown.to_string().contains("canary"), "{shown}");
    let attributes = &shown["resources"][0]["attributes"];
    let after = |path: &str| {
        let list = attributes.as_array().unwrap();
        list.iter().find(|change| change["path"] == path).unwrap()["after"].clone()
    };
    assert_eq!(
        after("arn"),
        "arn:aws:x",
        "the resource itself is no name's sibling"
    );
    assert_eq!(
        after("args"),
        json!(["--user", "u", "--password", "(hidden)", 13])
    );
    assert_eq!(
        after("variables"),
        json!([{"name": "DB_PASSWORD", "default": "(hidden)", "type": "(hidden)"},
            {"name": "PORT", "default": "1"}])
    );
}

#[test]
fn a_secret_is_no_name_and_no_id_in_an_answer() {
    let token = format!("ghp_{}", "canary".repeat(5));
    let of = |number: u64| {
        only(
            &json!({"id": token.as_str(), "map": {token.as_str(): number, "open": number},
            token.as_str(): number}),
        )
    };
    for (before, after) in [(of(1), of(2)), (only(&json!({})), of(2))] {
        let changes = report(&before, &after);
        assert!(!changes.to_string().contains("canary"), "{changes}");
    }
}

#[test]
fn marks_are_read_as_the_programs_read_them() {
    let state = |mark: &str| {
        format!(r#"{{"version":4,"outputs":{{"o":{{"value":"canary","type":"string",{mark}}}}}}}"#)
    };
    for (mark, hidden) in [
        (r#""sensitive":true"#, true),
        (r#""Sensitive":true"#, true),
        (r#""SENSITIVE":true"#, true),
        (r#""sensitive":false,"Sensitive":true"#, true),
        (r#""Sensitive":true,"sensitive":false"#, false),
        (r#""sensitive":true,"sensitive":null"#, true),
        (r#""sensitiv":true"#, false),
    ] {
        let state = state(mark);
        let shown = &outputs(state.as_bytes(), false).unwrap()["o"];
        assert_eq!(shown.hidden, hidden, "{mark}");
        let open = open_outputs(state.as_bytes()).unwrap();
        assert_eq!(open.is_empty(), hidden, "{mark}");
    }
}

#[test]
fn the_type_of_a_hidden_output_tells_nothing_of_what_is_in_it() {
    let kind = |kind: Value, sensitive: bool, reveal: bool| {
        let state = json!({"version": 4, "outputs": {"o": {"value": {"canary": 1}, "type": kind,
            "sensitive": sensitive}}});
        let shown = outputs(state.to_string().as_bytes(), reveal).unwrap();
        serde_json::to_value(&shown["o"]).unwrap()["type"].clone()
    };
    let object = json!(["object", {"canary": "number"}]);
    assert_eq!(kind(object.clone(), true, false), json!("object"));
    assert_eq!(
        kind(json!(["tuple", ["string", "string"]]), true, false),
        json!("tuple")
    );
    assert_eq!(kind(json!("string"), true, false), json!("string"));
    assert_eq!(kind(json!({"canary": 1}), true, false), Value::Null);
    assert_eq!(kind(object.clone(), true, true), object);
    assert_eq!(kind(object.clone(), false, false), object);
}
