//! Every route × every member of the cast: one table.
//!
//! Each call is set up so that it succeeds for whoever may make it; a cell is the status of the
//! answer.

mod operators;
mod transfers;

use serde_json::json;

use crate::harness::{Answer, Client, Server, lock_body, lock_body_to, state_path, tfstate};

const L1: &str = "11111111-1111-4111-8111-111111111111";

/// The members of the cast, in the order of the table's columns. `team/net` is the state that they
/// ask for.
const CAST: [&str; 15] = [
    "anon",
    "reader",
    "outputs",
    "planner",
    "writer",
    "owner",
    "monitor",
    "admin",
    "rival (owner of another workspace)",
    "block (owner of team/net)",
    "neighbour (owner of team/other)",
    "token of writer",
    "lesser token of writer (LIST of team/net)",
    "operator of all (ADM writer)",
    "auditor",
];

/// The statuses of one call, in the order of the cast.
type Row = [u16; 15];

/// Who may do what.
#[rustfmt::skip]
mod may {
    use super::Row;

    //  anon rdr  out  plan wrtr ownr mon  adm  rivl blck nghb tokn less oper audt
    pub(super) const READ: Row =
        [401, 200, 200, 200, 200, 200, 403, 200, 403, 200, 403, 200, 200, 200, 403];
    pub(super) const SEE_OUTPUTS: Row =
        [401, 200, 200, 200, 200, 200, 403, 200, 403, 200, 403, 200, 200, 200, 200];
    pub(super) const SEE_THE_LOCK: Row =
        [401, 200, 403, 200, 200, 200, 403, 200, 403, 200, 403, 200, 200, 200, 200];
    pub(super) const SEE_HISTORY: Row =
        [401, 200, 403, 403, 200, 200, 403, 200, 403, 200, 403, 200, 200, 200, 200];
    pub(super) const SEE_CONTENT: Row =
        [401, 200, 403, 403, 200, 200, 403, 200, 403, 200, 403, 200, 200, 200, 403];
    pub(super) const WRITE: Row =
        [401, 403, 403, 403, 200, 200, 403, 200, 403, 200, 403, 200, 403, 200, 403];
    pub(super) const PLAN: Row =
        [401, 403, 403, 200, 200, 200, 403, 200, 403, 200, 403, 200, 403, 200, 403];
    pub(super) const DELETE: Row =
        [401, 403, 403, 403, 403, 200, 403, 200, 403, 200, 403, 403, 403, 403, 403];
    pub(super) const MOVE: Row =
        [401, 403, 403, 403, 403, 200, 403, 200, 403, 403, 403, 403, 403, 403, 403];
    pub(super) const LIST: Row =
        [401, 200, 403, 403, 200, 200, 403, 200, 200, 200, 200, 200, 200, 200, 200];
    pub(super) const SEE_EVENTS: Row =
        [401, 403, 403, 403, 403, 200, 403, 200, 200, 200, 200, 403, 403, 403, 200];
    pub(super) const SEE_READERS: Row =
        [401, 403, 403, 403, 403, 200, 403, 200, 403, 200, 403, 403, 403, 403, 200];
    pub(super) const SEE_STATUS: Row =
        [401, 403, 403, 403, 403, 403, 200, 200, 403, 403, 403, 403, 403, 403, 403];
    pub(super) const OPERATE: Row =
        [401, 403, 403, 403, 403, 403, 403, 200, 403, 403, 403, 403, 403, 403, 403];
    pub(super) const DO_ANYWAY: Row =
        [401, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200];
    pub(super) const EXTEND: Row =
        [401, 403, 403, 200, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403];
}

/// The same row, with another status for those who may.
fn instead_of_200(row: Row, other: u16) -> Row {
    row.map(|status| if status == 200 { other } else { status })
}

struct Stage {
    server: Server,
    cast: Vec<Client>,
}

