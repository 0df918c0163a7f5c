//! Every operation of the document, done: the harness compares each answer with the document, and
//! no operation is left out.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{DOCUMENT, MORE_METHODS, judge, parsed, template};
use crate::answer::Answer;
use crate::harness::{
    Client, Server, Setup, lock_body, resource, state_path, tfstate, tfstate_with,
};
use crate::trusts::issuer::any_trust;

const L1: &str = "11111111-1111-4111-8111-111111111111";
/// The lineage of other states: bytes that two states have are not purged.
const L2: &str = "22222222-2222-4222-8222-222222222222";
const ID: &str = "3f1c";

/// A caller who may do everything, and the operations that were done.
struct Session {
    admin: Client,
    done: BTreeSet<(String, String)>,
}

impl Session {
    /// Makes a call that has to be done with this status. A read is made by HEAD as well.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a list of calls reads better without a borrow before each body"
    )]
    fn call(&mut self, status: u16, method: &str, path: &str, body: impl ToString) -> Answer {
        let bare = path.split('?').next().unwrap_or_default();
        let template = template(&DOCUMENT, bare).unwrap_or_else(|| panic!("{path} is missing"));
        self.done.insert((template.to_owned(), method.to_owned()));
        if method == "GET" {
            self.done.insert((template.to_owned(), "HEAD".to_owned()));
            self.admin.send("HEAD", path, "").expect_status(status);
        }
        let answer = self.admin.send(method, path, body.to_string());
        answer.expect_status(status)
    }

    fn get(&mut self, path: &str) -> Value {
        let answer = self.call(200, "GET", path, "");
        serde_json::from_slice(&answer.bytes).unwrap_or_default()
    }

    fn post(&mut self, path: &str, body: &Value) -> Value {
        self.call(200, "POST", path, body).json()
    }

    /// The same at the address of a state.
    fn at(&mut self, name: &str, method: &str, below: &str, body: impl ToString) -> Answer {
        self.call(200, method, &format!("{}{below}", state_path(name)), body)
    }

    fn states(&mut self) {
        let name = "team/net";
        let resources = json!([resource("managed", "null_resource", "a", 2)]);
        self.at(name, "POST", "", tfstate(L1, 1));
        self.at(name, "PUT", "", tfstate_with(L1, 2, "a note", &resources));
        self.at(name, "GET", "", "");
        self.at(name, "LOCK", "", lock_body(ID));
        self.at(name, "GET", "/lock", "");
        self.admin.lock(name, "another").expect_status(423);
        self.get("/api/terraform/state?workspace=team");
        self.get("/api/search?q=net&workspace=team");
        self.get("/api/inventory?workspace=team");
        self.get("/api/activity?workspace=team&days=7");
        self.at(name, "UNLOCK", "", lock_body(ID));
        for (lock, unlock) in [("POST", "DELETE"), ("PUT", "UNLOCK"), ("LOCK", "DELETE")] {
            self.at(name, lock, "/lock", lock_body(ID));
            self.at(name, unlock, "/lock", "");
        }
        self.admin.unlock(name, ID).expect_status(200);
        self.admin
            .write(name, tfstate(L1, 2), None)
            .expect_status(409);
    }

    fn history(&mut self) {
        let name = "team/net";
        for below in [
            "/versions",
            "/versions/1",
            "/versions/2/info",
            "/versions/2/diff",
            "/versions/2/resources",
            "/versions/2/resources/null_resource.a%5B0%5D",
            "/history/null_resource.a%5B0%5D",
            "/outputs",
            "/consumers",
        ] {
            self.at(name, "GET", below, "");
        }
        self.at(name, "POST", "/versions/1/hold", json!({"reason": "kept"}));
        self.at(name, "DELETE", "/versions/1/hold", "");
        self.get("/api/storage");
        for act in ["encrypt", "rekey"] {
            self.call(400, "POST", &format!("/api/storage/{act}"), "");
        }
        for dry_run in [true, false] {
            let body = json!({"version": 1, "dry_run": dry_run});
            self.at(name, "POST", "/rollback", body);
        }
        self.at(name, "DELETE", "", "");
        self.admin.read(name).expect_problem(404, "no_state");
        self.at(name, "POST", "/restore", "");
        self.at("team/old", "POST", "", tfstate(L2, 1));
        self.at("team/old", "POST", "", tfstate(L2, 2));
        let to = json!({"workspace": "team", "buildingBlock": "new"});
        self.at("team/old", "POST", "/move", to);
        self.admin.read("team/old").expect_problem(410, "moved");
        self.at("team/new", "POST", "/purge", json!({"versions": [1]}));
        self.at("team/imported", "POST", "/import?number=1", tfstate(L1, 1));
        self.leave(name);
    }

    fn leave(&mut self, name: &str) {
        let to = json!({"to": "s3://bucket/network.tfstate"});
        self.at(name, "POST", "/transfer", &to);
        self.at(name, "DELETE", "/transfer", "");
        let begun = self.at(name, "POST", "/transfer", &to).json();
        self.at(name, "GET", "/transfer", "");
        self.at(
            name,
            "POST",
            "/transfer/done",
            json!({"version": begun["version"]}),
        );
        self.admin.read(name).expect_problem(410, "transferred");
        self.get("/api/terraform/state?deleted=true&fields=workspace,current.number");
    }

    fn keys(&mut self) {
        let body = json!({"name": "team", "workspace": "team", "role": "writer"});
        let made = self.call(201, "POST", "/api/keys", &body).json();
        let key = format!("/api/keys/{}", made["key"]["id"].as_str().expect("an id"));
        self.get("/api/keys");
        self.get("/api/whoami");
        self.get(&key);
        let rotated = self.post(&format!("{key}/rotate"), &json!({"grace": 60}));
        let login = json!({"clientId": made["key"]["id"], "clientSecret": rotated["secret"]});
        let token = self.post("/api/login", &login)["access_token"].clone();
        let admin = self.admin.clone();
        self.admin = admin.with_secret(rotated["secret"].as_str().expect("a secret"));
        self.post("/api/token/extend", &json!({"token": token}));
        self.call(204, "DELETE", "/api/token", json!({"token": token}));
        self.admin = admin;
        self.call(200, "DELETE", &format!("{key}?children=true"), "");
    }

    fn freezes(&mut self) {
        self.at("team/frozen", "POST", "", tfstate(L2, 7));
        self.at("team/frozen", "POST", "/freeze", json!({"reason": "audit"}));
        self.at("team/frozen", "GET", "/lock", "");
        self.at("team/frozen", "DELETE", "/freeze", "");
    }

    fn trusts(&mut self, trust: &Value) {
        let made = self.call(201, "POST", "/api/trusts", trust).json();
        let path = format!("/api/trusts/{}", made["id"].as_str().expect("an id"));
        self.get("/api/trusts");
        self.get(&path);
        self.call(200, "DELETE", &path, "");
    }

    fn hooks(&mut self) {
        let hook =
            json!({"url": "http://127.0.0.1:1/", "on": ["all"], "allow_private": "127.0.0.1"});
        let made = self.call(201, "POST", "/api/hooks", &hook).json();
        let path = format!("/api/hooks/{}", made["hook"]["id"].as_str().expect("an id"));
        self.get("/api/hooks");
        self.get(&path);
        self.get(&format!("{path}/deliveries"));
        self.call(200, "POST", &format!("{path}/test"), "");
        self.call(200, "POST", &format!("{path}/enable"), "");
        self.call(200, "DELETE", &path, "");
    }

    fn policies(&mut self) {
        for (kind, own) in [("retention", "keep_last"), ("quotas", "versions")] {
            let path = format!("/api/{kind}/team");
            self.call(200, "PUT", &path, json!({own: 1_000}));
            self.get(&path);
            self.get(&format!("/api/{kind}"));
            self.get("/api/status");
            self.call(200, "DELETE", &path, "");
        }
        self.get("/api/storage");
        for act in ["encrypt", "rekey"] {
            self.call(400, "POST", &format!("/api/storage/{act}"), "");
        }
        for dry_run in [true, false] {
            let body = json!({"policy": {"keep_last": 1}, "dry_run": dry_run});
            self.post("/api/prune", &body);
        }
    }

    /// On a server that asks for a second person.
    fn approvals(&mut self, second: &Client) {
        for method in ["POST", "DELETE"] {
            let policy = json!({"keep_last": 1});
            let refused = self.call(409, "PUT", "/api/retention/team", policy).json();
            self.get("/api/approvals");
            let first = std::mem::replace(&mut self.admin, second.clone());
            let path = format!("/api/approvals/{}", refused["approval"]["id"]);
            self.call(200, method, &path, "");
            self.admin = first;
            if method == "POST" {
                self.call(200, "PUT", "/api/retention/team", json!({"keep_last": 1}));
            }
        }
    }

    fn server(&mut self) {
        let files = json!({"files": {"main.tf": "terraform {\n  backend \"http\" {}\n}\n"}});
        self.post("/api/terraform/detect", &files);
        self.post("/api/verify", &json!({"workspace": "team"}));
        self.post("/api/clock", &json!({}));
        self.admin.lock("team/lost", "lost").expect_status(200);
        self.at("team/lost", "UNLOCK", "", "");
        let broken = self.admin.events("kind=lock.break");
        let path = format!("/api/events/{}/acknowledge", broken[0]["seq"]);
        self.post(&path, &json!({"word": "seen"}));
        self.get("/api/events?acknowledged=true");
        for path in [
            "/api/verify",
            "/api/events",
            "/api/events/head",
            "/api/status?since=2026-01-02T03:04:05Z",
            "/api/backup",
            "/api/openapi.json",
            "/healthz",
            "/readyz",
            "/metrics",
            "/",
        ] {
            self.get(path);
        }
        let page = self.admin.get("/").expect_status(200).text();
        let named = page.split("\"assets/").nth(1).unwrap_or_default();
        let hash = named.split('/').next().unwrap_or_default();
        for file in [
            "app.js",
            "icon.svg",
            "style.css",
            "views/home.js",
            "vendor/LICENSE.txt",
        ] {
            self.get(&format!("/assets/{hash}/{file}"));
        }
    }

    /// The operations of the document that were not done.
    fn left(&self) -> Vec<String> {
        let paths = DOCUMENT["paths"].as_object().expect("paths");
        let told = paths.iter().flat_map(|(path, item)| {
            let usual = item.as_object().into_iter().flatten();
            let more = item[MORE_METHODS].as_object().into_iter().flatten();
            let all = usual
                .chain(more)
                .filter(|(_, said)| said["responses"].is_object());
            all.map(move |(method, _)| (path.clone(), method.to_ascii_uppercase()))
        });
        let left = told.filter(|key| !self.done.contains(key));
        left.map(|(path, method)| format!("{method} {path}"))
            .collect()
    }
}

