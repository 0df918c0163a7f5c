//! This server by another name is this server: nothing moves to itself, and another state of it is
//! another state.

use super::*;
use crate::harness::state_path;
use crate::samples::tfstate;

fn block(address: &str) -> String {
    format!("terraform {{\n  backend \"http\" {{\n    address = \"{address}\"\n  }}\n}}\n")
}

/// Other spellings of the state's address on this server.
fn spellings(site: &Site) -> Vec<String> {
    let port = site
        .server
        .address()
        .rsplit(':')
        .next()
        .expect("a port")
        .to_owned();
    let path = state_path(STATE);
    let mut all: Vec<String> = ["localhost", "LOCALHOST", "127.1", "2130706433"]
        .iter()
        .map(|host| format!("http://{host}:{port}{path}"))
        .collect();
    all.push(format!(
        "http://127.0.0.1:{port}{}",
        path.replace("team", "t%65am")
    ));
    all.push(format!(
        "http://127.0.0.1:{port}{}",
        path.replace("buildingblock", "BuildingBlock")
            .replace("/api", "/%61pi")
    ));
    all.push(format!("http://localhost:{port}{path}?x=1"));
    all.push(format!("http://someone:secret@localhost:{port}{path}"));
    if std::net::TcpStream::connect(format!("[::ffff:127.0.0.1]:{port}")).is_ok() {
        all.push(format!("http://[::ffff:127.0.0.1]:{port}{path}"));
        all.push(format!("http://[0:0:0:0:0:FFFF:7f00:1]:{port}{path}"));
    }
    all
}

#[test]
fn this_state_by_another_name_gets_a_token_and_stays() {
    let site = Site::new();
    site.server
        .admin()
        .write(STATE, tfstate("l1", 1), None)
        .expect_status(200);
    for address in spellings(&site) {
        site.write("main.tf", &block(&address));
        for words in [&["apply"][..], &["plan"], &["state", "list"]] {
            let _ = std::fs::remove_file(site.tool("calls"));
            let terraform = site.terraform();
            let said = stderr(&site.ok(&mut site.command(
                &["--transfer", "now"],
                &[&[terraform.as_str()], words].concat(),
            )));
            assert!(
                said.is_empty() && site.calls() == [words.join(" ")],
                "{address}: {said}"
            );
            assert!(
                site.variable("TF_HTTP_PASSWORD")
                    .is_some_and(|token| token.starts_with("skt_")),
                "{address}"
            );
        }
    }
    site.server.admin().read(STATE).expect_status(200);
    assert!(site.server.admin().events("kind=transfer.*").is_empty());
}

#[test]
fn another_state_of_this_server_is_told_and_nothing_moves() {
    let site = Site::new();
    site.server
        .admin()
        .write(STATE, tfstate("l1", 1), None)
        .expect_status(200);
    for address in [
        site.server.state("team/two"),
        site.server
            .state("team/two")
            .replace("127.0.0.1", "localhost"),
    ] {
        site.write("main.tf", &block(&address));
        let said = stderr(&site.ok(&mut site.apply()));
        assert!(
            said.contains("which is the state team/two on this server, and not team/net"),
            "{said}"
        );
        assert_eq!(site.variable("TF_HTTP_PASSWORD"), None);
        site.refused(
            &mut site.command(&["--transfer", "now"], &[&site.terraform(), "apply"]),
            1,
            "statekeep state move team/net NEW",
        );
    }
    site.write(
        "main.tf",
        &block(&format!(
            "{}/api/terraform/state/elsewhere",
            site.server.url().replace("127.0.0.1", "localhost")
        )),
    );
    assert!(stderr(&site.ok(&mut site.apply())).contains("no address of a state on this server"));
    site.server.admin().read(STATE).expect_status(200);
    assert!(site.server.admin().events("kind=transfer.*").is_empty());
}

#[test]
fn another_server_is_another_and_gets_no_secret() {
    let site = Site::new();
    let other = Server::start();
    site.write("main.tf", &block(&other.state(STATE)));
    let said = stderr(
        &site.ok(&mut site.command(&["--transfer", "never"], &[&site.terraform(), "apply"])),
    );
    assert!(
        said.contains("so the state goes there and the command runs as it is"),
        "{said}"
    );
    assert_eq!(site.variable("TF_HTTP_PASSWORD"), None);
    let log = other.stop_and_log();
    assert!(
        log.contains("\"method\":\"HEAD\"") && !log.contains("skp_") && !log.contains("skt_"),
        "{log}"
    );
}

#[test]
fn what_does_not_answer_gets_no_state() {
    let site = Site::new();
    site.server
        .admin()
        .write(STATE, tfstate("l1", 1), None)
        .expect_status(200);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address");
    site.write(
        "main.tf",
        &block(&format!("http://{nobody}{}", state_path(STATE))),
    );
    site.record_of(
        &serde_json::json!({ "address": format!("http://{nobody}{}", state_path(STATE)) }),
    );
    site.refused(&mut site.apply(), 1, "it is unknown whether");
    site.server.admin().read(STATE).expect_status(200);
    site.server
        .admin()
        .get(&format!("{}/lock", state_path(STATE)))
        .expect_problem(404, "no_lock");
    assert!(site.server.admin().events("kind=transfer.*").is_empty());
}

#[test]
fn configure_says_ours_whatever_its_name() {
    let site = Site::new();
    let module = site.path("").to_str().expect("UTF-8").to_owned();
    let result = |address: &str| {
        site.write("main.tf", &block(address));
        let base = [
            "configure",
            &module,
            "--workspace",
            "team",
            "--building-block",
            "net",
            "--format",
            "json",
            "--url",
            site.server.url(),
        ];
        let output = statekeep(&base).output().expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        answer["result"].as_str().expect("a word").to_owned()
    };
    for address in spellings(&site) {
        assert_eq!(result(&address), "ours", "{address}");
    }
    assert_eq!(
        result(
            &site
                .server
                .state("team/two")
                .replace("127.0.0.1", "localhost")
        ),
        "configured"
    );
    assert_eq!(result(&Server::start().state(STATE)), "configured");
    assert!(!site.path(FILE).exists());
}
