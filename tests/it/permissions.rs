//! Every route × every member of the cast: one table.
//!
//! Each call is set up so that it succeeds for whoever may make it; a cell is the status of the
//! answer.

use serde_json::{Value, json};

use crate::harness::{Answer, Client, Server, lock_body, lock_body_to, state_path, tfstate};

const L1: &str = "11111111-1111-4111-8111-111111111111";

/// The members of the cast, in the order of the table's columns. `team/net` is the state that they
/// ask for.
const CAST: [&str; 14] = [
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
];

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
            server.token(&writer, json!({"workspace": "team", "buildingBlock": "net", "permissions": ["TFSTATE_LIST"]})),
            server.key("", "writer"),
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
    fn row(&self, what: &str, expected: [u16; 14], call: impl Fn(&Client, u64) -> Answer) {
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
    fn get(&self, path: &str, expected: [u16; 14]) {
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
#[rustfmt::skip]
fn reading_a_state_and_what_lies_below_it() {
    let stage = Stage::new();
    stage.reset();
    stage.server.admin().lock("team/net", "held").expect_status(200);
    //                                       anon rdr out plan wrtr ownr mon adm rivl blck nghb tokn
    //                                       less oper
    stage.get(&net(""),                     [401, 200, 200, 200, 200, 200, 403, 200, 403, 200, 403, 200, 200, 200]);
    stage.get(&net("/lock"),                [401, 200, 403, 200, 200, 200, 403, 200, 403, 200, 403, 200, 200, 200]);
    stage.get(&net("/versions"),            [401, 200, 403, 403, 200, 200, 403, 200, 403, 200, 403, 200, 200, 200]);
    stage.get(&net("/versions/1"),          [401, 200, 403, 403, 200, 200, 403, 200, 403, 200, 403, 200, 200, 200]);
    stage.get(&net("/versions/1/info"),     [401, 200, 403, 403, 200, 200, 403, 200, 403, 200, 403, 200, 200, 200]);
    stage.get(&net("/versions/1/diff"),     [401, 200, 403, 403, 200, 200, 403, 200, 403, 200, 403, 200, 200, 200]);
    stage.get(&net("/versions/1/diff?sensitive=true"), [401, 200, 403, 403, 200, 200, 403, 200, 403, 200, 403, 200, 200, 200]);
    stage.get(&net("/outputs"),             [401, 200, 200, 200, 200, 200, 403, 200, 403, 200, 403, 200, 200, 200]);
    stage.get(&net("/outputs?sensitive=true"), [401, 200, 403, 403, 200, 200, 403, 200, 403, 200, 403, 200, 200, 200]);
    stage.row("HEAD", [401, 200, 200, 200, 200, 200, 403, 200, 403, 200, 403, 200, 200, 200], |who, _| who.send("HEAD", &net(""), ""));
}

#[test]
#[rustfmt::skip]
fn writing_locking_and_unlocking_a_state() {
    let stage = Stage::new();
    //           anon rdr  out  plan wrtr ownr mon  adm  rivl blck nghb tokn less oper
    let write = [401, 403, 403, 403, 200, 200, 403, 200, 403, 200, 403, 200, 403, 200];
    let plan =  [401, 403, 403, 200, 200, 200, 403, 200, 403, 200, 403, 200, 403, 200];
    let crack = [401, 403, 403, 403, 200, 200, 403, 200, 403, 200, 403, 200, 403, 200];
    for method in ["POST", "PUT"] {
        stage.row(method, write, |who, serial| who.send(method, &net(""), tfstate(L1, serial)));
        stage.row("force", write, |who, serial| who.send(method, &net("?force=true"), tfstate(L1, serial)));
    }
    for (method, path) in [("LOCK", net("")), ("LOCK", net("/lock")), ("POST", net("/lock")), ("PUT", net("/lock"))] {
        stage.row(&format!("{method} {path}"), write, |who, _| who.send(method, &path, lock_body("mine")));
        let to_plan = lock_body_to("OperationTypePlan", "mine");
        stage.row(&format!("{method} {path} for a plan"), plan, |who, _| who.send(method, &path, to_plan.clone()));
    }
    for (method, path) in [("UNLOCK", net("")), ("UNLOCK", net("/lock")), ("DELETE", net("/lock"))] {
        let own = |who: &Client, _| {
            who.lock_to_plan("team/net", "mine");
            who.send(method, &path, lock_body("mine"))
        };
        stage.row(&format!("{method} {path} of one's own lock"), plan, own);
        let anothers = |who: &Client, _| {
            stage.server.admin().lock("team/net", "theirs").expect_status(200);
            who.send(method, &path, "")
        };
        stage.row(&format!("{method} {path} of another's lock"), crack, anothers);
    }
}

#[test]
#[rustfmt::skip]
fn deleting_restoring_and_moving_a_state() {
    let stage = Stage::new();
    let admin = stage.server.admin();
    //             anon rdr  out  plan wrtr ownr mon  adm  rivl blck nghb tokn less oper
    let delete =  [401, 403, 403, 403, 403, 200, 403, 200, 403, 200, 403, 403, 403, 403];
    let restore = [401, 403, 403, 403, 200, 200, 403, 200, 403, 200, 403, 200, 403, 200];
    let moving =  [401, 403, 403, 403, 403, 200, 403, 200, 403, 403, 403, 403, 403, 403];
    stage.row("DELETE", delete, |who, _| who.delete("team/net"));
    stage.row("restore", restore, |who, _| {
        admin.delete("team/net").expect_status(200);
        who.send("POST", &net("/restore"), "")
    });
    let preview = [401, 200, 403, 403, 200, 200, 403, 200, 403, 200, 403, 200, 200, 200];
    let rollback = |who: &Client, dry_run: bool| who.post_json(&net("/rollback"), &json!({"version": 1, "dry_run": dry_run}));
    stage.row("rollback", restore, |who, _| rollback(who, false));
    stage.row("preview of a rollback", preview, |who, _| rollback(who, true));
    stage.row("rollback of a deleted state", restore, |who, _| {
        admin.delete("team/net").expect_status(200);
        let answer = rollback(who, false);
        admin.send("POST", &net("/restore"), "").expect_status(200);
        answer
    });
    stage.row("rollback of a moved state", moving, |who, serial| {
        let to = json!({"workspace": "team", "buildingBlock": format!("gone-{serial}")});
        admin.post_json(&net("/move"), &to).expect_status(200);
        let answer = rollback(who, false);
        admin.send("POST", &net("/restore"), "").expect_status(200);
        answer
    });
    let import = |who: &Client, serial, more: &str| who.send("POST", &net(&format!("/import?append=true{more}")), tfstate(L1, serial));
    stage.row("import", restore, |who, serial| import(who, serial, ""));
    let import_deleted = [401, 403, 403, 403, 403, 200, 403, 200, 403, 200, 403, 403, 403, 403];
    // It may not be appended to what lives; whether one may at all is judged before.
    let import_deleted = import_deleted.map(|status| if status == 200 { 400 } else { status });
    stage.row("import of a deleted state", import_deleted, |who, serial| import(who, serial, "&deleted=true"));
    let purge =   [401, 403, 403, 403, 403, 403, 403, 200, 403, 403, 403, 403, 403, 403];
    stage.row("purge", purge, |who, serial| who.post_json(&net("/purge"), &json!({"versions": [serial - 1]})));
    stage.row("move", moving, |who, serial| {
        let to = json!({"workspace": "team", "buildingBlock": format!("moved-{serial}")});
        let answer = who.post_json(&net("/move"), &to);
        if answer.status == 200 {
            admin.send("POST", &net("/restore"), "").expect_status(200);
        }
        answer
    });
    stage.row("restore of a moved state", moving, |who, serial| {
        let to = json!({"workspace": "team", "buildingBlock": format!("away-{serial}")});
        admin.post_json(&net("/move"), &to).expect_status(200);
        let answer = who.send("POST", &net("/restore"), "");
        admin.send("POST", &net("/restore"), "").expect_status(200);
        answer
    });
}

#[test]
#[rustfmt::skip]
fn taking_a_state_elsewhere() {
    let stage = Stage::new();
    let admin = stage.server.admin();
    let begin = |who: &Client| who.post_json(&net("/transfer"), &json!({"to": "s3://there"}));
    let abandon = |who: &Client| who.send("DELETE", &net("/transfer"), "");
    let done = |who: &Client, version: &Value| who.post_json(&net("/transfer/done"), &json!({"version": version}));
    let current = |begun: Answer| begun.expect_status(200).json()["version"].clone();
    //           anon rdr  out  plan wrtr ownr mon  adm  rivl blck nghb tokn less oper
    let save =  [401, 403, 403, 403, 200, 200, 403, 200, 403, 200, 403, 200, 403, 200];
    stage.row("begin a transfer", save, |who, _| {
        let answer = begin(who);
        abandon(&admin);
        answer
    });
    stage.row("begin a transfer, with no body", save.map(|status| if status == 200 { 400 } else { status }), |who, _| who.send("POST", &net("/transfer"), ""));
    stage.row("abandon a transfer whose lock is gone", save, |who, _| {
        begin(&admin).expect_status(200);
        admin.send("UNLOCK", &net(""), "").expect_status(200);
        let answer = abandon(who);
        abandon(&admin);
        answer
    });
    stage.row("abandon a transfer under another's lock", save, |who, _| {
        begin(&admin).expect_status(200);
        let answer = abandon(who);
        abandon(&admin);
        answer
    });
    stage.row("end a transfer", save, |who, _| {
        let version = current(begin(&admin));
        admin.send("UNLOCK", &net(""), "").expect_status(200);
        let answer = done(who, &version);
        admin.send("POST", &net("/restore"), "").expect_status(200);
        abandon(&admin);
        answer
    });
    stage.row("end a transfer, with no body", save.map(|status| if status == 200 { 400 } else { status }), |who, _| who.send("POST", &net("/transfer/done"), ""));
    stage.row("restore of a transferred state", save, |who, _| {
        done(&admin, &current(begin(&admin))).expect_status(200);
        let answer = who.send("POST", &net("/restore"), "");
        admin.send("POST", &net("/restore"), "").expect_status(200);
        answer
    });
    stage.reset();
    let version = current(begin(&admin));
    let look =  [401, 200, 403, 200, 200, 200, 403, 200, 403, 200, 403, 200, 200, 200];
    stage.get(&net("/transfer"), look);
    done(&admin, &version).expect_status(200);
    stage.get(&net("/transfer"), look);
    let gone =  look.map(|status| if status == 200 { 410 } else { status });
    stage.get(&net("/lock"), gone);
    stage.get(&net(""),         [401, 410, 410, 410, 410, 410, 403, 410, 403, 410, 403, 410, 410, 410]);
    stage.get(&net("/outputs"), [401, 410, 410, 410, 410, 410, 403, 410, 403, 410, 403, 410, 410, 410]);
    stage.get(&net("/versions/1"), [401, 200, 403, 403, 200, 200, 403, 200, 403, 200, 403, 200, 200, 200]);
    // It takes the permission to break locks only where another's is held.
    admin.send("POST", &net("/restore"), "").expect_status(200);
    let saver = stage.server.key_with("team", &["TFSTATE_SAVE"]);
    let version = current(begin(&saver));
    done(&saver, &version).expect_status(200);
    saver.send("POST", &net("/restore"), "").expect_status(200);
    begin(&admin).expect_status(200);
    abandon(&saver).expect_problem(403, "forbidden");
}

#[test]
#[rustfmt::skip]
fn lists_events_and_the_server() {
    let stage = Stage::new();
    stage.reset();
    //                                anon rdr out plan wrtr ownr mon adm rivl blck nghb tokn less
    //                                oper
    stage.get("/api/terraform/state", [401, 200, 403, 403, 200, 200, 403, 200, 200, 200, 200, 200, 200, 200]);
    stage.get("/api/events",          [401, 403, 403, 403, 403, 200, 403, 200, 200, 200, 200, 403, 403, 403]);
    stage.get("/api/status",          [401, 403, 403, 403, 403, 403, 200, 200, 403, 403, 403, 403, 403, 403]);
    let operators =                   [401, 403, 403, 403, 403, 403, 403, 200, 403, 403, 403, 403, 403, 403];
    stage.get("/api/verify", operators);
    stage.row("POST /api/verify", operators, |who, _| who.post_json("/api/verify", &json!({"quick": true})));
    let anybody =                     [401, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200];
    stage.row("POST /api/terraform/detect", anybody, |who, _| who.post_json("/api/terraform/detect", &json!({"files": {}})));
    stage.get("/healthz", [200; 14]);
    stage.get("/readyz", [200; 14]);
    stage.get("/", [200; 14]);
}

#[test]
#[rustfmt::skip]
fn holding_pruning_and_policies() {
    let stage = Stage::new();
    stage.reset();
    //             anon rdr  out  plan wrtr ownr mon  adm  rivl blck nghb tokn less oper
    let operate = [401, 403, 403, 403, 403, 403, 403, 200, 403, 403, 403, 403, 403, 403];
    let policy = json!({"keep_last": 1_000_000});
    stage.row("hold", operate, |who, _| who.post_json(&net("/versions/1/hold"), &json!({"reason": "known good"})));
    stage.row("hold, with no body", operate.map(|status| if status == 200 { 400 } else { status }), |who, _| who.send("POST", &net("/versions/1/hold"), ""));
    stage.row("release", operate, |who, _| who.send("DELETE", &net("/versions/1/hold"), ""));
    stage.row("prune", operate, |who, _| who.post_json("/api/prune", &json!({"policy": policy})));
    stage.row("prune, only to look", operate, |who, _| who.post_json("/api/prune", &json!({"policy": policy, "dry_run": true})));
    stage.row("set a policy", operate, |who, _| Client::ask(who.request("PUT", "/api/retention/team").json(&policy)));
    stage.get("/api/retention", operate);
    stage.get("/api/retention/team", operate);
    stage.row("unset a policy", operate, |who, _| who.send("DELETE", "/api/retention/team", ""));
    stage.row("trust the clock", operate, |who, _| who.send("POST", "/api/clock", ""));
    let operator = stage.server.key_with("", &["ADM_OPERATE"]);
    operator.post_json(&net("/versions/1/hold"), &json!({"reason": "known good"})).expect_status(200);
    operator.post_json("/api/prune", &json!({"policy": policy})).expect_status(200);
    operator.read("team/net").expect_problem(403, "forbidden");
}

#[test]
#[rustfmt::skip]
fn keys() {
    let stage = Stage::new();
    let victim = || stage.server.key("team", "reader").key_id;
    let id = victim();
    //             anon rdr  out  plan wrtr ownr mon  adm  rivl blck nghb tokn less oper
    let admins =  [401, 403, 403, 403, 403, 403, 403, 200, 403, 403, 403, 403, 403, 403];
    let created = admins.map(|status| if status == 200 { 201 } else { status });
    let body: Value = json!({"name": "new", "workspace": "team", "role": "reader", "expires_in": 600});
    stage.get("/api/keys", admins);
    stage.get(&format!("/api/keys/{id}"), admins);
    stage.row("POST /api/keys", created, |who, _| who.post_json("/api/keys", &body));
    stage.row("rotate", admins, |who, _| who.post_json(&format!("/api/keys/{id}/rotate"), &json!({})));
    stage.row("revoke", admins, |who, _| who.send("DELETE", &format!("/api/keys/{id}"), ""));
    assert_eq!(stage.server.admin().get(&format!("/api/keys/{id}")).json()["status"], "revoked", "by the admin alone");
}

#[test]
#[rustfmt::skip]
fn tokens() {
    let stage = Stage::new();
    let planner = &stage.cast[3];
    //           anon rdr  out  plan wrtr ownr mon  adm  rivl blck nghb tokn less oper
    let extend = [401, 403, 403, 200, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403];
    let end = extend.map(|status| if status == 200 { 204 } else { status });
    let fresh = || json!({"token": stage.server.token(planner, json!({})).secret()});
    stage.row("extend the planner's token", extend, |who, _| who.post_json("/api/token/extend", &fresh()));
    for (index, expected) in end.into_iter().enumerate().filter(|(index, _)| *index != 11 && *index != 12) {
        let answer = stage.cast[index].send("DELETE", "/api/token", fresh().to_string());
        assert_eq!(answer.status.as_u16(), expected, "end the planner's token as {}: {}", CAST[index], answer.text());
    }
    stage.cast[11].send("DELETE", "/api/token", "").expect_status(204);
    stage.cast[12].send("DELETE", "/api/token", "").expect_status(204);
}
