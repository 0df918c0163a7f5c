//! What the backend before is: another statekeep is locked or nothing moves, and where its state
//! went counts; another product is read and nothing else.

use std::sync::{Arc, Mutex};

use serde_json::json;

use super::super::module::{Backend, resources};
use super::super::{Program, STATE, for_either_program};
use super::{Site, names};
use crate::between::Between;
use crate::harness::{Client, Server, state_path};

for_either_program![
    what_left_the_old_server_for_elsewhere_is_not_what_is_here,
    what_left_the_old_server_for_here_and_is_gone_is_told,
    an_old_server_that_does_not_answer_once_is_not_another_product,
    an_old_server_without_credentials_is_known_all_the_same,
    another_product_is_read_and_nothing_is_sent_to_it,
];

/// A module that was kept on another server, by a block that is gone again.
fn kept<'a>(site: Site<'a>, address: &str, key: &Client) -> Site<'a> {
    let _ = std::fs::remove_dir_all(site.module.dir().join(".terraform"));
    let module = site
        .module
        .write("main.tf", &resources(&["b"]))
        .backend(&Backend::locking(address))
        .with_key(key);
    module.init().ok();
    module.apply().ok();
    std::fs::remove_file(module.dir().join("backend.tf")).expect("the block");
    Site { module, ..site }
}

/// A state leaves a server for somewhere.
fn leave(server: &Server, to: &str) {
    let (admin, path) = (server.admin(), format!("{}/transfer", state_path(STATE)));
    let version = admin
        .post_json(&path, &json!({ "to": to }))
        .expect_status(200)
        .json()["version"]
        .clone();
    admin
        .post_json(&format!("{path}/done"), &json!({ "version": version }))
        .expect_status(200);
}

fn what_left_the_old_server_for_elsewhere_is_not_what_is_here(program: &Program) {
    let (site, other) = (Site::applied(program, &["a"]), Server::start());
    let key = other.key("team", "writer");
    let before = site.expect_here();
    let site = kept(site, &other.state(STATE), &key);
    site.transfer(Some(&key))
        .fails()
        .says("holds another state than team/app");
    leave(&other, "s3 bucket=b key=k");
    site.transfer(Some(&key))
        .fails()
        .says("the state has left it for s3 bucket=b key=k")
        .says("Nothing was moved");
    assert_eq!(site.expect_here(), before);
    other.admin().read(STATE).expect_problem(410, "transferred");
}

fn what_left_the_old_server_for_here_and_is_gone_is_told(program: &Program) {
    let (site, other) = (Site::new(program), Server::start());
    let key = other.key("team", "writer");
    let site = kept(site, &other.state(STATE), &key);
    leave(
        &other,
        &format!("http address={}", site.server.state(STATE)),
    );
    site.transfer(Some(&key))
        .fails()
        .says("which does not live here any more");
    // The control: where it does, an earlier try came that far.
    site.key
        .write(STATE, crate::samples::tfstate("l", 1), None)
        .expect_status(200);
    site.transfer(Some(&key)).ok().says("team/app: here");
}

fn an_old_server_that_does_not_answer_once_is_not_another_product(program: &Program) {
    // What begins the move there, and what is asked first.
    for (words, goes_on) in [("/transfer ", false), ("/lock ", true)] {
        let (site, other) = (Site::new(program), Server::start());
        let key = other.key("team", "writer");
        let between = Between::before(&other, words);
        let site = kept(
            site,
            &other.state(STATE).replace(other.url(), between.url()),
            &key,
        );
        assert_eq!(between.calls(), 0);
        if !goes_on {
            site.transfer(Some(&key))
                .fails()
                .says("could not be locked there")
                .says("Nothing was moved");
            site.server.admin().expect_never_written(STATE);
            assert_eq!(
                names(&other.admin().read(STATE).expect_status(200).json()),
                ["b"],
                "{words}"
            );
        }
        site.transfer(Some(&key)).ok().says("team/app: here");
        assert!(between.calls() > 1);
        assert_eq!(names(&site.expect_here()), ["b"]);
        other.admin().read(STATE).expect_problem(410, "transferred");
    }
}

fn an_old_server_without_credentials_is_known_all_the_same(program: &Program) {
    let (site, other) = (Site::new(program), Server::start());
    let key = other.key("team", "writer");
    let site = kept(site, &other.state(STATE), &key);
    site.transfer(None)
        .fails()
        .says("is another statekeep")
        .says("TF_HTTP_PASSWORD");
    site.server.admin().expect_never_written(STATE);
}

fn another_product_is_read_and_nothing_is_sent_to_it(program: &Program) {
    let state = json!({
        "version": 4, "terraform_version": "1.0.0", "serial": 3, "lineage": "theirs",
        "resources": [], "outputs": { "x": { "value": 1, "type": "number" } }
    });
    let (body, calls) = (state.to_string(), Arc::new(Mutex::new(Vec::new())));
    let noted = Arc::clone(&calls);
    let url = crate::cli::stub(move |head| {
        let line = head.lines().next().unwrap_or_default().to_owned();
        noted.lock().expect("calls").push(line.clone());
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["GET", "/state", _] => format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: \
                close\r\n\r\n{body}",
                body.len()
            ),
            ["HEAD", "/state", _] => format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: \
                close\r\n\r\n",
                body.len()
            ),
            _ => "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: \
                close\r\n\r\n"
                .to_owned(),
        }
    });
    let site = Site::new(program).write("main.tf", "output \"x\" {\n  value = 1\n}\n");
    let site = Site {
        module: site
            .module
            .backend(&Backend::unlocked(&format!("{url}/state"))),
        ..site
    };
    site.module.init().ok();
    std::fs::remove_file(site.module.dir().join("backend.tf")).expect("the block");
    site.transfer(Some(&site.key))
        .ok()
        .says("still has its copy")
        .says("team/app: here");
    assert_eq!(site.expect_here()["lineage"], "theirs");
    let calls = calls.lock().expect("calls");
    assert!(
        calls
            .iter()
            .all(|line| line.starts_with("GET ") || line.starts_with("HEAD ")),
        "{calls:?}"
    );
    assert!(
        calls
            .iter()
            .any(|line| line.starts_with("GET /state/lock ")),
        "the control: {calls:?}"
    );
}