#[test]
fn every_operation_of_the_document_is_answered_as_it_tells() {
    let server = Server::start();
    let mut session = Session {
        admin: server.admin(),
        done: BTreeSet::new(),
    };
    session.states();
    session.history();
    session.keys();
    session.freezes();
    session.trusts(&any_trust(&server, "gitlab"));
    session.hooks();
    session.policies();
    session.server();
    let careful = Setup::new().flag("--two-person", "policy").start();
    let second = careful.make_key(&json!({"name": "second", "role": "admin"}));
    session.admin = careful.admin();
    session.approvals(&second);
    assert_eq!(
        session.left(),
        [""; 0],
        "no call of this session does these"
    );
}

/// What is found of an answer of a real server with a fault in the document.
fn with(answer: &Answer, planted: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut document = parsed(super::TEXT);
    planted(&mut document);
    judge(&document, "GET", "/healthz", answer)
}

#[test]
fn an_answer_that_the_document_does_not_tell_of_is_found() {
    let answer = Server::start().anonymous().get("/healthz");
    let with = |planted: &dyn Fn(&mut Value)| with(&answer, planted);
    let of_200 = |document: &mut Value, what: &str, value: Value| {
        document["paths"]["/healthz"]["get"]["responses"]["200"][what] = value;
    };
    let body = |schema: Value| json!({"application/json": {"schema": schema}});
    assert_eq!(with(&|_| {}), [""; 0]);
    let header = json!({"Statekeep-Mood": {"required": true}});
    let cases = [
        (
            with(&|document| of_200(document, "content", body(json!({"properties": {}})))),
            "the body has a member `status` that the document does not have",
        ),
        (
            with(&|document| of_200(document, "content", json!({"text/plain": {}}))),
            "the document has no body of the type \"application/json\"",
        ),
        (
            with(&|document| of_200(document, "headers", header.clone())),
            "the header Statekeep-Mood is missing",
        ),
        (
            with(&|document| document["paths"]["/healthz"]["get"]["responses"] = json!({})),
            "the document has no 200 there",
        ),
    ];
    for (findings, expected) in cases {
        assert_eq!(findings, [expected]);
    }
}
