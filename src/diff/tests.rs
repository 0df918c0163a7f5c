//! States compared as a whole.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn state(resources: &Value) -> String {
    json!({"version": 4, "terraform_version": "1.11.4", "serial": 1, "lineage": "l", "resources": resources}).to_string()
}

fn resource(name: &str, instances: &Value) -> Value {
    json!({"mode": "managed", "type": "aws_x", "name": name, "provider": "provider[\"p\"]", "instances": instances})
}

/// One instance with these attributes.
fn only(attributes: &Value) -> String {
    state(&json!([resource(
        "y",
        &json!([{"attributes": attributes}])
    )]))
}

#[track_caller]
fn report(before: &str, after: &str) -> Value {
    let report = compare(before.as_bytes(), after.as_bytes())
        .unwrap()
        .report(false);
    serde_json::to_value(report).unwrap()
}

/// Each instance that is not as it was: action, address, paths.
#[track_caller]
fn lines(before: &str, after: &str) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let line = |resource: &Value| {
        let paths = |list: &str| {
            resource[list]
                .as_array()
                .unwrap()
                .iter()
                .map(|change| text(&change["path"]))
                .collect::<Vec<_>>()
        };
        let from = resource["previous_address"]
            .as_str()
            .map(|from| format!("{from} -> "))
            .unwrap_or_default();
        let paths = [paths("meta"), paths("attributes")].concat().join(" ");
        format!(
            "{} {from}{} {paths}",
            text(&resource["action"]),
            text(&resource["address"])
        )
        .trim_end()
        .to_owned()
    };
    report(before, after)["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(line)
        .collect()
}

fn counts(before: &str, after: &str) -> (u64, u64, u64) {
    let Counts {
        added,
        changed,
        removed,
    } = compare(before.as_bytes(), after.as_bytes())
        .unwrap()
        .counts();
    (added, changed, removed)
}

#[test]
fn the_order_of_keys_and_dependencies_is_no_change() {
    let one = r#"{"version":4,"resources":[{"mode":"managed","type":"t","name":"n","instances":[
        {"attributes":{"a":1.0,"b":{"c":[1],"d":null}},"dependencies":["x","y"],"create_before_destroy":false}]}]}"#;
    let other = r#"{"resources":[{"name":"n","type":"t","mode":"managed","instances":[
        {"dependencies":["y","x"],"attributes":{"b":{"d":null,"c":[1]},"a":1}}]}],"version":4}"#;
    assert_eq!(lines(one, other), [""; 0]);
    assert_eq!(
        lines(one, &other.replace("\"x\"]", "\"z\"]")),
        ["changed t.n dependencies"]
    );
    assert_eq!(
        lines(one, &other.replace("[1]", "[2]")),
        ["changed t.n b.c[0]"]
    );
}

#[test]
fn instances_are_told_apart_by_their_whole_address() {
    let before = state(&json!([
        resource("y", &json!([{"index_key": 0, "attributes": {"a": 1}}, {"index_key": "0", "attributes": {"a": 1}}])),
        {"module": "module.m[\"k\"]", "mode": "data", "type": "aws_x", "name": "y", "instances": [{"attributes": {"a": 1}}]},
    ]));
    let after = state(&json!([resource(
        "y",
        &json!([{"index_key": "0", "attributes": {"a": 2}}, {"index_key": 10, "attributes": {"a": 1}},
            {"index_key": 9, "attributes": {"a": 1}}, {"index_key": 9, "deposed": "1a2b", "attributes": {"a": 1}}])
    ),]));
    assert_eq!(
        lines(&before, &after),
        [
            "removed aws_x.y[0]",
            "added aws_x.y[9]",
            "added aws_x.y[10]",
            "changed aws_x.y[\"0\"] a",
            "removed module.m[\"k\"].data.aws_x.y",
        ]
    );
    assert_eq!(counts(&before, &after), (2, 1, 2));
    assert_eq!(counts(&after, &before), (2, 1, 2));
    assert_eq!(
        counts(std::str::from_utf8(NOTHING).unwrap(), &after),
        (3, 0, 0)
    );
}

