//! Which instances are the same, moved, changed, deposed or gone.

use serde_json::{Value, json};

use super::*;

#[test]
fn the_order_of_keys_and_dependencies_is_no_change() {
    let one = r#"{"version":4,"resources":[{"mode":"managed","type":"t","name":"n","instances":[
        {"attributes":{"a":1.0,"b":{"c":[1],"d":null}},"dependencies":["x","y"],
            "create_before_destroy":false}]}]}"#;
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
        resource("y", &json!([{"index_key": 0, "attributes": {"a": 1}}, {"index_key": "0",
            "attributes": {"a": 1}}])),
        {"module": "module.m[\"k\"]", "mode": "data", "type": "aws_x", "name": "y", "instances": [
            {"attributes": {"a": 1}}]},
    ]));
    let after = state(&json!([resource(
        "y",
        &json!([{"index_key": "0", "attributes": {"a": 2}}, {"index_key": 10,
            "attributes": {"a": 1}},
            {"index_key": 9, "attributes": {"a": 1}}, {"index_key": 9, "deposed": "1a2b",
                "attributes": {"a": 1}}])
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
    let data = |name: &str| {
        json!([{"mode": "data", "type": "aws_x", "name": name, "instances": [
        {"attributes": {"id": "i-1"}}]}])
    };
    assert_eq!(
        lines(&state(&data("a")), &state(&data("b"))),
        ["removed data.aws_x.a", "added data.aws_x.b"]
    );
}

#[test]
fn numbers_keep_every_digit_and_paths_are_written_as_terraform_does() {
    let one = r#"{"version":4,"resources":[{"mode":"managed","type":"t","name":"n","instances":[
        {"attributes":
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
        json!({"schema_version": 0, "private": "canary-a", "identity": {"arn": "a"},
            "attributes": {}}),
    );
    let after = of(
        json!({"schema_version": 1, "private": "canary-b", "identity": {"arn": "b"},
            "status": "tainted"}),
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
        json!({"schema_version": 1, "private": "canary-b", "identity": {"arn": "b"},
            "status": "tainted",
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
    let objects = |list: Vec<(&ResourceAddress<'_>, Option<&str>)>| {
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
