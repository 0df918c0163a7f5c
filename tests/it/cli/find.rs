//! `find`: a table for people, the rows for scripts, and nothing that a terminal would act on.

use serde_json::json;

use crate::harness::{Server, eventually};
use crate::inside;
use crate::samples::{resource, tfstate_with};

use super::L1;

fn stdout(server: &Server, args: &[&str]) -> String {
    let output = server.cli(args);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{args:?}: {error}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn what_is_found_is_a_table_or_rows() {
    let server = Server::start();
    let admin = server.admin();
    let resources = json!([resource("managed", "null_resource", "web", 3)]);
    for name in ["team/net", "other/net"] {
        admin
            .write(
                name,
                tfstate_with(L1, 1, "\u{1b}[31m.example.org", &resources),
                None,
            )
            .expect_status(200);
    }
    eventually("the index is up to date", || {
        inside::number(server.data(), "SELECT count(*) FROM pending_words") == 0
    });
    let text = stdout(&server, &["find", "web-2"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    for (line, state) in [(lines[1], "other/net"), (lines[2], "team/net")] {
        assert!(
            line.starts_with(state)
                && line.contains("null_resource.web[2]")
                && line.ends_with("id=web-2"),
            "{text}"
        );
    }
    let of = |args: &[&str]| stdout(&server, args).lines().count() - 1;
    assert_eq!(
        of(&["find", "null_resource", "web-2", "--workspace", "team"]),
        1
    );
    assert_eq!(of(&["find", "net", "--kind", "state"]), 2);
    assert_eq!(
        of(&["find", "web", "--type", "null_resource", "--limit", "4"]),
        4
    );
    assert_eq!(of(&["find", "web", "--provider", "aws"]), 0);
    let rows = stdout(&server, &["find", "web-2", "--json"]);
    let rows: serde_json::Value = serde_json::from_str(&rows).expect("JSON");
    assert_eq!(rows["found"][1]["workspace"], "team");
    let nowhere = server.cli(&["find", "web", "--workspace", "taem"]);
    let error = String::from_utf8_lossy(&nowhere.stderr).into_owned();
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(error.contains("team"), "{error}");
    assert_eq!(server.cli(&["find"]).status.code(), Some(2));
    assert_eq!(
        server.cli(&["find", "--", "--"]).status.code(),
        Some(1),
        "no word"
    );
}