#[test]
fn what_has_the_same_id_elsewhere_has_moved() {
    let at =
        |name: &str, id: &str, a: u8| resource(name, &json!([{"attributes": {"id": id, "a": a}}]));
    let before = state(&json!([
        at("one", "i-1", 1),
        at("two", "i-2", 1),
        at("both", "i-3", 1),
        at("again", "i-3", 1)
    ]));
    let after = state(&json!([
        at("uno", "i-1", 1),
        at("due", "i-2", 2),
        at("new", "i-3", 1)
    ]));
    assert_eq!(
        lines(&before, &after),
        [
            "removed aws_x.again",
            "removed aws_x.both",
            "moved aws_x.two -> aws_x.due a",
            "added aws_x.new",
            "moved aws_x.one -> aws_x.uno",
        ],
        "of two with the same id nobody knows which one moved"
    );
    assert_eq!(counts(&before, &after), (1, 2, 2));
    let data = |name: &str| json!([{"mode": "data", "type": "aws_x", "name": name, "instances": [{"attributes": {"id": "i-1"}}]}]);
    assert_eq!(
        lines(&state(&data("a")), &state(&data("b"))),
        ["removed data.aws_x.a", "added data.aws_x.b"]
    );
}

#[test]
fn numbers_keep_every_digit_and_paths_are_written_as_terraform_does() {
    let one = r#"{"version":4,"resources":[{"mode":"managed","type":"t","name":"n","instances":[{"attributes":
        {"n":9007199254740992,"tags":{"a b":"x","c":[{"d":1}]},"gone":1}}]}]}"#;
    let other = one
        .replace("0992", "0993")
        .replace("\"x\"", "\"y\"")
        .replace("{\"d\":1}", "{\"d\":null}")
        .replace("\"gone\"", "\"new\"");
    assert_eq!(
        lines(one, &other),
        ["changed t.n gone n new tags[\"a b\"] tags.c[0].d"]
    );
    let text = serde_json::to_string(
        &compare(one.as_bytes(), other.as_bytes())
            .unwrap()
            .report(false),
    )
    .unwrap();
    assert!(
        text.contains(r#"{"path":"n","before":9007199254740992,"after":9007199254740993}"#),
        "{text}"
    );
    assert!(
        text.contains(r#"{"path":"gone","before":1},"#),
        "what is not there is left out: {text}"
    );
    assert!(
        text.contains(r#"{"path":"tags.c[0].d","before":1,"after":null}"#),
        "null is a value: {text}"
    );
}

#[test]
fn what_a_state_says_beside_attributes_is_compared() {
    let of = |instance: Value| state(&json!([resource("y", &json!([instance]))]));
    let before = of(
        json!({"schema_version": 0, "private": "canary-a", "identity": {"arn": "a"}, "attributes": {}}),
    );
    let after = of(
        json!({"schema_version": 1, "private": "canary-b", "identity": {"arn": "b"}, "status": "tainted"}),
    );
    assert_eq!(
        lines(&before, &after),
        ["changed aws_x.y status schema_version identity private"]
    );
    for reveal in [false, true] {
        let report = compare(before.as_bytes(), after.as_bytes())
            .unwrap()
            .report(reveal);
        assert!(
            !serde_json::to_string(&report).unwrap().contains("canary"),
            "`private` is never shown"
        );
    }
    let moved = after.replace("provider[", "provider.p[");
    assert_eq!(lines(&after, &moved), ["changed aws_x.y provider"]);
    let marked = of(
        json!({"schema_version": 1, "private": "canary-b", "identity": {"arn": "b"}, "status": "tainted",
        "sensitive_attributes": [[{"type": "get_attr", "value": "a"}]]}),
    );
    assert_eq!(
        lines(&after, &marked),
        [""; 0],
        "what is marked as secret is no value"
    );
    let newer = after.replace("1.11.4", "1.12.0");
    assert_eq!(
        report(&after, &newer)["terraform_version"],
        json!({"path": "terraform_version", "before": "1.11.4", "after": "1.12.0"})
    );
}

#[test]
fn secrets_are_hidden_unless_asked_for() {
    let of = |canary: &str| {
        state(
            &json!([{"mode": "managed", "type": "random_password", "name": "p", "instances": [{
                "attributes": {"id": "none", "result": canary, "length": canary.len(), "marked": {"deep": [canary, 1]}, "open": canary.len(),
                    "tags": {"db_password": canary}, "pem": format!("-----BEGIN PRIVATE KEY-----\n{canary}"), "json": json!({"token": canary}).to_string(),
                    "env": [{"name": "API_TOKEN", "value": canary}, {"name": "PORT", "value": canary.len()}], "whole": {"token": canary, "n": canary.len()}},
                "sensitive_attributes": [[{"type": "get_attr", "value": "marked"}, {"type": "get_attr", "value": "deep"}]],
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
    let value = json!({"user": "u", "password": "canary", "list": [{"token": ["canary"]}, 1], "env": {"name": "MY_SECRET", "value": "canary"}});
    let changes = report(&only(&json!({})), &only(&json!({"config": value})));
    let expected = json!({"user": "u", "password": "(hidden)", "list": [{"token": "(hidden)"}, 1], "env": {"name": "MY_SECRET", "value": "(hidden)"}});
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
        let output = json!({"version": 4, "outputs": {"o": {"value": nested(levels), "type": nested(levels)}}}).to_string();
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
    let output = |value: Value, sensitive: bool| json!({"value": value, "type": "dynamic", "sensitive": sensitive});
    let before = of(
        json!({"same": output(json!({"b": 1, "a": 2}), false), "gone": output(json!(1), false), "marked": output(json!("canary"), true),
        "token": output(json!("canary"), false), "was": output(json!("canary"), true)}),
    );
    let after = of(
        json!({"same": output(json!({"a": 2, "b": 1}), false), "new": output(json!({"password": "canary"}), false),
        "marked": output(json!("canary-2"), true), "token": output(json!("canary-2"), false), "was": output(json!("canary"), false)}),
    );
    assert_eq!(
        report(&before, &after)["outputs"],
        json!([
            {"action": "removed", "path": "gone", "before": 1},
            {"action": "changed", "path": "marked", "hidden": true},
            {"action": "added", "path": "new", "after": {"password": "(hidden)"}, "hidden_inside": true},
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
fn format_3_is_compared_too() {
    let of = |id: &str, more: &str| {
        format!(
            r#"{{"version":3,"terraform_version":"0.11.14","serial":1,"modules":[{{"path":["root"],"outputs":{{"o":{{"sensitive":true,"type":"string","value":"{id}"}}}},
            "resources":{{"aws_x.y.1":{{"type":"aws_x","depends_on":["b","a"],"primary":{{"id":"{id}","attributes":{{"id":"{id}","tags.%":"1","admin_password":"{id}"}},
            "meta":{{}},"tainted":false}},"deposed":[],"provider":"provider.aws"}}}}}},{{"path":["root","a"],"resources":{{{more}}}}}]}}"#
        )
    };
    let data = r#""data.aws_x.z":{"primary":{"attributes":{"id":"1"}}}"#;
    let (before, after) = (of("i-1", ""), of("i-2", data));
    assert_eq!(
        lines(&before, &after),
        [
            "changed aws_x.y[1] admin_password id",
            "added module.a.data.aws_x.z"
        ]
    );
    let report = report(&before, &after);
    assert_eq!(
        report["outputs"],
        json!([{"action": "changed", "path": "o", "hidden": true}])
    );
    let attributes = &report["resources"][0]["attributes"];
    assert_eq!(
        attributes[0],
        json!({"path": "admin_password", "hidden": true})
    );
    assert_eq!(
        attributes[1],
        json!({"path": "id", "before": "i-1", "after": "i-2"})
    );
    assert_eq!(
        drops_resources(after.as_bytes(), before.as_bytes()),
        Some(true)
    );
}

#[test]
fn attributes_of_old_providers_are_compared_by_their_names() {
    let of = |n: &str| {
        state(&json!([resource(
            "y",
            &json!([{"attributes_flat": {"tags.%": n, "id": "1", "rule.0.token": n}}])
        )]))
    };
    assert_eq!(
        lines(&of("1"), &of("2")),
        ["changed aws_x.y rule.0.token tags.%"]
    );
    assert!(report(&of("1"), &of("2"))["resources"][0]["attributes"][0]["hidden"] == true);
}

#[test]
fn depth_is_no_danger_and_deep_secrets_stay_hidden() {
    let of = |core: &str| {
        let nested = format!("{}{core}{}", r#"{"a":["#.repeat(5_000), "]}".repeat(5_000));
        format!(
            r#"{{"version":4,"resources":[{{"mode":"managed","type":"t","name":"n","instances":[{{"attributes":{nested}}}]}}]}}"#
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
fn odd_states_are_compared_or_refused() {
    let twice = state(&json!([
        resource(
            "y",
            &json!([{"attributes": {"a": 1}}, {"attributes": {"a": 2}}, {}])
        ),
        resource("y", &json!([null, {}]))
    ]));
    assert_eq!(
        lines(&twice, &twice.replace("\"a\":2", "\"a\":3")),
        ["changed aws_x.y a"]
    );
    assert_eq!(
        counts(&twice, &only(&json!({"a": 1}))),
        (0, 0, 4),
        "null is an instance without members"
    );
    assert_eq!(
        counts(
            &only(&json!({"a": 1})),
            &state(&json!([resource("y", &Value::Null)]))
        ),
        (0, 0, 1)
    );
    for (odd, why) in [
        (
            r#"{"version":4,"resources":[7]}"#,
            NotComparable::Unexpected,
        ),
        (r#"{"version":4,"resources":{}}"#, NotComparable::Unexpected),
        (
            r#"{"version":4,"resources":[{"type":"t","name":"n"}]}"#,
            NotComparable::Unexpected,
        ),
        (
            r#"{"version":4,"resources":[{"mode":7,"type":"t","name":"n"}]}"#,
            NotComparable::Unexpected,
        ),
        ("7", NotComparable::Unexpected),
        (r#"{"version":5}"#, NotComparable::Format),
        ("{}", NotComparable::Format),
        (r#"{"encrypted_data":"x"}"#, NotComparable::Encrypted),
    ] {
        assert_eq!(compare(NOTHING, odd.as_bytes()).err(), Some(why), "{odd}");
        assert_eq!(drops_resources(NOTHING, odd.as_bytes()), None, "{odd}");
    }
    let crowded = state(&json!([resource("y", &json!(vec![json!({}); 20_000]))]));
    assert_eq!(
        compare(NOTHING, crowded.as_bytes()).err(),
        Some(NotComparable::Crowded)
    );
}

#[test]
fn a_long_answer_is_cut_and_says_so_but_counts_everything() {
    let of = |a: &str| {
        state(&json!(
            (0..2_000)
                .map(|n| resource(&format!("r{n}"), &json!([{"attributes": {"a": a, "b": a}}])))
                .collect::<Vec<_>>()
        ))
    };
    let (before, after) = (of(&"x".repeat(2_000)), of(&"y".repeat(2_000)));
    let cut = report(&before, &after);
    assert_eq!(
        (&cut["truncated"], &cut["counts"]["changed"]),
        (&json!(true), &json!(2_000))
    );
    assert!(
        (MAX_REPORT / 2..=MAX_REPORT).contains(&cut.to_string().len()),
        "{}",
        cut.to_string().len()
    );
    assert_eq!(
        cut["resources"].as_array().unwrap().last().unwrap()["truncated"],
        true
    );
    assert_eq!(report(&before, &before)["truncated"], false);
    let long = report(
        &only(&json!({"a": 1})),
        &only(&json!({"a": "x".repeat(MAX_VALUE)})),
    );
    assert_eq!(
        long["resources"][0]["attributes"],
        json!([{"path": "a", "too_long": true}])
    );
}

#[test]
fn drops_are_seen_by_whole_addresses() {
    let of = |instances: &Value| state(&json!([resource("y", instances)]));
    let (number, both) = (
        of(&json!([{"index_key": 1}])),
        of(&json!([{"index_key": "1"}, {"index_key": 1}])),
    );
    let drops = |before: &str, after: &str| drops_resources(before.as_bytes(), after.as_bytes());
    assert_eq!(drops(&number, &both), Some(false));
    assert_eq!(drops(&both, &number), Some(true));
    assert_eq!(
        drops(&number, &of(&json!([{"index_key": "1"}]))),
        Some(true),
        "as many, but another one"
    );
    assert_eq!(
        drops(
            &both,
            &both.replace("{\"instances\"", "{\"module\":\"module.a\",\"instances\"")
        ),
        Some(true)
    );
    assert_eq!(drops(&number, &number), Some(false));
}

/// One instance with these members.
fn with(members: &str) -> String {
    format!(
        r#"{{"version":4,"resources":[{{"mode":"managed","type":"t","name":"n","instances":[{{{members}}}]}}]}}"#
    )
}

#[test]
fn what_a_newer_program_adds_where_there_is_nothing_to_say_is_no_change() {
    let old = with(r#""schema_version":1,"attributes":{"id":"i"}"#);
    for added in [
        r#""identity_schema_version":0"#,
        r#""identity_schema_version":null"#,
        r#""identity":null"#,
        r#""identity":{}"#,
        r#""create_before_destroy":false"#,
        r#""skip_destroy":false"#,
        r#""provider":"""#,
        r#""private":"""#,
        r#""private":null"#,
        r#""status":"""#,
        r#""sensitive_attributes":[]"#,
        r#""sensitive_attributes":null"#,
        r#""dependencies":[]"#,
        r#""dependencies":null"#,
        r#""attributes_flat":null"#,
        r#""index_key":null"#,
        r#""deposed":"""#,
        r#""deferred":false,"of_a_later_program":0,"another":[ ],"more":{}"#,
    ] {
        let new = with(&format!(
            r#""schema_version":1,"attributes":{{"id":"i"}},{added}"#
        ));
        assert_eq!(
            (lines(&old, &new), lines(&new, &old)),
            (vec![], vec![]),
            "{added}"
        );
    }
    assert_eq!(lines(&with(r#""schema_version":0"#), &with("")), [""; 0]);
    for (added, path) in [
        (r#""identity_schema_version":1"#, "identity_schema_version"),
        (r#""identity":{"arn":"a"}"#, "identity"),
        (r#""skip_destroy":true"#, "skip_destroy"),
        (
            r#""provider":"provider[\"p\"].by_region[\"eu\"]""#,
            "provider",
        ),
        (r#""Status":"tainted""#, "status"),
        (
            r#""of_a_later_program":{"token":"canary"}"#,
            "of_a_later_program",
        ),
    ] {
        let new = with(&format!(
            r#""schema_version":1,"attributes":{{"id":"i"}},{added}"#
        ));
        assert_eq!(
            lines(&old, &new),
            [format!("changed t.n {path}")],
            "{added}"
        );
        assert!(!report(&old, &new).to_string().contains("canary"));
    }
    assert_eq!(
        lines(
            &with(r#""attributes":{"a":0}"#),
            &with(r#""attributes":{}"#)
        ),
        ["changed t.n a"],
        "an attribute is no member"
    );
}

#[test]
fn the_provider_of_one_instance_counts_wherever_it_is_written() {
    let of = |resource: &str, instance: &str| {
        format!(
            r#"{{"version":4,"resources":[{{"mode":"managed","type":"t","name":"n"{resource},"instances":[{{"attributes":{{}}{instance}}}]}}]}}"#
        )
    };
    let (all, one) = (r#","provider":"p""#, r#","provider":"p""#);
    assert_eq!(lines(&of(all, ""), &of("", one)), [""; 0]);
    assert_eq!(
        lines(&of(all, ""), &of(r#","provider":"q""#, one)),
        [""; 0],
        "its own counts"
    );
    let changes = report(
        &of("", r#","provider":"p[\"eu\"]""#),
        &of("", r#","provider":"p[\"us\"]""#),
    );
    assert_eq!(
        changes["resources"][0]["meta"],
        json!([{"path": "provider", "before": "p[\"eu\"]", "after": "p[\"us\"]"}])
    );
}

#[test]
fn members_are_read_as_the_programs_read_them() {
    let plain =
        with(r#""schema_version":1,"dependencies":["a"],"attributes":{"id":"i"},"index_key":"k""#);
    for same in [
        r#""dependencies":["b"],"dependencies":["a"],"schema_version":1,"attributes":{"id":"i"},"index_key":"k""#,
        r#""attributes":{"id":"j"},"schema_version":2,"Schema_Version":1,"dependencies":["a"],"ATTRIBUTES":{"id":"i"},"index_key":"k""#,
        r#""schema_version":1,"schema_version":null,"dependencies":["a"],"attributes":{"id":"i"},"index_key":1,"index_\u006bey":"k""#,
    ] {
        assert_eq!(lines(&plain, &with(same)), [""; 0], "{same}");
    }
    let of = |outputs: &str| format!(r#"{{"version":4,"outputs":{{{outputs}}}}}"#);
    let hidden = |text: &str| {
        outputs(of(text).as_bytes(), false)
            .unwrap()
            .get("o")
            .map(|output| output.sensitive)
    };
    assert_eq!(
        hidden(r#""o":{"value":"v","type":"string","sensitive":null}"#),
        Some(false)
    );
    assert_eq!(
        hidden(r#""o":{"value":"v","type":"string","sensitive":true,"sensitive":null}"#),
        Some(true)
    );
    assert_eq!(
        hidden(r#""o":{"value":"v","type":"string","Sensitive":true}"#),
        Some(true)
    );
    assert_eq!(
        hidden(r#""o":{"value":"v","type":"string","sensitive":true,"sensitive":false}"#),
        Some(false)
    );
    assert_eq!(
        hidden(
            r#""o":{"value":"v","type":"string","sensitive":true},"o":{"value":"v","type":"string"}"#
        ),
        Some(false)
    );
    assert!(
        open_outputs(of(r#""o":{"value":"canary","type":"string","SENSITIVE":true}"#).as_bytes())
            .unwrap()
            .is_empty()
    );
    let nothing = r#"{"version":4,"terraform_version":null,"outputs":null,"resources":null,"check_results":null}"#;
    assert_eq!(counts(nothing, nothing), (0, 0, 0));
    let names = r#"{"version":4,"resources":[{"mode":"managed","type":null,"module":null,"instances":[{}]}]}"#;
    assert_eq!(lines(nothing, names), ["added ."]);
}

#[test]
fn what_is_deposed_belongs_to_its_instance() {
    let of = |objects: &Value| state(&json!([resource("y", objects)]));
    let (now, old) = (
        json!({"attributes": {"id": "i"}}),
        json!({"deposed": "0a1b2c3d", "attributes": {"id": "h", "token": "canary", "n": 1}}),
    );
    let other = json!({"deposed": "0a1b2c3e", "attributes": {"id": "g"}});
    let (one, two, all) = (
        of(&json!([now])),
        of(&json!([now, old])),
        of(&json!([other, now, old])),
    );
    assert_eq!(
        counts(std::str::from_utf8(NOTHING).unwrap(), &all),
        (1, 0, 0)
    );
    assert_eq!(lines(&one, &all), ["changed aws_x.y deposed"]);
    assert_eq!(
        report(&two, &all)["resources"][0]["meta"],
        json!([{"path": "deposed", "before": ["0a1b2c3d"], "after": ["0a1b2c3d", "0a1b2c3e"]}])
    );
    assert_eq!(
        lines(&all, &of(&json!([now, old, other]))),
        [""; 0],
        "their order says nothing"
    );
    let changed = two
        .replace("\"n\":1", "\"n\":2")
        .replace("canary", "canary-2");
    assert_eq!(
        lines(&two, &changed),
        ["changed aws_x.y deposed[\"0a1b2c3d\"].n deposed[\"0a1b2c3d\"].token"]
    );
    assert!(!report(&two, &changed).to_string().contains("canary"));
    let only_old = of(&json!([old]));
    assert_eq!(
        lines(&two, &only_old),
        ["changed aws_x.y provider id"],
        "it is still in the state"
    );
    assert_eq!(
        drops_resources(two.as_bytes(), only_old.as_bytes()),
        Some(false)
    );
    let objects = |list: Vec<(&Address<'_>, Option<&str>)>| {
        list.into_iter()
            .map(|(address, key)| format!("{address} {}", key.unwrap_or("-")))
            .collect::<Vec<_>>()
    };
    let between = |before: &str, after: &str| {
        let diff = compare(before.as_bytes(), after.as_bytes()).unwrap();
        (objects(diff.lost()), objects(diff.gained()))
    };
    assert_eq!(
        between(&all, &one),
        (
            vec!["aws_x.y 0a1b2c3d".to_owned(), "aws_x.y 0a1b2c3e".to_owned()],
            vec![]
        )
    );
    assert_eq!(
        between(&all, &state(&json!([]))).0,
        ["aws_x.y -", "aws_x.y 0a1b2c3d", "aws_x.y 0a1b2c3e"]
    );
    assert_eq!(
        between(&only_old, &one),
        (
            vec!["aws_x.y 0a1b2c3d".to_owned()],
            vec!["aws_x.y -".to_owned()]
        )
    );
}

#[test]
fn formats_1_and_2_are_read_as_the_programs_read_them() {
    let module = |outputs: &str, attributes: &str| {
        format!(
            r#""serial":1,"modules":[{{"path":["root"],"outputs":{{{outputs}}},"resources":{{"aws_x.y":{{"type":"aws_x","primary":{{"id":"i",
            "attributes":{{{attributes}}},"meta":{{"schema_version":"1"}}}}}}}}}}]"#
        )
    };
    let one = format!(
        "{{\"version\":1,{}}}",
        module(r#""o":"v""#, r#""tags.#":"1","tags.Name":"x","none.#":"0""#)
    );
    let two = format!(
        "{{\"version\":2,{}}}",
        module(
            r#""o":{"value":"v","type":"string","sensitive":true}"#,
            r#""id":"i","tags.#":"1","tags.Name":"x""#
        )
    );
    let three = format!(
        "{{\"version\":3,{}}}",
        module(
            r#""o":{"value":"v","type":"string","sensitive":true}"#,
            r#""id":"i","tags.%":"1","tags.Name":"x""#
        )
    );
    let four = r#"{"version":4,"outputs":{"o":{"value":"v","type":"string","sensitive":true}},"resources":[{"mode":"managed","type":"aws_x","name":"y",
        "provider":"provider.aws","instances":[{"schema_version":1,"attributes_flat":{"id":"i","tags.%":"1","tags.Name":"x"}}]}]}"#;
    for (before, after) in [
        (&one, &two),
        (&two, &three),
        (&one, &three),
        (&three, &four.to_owned()),
        (&one, &four.to_owned()),
    ] {
        assert_eq!(lines(before, after), [""; 0], "{before} {after}");
    }
    assert_eq!(
        serde_json::to_value(&outputs(one.as_bytes(), false).unwrap()["o"].value).unwrap(),
        "v"
    );
    assert!(outputs(two.as_bytes(), false).unwrap()["o"].hidden);
    assert_eq!(
        lines(&one, &one.replace("\"x\"", "\"z\"")),
        ["changed aws_x.y tags.Name"]
    );
    assert_eq!(
        lines(
            &two,
            &two.replace("\"meta\":", "\"tainted\":true,\"meta\":")
        ),
        ["changed aws_x.y status"]
    );
}

/// Small states with few names, so that two of them have much in common.
fn any_state() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(json!(null)),
        (0..3_u8).prop_map(Value::from),
        "[ab]{0,2}".prop_map(Value::from)
    ];
    let value = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[ab]", inner, 0..3).prop_map(|map| json!(map)),
        ]
    });
    let index = prop_oneof![
        Just(json!(null)),
        (0..2_u8).prop_map(Value::from),
        "[01]".prop_map(Value::from)
    ];
    let attributes =
        (value, prop::option::of("i-[0-3]")).prop_map(|(value, id)| json!({"v": value, "id": id}));
    let instance = (index, attributes).prop_map(
        |(index_key, attributes)| json!({"index_key": index_key, "attributes": attributes}),
    );
    let resource = ("[xyz]", prop::collection::vec(instance, 0..3))
        .prop_map(|(name, instances)| resource(&name, &json!(instances)));
    prop::collection::vec(resource, 0..4).prop_map(|resources| state(&json!(resources)))
}

proptest! {
    #[test]
    fn a_state_is_as_itself(a in any_state()) {
        let report = report(&a, &a);
        prop_assert_eq!(&report["counts"], &json!({"added": 0, "changed": 0, "removed": 0, "moved": 0}));
        prop_assert_eq!(&report["resources"], &json!([]));
    }

    #[test]
    fn there_and_back_again_are_mirrored(a in any_state(), b in any_state()) {
        let (there, back) = (counts(&a, &b), counts(&b, &a));
        prop_assert_eq!(there, (back.2, back.1, back.0));
    }

    #[test]
    fn what_changed_is_listed(a in any_state(), b in any_state()) {
        let report = report(&a, &b);
        for resource in report["resources"].as_array().unwrap().iter().filter(|resource| resource["action"] == "changed") {
            let listed = resource["attributes"].as_array().unwrap().len() + resource["meta"].as_array().unwrap().len();
            prop_assert!(listed > 0, "{}", resource);
        }
    }
}
