//! `statekeep state diff` and `statekeep state outputs`.

use serde_json::{Value, json};

use crate::harness::{Client, statekeep, tfstate};
use crate::skip;

use super::{L1, Place, stderr};

fn state(serial: u64, program: &str, instances: &[(&str, &str)]) -> String {
    let resource = |(name, attributes): &(&str, &str)| {
        format!(
            r#"{{"mode":"managed","type":"aws_x","name":"{name}","provider":"p",
                "instances":[{{"schema_version":0,"attributes":{attributes}}}]}}"#
        )
    };
    let resources: Vec<String> = instances.iter().map(resource).collect();
    let outputs = format!(
        r#"{{"size":{{"value":{serial}.10,"type":"number"}},
            "marked":{{"value":"canary-{serial}","type":"string","sensitive":true}},
            "odd":{{"value":"a\u001b[31m\u202e","type":"string"}}}}"#
    );
    format!(
        r#"{{"version":4,"terraform_version":"{program}","serial":{serial},"lineage":"{L1}",
            "outputs":{outputs},"resources":[{}]}}"#,
        resources.join(",")
    )
}

/// `team/net` with two versions and a third that only has another serial.
fn versions(admin: &Client) {
    let gone = r#"{"id":"g"}"#;
    let one = state(
        1,
        "1.11.4",
        &[
            (
                "kept",
                r#"{"id":"k","n":1,"token":"canary","tags":{"a b":1}}"#,
            ),
            ("old", r#"{"id":"m"}"#),
            ("gone", gone),
        ],
    );
    let kept = r#"{"id":"k","n":9007199254740993,"token":"canary-2","tags":{}}"#;
    let two = state(
        2,
        "1.12.0",
        &[
            ("kept", kept),
            ("new", r#"{"id":"m","x":null}"#),
            ("more", r#"{"id":"+\u001b[2J\nforged"}"#),
        ],
    );
    for body in [&one, &two, &two.replace("\"serial\":2", "\"serial\":3")] {
        admin.write("team/net", body, None).expect_status(200);
    }
}

#[test]
fn diff_prints_what_changed_as_people_know_it_from_plans() {
    Place::both(versions, |place| {
        let printed = place.ok(&["state", "diff", "team/net", "2"]);
        let (head, rest) = printed.split_once("\n\n").expect("a head");
        assert!(
            head.starts_with("team/net: version 2 against version 1\n  version 1: serial 1, "),
            "{head}"
        );
        assert!(
            head.contains("sha256") && head.contains("by admin with 1.12.0 at "),
            "{head}"
        );
        let expected = r#"  # aws_x.gone was removed
  - resource "aws_x" "gone" (id = g)

  # aws_x.kept was changed
  ~ resource "aws_x" "kept" (id = k)
      ~ n           = 1 -> 9007199254740993
      - tags["a b"] = 1
      ~ token       = (hidden)

  # aws_x.more was added
  + resource "aws_x" "more" (id = +\u001b[2J\nforged)

  # aws_x.old was moved to aws_x.new
 -> resource "aws_x" "new" (id = m)
      + x = null

Outputs:
  ~ marked = (hidden)
  ~ size   = 1.10 -> 2.10

Written by:
  ~ terraform_version = "1.11.4" -> "1.12.0"

Resources: 1 added, 2 changed (1 of them moved), 1 removed. Outputs: 2 changed.
"#;
        assert_eq!(rest, expected);
    });
}

#[test]
fn diff_takes_no_number_one_or_two() {
    Place::both(versions, |place| {
        let pair = |numbers: &[&str]| {
            let answer = place.json(&[&["state", "diff", "team/net"], numbers].concat());
            (
                answer["from"]["number"].as_u64(),
                answer["to"]["number"].as_u64(),
            )
        };
        assert_eq!(pair(&[]), (Some(2), Some(3)));
        assert_eq!(pair(&["2"]), (Some(1), Some(2)));
        assert_eq!(pair(&["1"]), (None, Some(1)));
        assert_eq!(pair(&["1", "3"]), (Some(1), Some(3)));
        assert_eq!(pair(&["3", "1"]), (Some(3), Some(1)));
        let same = place.ok(&["state", "diff", "team/net"]);
        assert!(
            same.ends_with("\n\nResources: 0 added, 0 changed, 0 removed. Outputs: 0 changed.\n"),
            "{same}"
        );
        assert!(
            place
                .ok(&["state", "diff", "team/net", "1"])
                .starts_with("team/net: version 1, the first\n")
        );
        place.fails(&["state", "diff", "team/net", "9"], "no_version");
        place.fails(&["state", "diff", "team/none"], "team/none");
        for odd in [&["0"][..], &["x"], &["1", "2", "3"]] {
            let output = place.run(&[&["state", "diff", "team/net"], odd].concat());
            assert_eq!(
                output.status.code(),
                Some(2),
                "{odd:?}: {}",
                stderr(&output)
            );
        }
    });
}

#[test]
fn secrets_are_printed_only_with_sensitive_and_numbers_as_they_are_written() {
    Place::both(versions, |place| {
        for format in ["text", "json"] {
            let args = ["state", "diff", "team/net", "2", "--format", format];
            assert!(!place.ok(&args).contains("canary"), "{format}");
            let clear = place.ok(&[&args[..], &["--sensitive"]].concat());
            assert!(
                clear.contains("canary-2")
                    && clear.contains("9007199254740993")
                    && clear.contains("2.10"),
                "{clear}"
            );
        }
        assert_eq!(
            place.look(|admin| admin.events("kind=state.reveal")).len(),
            2
        );
        let outputs = place.ok(&["state", "outputs", "team/net"]);
        assert_eq!(
            outputs,
            "marked = (hidden)\nodd    = \"a\\u001b[31m\\u202e\"\nsize   = 2.10\n"
        );
        assert!(
            place
                .ok(&["state", "outputs", "team/net", "--sensitive"])
                .contains("marked = \"canary-2\"")
        );
        let listed: Value = place.json(&["state", "outputs", "team/net"]);
        assert_eq!(
            (&listed["outputs"]["marked"]["hidden"], &listed["version"]),
            (&json!(true), &json!(3))
        );
        place.fails(&["state", "outputs", "team/none"], "team/none");
    });
}

#[test]
fn what_cannot_be_looked_into_is_said_to_be_so() {
    let sealed = |admin: &Client| {
        admin
            .write("team/net", tfstate(L1, 1), None)
            .expect_status(200);
        let body = json!({
            "serial": 2, "lineage": L1, "meta": {"k": "v"}, "encrypted_data": "c2VjcmV0",
            "encryption_version": "v0"
        });
        admin
            .write("team/net", body.to_string(), None)
            .expect_status(200);
    };
    Place::both(sealed, |place| {
        let output = place.run(&["state", "diff", "team/net"]);
        assert_eq!(output.status.code(), Some(0));
        assert!(stderr(&output).contains("encrypted"), "{}", stderr(&output));
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(
            printed.contains("version 1: serial 1")
                && printed.contains("version 2: serial 2")
                && printed.contains("sha256"),
            "{printed}"
        );
        place.fails(&["state", "outputs", "team/net"], "encrypted");
    });
}

#[test]
fn history_shows_how_much_each_version_changed_once_that_is_counted() {
    Place::both(versions, |place| {
        let printed = place.ok(&["state", "history", "team/net"]);
        assert!(
            printed
                .lines()
                .next()
                .is_some_and(|head| head.contains("CHANGES")),
            "{printed}"
        );
        let rows = place.json(&["state", "history", "team/net"]);
        let counted = rows["versions"][1]["added"].as_u64().is_some();
        assert_eq!(printed.contains("+1 ~2 -1"), counted, "{printed}");
    });
}

/// What a command prints on a terminal that `script` makes.
fn on_a_terminal(place: &Place, command: &str) -> Option<String> {
    let program = statekeep(&[]).get_program().to_string_lossy().into_owned();
    let mut script = std::process::Command::new(skip::program("script", "STATEKEEP_SCRIPT")?);
    script
        .args(["-qec", &command.replace("statekeep", &program), "/dev/null"])
        .stdin(std::process::Stdio::null());
    let output = script
        .env("STATEKEEP_DATA", &place.data)
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .output()
        .ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn colours_are_for_terminals_whose_owner_wants_them() {
    Place::both(versions, |place| {
        assert!(
            !place
                .ok(&["state", "diff", "team/net", "2"])
                .contains('\u{1b}'),
            "a pipe is no terminal"
        );
        let Some(coloured) = on_a_terminal(place, "statekeep state diff team/net 2") else {
            return;
        };
        assert!(
            coloured.contains("\u{1b}[31m  -\u{1b}[0m resource")
                && coloured.contains("\u{1b}[32m  +\u{1b}[0m"),
            "{coloured}"
        );
        assert!(
            !coloured.contains("\u{1b}[2J"),
            "what a state holds does not act on the terminal"
        );
        let plain =
            on_a_terminal(place, "NO_COLOR=1 statekeep state diff team/net 2").expect("as before");
        assert!(
            plain.contains("aws_x.kept was changed") && !plain.contains('\u{1b}'),
            "{plain}"
        );
    });
}
