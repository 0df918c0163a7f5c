//! `statekeep state resources`, `statekeep state show W/B ADDRESS` and `statekeep state blame`.

use serde_json::json;

use crate::harness::{Client, statekeep, tfstate_with};

use super::{L1, Place, stderr};

/// `team/net` with a resource that another one needs, and `team/sealed`, which is encrypted.
fn resources(admin: &Client) {
    let kept = json!({"id": "+\u{1b}[2J", "n": 1, "token": "canary"});
    let resources = json!([
        {"mode": "managed", "type": "aws_x", "name": "kept", "provider": "p",
            "instances": [{"attributes": kept, "dependencies": ["aws_y.many"]}]},
        {"mode": "managed", "type": "aws_y", "name": "many", "provider": "p",
            "instances": [
                {"index_key": "a/b %", "attributes": {"id": "y"}},
                {"index_key": "c", "status": "tainted", "attributes": {"id": "z"}}
            ]}
    ]);
    let body = tfstate_with(L1, 1, "x", &resources);
    admin.write("team/net", body, None).expect_status(200);
    let more = tfstate_with(L1, 2, "x", &json!([]));
    admin.write("team/net", more, None).expect_status(200);
    let sealed = json!({
        "serial": 1, "lineage": L1, "meta": {"k": "v"}, "encrypted_data": "c2VjcmV0",
        "encryption_version": "v0"
    });
    admin
        .write("team/sealed", sealed.to_string(), None)
        .expect_status(200);
}

const FIRST: &[&str] = &["state", "resources", "team/net", "--version", "1"];
const ODD: &str = "aws_y.many[\"a/b %\"]";

#[test]
fn resources_are_listed_with_filters_and_without_secrets() {
    Place::both(resources, |place| {
        let listed = place.ok(FIRST);
        let lines: Vec<&str> = listed.lines().collect();
        assert_eq!(lines.len(), 4, "{listed}");
        assert!(
            lines[1].starts_with("aws_x.kept") && lines[1].contains(r"+\u001b[2J"),
            "{listed}"
        );
        assert!(lines[2].starts_with(ODD), "{listed}");
        assert!(lines[3].contains("tainted"), "{listed}");
        let of = |more: &[&str]| place.json(&[FIRST, more].concat())["resources"].clone();
        assert_eq!(of(&[]).as_array().map(Vec::len), Some(3));
        assert!(!of(&[]).to_string().contains("canary"));
        assert_eq!(of(&["--type", "aws_x"])[0]["attributes"]["n"], 1);
        assert_eq!(
            of(&["--type", "aws_y", "--prefix", "aws_y.many[\"a/b %"])[0]["id"],
            "y"
        );
        assert_eq!(of(&["--prefix", "module."]), json!([]));
        let now = place.json(&["state", "resources", "team/net"]);
        assert_eq!(now["resources"], json!([]), "the current version has none");
        place.fails(
            &["state", "resources", "team/net", "--version", "9"],
            "no_version",
        );
        place.fails(&["state", "resources", "team/none"], "team/none");
        place.fails(&["state", "resources", "team/sealed"], "encrypted");
    });
}

#[test]
fn one_resource_is_shown_with_its_neighbours() {
    Place::both(resources, |place| {
        let show = |address| ["state", "show", "team/net", address, "--version", "1"];
        let shown = place.ok(&show("aws_x.kept"));
        assert!(!shown.contains("canary"), "{shown}");
        for line in ["  n     = 1", "  token = \"(hidden)\""] {
            assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
        }
        assert!(
            shown.contains("aws_y.many[\"a/b %\"], aws_y.many[\"c\"]"),
            "{shown}"
        );
        assert!(!shown.contains('\u{1b}'), "{shown}");
        let odd = place.json(&show(ODD));
        assert_eq!(odd["resource"]["needed_by"], json!(["aws_x.kept"]));
        place.fails(&show("aws_x.none"), "no_resource");
        place.fails(&["state", "show", "team/sealed", "aws_x.kept"], "encrypted");
    });
}

#[test]
fn blame_tells_who_changed_a_resource_and_when() {
    Place::both(resources, |place| {
        let told = place.ok(&["state", "blame", "team/net", "aws_x.kept"]);
        let lines: Vec<&str> = told.lines().collect();
        assert!(
            lines[0].starts_with("version 2, serial 2, by admin at "),
            "{told}"
        );
        assert!(lines.contains(&"  # aws_x.kept was removed"), "{told}");
        assert!(lines.contains(&"  # aws_x.kept was added"), "{told}");
        assert!(
            !told.contains("canary") && !told.contains('\u{1b}'),
            "{told}"
        );
        let of = |more: &[&str]| {
            place.json(&[&["state", "blame", "team/net", "aws_x.kept"], more].concat())
        };
        let n = of(&["n"]);
        assert_eq!(n["next"], json!(null));
        assert_eq!(
            n["changes"][0]["change"]["attributes"],
            json!([{"path": "n", "before": 1}])
        );
        assert_eq!(n["changes"][1]["version"]["number"], 1);
        let newest = of(&["--limit", "1"]);
        assert_eq!(newest["changes"].as_array().map(Vec::len), Some(1));
        assert_eq!(newest["changes"][0]["version"]["number"], 2);
        let sealed = place.run(&["state", "blame", "team/sealed", "aws_x.kept"]);
        assert!(
            stderr(&sealed).contains("version 1 is not compared"),
            "{sealed:?}"
        );
        assert!(sealed.status.success(), "{sealed:?}");
        place.fails(&["state", "blame", "team/none", "aws_x.kept"], "team/none");
    });
}