impl Stage {
    fn new() -> Self {
        let server = Server::start();
        let writer = server.key("team", "writer");
        let cast = vec![
            server.anonymous(),
            server.key("team", "reader"),
            server.key("team", "outputs"),
            server.key("team", "planner"),
            writer.clone(),
            server.key("team", "owner"),
            server.key("", "monitor"),
            server.admin(),
            server.key("rival", "owner"),
            server.key("team/net", "owner"),
            server.key("team/other", "owner"),
            server.token(&writer, json!({})),
            server.token(
                &writer,
                json!({
                    "workspace": "team", "buildingBlock": "net", "permissions": ["TFSTATE_LIST"]
                }),
            ),
            server.key("", "writer"),
            server.key("team", "auditor"),
        ];
        Self { server, cast }
    }

    /// `team/net` is live with one more version than before, and free; `team/moved` does not exist.
    fn reset(&self) -> u64 {
        let admin = self.server.admin();
        admin
            .send("UNLOCK", &state_path("team/net"), "")
            .expect_status(200);
        let live = admin.read("team/net");
        let serial = if live.status == 200 {
            live.json()["serial"].as_u64().expect("a serial")
        } else {
            0
        };
        admin.lock("team/net", "reset").expect_status(200);
        admin
            .write("team/net", tfstate(L1, serial + 1), Some("reset"))
            .expect_status(200);
        admin.unlock("team/net", "reset").expect_status(200);
        serial + 2
    }

    /// Makes one call as each member of the cast and compares the statuses; `call` gets the next
    /// serial.
    #[track_caller]
    fn row(&self, what: &str, expected: Row, call: impl Fn(&Client, u64) -> Answer) {
        for ((who, caller), status) in CAST.iter().zip(&self.cast).zip(expected) {
            let serial = self.reset();
            let answer = call(caller, serial);
            assert_eq!(
                answer.status.as_u16(),
                status,
                "{what} as {who}: {}",
                answer.text()
            );
        }
    }

    /// A row whose call is a plain request that changes nothing.
    #[track_caller]
    fn get(&self, path: &str, expected: Row) {
        for ((who, caller), status) in CAST.iter().zip(&self.cast).zip(expected) {
            let answer = caller.get(path);
            assert_eq!(
                answer.status.as_u16(),
                status,
                "GET {path} as {who}: {}",
                answer.text()
            );
        }
    }
}

fn net(below: &str) -> String {
    format!("{}{below}", state_path("team/net"))
}

#[test]
fn reading_a_state_and_what_lies_below_it() {
    let stage = Stage::new();
    stage.reset();
    stage
        .server
        .admin()
        .lock("team/net", "held")
        .expect_status(200);
    stage.get(&net(""), may::READ);
    stage.get(&net("/lock"), may::SEE_THE_LOCK);
    stage.get(&net("/versions"), may::SEE_HISTORY);
    stage.get(&net("/versions/1"), may::SEE_CONTENT);
    stage.get(&net("/versions/1/info"), may::SEE_HISTORY);
    stage.get(&net("/versions/1/diff"), may::SEE_HISTORY);
    stage.get(&net("/versions/1/diff?sensitive=true"), may::SEE_CONTENT);
    stage.get(&net("/versions/1/resources"), may::SEE_HISTORY);
    let unknown = instead_of_200(may::SEE_HISTORY, 404);
    stage.get(&net("/versions/1/resources/null_resource.a"), unknown);
    stage.get(&net("/history/null_resource.a"), may::SEE_HISTORY);
    stage.get(&net("/outputs"), may::SEE_OUTPUTS);
    stage.get(&net("/outputs?sensitive=true"), may::SEE_CONTENT);
    stage.get(&net("/consumers"), may::SEE_READERS);
    stage.row("HEAD", may::READ, |who, _| who.send("HEAD", &net(""), ""));
}

