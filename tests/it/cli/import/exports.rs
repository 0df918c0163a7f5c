//! An export that comes to where something is already, or that was cut off: nothing is ended,
//! nothing is lost, and what is counted is so.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::{L1, Place, some_states, stderr};
use super::{nothing, put, str};
use crate::between::Between;
use crate::harness::{Client, Server, state_path, statekeep, tfstate};

/// An export of a server that was prepared.
fn exported(prepare: impl Fn(&Client)) -> TempDir {
    let (from, dir) = (Server::start(), TempDir::new().expect("a folder"));
    prepare(&from.admin());
    assert_eq!(
        from.cli(&["export", str(&dir.path().join("out"))])
            .status
            .code(),
        Some(0)
    );
    dir
}

fn three_versions(admin: &Client) {
    for serial in 1..=3 {
        admin
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(200);
    }
}

#[test]
fn what_is_deleted_in_an_export_does_not_end_what_lives_here() {
    let dir = exported(|admin| {
        three_versions(admin);
        admin.delete("team/net").expect_status(200);
    });
    let out = dir.path().join("out");
    let live = |admin: &Client| {
        admin
            .write("team/net", tfstate(L1, 1), None)
            .expect_status(200);
    };
    Place::both(live, |place| {
        let look = place.ok(&["import", str(&out), "--append", "--dry-run"]);
        assert!(
            look.lines()
                .any(|line| line.starts_with("team/net") && line.contains("append, stays live")),
            "{look}"
        );
        let output = place.run(&["import", str(&out), "--append"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(
            stderr(&output).contains("deleted in the export, and stays live here"),
            "{}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains("imported 1 state with 2 versions"),
            "{}",
            stderr(&output)
        );
        place.look(|admin| {
            assert_eq!(
                admin.read("team/net").expect_status(200).text(),
                tfstate(L1, 3)
            );
        });
    });
    // To an address that was never used it arrives deleted, with and without the flag.
    for more in [&[][..], &["--append"]] {
        let to = Server::start();
        assert_eq!(
            to.cli(&[&["import", str(&out)], more].concat())
                .status
                .code(),
            Some(0)
        );
        to.admin().read("team/net").expect_problem(404, "no_state");
        assert_eq!(to.admin().versions("team/net").len(), 3);
    }
}

#[test]
fn an_export_without_what_was_purged_is_there_already_where_it_comes_from() {
    let prepare = |admin: &Client| {
        three_versions(admin);
        let path = format!("{}/purge", state_path("team/net"));
        admin
            .post_json(&path, &json!({"versions": [2]}))
            .expect_status(200);
    };
    Place::both(prepare, |place| {
        let dir = TempDir::new().expect("a folder");
        let out = dir.path().join("out");
        place.ok(&["export", str(&out)]);
        let look = place.ok(&["import", str(&out), "--dry-run"]);
        assert!(look.contains("there already"), "{look}");
        let output = place.run(&["import", str(&out)]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        place.look(|admin| assert_eq!(admin.versions("team/net").len(), 3));
    });
}

#[test]
fn the_server_does_not_end_a_state_by_what_is_added_to_it() {
    let server = Server::start();
    let admin = server.admin();
    three_versions(&admin);
    let path = format!("{}/import?append=true&deleted=true", state_path("team/net"));
    admin
        .send("POST", &path, tfstate(L1, 4))
        .expect_problem(400, "bad_query");
    assert_eq!(
        admin.read("team/net").expect_status(200).text(),
        tfstate(L1, 3)
    );
    admin
        .send(
            "POST",
            &path.replace("true&deleted=true", "true"),
            tfstate(L1, 4),
        )
        .expect_status(200);
}

#[test]
fn a_state_that_is_deleted_here_is_told_and_not_counted_as_live() {
    let dir = exported(three_versions);
    let out = dir.path().join("out");
    Place::both(nothing, |place| {
        place.ok(&["import", str(&out)]);
        place.look(|admin| {
            admin.delete("team/net").expect_status(200);
        });
        let again = place.run(&["import", str(&out)]);
        assert_eq!(again.status.code(), Some(0));
        assert!(
            stderr(&again).contains("deleted here; `statekeep state restore team/net`"),
            "{}",
            stderr(&again)
        );
        let told = place.json(&["import", str(&out)]);
        assert_eq!(
            (&told["there_already"], &told["there_deleted"]),
            (&json!(1), &json!(1))
        );
        let append = place.run(&["import", str(&out), "--append"]);
        assert_eq!(append.status.code(), Some(1));
        assert!(
            stderr(&append).contains("deleted here"),
            "{}",
            stderr(&append)
        );
    });
}

fn held(admin: &Client) -> Vec<Value> {
    admin
        .versions("team/net")
        .iter()
        .rev()
        .map(|version| version["held"]["reason"].clone())
        .collect()
}

fn two_held(admin: &Client) {
    three_versions(admin);
    for number in [1, 2] {
        admin
            .post_json(
                &format!("{}/versions/{number}/hold", state_path("team/net")),
                &json!({"reason": "kept"}),
            )
            .expect_status(200);
    }
}

#[test]
fn holds_that_were_lost_come_with_the_next_run() {
    let dir = exported(two_held);
    let out = dir.path().join("out");
    for kind in ["/versions/1/hold", "/versions/2/hold"] {
        let to = Server::start();
        let admin = to.admin();
        put(dir.path(), "key", admin.secret());
        let key = dir.path().join("key");
        let faulty = Between::before(&to, kind);
        let import = |url: &str| {
            statekeep(&["import", str(&out), "--url", url, "--key-file", str(&key)])
                .output()
                .expect("it runs")
        };
        let first = import(faulty.url());
        assert_eq!(
            (first.status.code(), faulty.calls()),
            (Some(1), 1),
            "{}",
            stderr(&first)
        );
        let stored = admin.versions("team/net").len();
        let counted = if stored == 1 {
            "1 version".to_owned()
        } else {
            format!("{stored} versions")
        };
        assert!(
            stderr(&first).contains(&format!("imported 0 states with {counted}")),
            "{kind}: {}",
            stderr(&first)
        );
        assert!(
            stderr(&first).contains("1 state is there only in part"),
            "{kind}: {}",
            stderr(&first)
        );
        let second = import(faulty.url());
        assert_eq!(second.status.code(), Some(0), "{}", stderr(&second));
        assert!(
            stderr(&second).contains("1 version that was there already is held now"),
            "{kind}: {}",
            stderr(&second)
        );
        assert_eq!(
            held(&admin),
            [json!("kept"), json!("kept"), Value::Null],
            "{kind}"
        );
        // Once all is there, nothing more is done.
        let third = import(faulty.url());
        assert!(
            !stderr(&third).contains("held")
                && stderr(&third).contains("1 state was there already"),
            "{}",
            stderr(&third)
        );
    }
}

#[test]
fn holds_that_a_key_may_not_set_are_told_each_time_and_set_by_one_that_may() {
    let dir = exported(two_held);
    let (to, out) = (Server::start(), dir.path().join("out"));
    put(dir.path(), "key", to.key("team", "writer").secret());
    let key = dir.path().join("key");
    for loudness in ["--verbose", "--quiet"] {
        let output = statekeep(&[
            "import",
            str(&out),
            "--url",
            to.url(),
            "--key-file",
            str(&key),
            loudness,
        ])
        .output()
        .expect("it runs");
        let tells = stderr(&output).contains("imported ");
        assert_eq!(tells, loudness == "--verbose", "{}", stderr(&output));
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(
            stderr(&output).contains("2 versions that were held are not"),
            "{}",
            stderr(&output)
        );
    }
    assert_eq!(held(&to.admin()), [Value::Null, Value::Null, Value::Null]);
    let output = to.cli(&["import", str(&out)]);
    assert!(
        stderr(&output).contains("2 versions that were there already are held now"),
        "{}",
        stderr(&output)
    );
    assert_eq!(
        held(&to.admin()),
        [json!("kept"), json!("kept"), Value::Null]
    );
}

#[test]
fn a_state_of_which_no_content_is_left_is_not_there_already() {
    let dir = exported(|admin| {
        some_states(admin);
        admin
            .write("team/void", tfstate(L1, 77), None)
            .expect_status(200);
        admin.delete("team/void").expect_status(200);
        admin
            .post_json(
                &format!("{}/purge", state_path("team/void")),
                &json!({"versions": "all"}),
            )
            .expect_status(200);
    });
    let out = dir.path().join("out");
    Place::both(nothing, |place| {
        let look = place.ok(&["import", str(&out), "--dry-run"]);
        assert!(
            look.lines().any(|line| line.starts_with("team/void")
                && line.trim_end().ends_with("no content left")),
            "{look}"
        );
        let output = place.run(&["import", str(&out)]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(
            stderr(&output).contains("1 state has no content left")
                && !stderr(&output).contains("there already"),
            "{}",
            stderr(&output)
        );
        let told = place.json(&["import", str(&out)]);
        assert_eq!(
            (&told["no_content"], &told["there_already"]),
            (&json!(1), &json!(3)),
            "{told}"
        );
    });
}

#[test]
fn bytes_that_were_refused_are_not_there_already() {
    let (server, dir) = (Server::start(), TempDir::new().expect("a folder"));
    let admin = server.admin();
    three_versions(&admin);
    admin.lock("team/net", "l").expect_status(200);
    admin
        .write("team/net", tfstate(L1, 4), Some("other"))
        .expect_status(423);
    admin.unlock("team/net", "l").expect_status(200);
    put(dir.path(), "errored.tfstate", &tfstate(L1, 4));
    let file = dir.path().join("errored.tfstate");
    let output = server.cli(&[
        "import",
        str(&file),
        "--workspace",
        "team",
        "--building-block",
        "net",
        "--append",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("imported 1 state with 1 version"),
        "{}",
        stderr(&output)
    );
    assert_eq!(
        admin.read("team/net").expect_status(200).text(),
        tfstate(L1, 4)
    );
}