#[test]
fn blame_of_a_name_that_never_was_is_a_failure() {
    let pruned = |admin: &Client| {
        resources(admin);
        let resources = |id: &str| {
            json!([{"mode": "managed", "type": "aws_x", "name": "stays", "provider": "p",
                "instances": [{"attributes": {"id": "i"}}]},
                {"mode": "managed", "type": "aws_x", "name": "changes", "provider": "p",
                "instances": [{"attributes": {"id": id}}]}])
        };
        for (serial, id) in [(1, "a"), (2, "b"), (3, "c")] {
            let body = tfstate_with(L1, serial, "x", &resources(id));
            admin.write("team/pruned", body, None).expect_status(200);
        }
        let rules = json!({"policy": {"keep_last": 2}, "workspace": "team"});
        admin.post_json("/api/prune", &rules).expect_status(200);
    };
    Place::both(pruned, |place| {
        let blame = |more: &[&'static str]| [&["state", "blame"], more].concat();
        for (more, word) in [
            (
                &["team/net", "aws_x.none"][..],
                "has aws_x.none (no_resource)",
            ),
            (
                &["team/net", "aws_x.kept", "none"],
                "has none of aws_x.kept",
            ),
            (
                &["team/pruned", "aws_x.none"],
                "as far as they can be compared",
            ),
        ] {
            place.fails(&blame(more), word);
            let output = statekeep(&blame(more))
                .env("STATEKEEP_DATA", &place.data)
                .env("STATEKEEP_DETAILED_EXIT_CODES", "true")
                .output()
                .expect("it runs");
            assert_eq!(output.status.code(), Some(5), "{output:?}");
        }
        let stays = place.run(&blame(&["team/pruned", "aws_x.stays"]));
        assert!(
            stays.status.success() && stays.stdout.is_empty(),
            "{stays:?}"
        );
        assert!(
            stderr(&stays).contains("no version of team/pruned changed aws_x.stays"),
            "{stays:?}"
        );
    });
}

/// A state with a number beyond those of most programs, as Terraform writes 1e400, and with half of
/// a pair of surrogates, as programs that edit states may leave it.
fn unusual(serial: u64, digits: usize) -> String {
    let large = format!("1{}", "0".repeat(digits));
    let resources = json!([{"mode": "managed", "type": "aws_x", "name": "large", "provider": "p",
        "instances": [{"attributes": {"id": "i", "n": "LARGE", "half": "HALF"}}]}]);
    tfstate_with(L1, serial, "LARGE", &resources)
        .replace("\"LARGE\"", &large)
        .replace("HALF", "\\ud800")
}

#[test]
fn values_that_few_programs_can_hold_prevent_no_command() {
    let two = |admin: &Client| {
        for (serial, digits) in [(1, 400), (2, 401)] {
            let body = unusual(serial, digits);
            admin.write("team/net", body, None).expect_status(200);
        }
    };
    Place::both(two, |place| {
        let listed = place.ok(&["state", "resources", "team/net"]);
        assert!(listed.contains("aws_x.large"), "{listed}");
        let large = format!("1{}", "0".repeat(400));
        let shown = place.ok(&["state", "show", "team/net", "aws_x.large", "--version", "1"]);
        assert!(shown.contains(&format!("  n    = {large}\n")), "{shown}");
        let outputs = place.ok(&["state", "outputs", "team/net"]);
        assert!(outputs.contains(&format!("{large}0")), "{outputs}");
        for args in [
            ["state", "diff", "team/net", "1", "2"],
            ["state", "blame", "team/net", "aws_x.large", "n"],
            ["state", "rollback", "team/net", "1", "--dry-run"],
        ] {
            let told = place.ok(&args);
            let json = place.ok(&[&args[..], &["--format", "json"]].concat());
            assert!(json.contains(&format!("{large}0")), "{args:?}: {json}");
            assert!(!told.is_empty(), "{args:?}");
        }
        let told = place.ok(&["state", "rollback", "team/net", "1", "--dry-run"]);
        assert!(
            told.contains("in both, but different: 1 resource, 1 output"),
            "{told}"
        );
        place.ok(&["state", "rollback", "team/net", "1", "--yes"]);
        let back = place.look(|admin| admin.read("team/net").text());
        assert_eq!(back, unusual(3, 400), "each digit came back");
    });
}