#[test]
fn writing_locking_and_unlocking_a_state() {
    let stage = Stage::new();
    for method in ["POST", "PUT"] {
        stage.row(method, may::WRITE, |who, serial| {
            who.send(method, &net(""), tfstate(L1, serial))
        });
        stage.row("force", may::WRITE, |who, serial| {
            who.send(method, &net("?force=true"), tfstate(L1, serial))
        });
    }
    for (method, path) in [
        ("LOCK", net("")),
        ("LOCK", net("/lock")),
        ("POST", net("/lock")),
        ("PUT", net("/lock")),
    ] {
        stage.row(&format!("{method} {path}"), may::WRITE, |who, _| {
            who.send(method, &path, lock_body("mine"))
        });
        let to_plan = lock_body_to("OperationTypePlan", "mine");
        stage.row(
            &format!("{method} {path} for a plan"),
            may::PLAN,
            |who, _| who.send(method, &path, to_plan.clone()),
        );
    }
    for (method, path) in [
        ("UNLOCK", net("")),
        ("UNLOCK", net("/lock")),
        ("DELETE", net("/lock")),
    ] {
        let own = |who: &Client, _| {
            who.lock_to_plan("team/net", "mine");
            who.send(method, &path, lock_body("mine"))
        };
        stage.row(
            &format!("{method} {path} of one's own lock"),
            may::PLAN,
            own,
        );
        let anothers = |who: &Client, _| {
            stage
                .server
                .admin()
                .lock("team/net", "theirs")
                .expect_status(200);
            who.send(method, &path, "")
        };
        stage.row(
            &format!("{method} {path} of another's lock"),
            may::WRITE,
            anothers,
        );
    }
}

#[test]
fn deleting_restoring_and_moving_a_state() {
    let stage = Stage::new();
    let admin = stage.server.admin();
    stage.row("DELETE", may::DELETE, |who, _| who.delete("team/net"));
    stage.row("restore", may::WRITE, |who, _| {
        admin.delete("team/net").expect_status(200);
        who.send("POST", &net("/restore"), "")
    });
    let rollback = |who: &Client, dry_run: bool| {
        who.post_json(
            &net("/rollback"),
            &json!({"version": 1, "dry_run": dry_run}),
        )
    };
    stage.row("rollback", may::WRITE, |who, _| rollback(who, false));
    stage.row("preview of a rollback", may::SEE_CONTENT, |who, _| {
        rollback(who, true)
    });
    stage.row("rollback of a deleted state", may::WRITE, |who, _| {
        admin.delete("team/net").expect_status(200);
        let answer = rollback(who, false);
        admin.send("POST", &net("/restore"), "").expect_status(200);
        answer
    });
    stage.row("rollback of a moved state", may::MOVE, |who, serial| {
        let to = json!({"workspace": "team", "buildingBlock": format!("gone-{serial}")});
        admin.post_json(&net("/move"), &to).expect_status(200);
        let answer = rollback(who, false);
        admin.send("POST", &net("/restore"), "").expect_status(200);
        answer
    });
    let import = |who: &Client, serial, more: &str| {
        who.send(
            "POST",
            &net(&format!("/import?append=true{more}")),
            tfstate(L1, serial),
        )
    };
    stage.row("import", may::WRITE, |who, serial| import(who, serial, ""));
    // It may not be appended to what lives; whether one may at all is judged before.
    let import_deleted = instead_of_200(may::DELETE, 400);
    stage.row(
        "import of a deleted state",
        import_deleted,
        |who, serial| import(who, serial, "&deleted=true"),
    );
    stage.row("purge", may::OPERATE, |who, serial| {
        who.post_json(&net("/purge"), &json!({"versions": [serial - 1]}))
    });
    stage.row("move", may::MOVE, |who, serial| {
        let to = json!({"workspace": "team", "buildingBlock": format!("moved-{serial}")});
        let answer = who.post_json(&net("/move"), &to);
        if answer.status == 200 {
            admin.send("POST", &net("/restore"), "").expect_status(200);
        }
        answer
    });
    stage.row("restore of a moved state", may::MOVE, |who, serial| {
        let to = json!({"workspace": "team", "buildingBlock": format!("away-{serial}")});
        admin.post_json(&net("/move"), &to).expect_status(200);
        let answer = who.send("POST", &net("/restore"), "");
        admin.send("POST", &net("/restore"), "").expect_status(200);
        answer
    });
}
