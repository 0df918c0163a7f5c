//! States of all formats and programs, read as the programs read them.

use serde_json::{Value, json};

use super::*;

#[test]
fn format_3_is_compared_too() {
    let of = |id: &str, more: &str| {
        format!(
            r#"{{"version":3,"terraform_version":"0.11.14","serial":1,"modules":[{{"path":["root"],
                "outputs":{{"o":{{"sensitive":true,"type":"string","value":"{id}"}}}},
            "resources":{{"aws_x.y.1":{{"type":"aws_x","depends_on":["b","a"],
                "primary":{{"id":"{id}","attributes":{{"id":"{id}","tags.%":"1",
                "admin_password":"{id}"}},
            "meta":{{}},"tainted":false}},"deposed":[],"provider":"provider.aws"}}}}}},
                {{"path":["root","a"],"resources":{{{more}}}}}]}}"#
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
            r#"{{"version":4,"resources":[{{"mode":"managed","type":"t","name":"n"{resource},
                "instances":[{{"attributes":{{}}{instance}}}]}}]}}"#
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
        r#""dependencies":["b"],"dependencies":["a"],"schema_version":1,"attributes":{"id":"i"},
            "index_key":"k""#,
        r#""attributes":{"id":"j"},"schema_version":2,"Schema_Version":1,"dependencies":["a"],
            "ATTRIBUTES":{"id":"i"},"index_key":"k""#,
        r#""schema_version":1,"schema_version":null,"dependencies":["a"],"attributes":{"id":"i"},
            "index_key":1,"index_\u006bey":"k""#,
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
            r#""o":{"value":"v","type":"string","sensitive":true},"o":{"value":"v",
                "type":"string"}"#
        ),
        Some(false)
    );
    assert!(
        open_outputs(of(r#""o":{"value":"canary","type":"string","SENSITIVE":true}"#).as_bytes())
            .unwrap()
            .is_empty()
    );
    let nothing = r#"{"version":4,"terraform_version":null,"outputs":null,"resources":null,
        "check_results":null}"#;
    assert_eq!(counts(nothing, nothing), (0, 0, 0));
    let names = r#"{"version":4,"resources":[{"mode":"managed","type":null,"module":null,
        "instances":[{}]}]}"#;
    assert_eq!(lines(nothing, names), ["added ."]);
}

#[test]
fn formats_1_and_2_are_read_as_the_programs_read_them() {
    let module = |outputs: &str, attributes: &str| {
        format!(
            r#""serial":1,"modules":[{{"path":["root"],"outputs":{{{outputs}}},
                "resources":{{"aws_x.y":{{"type":"aws_x","primary":{{"id":"i",
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
    let four = r#"{"version":4,"outputs":{"o":{"value":"v","type":"string","sensitive":true}},
        "resources":[{"mode":"managed","type":"aws_x","name":"y",
        "provider":"provider.aws","instances":[{"schema_version":1,"attributes_flat":{"id":"i",
            "tags.%":"1","tags.Name":"x"}}]}]}"#;
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
